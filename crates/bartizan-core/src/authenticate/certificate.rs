//! Who does this client certificate name? X.509 as far as that takes (RFC 5280), SPIFFE included.
//!
//! Whether a certificate is good — its chain, its signatures, that the client has its key — the
//! TLS handshake has decided before. Here its names are read, and nothing of it is verified.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::claims::MAX_SUBJECT;
use super::holder::Thumbprint;
use super::{Caller, Identity, Kind, Method, Principal, Rejection};
use crate::time::Timestamp;

/// The issuer name of those whom a client certificate names.
pub const ISSUER: &str = "mtls";

/// The longest certificate that is read, in bytes.
const MAX_CERTIFICATE: usize = 64 * 1024;

/// The most names that a certificate may have.
const MAX_NAMES: usize = 64;

/// The names of a client certificate that a handshake has verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    thumbprint: Thumbprint,
    uris: Vec<Arc<str>>,
    hosts: Vec<Arc<str>>,
    ends: Timestamp,
}

/// Not a certificate that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the client certificate could not be read")]
pub struct Unreadable;

/// Which part of a certificate says who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Naming {
    /// The one URI among its subject alternative names.
    SanUri,
    /// The one DNS name among its subject alternative names.
    SanDns,
    /// The one URI among its subject alternative names, which must be a SPIFFE ID.
    Spiffe,
}

/// A name that a certificate must hold: what is registered of a client (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// A DNS name; in lower case.
    Dns(Arc<str>),
    /// A URI, to the letter.
    Uri(Arc<str>),
}

/// Why a name cannot be registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a name of a certificate is `san_uri:` or `san_dns:` and then the whole name, without \
     wildcards, in at most {MAX_SUBJECT} ASCII characters"
)]
pub struct NameError;

impl Name {
    /// One of these, of a certificate's subject alternative names.
    ///
    /// # Errors
    /// [`NameError`] where no certificate could hold it as the name of one.
    pub fn new(naming: Naming, name: &str) -> Result<Self, NameError> {
        let plain = (1..=MAX_SUBJECT).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
        match naming {
            Naming::SanDns if plain => Ok(Self::Dns(name.to_ascii_lowercase().into())),
            Naming::SanUri if plain && name.contains(':') => Ok(Self::Uri(name.into())),
            Naming::Spiffe if is_spiffe(name) => Ok(Self::Uri(name.into())),
            Naming::SanDns | Naming::SanUri | Naming::Spiffe => Err(NameError),
        }
    }
}

/// As it is stored: `san_uri:URI` or `san_dns:HOST`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "san_dns:{name}"),
            Self::Uri(name) => write!(f, "san_uri:{name}"),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some(("san_dns", name)) => Self::new(Naming::SanDns, name),
            Some(("san_uri", name)) => Self::new(Naming::SanUri, name),
            _ => Err(NameError),
        }
    }
}

/// How certificates become callers.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Which part names the caller.
    pub naming: Naming,
    /// The scopes of everybody who has a certificate; roles are assigned by name.
    pub scopes: Vec<Arc<str>>,
}

impl Certificate {
    /// Reads the names of a certificate in DER.
    ///
    /// # Errors
    /// [`Unreadable`] where it is none, or is larger than anybody needs.
    pub fn parse(der: &[u8]) -> Result<Self, Unreadable> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Unreadable);
        }
        let read = read(der).filter(|(uris, hosts, _)| uris.len() + hosts.len() <= MAX_NAMES);
        let (uris, hosts, ends) = read.ok_or(Unreadable)?;
        Ok(Self { thumbprint: Thumbprint::of(der), uris, hosts, ends })
    }

    /// Its digest, to which tokens may be bound (RFC 8705 section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whether its time is over: a connection may outlive it.
    ///
    /// # Errors
    /// [`Rejection::Expired`] where it is.
    pub fn check(&self, now: Timestamp) -> Result<(), Rejection> {
        if now < self.ends { Ok(()) } else { Err(Rejection::Expired) }
    }

    /// Whether this is among its names.
    #[must_use]
    pub fn holds(&self, name: &Name) -> bool {
        match name {
            Name::Dns(host) => self.hosts.iter().any(|one| one.eq_ignore_ascii_case(host)),
            Name::Uri(uri) => self.uris.contains(uri),
        }
    }

    fn subject(&self, naming: Naming) -> Result<Arc<str>, Rejection> {
        let names = match naming {
            Naming::SanUri | Naming::Spiffe => &self.uris,
            Naming::SanDns => &self.hosts,
        };
        // Of several names nobody can say which one counts; SPIFFE allows no second one either.
        let [name] = &names[..] else {
            return Err(Rejection::Untrusted("its certificate does not name exactly one subject"));
        };
        let plain = !name.is_empty()
            && name.len() <= MAX_SUBJECT
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        match naming {
            Naming::Spiffe if !is_spiffe(name) => {
                Err(Rejection::Untrusted("its certificate names no SPIFFE ID"))
            }
            // Any name below a domain is nobody in particular.
            Naming::SanDns if name.contains('*') => {
                Err(Rejection::Untrusted("its certificate names no single host"))
            }
            Naming::SanDns if plain => Ok(name.to_ascii_lowercase().into()),
            Naming::SanUri | Naming::Spiffe if plain => Ok(Arc::clone(name)),
            _ => Err(Rejection::Malformed),
        }
    }
}

impl Certificates {
    /// Whom this certificate names.
    ///
    /// # Errors
    /// [`Rejection`] where its time is over, or it names nobody or several.
    pub fn caller(&self, certificate: &Certificate, now: Timestamp) -> Result<Caller, Rejection> {
        certificate.check(now)?;
        let subject = certificate.subject(self.naming)?;
        let principal = Principal { kind: Kind::Client, issuer: ISSUER.into(), subject };
        let identity = Identity {
            scopes: self.scopes.clone(),
            expires: Some(certificate.ends),
            ..Identity::bare(principal)
        };
        Ok(Caller::verified(identity, Method::Certificate))
    }
}

/// The syntax of a SPIFFE ID (its standard, section 2): `spiffe://trust-domain/path`.
fn is_spiffe(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("spiffe://") else { return false };
    let (domain, path) = rest.split_once('/').map_or((rest, None), |(d, p)| (d, Some(p)));
    let domain_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    let path_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let segment = |s: &str| !["", ".", ".."].contains(&s) && s.bytes().all(path_byte);
    (1..=255).contains(&domain.len())
        && domain.bytes().all(domain_byte)
        && path.is_none_or(|path| path.split('/').all(segment))
}

/// A piece of DER: what follows, and how to go on. Every step fails rather than guesses.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const EXTENSIONS: u8 = 0xa3;
const VERSION: u8 = 0xa0;
/// `GeneralName`: `dNSName` and `uniformResourceIdentifier` (RFC 5280 section 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
/// 2.5.29.17, `subjectAltName`.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

impl<'a> Der<'a> {
    /// The next element: its tag and what it holds.
    fn next(&mut self) -> Option<(u8, Der<'a>)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (inside, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Der(inside)))
    }

    /// What the next element holds, if it has this tag.
    fn expect(&mut self, tag: u8) -> Option<Der<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, inside)| inside)
    }

    /// As [`Der::expect`], where the element may be left out.
    fn maybe(&mut self, tag: u8) -> Option<Der<'a>> {
        if self.0.first() == Some(&tag) { self.expect(tag) } else { None }
    }
}

type Names = (Vec<Arc<str>>, Vec<Arc<str>>, Timestamp);

/// The URIs, the DNS names and the end of a certificate (RFC 5280 section 4.1).
fn read(der: &[u8]) -> Option<Names> {
    let mut body = Der(der).expect(SEQUENCE)?.expect(SEQUENCE)?;
    body.maybe(VERSION);
    // The serial number, the algorithm and the issuer.
    for _ in 0..3 {
        body.next()?;
    }
    let mut validity = body.expect(SEQUENCE)?;
    validity.next()?;
    let ends = instant(validity.next()?)?;
    let (mut uris, mut hosts) = (Vec::new(), Vec::new());
    while let Some((tag, mut inside)) = body.next() {
        if tag != EXTENSIONS {
            continue;
        }
        let mut extensions = inside.expect(SEQUENCE)?;
        while !extensions.0.is_empty() {
            let mut extension = extensions.expect(SEQUENCE)?;
            let which = extension.expect(OID)?;
            extension.maybe(BOOLEAN);
            let mut value = extension.expect(OCTETS)?;
            if which.0 == SUBJECT_ALT_NAME {
                names(value.expect(SEQUENCE)?, &mut uris, &mut hosts)?;
            }
        }
    }
    if body.0.is_empty() { Some((uris, hosts, ends)) } else { None }
}

fn names(mut names: Der<'_>, uris: &mut Vec<Arc<str>>, hosts: &mut Vec<Arc<str>>) -> Option<()> {
    while !names.0.is_empty() {
        let (tag, Der(name)) = names.next()?;
        let list = match tag {
            URI => &mut *uris,
            DNS_NAME => &mut *hosts,
            _ => continue,
        };
        list.push(std::str::from_utf8(name).ok().filter(|name| name.is_ascii())?.into());
    }
    Some(())
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
fn instant((tag, Der(bytes)): (u8, Der<'_>)) -> Option<Timestamp> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let civil =
        jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0);
    let second = civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    // What ended before 1970 has ended.
    Some(Timestamp::from_secs(u64::try_from(second).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(uris: &[&str], hosts: &[&str]) -> Certificate {
        let shared = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let (uris, hosts) = (shared(uris), shared(hosts));
        Certificate { thumbprint: Thumbprint::of(b"x"), uris, hosts, ends: Timestamp(1_000) }
    }

    fn named(certificate: &Certificate, naming: Naming) -> Result<String, Rejection> {
        let rules = Certificates { naming, scopes: Vec::new() };
        rules.caller(certificate, Timestamp(999)).map(|caller| caller.principal().to_string())
    }

    #[test]
    fn exactly_one_name_of_the_right_sort_is_a_subject() {
        let both = certificate(&["spiffe://example.org/agent/one"], &["One.example.org"]);
        assert_eq!(named(&both, Naming::Spiffe).unwrap(), "mtls:spiffe://example.org/agent/one");
        assert_eq!(named(&both, Naming::SanUri).unwrap(), "mtls:spiffe://example.org/agent/one");
        assert_eq!(named(&both, Naming::SanDns).unwrap(), "mtls:one.example.org");
        assert_eq!(Principal::parse("mtls:one.example.org").kind, Kind::Client);
        for (uris, hosts, naming) in [
            (&[][..], &[][..], Naming::SanUri),
            (&["urn:a", "urn:b"], &["a.example"], Naming::SanUri),
            (&["urn:a"], &["a.example", "b.example"], Naming::SanDns),
            (&["urn:a"], &["*.example"], Naming::SanDns),
            (&["urn:a"], &[], Naming::Spiffe),
            (&["urn:a b"], &[], Naming::SanUri),
            (&[""], &[], Naming::SanUri),
        ] {
            assert!(named(&certificate(uris, hosts), naming).is_err(), "{uris:?} {hosts:?}");
        }
        let late = Certificates { naming: Naming::SanDns, scopes: Vec::new() };
        assert_eq!(late.caller(&both, Timestamp(1_000)).unwrap_err(), Rejection::Expired);
    }

    #[test]
    fn a_spiffe_id_has_one_spelling() {
        for good in ["spiffe://a", "spiffe://example.org/a/b.c-d_E", "spiffe://a_b/x"] {
            assert!(is_spiffe(good), "{good}");
        }
        for bad in [
            "spiffe://",
            "SPIFFE://a/b",
            "spiffe://A/b",
            "spiffe://a/",
            "spiffe://a//b",
            "spiffe://a/../b",
            "spiffe://a/./b",
            "spiffe://a:1/b",
            "spiffe://u@a/b",
            "spiffe://a/b?c",
            "spiffe://a/b#c",
            "spiffe://a/%41",
            "https://a/b",
        ] {
            assert!(!is_spiffe(bad), "{bad}");
        }
    }

    #[test]
    fn dates_are_read_to_the_second() {
        let at = |tag, text: &str| instant((tag, Der(text.as_bytes()))).map(Timestamp::as_secs);
        assert_eq!(at(UTC_TIME, "261122060000Z"), Some(1_795_327_200));
        assert_eq!(at(GENERALIZED_TIME, "20261122060000Z"), Some(1_795_327_200));
        assert_eq!(at(UTC_TIME, "500101000000Z"), Some(0), "1950");
        for text in ["261322060000Z", "2611220600Z", "261122060000+0100", "26112206000\u{660}Z", ""]
        {
            assert_eq!(at(UTC_TIME, text), None, "{text}");
        }
    }
}
