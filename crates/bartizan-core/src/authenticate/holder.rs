//! Is this token theirs to show? What it is bound to (RFC 7800), and the proof of that.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::claims::Claims;
use super::{Caller, Identity, Method, Rejection, Scheme};

/// The SHA-256 digest by which a key (RFC 7638) or a certificate (RFC 8705 section 3.1) is known.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of these bytes: a certificate in DER, or the canonical form of a key.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads base64url without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The digest itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Base64url without padding, as it stands in tokens.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a token is bound to: nothing, a certificate, a key, or both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Binding {
    /// `x5t#S256`: the client certificate of the connection (RFC 8705).
    pub certificate: Option<Thumbprint>,
    /// `jkt`: the key of the proof (RFC 9449).
    pub key: Option<Thumbprint>,
}

impl Binding {
    /// Reads `cnf`.
    ///
    /// # Errors
    /// [`Rejection::Untrusted`] where it binds to something that nobody can prove here: then it
    /// must not count as unbound.
    pub(super) fn read(claims: &Claims) -> Result<Self, Rejection> {
        let Some(cnf) = claims.get("cnf") else { return Ok(Self::default()) };
        let unknown = Rejection::Untrusted("it is bound in a way that is not understood");
        let cnf = cnf.as_object().filter(|cnf| !cnf.is_empty()).ok_or(unknown)?;
        let mut binding = Self::default();
        for (name, value) in cnf {
            let thumbprint = Some(value.as_str().and_then(Thumbprint::parse).ok_or(unknown)?);
            match name.as_str() {
                "jkt" => binding.key = thumbprint,
                "x5t#S256" => binding.certificate = thumbprint,
                _ => return Err(unknown),
            }
        }
        Ok(binding)
    }
}

/// What the client has proved to possess, beside showing a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proven {
    /// The key of its certificate, in the TLS handshake.
    pub certificate: Option<Thumbprint>,
    /// The key of a proof that fits this request and this token.
    pub key: Option<Thumbprint>,
}

/// Somebody whose token is good, and of whom it is not known yet whether it is theirs to show.
#[derive(Clone, Debug)]
pub struct Holder {
    caller: Caller,
    /// Apart, and for most absent: they are remembered by the million.
    binding: Option<Arc<Binding>>,
}

impl Holder {
    pub(super) fn new(identity: Identity, method: Method, binding: Binding) -> Self {
        let scheme = if binding.key.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        let caller = Caller::shown(identity, method, scheme);
        let bound = binding != Binding::default();
        Self { caller, binding: bound.then(|| Arc::new(binding)) }
    }

    /// Somebody whose credential is bound to nothing: whoever shows it is they.
    #[must_use]
    pub fn bearer(caller: Caller) -> Self {
        Self { caller, binding: None }
    }

    /// What the token is bound to.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        const NOTHING: &Binding = &Binding { certificate: None, key: None };
        self.binding.as_deref().unwrap_or(NOTHING)
    }

    /// The claims of the token, which say who it is and prove nothing about who shows it.
    #[must_use]
    pub fn unproven(&self) -> &Caller {
        &self.caller
    }

    /// The caller, if everything that the token is bound to was proved.
    ///
    /// # Errors
    /// [`Rejection::Untrusted`] where something was not, and where a proof came with a token that
    /// is bound to no key: it would look like a protection and be none.
    pub fn show(self, proven: &Proven) -> Result<Caller, Rejection> {
        let same = |bound: Option<Thumbprint>, shown: Option<Thumbprint>| match (bound, shown) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(Thumbprint(bound)), Some(Thumbprint(shown))) => bound.ct_eq(&shown).into(),
        };
        let Binding { certificate, key } = *self.binding();
        if !same(certificate, proven.certificate) || !same(key, proven.key) {
            return Err(Rejection::Untrusted("it is bound to a key, and comes without its proof"));
        }
        if key.is_none() && proven.key.is_some() {
            return Err(Rejection::Untrusted("it is bound to no key; send it as Bearer"));
        }
        Ok(self.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Principal;
    use super::*;

    fn cnf(text: &str) -> Result<Binding, Rejection> {
        Binding::read(&Claims::parse(text.as_bytes(), 4).unwrap())
    }

    #[test]
    fn a_binding_that_nobody_understands_does_not_count_as_none() {
        let print = Thumbprint::of(b"x");
        assert_eq!(cnf("{}").unwrap(), Binding::default());
        let both = format!(r#"{{"cnf":{{"jkt":"{print}","x5t#S256":"{print}"}}}}"#);
        assert_eq!(cnf(&both).unwrap(), Binding { certificate: Some(print), key: Some(print) });
        for text in [
            r#"{"cnf":null}"#.into(),
            r#"{"cnf":{}}"#.into(),
            r#"{"cnf":"x"}"#.into(),
            r#"{"cnf":{"jkt":"AAAA"}}"#.into(),
            r#"{"cnf":{"jkt":7}}"#.into(),
            format!(r#"{{"cnf":{{"jkt":"{print}="}}}}"#),
            format!(r#"{{"cnf":{{"jkt":"{print}","kid":"x"}}}}"#),
            r#"{"cnf":{"jwk":{}}}"#.into(),
        ] {
            assert!(matches!(cnf(&text), Err(Rejection::Untrusted(_))), "{text}");
        }
    }

    #[test]
    fn every_binding_must_be_proved_and_no_proof_may_be_idle() {
        let (one, two) = (Some(Thumbprint::of(b"1")), Some(Thumbprint::of(b"2")));
        let shown = |certificate, key, proven_certificate, proven_key| {
            let identity = Identity::bare(Principal::parse("corp:ann"));
            let holder = Holder::new(identity, Method::Jwt, Binding { certificate, key });
            holder.show(&Proven { certificate: proven_certificate, key: proven_key }).is_ok()
        };
        assert!(shown(None, None, None, None));
        assert!(shown(None, None, one, None), "a certificate is no second credential");
        assert!(shown(one, None, one, None) && shown(None, one, None, one));
        assert!(shown(one, two, one, two));
        assert!(!shown(one, None, None, None) && !shown(one, None, two, None));
        assert!(!shown(None, one, None, None) && !shown(None, one, None, two));
        assert!(!shown(one, two, one, None) && !shown(one, two, None, two));
        assert!(!shown(None, None, None, one), "an idle proof");
    }
}
