//! From which address does the request come? The peer, or what a trusted proxy says of it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::decimal;

/// The address that limits count and the audit names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientAddress(IpAddr);

/// The proxies whose word on the client's address is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
}

/// The most entries of `X-Forwarded-For` that are read, from the right.
const MAX_HOPS: usize = 32;

impl Proxies {
    /// The networks in which trusted proxies stand.
    #[must_use]
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Whether `peer` is one of them.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|net| net.contains(&peer))
    }

    /// The right-most address that no trusted proxy has. Where the peer itself is not trusted,
    /// its headers say nothing. An entry that is no address ends the walk: behind it stands
    /// whatever the client wrote.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut nearest = peer.to_canonical();
        if !self.trusts(nearest) {
            return ClientAddress(nearest);
        }
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let entries = values.filter_map(|value| value.to_str().ok());
        for entry in entries.flat_map(|value| value.rsplit(',')).take(MAX_HOPS) {
            let Some(address) = address(entry.trim()) else { break };
            nearest = address;
            if !self.trusts(nearest) {
                break;
            }
        }
        ClientAddress(nearest)
    }
}

/// An entry of `X-Forwarded-For`, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|s| s.ip()));
    address.map(|a| a.to_canonical())
}

impl ClientAddress {
    /// The address itself.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// Appends the address as it is written.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.0 {
            IpAddr::V4(v4) => {
                for (place, octet) in v4.octets().into_iter().enumerate() {
                    if place > 0 {
                        out.push(b'.');
                    }
                    decimal::write(octet.into(), out);
                }
            }
            IpAddr::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
        }
    }

    /// What limits count by: an IPv4 address, or the /64 of an IPv6 one, which is what a single
    /// subscriber is given.
    #[must_use]
    pub fn bucket(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !(u128::MAX >> 64))),
        }
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_only_from_a_trusted_proxy() {
        assert_eq!(client("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.9, 10.0.0.2"]), "198.51.100.9");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.9"]), "198.51.100.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.9, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn one_subscriber_of_ipv6_has_one_bucket() {
        let bucket = |a: &str| ClientAddress::from(a.parse::<IpAddr>().unwrap()).bucket();
        assert_eq!(bucket("2001:db8:1:2:3::4"), bucket("2001:db8:1:2:ffff::"));
        assert_ne!(bucket("2001:db8:1:2::"), bucket("2001:db8:1:3::"));
        assert_eq!(bucket("::ffff:192.0.2.1").to_string(), "192.0.2.1");
    }
}
