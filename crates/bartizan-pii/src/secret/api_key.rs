//! Is this a key of a service? Most services give their keys a prefix, so that they can be found.

use super::is_token;
use crate::{End, Peek, Run, Window, window::is_word};

pub(crate) const MAX_LEN: usize = 48;

/// A prefix, and what must follow before it is believed.
struct Prefix {
    text: &'static str,
    /// How many bytes of the alphabet must follow the prefix.
    least: usize,
    alphabet: fn(u8) -> bool,
    /// Exactly so many follow; otherwise the key goes on for as long as its alphabet does.
    exact: bool,
    /// Words begin like this, too: what follows must not look like words.
    ambiguous: bool,
}

const fn at_least(text: &'static str, least: usize) -> Prefix {
    Prefix { text, least, alphabet: is_token, exact: false, ambiguous: false }
}

const fn exactly(text: &'static str, least: usize, alphabet: fn(u8) -> bool) -> Prefix {
    Prefix { text, least, alphabet, exact: true, ambiguous: false }
}

const fn ambiguous(text: &'static str, least: usize) -> Prefix {
    Prefix { ambiguous: true, ..at_least(text, least) }
}

/// All of the prefixes.
pub(crate) const PREFIXES: &[&str] = &[
    "GOCSPX-",
    "btz_",
    "dop_v1_",
    "hf_",
    "npm_",
    "pypi-",
    "whsec_",
    "AKIA",
    "ASIA",
    "ABIA",
    "AIza",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gsk_",
    "rk_live_",
    "rk_test_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "shpat_",
    "xai-",
    "xoxa-",
    "xoxb-",
    "xoxe-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
];

fn is_upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// The prefixes that begin with a byte.
fn prefixes(first: u8) -> &'static [Prefix] {
    match first {
        b'A' => &AMAZON_AND_GOOGLE,
        b'G' => const { &[at_least("GOCSPX-", 24)] }, // Google, client secret
        b'b' => const { &[at_least("btz_", 16)] },    // Bartizan
        b'd' => const { &[at_least("dop_v1_", 40)] }, // DigitalOcean
        b'g' => &GIT_AND_GROQ,
        b'h' => const { &[at_least("hf_", 30)] }, // Hugging Face
        b'n' => const { &[at_least("npm_", 36)] }, // npm
        b'p' => const { &[ambiguous("pypi-", 16)] }, // PyPI
        b'r' => &STRIPE_RESTRICTED,
        b's' => &SECRET_KEYS,
        b'w' => const { &[at_least("whsec_", 24)] }, // Stripe, webhook
        b'x' => &SLACK_AND_X,
        _ => &[],
    }
}

static AMAZON_AND_GOOGLE: [Prefix; 4] = [
    exactly("AKIA", 16, is_upper_or_digit), // Amazon Web Services, access key
    exactly("ASIA", 16, is_upper_or_digit), // Amazon Web Services, temporary
    exactly("ABIA", 16, is_upper_or_digit), // Amazon Web Services, bearer
    at_least("AIza", 35),                   // Google
];

static GIT_AND_GROQ: [Prefix; 8] = [
    at_least("ghp_", 36),        // GitHub, personal
    at_least("gho_", 36),        // GitHub, OAuth
    at_least("ghu_", 36),        // GitHub, user to server
    at_least("ghs_", 36),        // GitHub, server to server
    at_least("ghr_", 36),        // GitHub, refresh
    at_least("github_pat_", 22), // GitHub, fine-grained
    at_least("glpat-", 20),      // GitLab
    at_least("gsk_", 20),        // Groq
];

static STRIPE_RESTRICTED: [Prefix; 2] = [at_least("rk_live_", 20), at_least("rk_test_", 20)];

static SECRET_KEYS: [Prefix; 4] = [
    ambiguous("sk-", 20),     // OpenAI, Anthropic and many who took after them
    at_least("sk_live_", 20), // Stripe
    at_least("sk_test_", 20), // Stripe
    at_least("shpat_", 32),   // Shopify
];

static SLACK_AND_X: [Prefix; 7] = [
    at_least("xai-", 32),  // xAI
    at_least("xoxa-", 16), // Slack, and so are all below
    at_least("xoxb-", 16),
    at_least("xoxe-", 16),
    at_least("xoxp-", 16),
    at_least("xoxr-", 16),
    at_least("xoxs-", 16),
];

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
    if window.count(at, prefix.least, prefix.alphabet)? < prefix.least
        || (prefix.ambiguous && !is_mixed(window, at, established))
    {
        return Ok(None);
    }
    if !prefix.exact {
        return Ok(Some(End::Open(established, Run::Token)));
    }
    Ok((!window.is(established, is_word)?).then_some(End::At(established)))
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
        let mut all = (0..=u8::MAX).flat_map(prefixes);
        assert!(all.all(|prefix| prefix.text.len() + prefix.least < MAX_LEN));
    }

    #[test]
    fn every_prefix_stands_where_its_first_byte_is_looked_up() {
        for first in 0..=u8::MAX {
            for prefix in prefixes(first) {
                assert_eq!(prefix.text.as_bytes()[0], first, "{}", prefix.text);
                assert!(PREFIXES.contains(&prefix.text), "{}", prefix.text);
            }
        }
    }
}
