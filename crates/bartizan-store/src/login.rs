//! Where does the login of an address end? So strictly that no part of a password is taken for a host.
//!
//! A password is put into an address by a variable, and may hold `/`, `?`, `#` or `@`. Readers
//! differ about where the login ends then, and what they take for the host is told, and asked for
//! in the DNS. An address in which that could be is refused, without a word of it.

use percent_encoding::percent_decode_str;

/// What stands before the host of an address, percent-decoded.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// What is said of an address whose login has no certain end.
pub(crate) const ENCODE: &str = "a user or password holds a character that must be percent-encoded: \
    of letters, digits and `-._~!$&'()*+,;=` all may stand there, and any other is written as `%` \
    and two digits, `/` as `%2F`, `@` as `%40`, `#` as `%23`, `%` as `%25`";

/// Reads the login of what follows `://`: it, its text as written, and what follows. Nothing where
/// it has no certain end, or holds what is not allowed there (RFC 3986 section 3.2.1).
pub(crate) fn apart(rest: &str) -> Option<(Login, &str, &str)> {
    if rest.contains('#') {
        return None;
    }
    let Some((login, rest)) = rest.split_once('@') else {
        return Some((Login::default(), "", rest));
    };
    if rest.contains('@') || !is_sound(login) {
        return None;
    }
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password)?)),
        None => (login, None),
    };
    let user = if user.is_empty() { None } else { Some(decoded(user)?) };
    Some((Login { user, password }, login, rest))
}

/// Whether a text holds only what may stand in one part of an address, and `:`.
pub(crate) fn is_sound(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte),
        };
        if !sound {
            return false;
        }
    }
    true
}

/// Nothing for what is no UTF-8, or holds a NUL: no server takes it.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    (!text.contains('\0')).then(|| text.into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_percent_encoded_and_ends_at_the_only_at_sign() {
        let (login, written, rest) = apart("ann:a%40b:c%2F@h:1/x?y=z").unwrap();
        assert_eq!(
            (login.user.as_deref(), login.password.as_deref()),
            (Some("ann"), Some("a@b:c/"))
        );
        assert_eq!((written, rest), ("ann:a%40b:c%2F", "h:1/x?y=z"));
        assert_eq!(apart("h/x").unwrap(), (Login::default(), "", "h/x"));
        for wrong in [
            "u:a/b@h", "u:a@b@h", "u:a?b@h", "u:a#b@h", "u:a%b@h", "u:a b@h", "u:ä@h", "u:a[@h",
            "u:%00@h", "u:%ff@h", "u:1@h#x",
        ] {
            assert_eq!(apart(wrong), None, "{wrong}");
        }
    }
}
