//! What does `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME?…` name? Read strictly, before anybody else reads it.

use crate::login::{self, ENCODE};

/// An address that was understood: every letter of it is where it should be.
pub(super) struct Address<'a> {
    scheme: &'a str,
    /// As written, without the `@`.
    login: &'a str,
    hosts: Vec<&'a str>,
    /// The name, percent-encoded.
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

/// Why an address cannot be used. The address itself is not repeated: it may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

impl BadAddress {
    /// It is written in another way altogether.
    pub(super) const FORM: Self = Self("write `postgres://USER:PASSWORD@HOST:PORT/NAME`");
    const ATTRIBUTES: Self = Self(
        "a gateway writes to its database: `target_session_attrs` can only be `read-write` or `primary`",
    );
    const HOSTS: Self =
        Self("name one host, or at most 8 with commas between them, each with its port or without");
    const MODE: Self = Self(
        "`sslmode` is one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`",
    );
    const NAME: Self =
        Self("after the port comes `/` and the name of the database, percent-encoded");
    const PARAMETERS: Self = Self(
        "after `?` there are only `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host` (the folder \
         of a socket), `options`, `application_name`, `statement-cache-capacity` and \
         `target_session_attrs`, each with its value; a `?` in a password is written `%3F`",
    );
}

/// How many servers an address may name.
const MOST: usize = 8;
const MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl<'a> Address<'a> {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BadAddress`] says how to write it, without repeating what may be a password.
    pub(super) fn parse(url: &'a str) -> Result<Self, BadAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress::FORM)?;
        if !["postgres", "postgresql"].contains(&scheme) {
            return Err(BadAddress::FORM);
        }
        let (_, login, rest) = login::apart(rest).ok_or(BadAddress(ENCODE))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
        if name.contains(':') || !login::is_sound(name) || login::decoded(name).is_none() {
            return Err(BadAddress::NAME);
        }
        let hosts: Vec<&str> = hosts.split(',').collect();
        // One that is left out is this machine.
        let sound = hosts == [""] || hosts.iter().all(|host| is_host(host));
        if hosts.len() > MOST || !sound {
            return Err(BadAddress::HOSTS);
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(parameter).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            scheme,
            login,
            hosts,
            name,
            parameters: parameters.into_iter().flatten().collect(),
        })
    }

    /// An address for each of the hosts.
    pub(super) fn each(&self) -> Vec<String> {
        let at = if self.login.is_empty() { "" } else { "@" };
        let slash = if self.name.is_empty() { "" } else { "/" };
        let query: Vec<String> =
            self.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let Self { scheme, login, name, .. } = self;
        let one = |host: &&str| format!("{scheme}://{login}{at}{host}{slash}{name}{query}");
        self.hosts.iter().map(one).collect()
    }
}

/// A name, an address, or the folder of a socket, with its port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => ("", port),
        Some(_) => return false,
        None => {
            text.find(':').map_or((text, ""), |at| text.split_at_checked(at).unwrap_or((text, "")))
        }
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_folder = host.starts_with("%2F") || host.starts_with("%2f");
    let sound = if is_folder { login::is_sound(host) } else { host.bytes().all(is_name) };
    let port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let there = !host.is_empty() || text.starts_with('[');
    sound && port && there
}

/// One of the parameters that are known, and nothing for the one that says what is so anyway.
fn parameter(pair: &str) -> Result<Option<(&str, &str)>, BadAddress> {
    let (key, value) = pair.split_once('=').ok_or(BadAddress::PARAMETERS)?;
    let sound = !value.is_empty() && login::is_sound(&value.replace('/', ""));
    match key {
        "target_session_attrs" if ["read-write", "primary"].contains(&value) => Ok(None),
        "target_session_attrs" => Err(BadAddress::ATTRIBUTES),
        "sslmode" if MODES.contains(&value) => Ok(Some((key, value))),
        "sslmode" => Err(BadAddress::MODE),
        "statement-cache-capacity" if value.parse::<u16>().is_ok() => Ok(Some((key, value))),
        // Another host than the one that is written would be told, and asked for.
        "host" if sound && (value.starts_with('/') || value.starts_with("%2F")) => {
            Ok(Some((key, value)))
        }
        "sslrootcert" | "sslcert" | "sslkey" | "options" | "application_name" if sound => {
            Ok(Some((key, value)))
        }
        _ => Err(BadAddress::PARAMETERS),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn each(url: &str) -> Result<Vec<String>, BadAddress> {
        Address::parse(url).map(|address| address.each())
    }

    #[test]
    fn an_address_names_one_server_or_several() {
        for one in [
            "postgres://ann:a%2Cb@db.example:5433/money?sslmode=verify-full",
            "postgresql://localhost/x",
            "postgres://ann@%2Frun%2Fpostgresql/x",
            "postgres:///x?host=/run/postgresql&options=-c%20work_mem=1MB",
        ] {
            assert_eq!(each(one).unwrap(), [one]);
        }
        let several =
            "postgres://ann:pw@[::1]:1,b/money?target_session_attrs=read-write&sslmode=require";
        assert_eq!(
            each(several).unwrap(),
            [
                "postgres://ann:pw@[::1]:1/money?sslmode=require",
                "postgres://ann:pw@b/money?sslmode=require"
            ]
        );
        let standby = each("postgres://a,b/x?target_session_attrs=standby");
        assert_eq!(standby, Err(BadAddress::ATTRIBUTES));
        for wrong in ["postgres://a,,b/x", "postgres://a,/x", "postgres://1,2,3,4,5,6,7,8,9/x"] {
            assert_eq!(each(wrong), Err(BadAddress::HOSTS), "{wrong}");
        }
    }

    #[test]
    fn what_a_password_could_be_taken_for_is_refused() {
        for wrong in [
            "postgres://u:4711/geheim@127.0.0.1:1/x",
            "postgres://u:a@geheim/b@127.0.0.1/x",
            "postgres://u:4711?host=geheim&x=1@127.0.0.1/x",
            "postgres://u:4711@h/x?geheim=1",
            "postgres://u:4711@h/x?host=geheim",
            "postgres://u:4711@h/x?password=geheim",
            "postgres://u:4711@h/x#geheim",
            "postgres://u:4711@h/x/geheim",
            "postgres://u:4711@h:geheim/x",
            "postgres://u:4711@h/x?sslmode=geheim",
            "postgres://u:100%geheim@h/x",
        ] {
            let error = each(wrong).unwrap_err().to_string();
            assert!(!error.contains("geheim") && !error.contains("4711"), "{wrong}: {error}");
        }
    }
}
