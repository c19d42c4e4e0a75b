//! By which algorithm is a token signed? Those of RFC 7518 and RFC 8037, one row each.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, EdDSAParameters, RsaParameters};

/// What a signature is checked with, and the key that it needs.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// `kty` EC on this curve, whose coordinates have this many bytes.
    Ec(&'static str, usize, &'static EcdsaVerificationAlgorithm),
    /// `kty` OKP on Ed25519.
    Ed(&'static EdDSAParameters),
    /// No published key at all: a secret that is shared with the issuer.
    Mac(&'static hmac::Algorithm),
    /// `kty` RSA.
    Rsa(&'static RsaParameters),
}

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $scheme:expr;)*) => {
        /// An algorithm that signs tokens. Those with a secret count for an issuer that has one
        /// in the configuration and for nobody else: a public key that is taken for a secret is
        /// an old way in.
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
    /// HMAC with SHA-256.
    Hs256 = "HS256", Scheme::Mac(&hmac::HMAC_SHA256);
    /// HMAC with SHA-384.
    Hs384 = "HS384", Scheme::Mac(&hmac::HMAC_SHA384);
    /// HMAC with SHA-512.
    Hs512 = "HS512", Scheme::Mac(&hmac::HMAC_SHA512);
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
    /// Those with a public key.
    pub const ASYMMETRIC: &'static [Self] = &[
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// Those with a secret.
    pub const SYMMETRIC: &'static [Self] = &[Self::Hs256, Self::Hs384, Self::Hs512];

    /// Whether signing and checking take the same key.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        Self::SYMMETRIC.contains(&self)
    }

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
