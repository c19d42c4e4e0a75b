//! Whose session is it? A session's name travels with a seal that only its opener can use.
//!
//! The gate keeps no table of sessions. What a server calls a session goes to the client behind a
//! seal (HMAC-SHA256) over the endpoint, the caller and that name. With another caller the seal is
//! not the right one, and the session is as unknown as one that never was. So it is with the ids of
//! events: many servers look them up without asking whose session they were written in. Gateways with
//! the same key know each other's sessions.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::authorize::Grant;

/// Letters of a seal: 128 bits.
const SEAL: usize = 22;

/// Bytes in what is sealed, at the most. The specification has no bound.
const LONGEST: usize = 8192;

/// With what seals are made. Prints as `***`.
#[derive(Clone)]
pub struct SessionKey(hmac::Key);

/// What is sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sealed {
    /// The id of an event, with which a stream is taken up again, `Last-Event-ID`.
    Event,
    /// The name of a session, `Mcp-Session-Id`.
    Session,
    /// What a server wants to be told again with the next try of a call, `requestState`.
    State,
}

impl SessionKey {
    /// A key of this secret.
    #[must_use]
    pub fn new(secret: &SecretSlice<u8>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()))
    }

    /// What the client is told in the place of `name`; `None` where it is too long.
    #[must_use]
    pub fn seal(&self, what: Sealed, name: &str, grant: &Grant) -> Option<String> {
        (name.len() <= LONGEST).then(|| format!("{}.{name}", self.tag(what, name, grant)))
    }

    /// The name behind the seal, if this caller may use it.
    #[must_use]
    pub fn open<'a>(&self, what: Sealed, shown: &'a str, grant: &Grant) -> Option<&'a str> {
        let (tag, name) = shown.split_at_checked(SEAL)?;
        let name = name.strip_prefix('.').filter(|name| name.len() <= LONGEST)?;
        let right = self.tag(what, name, grant);
        let same = subtle::ConstantTimeEq::ct_eq(right.as_bytes(), tag.as_bytes());
        bool::from(same).then_some(name)
    }

    fn tag(&self, what: Sealed, name: &str, grant: &Grant) -> String {
        let caller = grant.caller();
        let kind = match what {
            Sealed::Event => "mcp event",
            Sealed::Session => "mcp session",
            Sealed::State => "mcp state",
        };
        let mut signed = hmac::Context::with_key(&self.0);
        let principal = caller.principal().to_string();
        let tenant = caller.tenant().map_or("", |tenant| tenant);
        for part in [kind, &grant.endpoint().path, &principal, tenant, name] {
            // With its length, so that no two lists of parts read alike.
            signed.update(&(part.len() as u64).to_be_bytes());
            signed.update(part.as_bytes());
        }
        let tag = signed.sign();
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..16).unwrap_or_default())
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(***)")
    }
}
