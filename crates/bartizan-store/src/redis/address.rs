//! Where is Redis? Reads `redis://`, `redis+cluster://`, `redis+sentinel://`, each also as `rediss`.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use crate::login::{self, ENCODE, Login};

/// Where Redis is, and how to enter. Its `Display` shows no password.
#[derive(Clone, Debug)]
pub struct Address {
    /// How the primary is found among the nodes.
    pub(super) found: Found,
    /// Host and port of those that are written; one for a single server.
    pub(super) nodes: Vec<(String, u16)>,
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) database: i64,
    /// The hash tag of every key: which slot of a Cluster they are in.
    pub(super) tag: String,
}

/// How the server is found that may write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// It is the one that is written.
    There,
    /// It is the primary of the slot of the hash tag.
    BySlot,
    /// A Sentinel knows it under this name.
    BySentinel(String),
}

/// Why an address cannot be used. The address itself is not repeated: it may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

const FORMS: BadAddress = BadAddress(
    "write `redis://HOST:PORT/DB`, `redis+cluster://HOST:PORT,HOST:PORT` or \
     `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, with `rediss` for TLS and `USER:PASSWORD@` before the host",
);
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const TAG: &str = "bartizan";
const LONGEST_TAG: usize = 32;
const MOST_NODES: usize = 16;

impl Address {
    /// Whether a text is meant as an address of Redis.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.split(':').next().is_some_and(|scheme| {
            ["redis", "rediss"].contains(&scheme.split('+').next().unwrap_or_default())
        })
    }

    /// Reads an address: `redis://`, `redis+cluster://` or `redis+sentinel://`, with `rediss` for
    /// TLS. `?tag=NAME` sets the hash tag, default `bartizan`: gateways that share it share the
    /// counters.
    ///
    /// # Errors
    /// [`BadAddress`] says how to write it, without repeating what may hold a password.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(FORMS)?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => (false, kind),
            ("rediss", kind) => (true, kind),
            _ => return Err(FORMS),
        };
        let (login, _, rest) = login::apart(rest).ok_or(BadAddress(ENCODE))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (found, database, port) = match kind {
            "" => (Found::There, database(path)?, PORT),
            "cluster" if path.is_empty() => (Found::BySlot, 0, PORT),
            "cluster" => return Err(BadAddress("a Cluster has no databases: end with the port")),
            "sentinel" if path.is_empty() => {
                return Err(BadAddress("end with `/` and the name that the Sentinels watch"));
            }
            "sentinel" => (Found::BySentinel(name(path)?), 0, SENTINEL_PORT),
            _ => return Err(FORMS),
        };
        let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        if nodes.len() > MOST_NODES || (found == Found::There && nodes.len() > 1) {
            return Err(BadAddress(
                "a single server has one host, others at most 16: write `redis+cluster` or `redis+sentinel` for several",
            ));
        }
        let (user, password) = entry(login)?;
        Ok(Self { found, nodes, tls, user, password, database, tag: tag(query)? })
    }

    /// Whether everything goes over TLS or stays on this machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let local = |host: &str| {
            host == "localhost"
                || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        self.tls || self.nodes.iter().all(|(host, _)| local(host))
    }

    /// Whether a password is written.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        let secret = |address: &Self| {
            address.password.as_ref().map(|password| password.expose_secret().to_owned())
        };
        self.to_string() == other.to_string()
            && (&self.user, &self.tag) == (&other.user, &other.tag)
            && secret(self) == secret(other)
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.found {
            Found::There => "",
            Found::BySlot => "+cluster",
            Found::BySentinel(_) => "+sentinel",
        };
        write!(f, "redis{}{kind}://", if self.tls { "s" } else { "" })?;
        for (number, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{open}{host}{close}:{port}")?;
        }
        match &self.found {
            Found::BySentinel(name) => write!(f, "/{name}"),
            Found::There if self.database > 0 => write!(f, "/{}", self.database),
            Found::There | Found::BySlot => Ok(()),
        }
    }
}

fn database(path: &str) -> Result<i64, BadAddress> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match path {
        "" => Ok(0),
        _ if digits(path) => path.parse().map_err(|_| FORMS),
        _ => Err(BadAddress("what follows the port is the number of a database, as `/0`")),
    }
}

fn node(text: &str, port: u16) -> Result<(String, u16), BadAddress> {
    const BAD: BadAddress = BadAddress("a host is missing, or its port is no number");
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, written) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(BAD)?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let sound = match bracketed {
        Some(_) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    if !sound {
        return Err(BAD);
    }
    let port = written.map_or(Ok(port), |port| port.parse().map_err(|_| BAD))?;
    Ok((host.to_owned(), port))
}

fn entry(login: Login) -> Result<(Option<String>, Option<SecretString>), BadAddress> {
    let Login { user, password } = login;
    if password.is_none() && user.is_some() {
        return Err(BadAddress("a user needs a password: write `USER:PASSWORD@`"));
    }
    Ok((user, password.map(SecretString::from)))
}

fn tag(query: &str) -> Result<String, BadAddress> {
    if query.is_empty() {
        return Ok(TAG.to_owned());
    }
    let good = |tag: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        !tag.is_empty() && tag.len() <= LONGEST_TAG && tag.bytes().all(plain)
    };
    let tag = query.strip_prefix("tag=").filter(good);
    tag.map(str::to_owned).ok_or(BadAddress(
        "after `?` there is only `tag=NAME`: at most 32 letters, digits, `_` and `-`",
    ))
}

fn name(text: &str) -> Result<String, BadAddress> {
    const BAD: BadAddress =
        BadAddress("the name that the Sentinels watch is percent-encoded UTF-8, and holds no `/`");
    let name = login::is_sound(text).then(|| login::decoded(text)).flatten();
    name.filter(|name| !name.chars().any(char::is_control)).ok_or(BAD)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_all_of_itself_but_the_login() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("rediss://u:p%40ss@[::1]:7000/3?tag=blue", "rediss://[::1]:7000/3"),
            ("redis+cluster://a,b:1", "redis+cluster://a:6379,b:1"),
            ("rediss+sentinel://:pw@s1,s2:9/main", "rediss+sentinel://s1:26379,s2:9/main"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("p@ss"), "{address:?}");
        }
        let address = Address::parse("redis://u:p%40ss@h/0?tag=blue").unwrap();
        assert_eq!(address.password.unwrap().expose_secret(), "p@ss");
        assert_eq!((address.user.as_deref(), &*address.tag), (Some("u"), "blue"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_repeating_a_password() {
        for text in [
            "redis:h",
            "http://h",
            "redis+tls://h",
            "redis://",
            "redis://a,b",
            "redis://h:port",
            "redis://h/x",
            "redis://u@h",
            "redis+cluster://h/1",
            "redis+sentinel://h",
            "redis://u:geheim@h?tag={}",
            "redis://u:geheim@h?x=1",
            "redis://u:1/geheim@h",
            "redis+sentinel://u:a@geheim/b@h/main",
            "redis://u:1?tag=geheim@h",
            "redis://u:1#geheim@h",
            "redis://u:100%geheim@h",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("geheim") && !error.is_empty(), "{text}: {error}");
        }
        assert!(Address::is_meant("redis+foo://x") && !Address::is_meant("memory"));
    }

    #[test]
    fn only_tls_and_loopback_are_private() {
        let private = |text| Address::parse(text).unwrap().is_private();
        assert!(private("redis://127.0.0.1") && private("redis://[::1]") && private("rediss://h"));
        assert!(!private("redis://10.0.0.1") && !private("redis+cluster://127.0.0.1,h"));
    }
}
