//! What does it mean to have a key? Client certificates (`auth.mtls`) and proofs (`auth.dpop`).

use std::time::Duration;

use bartizan_core::authenticate::certificate::{Certificates, Name, Naming};
use bartizan_core::authenticate::dpop::Rules;

use super::super::decode::Located;
use super::super::file::auth as file;
use super::auth::Tokens;
use super::resolver::Resolver;

/// Tokens that are bound to a key of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// Where the gateway is, as clients see it; origins that [`Rules::new`] takes.
    pub origins: Vec<String>,
    /// How old a proof may be.
    pub window: Duration,
    /// Whether it must hold a nonce of ours.
    pub nonce: bool,
    /// How many proofs are remembered.
    pub remembered: usize,
}

pub(super) fn certificates(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<file::Mtls>>,
    asked: bool,
) -> Option<Certificates> {
    let file = file?;
    if !asked {
        let help =
            "name the authorities of the certificates as `server: { tls: { client_ca: … } }`";
        resolver.error(&file.key, "`mtls` without client certificates", help);
    }
    let naming = match file.subject.as_ref().map(|name| name.value).unwrap_or_default() {
        file::CertificateName::SanUri => Naming::SanUri,
        file::CertificateName::SanDns => Naming::SanDns,
        file::CertificateName::Spiffe => Naming::Spiffe,
    };
    Some(Certificates { naming, scopes: resolver.scopes(&file.scopes) })
}

/// The name that the certificate of a client of the token endpoint must hold.
pub(super) fn name(
    resolver: &mut Resolver<'_>,
    file: &Located<file::ClientCertificate>,
    asked: bool,
) -> Option<Name> {
    if !asked {
        let help =
            "name the authorities of the certificates as `server: { tls: { client_ca: … } }`";
        resolver.error(&file.key, "nobody is asked for a certificate", help);
    }
    let (naming, text) = match (&file.san_uri, &file.san_dns) {
        (Some(uri), None) => (Naming::SanUri, uri),
        (None, Some(host)) => (Naming::SanDns, host),
        (Some(_), Some(_)) | (None, None) => {
            let help = "write `certificate: { san_uri: URI }` or `certificate: { san_dns: HOST }`";
            resolver.error(&file.key, "a certificate is known by one name", help);
            return None;
        }
    };
    let name = Name::new(naming, &text.value.0);
    name.map_err(|error| resolver.wrong(&text.place, error.to_string())).ok()
}

pub(super) fn dpop(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<file::Dpop>>,
    own: Option<&Tokens>,
) -> Option<Dpop> {
    let file = file?;
    let window = resolver.span(file.window.as_ref(), Duration::from_secs(60));
    if let Some(text) = file.window.as_ref().filter(|_| window > Duration::from_mins(5)) {
        let help = "let the clocks be set by NTP, or ask for a `nonce`";
        resolver.error(&text.place, "`window` is more than 5 minutes", help);
    }
    let remembered = resolver.count(file.remembered.as_ref(), 100_000, 1_000..=10_000_000);
    let mut origins: Vec<String> = Vec::new();
    for text in &file.origins {
        match Rules::new(std::slice::from_ref(&text.value.0), window) {
            Ok(_) => origins.push(text.value.0.clone()),
            Err(error) => resolver.wrong(&text.place, error.to_string()),
        }
    }
    if file.origins.is_empty() {
        origins.extend(own.and_then(|own| origin(&own.issuer)));
    }
    if file.origins.is_empty() && origins.is_empty() {
        let help = "write the address of the gateway as its clients see it, as \
                    `origins: [https://gate.example.com]`";
        resolver.error(&file.key, "`dpop` does not know where the gateway is", help);
        return None;
    }
    let nonce = file.nonce.as_ref().is_some_and(|nonce| nonce.value);
    let remembered = usize::try_from(remembered).unwrap_or(usize::MAX);
    Some(Dpop { origins, window, nonce, remembered })
}

/// An address without its path.
fn origin(address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}
