//! Is the address of a resource spelled in the one way in which everybody reads it?
//!
//! Servers take addresses apart before they look: `new URL("file:///public/../secret")` is
//! `file:///secret`. A right is decided by the text, so only a text passes that is its own reading:
//! the normal form of RFC 3986 (section 6.2.2), which the URL Standard of WHATWG leaves as it is.

use std::net::Ipv4Addr;

/// Schemes that WHATWG reads in ways of their own, with the port that goes without saying.
const SPECIAL: [(&str, Option<&str>); 6] = [
    ("file", None),
    ("ftp", Some("21")),
    ("http", Some("80")),
    ("https", Some("443")),
    ("ws", Some("80")),
    ("wss", Some("443")),
];

/// Whether it is. In a template (RFC 6570) braces stand for what will be put in.
pub(super) fn is_normal(uri: &str, template: bool) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
            || template && b"{}".contains(&byte)
    };
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    uri.bytes().all(allowed)
        && is_scheme(scheme)
        && is_encoded_where_it_must_be(uri)
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && SPECIAL
            .iter()
            .find(|(name, _)| *name == scheme)
            .is_none_or(|(_, port)| is_special(path, *port, scheme == "file"))
}

fn is_scheme(scheme: &str) -> bool {
    let rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.bytes().all(rest)
}

/// A letter that is encoded, or a slash, is one to those who decode first.
fn is_encoded_where_it_must_be(uri: &str) -> bool {
    uri.split('%').skip(1).all(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/\\".contains(&byte);
        rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit())
            && byte.is_some_and(|byte| !plain(byte) && !byte.is_ascii_control())
    })
}

/// What stands behind the colon of a scheme that WHATWG knows: a host in small letters, a port only
/// where it is another one, and a path.
fn is_special(rest: &str, usual: Option<&str>, file: bool) -> bool {
    let Some((authority, _path)) = rest.strip_prefix("//").and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let number = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    let port = port.is_none_or(|port| !file && Some(port) != usual && number(port));
    if file && host.is_empty() {
        return port;
    }
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let numeric =
        host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    let sound = !host.is_empty() && !host.ends_with('.') && host.bytes().all(letter);
    port && sound
        && (!numeric || host.parse::<Ipv4Addr>().is_ok())
        && !(file && host == "localhost")
}

#[cfg(test)]
mod tests {
    use super::is_normal;

    #[test]
    fn an_address_that_servers_read_as_another_is_none() {
        for uri in [
            "file:///public/../secret/plan.txt",
            "file:///public/%2e%2e/secret",
            "file:///public/.%2E/secret",
            "file:///public/..",
            "file:///public/./a",
            "file:///public\\..\\secret",
            "file:///public/.\t./secret",
            "FILE:///secret/x",
            "file:/secret/x",
            "file:secret",
            " file:///secret/x",
            "file:///secret/x ",
            "file://localhost/secret/x",
            "file:///%73ecret/x",
            "file:///public/%2Fsecret",
            "file:///public/%5c..%5csecret",
            "file:///a%zz",
            "file:///a%",
            "file:///caf\u{e9}",
            "https://INTRA.example/x",
            "https:intra.example/x",
            "https:///intra.example/x",
            "https://intra.example",
            "https://intra.example:443/x",
            "https://intra.example:0443/x",
            "https://ann@intra.example/x",
            "https://intra.example./x",
            "https://0x7f.1/x",
            "https://127.1/x",
            "no address",
            "",
        ] {
            assert!(!is_normal(uri, false), "{uri}");
        }
    }

    #[test]
    fn what_servers_have_is_taken_as_it_is() {
        for uri in [
            "file:///public/plan.txt",
            "file:///c:/plan.txt",
            "file:///my%20plans/a%C3%A9.txt",
            "file://server/share/a",
            "https://intra.example/x?a=../b#c",
            "https://intra.example:8443/",
            "https://127.0.0.1/x",
            "demo://resource/static/document/a.md",
            "test://static/resource/1",
            "postgres://db/customers/schema",
            "screen://localhost/display1",
            "urn:isbn:0451450523",
            "memo:insights",
        ] {
            assert!(is_normal(uri, false), "{uri}");
        }
        assert!(is_normal("demo://resource/dynamic/text/{id}", true));
        assert!(!is_normal("demo://resource/dynamic/text/{id}", false));
    }
}
