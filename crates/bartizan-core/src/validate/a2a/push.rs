//! Where may an agent send notifications? Only to hosts that the operator has listed.
//!
//! The agent sends them itself, past the gate; so the gate says where to, or nobody does.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use crate::authorize::named;

/// A host that may be notified, as it is written: `hooks.example.com`, `*.example.com:8443`,
/// `http://127.0.0.1:9000`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushHost {
    plain: bool,
    host: Arc<str>,
    /// Where another than the scheme's own.
    port: Option<u16>,
}

impl PushHost {
    /// Reads what is written; `None` where it is no host. TLS is asked for unless `http://` stands
    /// before it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (plain, rest) = match text.split_once("://") {
            Some(("http", rest)) => (true, rest),
            Some(("https", rest)) => (false, rest),
            Some(_) => return None,
            None => (false, text),
        };
        let bare = rest.rsplit_once(']').map_or(rest, |(_, behind)| behind);
        let (host, port) = match bare.rsplit_once(':') {
            Some((_, port)) => {
                (rest.strip_suffix(port)?.strip_suffix(':')?, Some(port.parse().ok()?))
            }
            None => (rest, None),
        };
        let plausible = |byte: u8| byte.is_ascii_alphanumeric() || b"-.*_[]:".contains(&byte);
        let sound = !host.is_empty() && host.bytes().all(plausible);
        sound.then(|| Self { plain, host: host.to_ascii_lowercase().into(), port })
    }

    fn fits(&self, scheme: &Scheme, host: &str, port: Option<u16>) -> bool {
        let usual = if self.plain { 80 } else { 443 };
        let wanted = if self.plain { &Scheme::HTTP } else { &Scheme::HTTPS };
        let named = match self.host.contains('*') {
            true => is_public_name(host) && named::fits(&self.host, host),
            false => *self.host == *host,
        };
        named && scheme == wanted && port.unwrap_or(usual) == self.port.unwrap_or(usual)
    }
}

/// The target as the agent is told it, if notifications may go there. It is written anew, so that
/// the agent reads in it what was read here.
pub(super) fn target(url: &str, hosts: &[PushHost]) -> Option<String> {
    let odd = |byte: u8| !byte.is_ascii_graphic() || b"@\\#".contains(&byte);
    if url.len() > 2048 || url.bytes().any(odd) {
        return None;
    }
    let uri: Uri = url.parse().ok()?;
    let (scheme, authority) = (uri.scheme()?, uri.authority()?);
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if !hosts.iter().any(|allowed| allowed.fits(scheme, host, authority.port_u16())) {
        return None;
    }
    let port = authority.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    Some(format!("{scheme}://{host}{port}{rest}"))
}

/// Whether a pattern may stand for it: no address, no name that means something only inside of a
/// network.
fn is_public_name(host: &str) -> bool {
    let Some((_, top)) = host.rsplit_once('.') else { return false };
    // No name of the root zone has a digit in it but those that stand for other letters.
    let named = top.len() > 1
        && (top.starts_with("xn--") || top.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..64).contains(&label.len()) && label.bytes().all(plain)
    };
    named && host.len() < 254 && host.split('.').all(label) && !INNER.contains(&top)
}

/// What ends the names that are not of the Internet: the registry of RFC 6761, what was set aside for
/// private use, and what clusters and resolvers use all the same.
const INNER: [&str; 20] = [
    "alt",
    "arpa",
    "cluster",
    "consul",
    "corp",
    "docker",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "svc",
    "test",
    "workgroup",
];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn may(url: &str, hosts: &[&str]) -> bool {
        let hosts: Vec<_> = hosts.iter().map(|host| PushHost::parse(host).unwrap()).collect();
        target(url, &hosts).is_some()
    }

    #[test]
    fn notifications_go_to_listed_hosts_and_nowhere_else() {
        let listed = ["hooks.example.com", "*.acme.example:8443", "http://127.0.0.1:9000"];
        for url in [
            "https://hooks.example.com/x?y=1",
            "https://HOOKS.example.com:443/",
            "https://a.b.acme.example:8443/x",
            "http://127.0.0.1:9000/x",
        ] {
            assert!(may(url, &listed), "{url}");
        }
        for url in [
            "http://hooks.example.com/",
            "https://hooks.example.com:8443/",
            "https://hooks.example.com.evil.example/",
            "https://evil.example/hooks.example.com",
            "https://hooks.example.com@evil.example/",
            "https://evil.example\\@hooks.example.com/",
            "https://evil.example#@hooks.example.com/",
            "https://a.acme.example/",
            "http://127.0.0.1:9001/",
            "https://127.0.0.1:9000/",
            "gopher://hooks.example.com/",
            "//hooks.example.com/",
            "hooks.example.com",
            "https://hooks.example.com /",
            "",
        ] {
            assert!(!may(url, &listed), "{url}");
        }
    }

    #[test]
    fn a_pattern_never_means_a_place_inside_of_a_network() {
        for url in [
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://127.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://localhost/",
            "https://db.internal/",
            "https://printer.local/",
            "https://localhost.localdomain/",
            "https://kubernetes.default.svc/",
            "https://kubernetes.default.svc.cluster.local/",
            "https://redis.service.consul/",
            "https://a.b,c.d/",
            "https://a..example.com/",
            "https://a.b!c.example/",
            "https://0x7f.0.0.0x1/",
        ] {
            assert!(!may(url, &["*"]), "{url}");
        }
        assert!(may("https://hooks.example.com/", &["*"]));
        assert!(may("https://a_b.xn--p1ai/", &["*"]));
        assert!(may("https://[fd00::1]/", &["[fd00::1]"]), "written by hand");
    }

    #[test]
    fn the_agent_is_told_what_was_read() {
        let hosts = [PushHost::parse("hooks.example.com").unwrap()];
        let told = target("https://Hooks.Example.com.:443/a?b", &hosts).unwrap();
        assert_eq!(told, "https://hooks.example.com:443/a?b");
    }
}
