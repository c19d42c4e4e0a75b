//! Why could an answer not be read in which something must be looked for, and what is to be done?

use std::borrow::Cow;

use bartizan_core::audit::told;
use bartizan_core::refusal::{Refusal, Upstream};
use http::{HeaderMap, HeaderName, header};

/// What an operator can do about an answer in which personal data cannot be looked for.
const REMEDY: &str = "let the upstream answer so, or give what it serves an endpoint of its own \
                      with `pii: { response: { detect: [] } }`";

/// The most of a header field that is told, in characters.
const MAX_TOLD: usize = 100;

/// Withholds an answer with these headers; `mcp` where its protocol asks for what can be read.
pub(super) fn refusal(headers: &HeaderMap, mcp: bool) -> Refusal {
    let coding = field(headers, &header::CONTENT_ENCODING).filter(|coding| coding != "identity");
    let said = match (coding, media(headers)) {
        (Some(coding), _) => format!("it is encoded (`{coding}`)"),
        (None, Some(media)) => format!("its media type is `{media}`"),
        (None, None) => "it names several media types".into(),
    };
    let why = match mcp {
        true => format!("{said}, and servers of MCP answer in plain JSON or events"),
        false => format!(
            "{said}, and `pii.response` can look into plain JSON, text, forms and events alone: \
             {REMEDY}"
        ),
    };
    Refusal::Upstream(Upstream::Unreadable(why.into()))
}

/// Withholds an answer of more than `max` bytes, which had to be read whole.
pub(super) fn too_large(max: usize) -> Upstream {
    let why = format!(
        "it has more than {max} bytes, and `pii.response`, hooks and protocols read it whole: let \
         the upstream answer in parts or as a stream"
    );
    Upstream::Unreadable(why.into())
}

/// The media type as it was said; `None` where there is more than one.
fn media(headers: &HeaderMap) -> Option<String> {
    let single = headers.get_all(header::CONTENT_TYPE).iter().count() == 1;
    field(headers, &header::CONTENT_TYPE).filter(|_| single)
}

/// What an upstream says of itself may be long, and may hold what a log must not.
fn field(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    let text = told::instead(&text).map_or(text, Cow::Owned);
    let plain = text.chars().map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c });
    Some(plain.take(MAX_TOLD).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &[(HeaderName, &str)], mcp: bool) -> String {
        let fields = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        refusal(&fields.collect(), mcp).to_string()
    }

    #[test]
    fn the_operator_learns_which_media_type_it_was_and_what_to_do() {
        let told = told(&[(header::CONTENT_TYPE, "application/pdf")], false);
        assert!(told.contains("its media type is `application/pdf`"), "{told}");
        assert!(told.contains("an endpoint of its own"), "{told}");
    }

    #[test]
    fn a_coding_is_told_before_the_type_that_it_hides() {
        let fields = [(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_ENCODING, "br")];
        assert!(told(&fields, false).contains("it is encoded (`br`)"));
        assert!(told(&fields, true).contains("servers of MCP"));
    }

    #[test]
    fn what_an_upstream_says_of_its_type_tells_of_nobody() {
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            let told = told(&[(name, "application/ann@example.org")], false);
            assert!(!told.contains("ann@"), "{told}");
        }
    }

    #[test]
    fn what_an_upstream_says_of_its_type_is_bounded() {
        let long = "x/".repeat(4000);
        assert!(told(&[(header::CONTENT_TYPE, &long)], false).len() < 500);
    }
}
