//! Which certificate does the gateway show? Read from PEM files, checked before it is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Where the certificate chain and its key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The certificate chain, PEM, the server's own first.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities of client certificates, PEM; nobody is asked for one without.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may show none all the same.
    pub client_optional: bool,
}

/// Why a certificate cannot be shown. Never says what stands in a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that holds no certificate.
    #[error("`{}` holds no certificate; it must be PEM, with BEGIN CERTIFICATE", .0.display())]
    NoCertificate(PathBuf),
    /// A file that holds no key.
    #[error(
        "`{}` holds no private key that can be used; it must be PEM, not encrypted, with BEGIN \
         PRIVATE KEY",
        .0.display()
    )]
    NoKey(PathBuf),
    /// Authorities that cannot be trusted.
    #[error("`{}` holds no authority that can check client certificates: {why}", path.display())]
    Authorities {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file that cannot be read.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key is that of another certificate.
    #[error("the key `{}` is not that of the certificate `{}`", key.display(), cert.display())]
    Unfit {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// One of the two is of no use.
    #[error("the certificate `{}` with the key `{}` cannot be shown: {why}", cert.display(), key.display())]
    Useless {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        why: String,
    },
}

impl Pair {
    /// Reads the files and makes sure that the key is the certificate's: TLS 1.2 and 1.3, HTTP/2
    /// and HTTP/1.1.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what must be done.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certs = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| blame(error, &self.key, TlsError::NoKey))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| self.unfit(&error))?
                .with_client_cert_verifier(self.verifier()?)
                .with_single_cert(certs, key)
                .map_err(|error| self.unfit(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn unfit(&self, error: &rustls::Error) -> TlsError {
        let (cert, key) = (self.cert.clone(), self.key.clone());
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Unfit { cert, key },
            other => TlsError::Useless { cert, key, why: other.to_string() },
        }
    }

    /// Who checks the certificates of clients. Sessions that are resumed keep theirs, and belong
    /// to this configuration alone: after a reload everybody shakes hands anew.
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some(path) = &self.client_ca else { return Ok(WebPkiClientVerifier::no_client_auth()) };
        let unfit = |error: &dyn std::fmt::Display| TlsError::Authorities {
            path: path.clone(),
            why: error.to_string(),
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(path)? {
            roots.add(authority).map_err(|error| unfit(&error))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier =
            if self.client_optional { verifier.allow_unauthenticated() } else { verifier };
        verifier.build().map_err(|error| unfit(&error))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = |error| blame(error, path, TlsError::NoCertificate);
    let certs = CertificateDer::pem_file_iter(path).map_err(none)?;
    let certs = certs.collect::<Result<Vec<_>, _>>().map_err(none)?;
    if certs.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(certs) }
}

fn blame(error: PemError, path: &Path, otherwise: fn(PathBuf) -> TlsError) -> TlsError {
    match error {
        PemError::Io(error) => {
            TlsError::Unreadable { path: path.to_owned(), why: error.to_string() }
        }
        _ => otherwise(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair of files; `own` says whether the key is the certificate's.
    fn pair(folder: &Path, own: bool) -> Pair {
        let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let first = made();
        let key = if own {
            first.signing_key.serialize_pem()
        } else {
            made().signing_key.serialize_pem()
        };
        let pair = Pair {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            client_ca: None,
            client_optional: false,
        };
        std::fs::write(&pair.cert, first.cert.pem()).unwrap();
        std::fs::write(&pair.key, key).unwrap();
        pair
    }

    #[test]
    fn the_key_of_another_certificate_is_found_out_before_anybody_connects() {
        let folder = tempfile::tempdir().unwrap();
        let config = pair(folder.path(), true).load().unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        let message = pair(folder.path(), false).load().unwrap_err().to_string();
        assert!(message.contains("key.pem` is not that of the certificate `"), "{message}");
    }

    #[test]
    fn authorities_that_are_none_do_not_mean_that_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let good = pair(folder.path(), true);
        let asks = |client_ca: &Path| Pair { client_ca: Some(client_ca.into()), ..good.clone() };
        assert!(asks(&good.cert).load().is_ok());
        assert!(matches!(asks(&good.key).load(), Err(TlsError::NoCertificate(_))));
        let missing = folder.path().join("missing.pem");
        assert!(matches!(asks(&missing).load(), Err(TlsError::Unreadable { .. })));
        std::fs::write(&missing, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        assert!(matches!(asks(&missing).load(), Err(TlsError::Authorities { .. })));
    }

    #[test]
    fn a_message_names_the_file_and_shows_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let good = pair(folder.path(), true);
        let swapped = Pair { cert: good.key.clone(), key: good.cert.clone(), ..good.clone() };
        let message = swapped.load().unwrap_err().to_string();
        assert!(message.contains("key.pem") && message.contains("no certificate"), "{message}");
        let missing = Pair { key: folder.path().join("missing.pem"), ..good };
        let message = missing.load().unwrap_err().to_string();
        assert!(message.contains("missing.pem` cannot be read"), "{message}");
    }
}
