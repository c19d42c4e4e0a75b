//! What must a store do for identities?
//!
//! Four small traits, and one name for all of them. Nothing that is stored opens anything by
//! itself: passwords, keys and refresh tokens are digests. `bartizan-testkit` holds the suite
//! that every store passes.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::keyring::StoredKey;
use super::{Client, Refresh, Rotation, User};
use crate::authenticate::api_key::{Hash, Record};
use crate::authenticate::password::PasswordHash;
use crate::limit::BoxFuture;
use crate::time::Timestamp;

/// What a store answers, in time.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unreachable>>;

/// The most that a page of a list holds.
pub const MAX_PAGE: usize = 1000;

/// The store cannot answer; closed by default.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the store of identities cannot answer: {reason}")]
pub struct Unreachable {
    /// Why, for the operator. Never for the client.
    pub reason: String,
}

impl Unreachable {
    /// Cannot answer, because.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// Users and clients.
///
/// Every method fails with [`Unreachable`] where the store is, and only then; lists are in the
/// order of names, from behind `after` (the empty name for the beginning), at most [`MAX_PAGE`].
pub trait Accounts: Send + Sync {
    /// The user of this name.
    fn user<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>>;
    /// Adds a user, or replaces the one of the same name.
    fn put_user(&self, user: User) -> Answer<'_, ()>;
    /// Gives a user another hash, if `old` is still the one they have: what an administrator did
    /// in the meantime stays. Whether it was.
    fn rehash<'a>(
        &'a self,
        name: &'a str,
        old: &'a PasswordHash,
        new: PasswordHash,
    ) -> Answer<'a, bool>;
    /// Removes a user and ends their sessions as [`Sessions::end_session`] does; whether there
    /// was one.
    fn remove_user<'a>(&'a self, name: &'a str) -> Answer<'a, bool>;
    /// A page of the users.
    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>>;

    /// The client of this id.
    fn client<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Client>>;
    /// Adds a client, or replaces the one of the same id.
    fn put_client(&self, client: Client) -> Answer<'_, ()>;
    /// Removes a client; whether there was one.
    fn remove_client<'a>(&'a self, id: &'a str) -> Answer<'a, bool>;
    /// A page of the clients.
    fn clients<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Client>>;
}

/// API keys.
pub trait Keys: Send + Sync {
    /// The record of the key called this.
    fn key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Record>>;
    /// Adds a record, or replaces the one of the same id.
    fn put_key(&self, record: Record) -> Answer<'_, ()>;
    /// Takes a key back; whether there was one that counted.
    fn revoke_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, bool>;
    /// Notes that a key was used. Not for every request: once in a while.
    fn touch_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, ()>;
    /// The same for many keys at once, in one write where the store can.
    fn touch_keys<'a>(&'a self, uses: &'a [(Arc<str>, Timestamp)]) -> Answer<'a, ()> {
        Box::pin(async move {
            for (id, now) in uses {
                self.touch_key(id, *now).await?;
            }
            Ok(())
        })
    }
    /// A page of the records, in the order of ids.
    fn keys<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Record>>;
}

/// Sessions and what was taken back before its time.
pub trait Sessions: Send + Sync {
    /// The refresh token with this digest, used or not.
    fn refresh<'a>(&'a self, hash: &'a Hash) -> Answer<'a, Option<Refresh>>;
    /// Begins a session, and forgets those that ended before `now`.
    fn begin_session(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, ()>;
    /// Exchanges a refresh token for its successor, in one step: of two that come with the same
    /// token one gets [`Rotation::Reused`], and then the session has been ended.
    fn rotate<'a>(&'a self, old: &'a Hash, next: Refresh, now: Timestamp) -> Answer<'a, Rotation>;
    /// Ends a session: its refresh tokens are gone, and its name is revoked for as long as they
    /// would have counted, so that its access tokens end too. Whether it had any.
    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, bool>;
    /// Ends every session of a user; how many there were.
    fn end_sessions_of<'a>(&'a self, user: &'a str) -> Answer<'a, usize>;

    /// Takes back an access token by its id until it would have ended anyway, and forgets what
    /// ended before `now`.
    fn revoke_token<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, ()>;
    /// Whether any of these, ids of tokens or names of sessions, has been taken back.
    fn is_revoked<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, bool>;
    /// A number that is another one after anything on which a verified credential may rest was
    /// changed or taken back: a key, a token, a session; by whichever gate or command. `None` where
    /// the store has no such number.
    fn changes(&self) -> Answer<'_, Option<u64>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Notes that what may be used once was used, and remembers it until then; forgets what ended
    /// before `now`. Whether this was the first time: of many who come at once it is for one.
    fn use_once<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, bool>;
}

/// What the endpoint keeps for itself.
pub trait Secrets: Send + Sync {
    /// The signing keys, the newest first. Where there is none `fresh` (PKCS#8) becomes the
    /// first, unless it is empty; of two gates that start at once both get the same.
    fn signing_keys<'a>(&'a self, fresh: &'a [u8]) -> Answer<'a, Vec<StoredKey>>;
    /// Adds a key, and where `only` is set forgets all others: nothing that they signed counts
    /// any more.
    fn add_signing_key(&self, key: StoredKey, only: bool) -> Answer<'_, ()>;
    /// What digests of keys are keyed with. Where there is none, `fresh` becomes it.
    fn pepper<'a>(&'a self, fresh: &'a [u8; 32]) -> Answer<'a, Zeroizing<[u8; 32]>>;
}

/// A store of identities.
pub trait Identities: Accounts + Keys + Sessions + Secrets + fmt::Debug {}

impl<T: Accounts + Keys + Sessions + Secrets + fmt::Debug> Identities for T {}
