//! By which algorithm is a token signed? The asymmetric ones of RFC 7518 and RFC 8037, one row each.

use std::fmt;

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, EdDSAParameters, RsaParameters};

/// What a signature is checked with, and the key that it needs.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// `kty` EC on this curve, whose coordinates have this many bytes.
    Ec(&'static str, usize, &'static EcdsaVerificationAlgorithm),
    /// `kty` OKP on Ed25519.
    Ed(&'static EdDSAParameters),
    /// `kty` RSA.
    Rsa(&'static RsaParameters),
}

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $scheme:expr;)*) => {
        /// An algorithm that signs tokens. There is none for symmetric keys: a public key that
        /// is taken for a secret is an old way in.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Algorithm { $($(#[$doc])* $name,)* }

        impl Algorithm {
            /// Every algorithm there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The `alg` of it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            pub(super) fn scheme(self) -> Scheme {
                match self { $(Self::$name => $scheme,)* }
            }
        }
    };
}

algorithms! {
    /// Ed25519 (RFC 8037).
    EdDsa = "EdDSA", Scheme::Ed(&signature::ED25519);
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", Scheme::Ec("P-256", 32, &signature::ECDSA_P256_SHA256_FIXED);
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", Scheme::Ec("P-384", 48, &signature::ECDSA_P384_SHA384_FIXED);
    /// ECDSA on P-521 with SHA-512.
    Es512 = "ES512", Scheme::Ec("P-521", 66, &signature::ECDSA_P521_SHA512_FIXED);
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256", Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256);
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384", Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA384);
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512", Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA512);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 = "RS256", Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256);
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384", Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384);
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512", Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512);
}

impl Algorithm {
    /// Reads an `alg`, to the letter: `none`, `hs256` and the like are none of ours. `Ed25519`
    /// is the newer name of `EdDSA` (RFC 9864).
    #[must_use]
    pub fn parse(alg: &str) -> Option<Self> {
        if alg == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == alg)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
