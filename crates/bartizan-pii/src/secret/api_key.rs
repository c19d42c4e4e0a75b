//! Is this a key of a service? Most services give their keys a prefix, so that they can be found.
//!
//! Where a key ends with a checksum of its own it is not asked for: a key with a typing mistake, or
//! cut short, still tells too much.

use super::is_token;
use crate::{End, Peek, Run, Window, window::is_word};

pub(crate) const MAX_LEN: usize = 72;

/// A prefix, and what must follow before it is believed.
struct Prefix {
    text: &'static str,
    /// How many bytes of the alphabet must follow the prefix.
    least: usize,
    /// How the key goes on; `None` where exactly so many capitals and digits follow.
    run: Option<Run>,
    /// Words begin like this, too: what follows must not look like words.
    ambiguous: bool,
}

const fn at_least(text: &'static str, least: usize) -> Prefix {
    Prefix { text, least, run: Some(Run::Token), ambiguous: false }
}

/// Single dots may stand in it.
const fn dotted(text: &'static str, least: usize) -> Prefix {
    Prefix { text, least, run: Some(Run::Dotted), ambiguous: false }
}

const fn exactly(text: &'static str, least: usize) -> Prefix {
    Prefix { text, least, run: None, ambiguous: false }
}

const fn ambiguous(text: &'static str, least: usize) -> Prefix {
    Prefix { ambiguous: true, ..at_least(text, least) }
}

/// By first byte, the longer before the shorter where one begins like another.
const TABLE: &[Prefix] = &[
    exactly("ABIA", 16),              // Amazon Web Services, bearer
    at_least("ABSK", 60),             // Amazon Bedrock
    exactly("ACCA", 16),              // Amazon Web Services, context
    at_least("AGE-SECRET-KEY-1", 50), // age
    at_least("AIza", 35),             // Google
    at_least("AKCp", 60),             // JFrog
    exactly("AKIA", 16),              // Amazon Web Services, access key
    exactly("ASIA", 16),              // Amazon Web Services, temporary
    at_least("ATATT3", 40),           // Atlassian
    at_least("ATBB", 28),             // Bitbucket
    at_least("ATCTT3", 40),           // Atlassian, for pipelines
    at_least("CFPAT-", 40),           // Contentful
    at_least("CLOJARS_", 56),         // Clojars
    at_least("EZAK", 50),             // EasyPost
    at_least("EZTK", 50),             // EasyPost, test
    at_least("FLWSECK", 13),          // Flutterwave
    at_least("GOCSPX-", 24),          // Google, client secret
    at_least("GR1348941", 20),        // GitLab, registration of runners
    at_least("HRKU-", 36),            // Heroku
    at_least("LTAI", 18),             // Alibaba Cloud
    at_least("PMAK-", 50),            // Postman
    dotted("SG.", 60),                // SendGrid
    at_least("api_org_", 30),         // Hugging Face, organisation
    at_least("apify_api_", 30),       // Apify
    at_least("btz_", 16),             // Bartizan
    at_least("dapi", 32),             // Databricks
    at_least("dckr_pat_", 24),        // Docker
    at_least("doo_v1_", 40),          // DigitalOcean, OAuth
    at_least("dop_v1_", 40),          // DigitalOcean
    at_least("dor_v1_", 40),          // DigitalOcean, refresh
    dotted("dp.pt.", 40),             // Doppler
    dotted("dt0c01.", 24),            // Dynatrace
    at_least("duffel_live_", 40),     // Duffel
    at_least("duffel_test_", 40),
    at_least("figd_", 36),  // Figma
    at_least("fio-u-", 48), // Frame.io
    at_least("fm2_", 48),   // Fly.io
    at_least("fo1_", 40),
    at_least("github_pat_", 22), // GitHub, fine-grained
    at_least("gho_", 36),        // GitHub, OAuth
    at_least("ghp_", 36),        // GitHub, personal
    at_least("ghr_", 36),        // GitHub, refresh
    at_least("ghs_", 36),        // GitHub, server to server
    at_least("ghu_", 36),        // GitHub, user to server
    at_least("glagent-", 40),    // GitLab, and so are those with gl and a hyphen below
    at_least("glc_", 32),        // Grafana Cloud
    at_least("glcbt-", 20),
    at_least("gldt-", 20),
    at_least("glffct-", 20),
    at_least("glft-", 20),
    at_least("glimt-", 20),
    at_least("gloas-", 40),
    at_least("glpat-", 20),
    at_least("glptt-", 36),
    at_least("glrt-", 20),
    at_least("glsa_", 36), // Grafana
    at_least("glsoat-", 20),
    at_least("gsk_", 20),          // Groq
    at_least("hf_", 30),           // Hugging Face
    dotted("hvb.", 60),            // HashiCorp Vault, batch
    dotted("hvs.", 60),            // HashiCorp Vault
    at_least("ico-", 32),          // Infracost
    at_least("jina_", 40),         // Jina
    at_least("lin_api_", 36),      // Linear
    at_least("lsv2_", 32),         // LangSmith
    at_least("nfp_", 36),          // Netlify
    at_least("npm_", 36),          // npm
    at_least("ntn_", 40),          // Notion
    at_least("nvapi-", 40),        // NVIDIA
    at_least("ops_eyJ", 60),       // 1Password
    ambiguous("pcsk_", 40),        // Pinecone
    at_least("phx_", 32),          // PostHog
    at_least("pnu_", 32),          // Prefect
    at_least("pplx-", 40),         // Perplexity
    at_least("pscale_oauth_", 32), // PlanetScale
    at_least("pscale_pw_", 32),
    at_least("pscale_tkn_", 32),
    at_least("pul-", 40),     // Pulumi
    ambiguous("pypi-", 16),   // PyPI
    at_least("r8_", 36),      // Replicate
    at_least("rdme_", 60),    // ReadMe
    at_least("rk_live_", 20), // Stripe, restricted
    at_least("rk_test_", 20),
    at_least("rubygems_", 40),    // RubyGems
    at_least("sbp_", 36),         // Supabase
    at_least("sgp_", 40),         // Sourcegraph
    at_least("shippo_live_", 36), // Shippo
    at_least("shippo_test_", 36),
    at_least("shpat_", 32), // Shopify
    at_least("shpca_", 32),
    at_least("shppa_", 32),
    at_least("shpss_", 32),
    ambiguous("sk-", 20),     // OpenAI, Anthropic and many who took after them
    at_least("sk_live_", 20), // Stripe
    at_least("sk_prod_", 20),
    at_least("sk_test_", 20),
    at_least("sntrys_", 40), // Sentry
    at_least("sntryu_", 60),
    at_least("sq0atp-", 22), // Square
    at_least("sq0csp-", 40),
    at_least("tskey-", 20),   // Tailscale
    at_least("tvly-", 28),    // Tavily
    at_least("whsec_", 24),   // Stripe, webhook
    at_least("xai-", 32),     // xAI
    at_least("xapp-", 24),    // Slack, and so are those with xox below
    at_least("xkeysib-", 60), // Brevo
    at_least("xoxa-", 16),
    at_least("xoxb-", 16),
    at_least("xoxc-", 16),
    at_least("xoxd-", 16),
    at_least("xoxe-", 16),
    at_least("xoxp-", 16),
    at_least("xoxr-", 16),
    at_least("xoxs-", 16),
    dotted("ya29.", 40), // Google, access
];

/// A key of one alphabet is so long at least, with its prefix: fewer words are, than begin like one.
pub(crate) const MIN_LEN: u8 = 20;

/// The prefixes of the others.
pub(crate) const DOTTED: &[&str] = &["SG.", "dp.pt.", "dt0c01.", "hvb.", "hvs.", "ya29."];

/// For every byte, where in the table the prefixes stand that begin with it.
static BY_FIRST: [(u8, u8); 256] = {
    let mut ranges = [(0, 0); 256];
    let mut slots: &mut [(u8, u8)] = &mut ranges;
    let mut byte = 0_u8;
    while let [slot, free @ ..] = slots {
        let (mut rows, mut place) = (TABLE, 0_u8);
        while let [row, more @ ..] = rows {
            if let [first, ..] = row.text.as_bytes()
                && *first == byte
            {
                *slot = (if slot.1 == 0 { place } else { slot.0 }, place + 1);
            }
            (rows, place) = (more, place + 1);
        }
        byte = byte.wrapping_add(1);
        slots = free;
    }
    ranges
};

/// The prefixes that begin with a byte.
fn prefixes(first: u8) -> &'static [Prefix] {
    let (from, to) = BY_FIRST.get(usize::from(first)).copied().unwrap_or_default();
    TABLE.get(usize::from(from)..usize::from(to)).unwrap_or_default()
}

pub(crate) fn starts(byte: u8) -> bool {
    !prefixes(byte).is_empty()
}

pub(crate) fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(is_word) {
        return Ok(None);
    }
    let Some(first) = window.byte(at)? else { return Ok(None) };
    for prefix in prefixes(first) {
        if window.starts_with(at, prefix.text.as_bytes())? {
            return follow(window, at + prefix.text.len(), prefix);
        }
    }
    Ok(None)
}

fn follow(window: &Window<'_>, at: usize, prefix: &Prefix) -> Peek<Option<End>> {
    let established = at + prefix.least;
    let inside = |b: u8| match prefix.run {
        None => b.is_ascii_uppercase() || b.is_ascii_digit(),
        Some(Run::Dotted) => is_token(b) || b == b'.',
        Some(_) => is_token(b),
    };
    if window.count(at, prefix.least, inside)? < prefix.least
        || (prefix.ambiguous && !is_mixed(window, at, established))
    {
        return Ok(None);
    }
    match prefix.run {
        Some(run) => Ok(Some(End::Open(established, run))),
        None => Ok((!window.is(established, is_word)?).then_some(End::At(established))),
    }
}

/// A key has digits, or capitals among small letters; `sk-learn-contrib-and-friends` has neither.
fn is_mixed(window: &Window<'_>, at: usize, end: usize) -> bool {
    let bytes = window.bytes().get(at..end).unwrap_or_default();
    bytes.iter().any(u8::is_ascii_digit)
        || (bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_asks_for_more_than_the_stated_length() {
        assert!(TABLE.iter().all(|prefix| prefix.text.len() + prefix.least < MAX_LEN));
    }

    #[test]
    fn every_prefix_has_an_anchor() {
        for Prefix { text, least, .. } in TABLE {
            let dotted = text.contains('.');
            assert_eq!(dotted, DOTTED.contains(text), "{text}");
            assert!(dotted || text.len() + least >= usize::from(MIN_LEN), "{text}");
        }
    }

    #[test]
    fn every_prefix_is_reached() {
        assert!(TABLE.is_sorted_by_key(|prefix| prefix.text.as_bytes()[0]));
        for (place, prefix) in TABLE.iter().enumerate() {
            let first = prefix.text.as_bytes()[0];
            assert!(
                prefixes(first).iter().any(|other| other.text == prefix.text),
                "{}",
                prefix.text
            );
            let hidden = TABLE.iter().take(place).any(|other| prefix.text.starts_with(other.text));
            assert!(!hidden, "{} stands behind a beginning of it", prefix.text);
        }
    }

    #[test]
    fn keys_of_every_service_are_found_and_words_like_them_are_not() {
        for prefix in TABLE {
            let body: String = "A1B2C3D4E5".chars().cycle().take(prefix.least).collect();
            let key = format!("{}{body}", prefix.text);
            let found = check(&Window::whole(key.as_bytes()), 0);
            assert!(matches!(found, Ok(Some(_))), "{key}");
            let short = format!("{}A1B2", prefix.text);
            assert_eq!(check(&Window::whole(short.as_bytes()), 0), Ok(None), "{short}");
        }
    }
}
