//! Which certificate does the gateway show? Read from PEM files, checked before it is used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the certificate chain and its key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The certificate chain, PEM, the server's own first.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
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
    /// A file that cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key is not that of the certificate, or one of the two is of no use.
    #[error("the certificate and the key do not fit together: {0}")]
    Unfit(#[from] rustls::Error),
}

impl Pair {
    /// Reads both files and makes sure that the key is the certificate's: TLS 1.2 and 1.3,
    /// HTTP/2 and HTTP/1.1, no client certificates.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what must be done.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certs = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| blame(error, &self.key, TlsError::NoKey))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(certs, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
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
        PemError::Io(source) => TlsError::Unreadable { path: path.to_owned(), source },
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
        let pair = Pair { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&pair.cert, first.cert.pem()).unwrap();
        std::fs::write(&pair.key, key).unwrap();
        pair
    }

    #[test]
    fn the_key_of_another_certificate_is_found_out_before_anybody_connects() {
        let folder = tempfile::tempdir().unwrap();
        let config = pair(folder.path(), true).load().unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(matches!(pair(folder.path(), false).load(), Err(TlsError::Unfit(_))));
    }

    #[test]
    fn a_message_names_the_file_and_shows_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let good = pair(folder.path(), true);
        let swapped = Pair { cert: good.key.clone(), key: good.cert.clone() };
        let message = swapped.load().unwrap_err().to_string();
        assert!(message.contains("key.pem") && message.contains("no certificate"), "{message}");
        let missing = Pair { key: folder.path().join("missing.pem"), ..good };
        let message = missing.load().unwrap_err().to_string();
        assert!(message.contains("missing.pem` cannot be read"), "{message}");
    }
}
