//! Is this the password? Argon2id (RFC 9106), with the parameters that OWASP names.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret as _, SecretString};

/// Memory in KiB, passes, lanes: OWASP's password storage cheat sheet.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// The most that a stored hash may ask for: its parameters are work that a login makes us do.
const MOST: (u32, u32, u32) = (131_072, 10, 8);

/// The longest password that is looked at, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// A hash that no password has, at the usual cost: what a name that nobody has is checked
/// against, so that the answer takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
                      AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A stored hash whose parameters have been looked at. Prints as `***`.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash(phc::PasswordHash);

/// Why a stored hash is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordHashError {
    /// Not in the PHC string format.
    #[error("not a password hash in PHC format; make one with `bartizan users hash`")]
    Malformed,
    /// Another function than ours.
    #[error("only argon2id, version 19, is taken as a password hash")]
    Function,
    /// Work that a login should not cost.
    #[error(
        "the cost of the password hash is out of bounds: at most m={}, t={}, p={}, and a salt of \
         8 and a hash of 16 bytes or more",
        MOST.0, MOST.1, MOST.2
    )]
    Cost,
    /// Longer than anybody types.
    #[error("the password is longer than {MAX_PASSWORD} bytes")]
    TooLong,
}

/// Hashes a password with `salt`, 16 fresh random bytes.
///
/// # Errors
/// [`PasswordHashError::TooLong`].
pub fn hash(password: &SecretString, salt: &[u8; 16]) -> Result<PasswordHash, PasswordHashError> {
    let password = password.expose_secret().as_bytes();
    if password.len() > MAX_PASSWORD {
        return Err(PasswordHashError::TooLong);
    }
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| PasswordHashError::Cost)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password, salt);
    hash.map(PasswordHash).map_err(|_| PasswordHashError::Malformed)
}

/// Checks a password against the hash of a user, or against one that nobody has: whether the
/// name is known cannot be told from the time it takes.
#[must_use]
pub fn verify(known: Option<&PasswordHash>, given: &SecretString) -> bool {
    let given = given.expose_secret().as_bytes();
    if given.len() > MAX_PASSWORD {
        return false;
    }
    match known {
        Some(PasswordHash(hash)) => Argon2::default().verify_password(given, hash).is_ok(),
        None => {
            let outcome = Argon2::default().verify_password(given, NOBODY);
            std::hint::black_box(outcome).is_ok() && known.is_some()
        }
    }
}

impl PasswordHash {
    /// Whether it was made with less work than today's: then hash again at the next login.
    #[must_use]
    pub fn needs_rehash(&self) -> bool {
        let Some((memory, passes, _)) = cost(&self.0) else { return true };
        u64::from(memory) * u64::from(passes) < u64::from(COST.0) * u64::from(COST.1)
    }

    /// The PHC string, for a store.
    #[must_use]
    pub fn to_phc(&self) -> String {
        self.0.to_string()
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::Malformed)?;
        if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
            return Err(PasswordHashError::Function);
        }
        let salted = hash.salt.as_ref().is_some_and(|salt| salt.len() >= 8);
        let long = hash.hash.as_ref().is_some_and(|output| output.len() >= 16);
        let bounded = cost(&hash).is_some_and(|(memory, passes, lanes)| {
            memory <= MOST.0
                && (1..=MOST.1).contains(&passes)
                && (1..=MOST.2).contains(&lanes)
                && memory >= 8 * lanes
        });
        if salted && long && bounded { Ok(Self(hash)) } else { Err(PasswordHashError::Cost) }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// Memory, passes and lanes, if they are named and nothing else is.
fn cost(hash: &phc::PasswordHash) -> Option<(u32, u32, u32)> {
    if hash.params.iter().count() != 3 {
        return None;
    }
    let parameter = |name: &str| hash.params.get_decimal(name);
    Some((parameter("m")?, parameter("t")?, parameter("p")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_password_opens_its_own_hash_and_no_other() {
        let stored = hash(&secret("correct horse"), &[7; 16]).unwrap();
        let read: PasswordHash = stored.to_phc().parse().unwrap();
        assert!(verify(Some(&read), &secret("correct horse")));
        assert!(!verify(Some(&read), &secret("correct horse ")));
        assert!(!verify(None, &secret("correct horse")));
        assert!(!read.needs_rehash());
        assert_eq!(format!("{read:?}"), "PasswordHash(***)");
    }

    #[test]
    fn a_hash_of_another_implementation_is_understood() {
        // `argon2-cffi`, the reference implementation: of "secret", salt 0123456789abcdef, m=19456 t=2 p=1.
        let stored = REFERENCE.parse().unwrap();
        assert!(verify(Some(&stored), &secret("secret")));
    }

    const REFERENCE: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$8qPpaWig0H31wvibKAgpght2Ry2M8rtRQYtZ93ooMus";

    #[test]
    fn stored_parameters_cannot_order_absurd_work() {
        let cost = |parameters: &str| {
            let hash = NOBODY.replace("m=19456,t=2,p=1", parameters);
            hash.parse::<PasswordHash>().err()
        };
        assert_eq!(cost("m=19456,t=2,p=1"), None);
        for absurd in [
            "m=4294967295,t=1,p=1",
            "m=19456,t=4294967295,p=1",
            "m=19456,t=2,p=200",
            "m=19456,t=0,p=1",
            "m=1,t=1,p=1",
            "m=19456,t=2",
            "m=19456,t=2,p=1,keyid=AAAA",
        ] {
            assert_eq!(cost(absurd), Some(PasswordHashError::Cost), "{absurd}");
        }
        assert!(NOBODY.replace("t=2", "t=1").parse::<PasswordHash>().unwrap().needs_rehash());
    }

    #[test]
    fn only_argon2id_is_taken() {
        let refused = |text: &str| text.parse::<PasswordHash>().unwrap_err();
        assert_eq!(refused(&NOBODY.replace("2id", "2i")), PasswordHashError::Function);
        assert_eq!(refused(&NOBODY.replace("v=19", "v=16")), PasswordHashError::Function);
        assert_eq!(refused("$2b$12$abcdefghijklmnopqrstuu"), PasswordHashError::Malformed);
        assert_eq!(refused("secret"), PasswordHashError::Malformed);
        assert_eq!(refused(""), PasswordHashError::Malformed);
    }

    #[test]
    fn a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has() {
        // Not the clock but the parameters: the work is theirs.
        let nobody: PasswordHash = NOBODY.parse().unwrap();
        assert_eq!(cost(&nobody.0), Some(COST));
    }
}
