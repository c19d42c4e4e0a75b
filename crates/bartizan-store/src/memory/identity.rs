//! Identities that are forgotten when the process ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bartizan_core::authenticate::api_key::{Hash, Record};
use bartizan_core::authenticate::password::PasswordHash;
use bartizan_core::issue::identities::{Accounts, Answer, Keys, MAX_PAGE, Secrets, Sessions};
use bartizan_core::issue::{Client, Refresh, Rotation, StoredKey, Unreachable, User};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use zeroize::Zeroizing;

/// The most refresh tokens, revocations and used ids that are held.
const MOST: usize = 1 << 20;

/// The most signing keys that are kept.
const MOST_KEYS: usize = 16;

/// A store of identities in memory.
#[derive(Default)]
pub struct MemoryIdentities(Mutex<State>);

#[derive(Default)]
struct State {
    users: BTreeMap<Arc<str>, User>,
    clients: BTreeMap<Arc<str>, Client>,
    keys: BTreeMap<Arc<str>, Record>,
    /// How often a key was changed, or anything taken back.
    changes: u64,
    refresh: HashMap<Hash, Refresh>,
    sessions: HashMap<Arc<str>, Session>,
    revoked: HashMap<Arc<str>, Timestamp>,
    /// What may be used once and was, until it does not count anyway.
    used: HashMap<Arc<str>, Timestamp>,
    /// When the next look for what has ended is worth its while.
    prune_at: usize,
    signing: Vec<StoredKey>,
    pepper: Option<Zeroizing<[u8; 32]>>,
}

/// Whose session, and by which tokens it was and is continued.
struct Session {
    user: Arc<str>,
    tokens: Vec<Hash>,
}

impl std::fmt::Debug for MemoryIdentities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryIdentities(***)")
    }
}

impl MemoryIdentities {
    /// Nothing here waits: the answer is there at once.
    fn answer<'a, T: Send + 'a>(&self, ask: impl FnOnce(&mut State) -> T) -> Answer<'a, T> {
        let answer = ask(&mut self.0.lock());
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn attempt<'a, T: Send + 'a>(
        &self,
        ask: impl FnOnce(&mut State) -> Result<T, Unreachable>,
    ) -> Answer<'a, T> {
        let answer = ask(&mut self.0.lock());
        Box::pin(std::future::ready(answer))
    }
}

fn page<T: Clone>(all: &BTreeMap<Arc<str>, T>, after: &str) -> Vec<T> {
    use std::ops::Bound::{Excluded, Unbounded};
    let behind = all.range::<str, _>((Excluded(after), Unbounded));
    behind.take(MAX_PAGE).map(|(_, item)| item.clone()).collect()
}

impl Accounts for MemoryIdentities {
    fn user<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        self.answer(|state| state.users.get(name).cloned())
    }

    fn put_user(&self, user: User) -> Answer<'_, ()> {
        self.answer(|state| drop(state.users.insert(Arc::clone(&user.name), user)))
    }

    fn rehash<'a>(
        &'a self,
        name: &'a str,
        old: &'a PasswordHash,
        new: PasswordHash,
    ) -> Answer<'a, bool> {
        self.answer(|state| match state.users.get_mut(name) {
            Some(user) if user.password == *old => {
                user.password = new;
                true
            }
            Some(_) | None => false,
        })
    }

    fn remove_user<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.answer(|state| {
            state.end_all_of(name);
            state.users.remove(name).is_some()
        })
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        self.answer(|state| page(&state.users, after))
    }

    fn client<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Client>> {
        self.answer(|state| state.clients.get(id).cloned())
    }

    fn put_client(&self, client: Client) -> Answer<'_, ()> {
        self.answer(|state| drop(state.clients.insert(Arc::clone(&client.id), client)))
    }

    fn remove_client<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.answer(|state| state.clients.remove(id).is_some())
    }

    fn clients<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Client>> {
        self.answer(|state| page(&state.clients, after))
    }
}

impl Keys for MemoryIdentities {
    fn key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Record>> {
        self.answer(|state| state.keys.get(id).cloned())
    }

    fn put_key(&self, record: Record) -> Answer<'_, ()> {
        self.answer(|state| {
            state.changes += 1;
            state.keys.insert(Arc::clone(&record.id), record);
        })
    }

    fn revoke_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, bool> {
        self.answer(|state| match state.keys.get_mut(id) {
            Some(record) if record.revoked.is_none() => {
                record.revoked = Some(now);
                state.changes += 1;
                true
            }
            Some(_) | None => false,
        })
    }

    fn touch_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        self.answer(|state| {
            if let Some(record) = state.keys.get_mut(id) {
                record.last_used = record.last_used.max(Some(now));
            }
        })
    }

    fn keys<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Record>> {
        self.answer(|state| page(&state.keys, after))
    }
}

impl Sessions for MemoryIdentities {
    fn refresh<'a>(&'a self, hash: &'a Hash) -> Answer<'a, Option<Refresh>> {
        self.answer(|state| state.refresh.get(hash).cloned())
    }

    fn begin_session(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, ()> {
        self.attempt(|state| {
            state.make_room(now)?;
            state.hold(refresh);
            Ok(())
        })
    }

    fn rotate<'a>(&'a self, old: &'a Hash, next: Refresh, now: Timestamp) -> Answer<'a, Rotation> {
        self.attempt(|state| {
            state.make_room(now)?;
            let Some(found) = state.refresh.get_mut(old) else { return Ok(Rotation::Gone) };
            if found.expires <= now {
                return Ok(Rotation::Gone);
            }
            if std::mem::replace(&mut found.used, true) {
                let session = Arc::clone(&found.session);
                state.end(&session);
                return Ok(Rotation::Reused);
            }
            state.hold(next);
            Ok(Rotation::Done)
        })
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, bool> {
        self.answer(|state| state.end(session))
    }

    fn end_sessions_of<'a>(&'a self, user: &'a str) -> Answer<'a, usize> {
        self.answer(|state| state.end_all_of(user))
    }

    fn revoke_token<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, ()> {
        self.attempt(|state| {
            state.make_room(now)?;
            state.revoke(id, until);
            Ok(())
        })
    }

    fn is_revoked<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, bool> {
        self.answer(|state| ids.iter().any(|id| state.revoked.contains_key(*id)))
    }

    fn changes(&self) -> Answer<'_, Option<u64>> {
        self.answer(|state| Some(state.changes))
    }

    fn use_once<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, bool> {
        self.attempt(|state| {
            state.make_room(now)?;
            let first = state.used.get(id).is_none_or(|until| *until <= now);
            if first {
                state.used.insert(id.into(), until);
            }
            Ok(first)
        })
    }
}

impl Secrets for MemoryIdentities {
    fn signing_keys<'a>(&'a self, fresh: &'a [u8]) -> Answer<'a, Vec<StoredKey>> {
        self.answer(|state| {
            if state.signing.is_empty() && !fresh.is_empty() {
                let pkcs8 = Zeroizing::new(fresh.to_vec());
                state.signing.push(StoredKey { pkcs8, signs_from: Timestamp(0) });
            }
            state.signing.clone()
        })
    }

    fn add_signing_key(&self, key: StoredKey, only: bool) -> Answer<'_, ()> {
        self.answer(|state| {
            if only {
                state.signing.clear();
            }
            state.signing.insert(0, key);
            state.signing.truncate(MOST_KEYS);
        })
    }

    fn pepper<'a>(&'a self, fresh: &'a [u8; 32]) -> Answer<'a, Zeroizing<[u8; 32]>> {
        self.answer(|state| state.pepper.get_or_insert_with(|| Zeroizing::new(*fresh)).clone())
    }
}

impl State {
    fn hold(&mut self, refresh: Refresh) {
        let session = self
            .sessions
            .entry(Arc::clone(&refresh.session))
            .or_insert_with(|| Session { user: Arc::clone(&refresh.user), tokens: Vec::new() });
        session.tokens.push(refresh.hash);
        self.refresh.insert(refresh.hash, refresh);
    }

    fn end(&mut self, session: &str) -> bool {
        let Some(ended) = self.sessions.remove(session) else { return false };
        let tokens = ended.tokens.iter().filter_map(|hash| self.refresh.remove(hash));
        let until = tokens.map(|token| token.expires).max().unwrap_or_default();
        self.revoke(session, until);
        true
    }

    fn end_all_of(&mut self, user: &str) -> usize {
        let theirs = self.sessions.iter().filter(|(_, session)| *session.user == *user);
        let theirs: Vec<_> = theirs.map(|(session, _)| Arc::clone(session)).collect();
        theirs.iter().filter(|session| self.end(session)).count()
    }

    fn revoke(&mut self, id: &str, until: Timestamp) {
        self.changes += 1;
        let end = self.revoked.entry(id.into()).or_default();
        *end = until.max(*end);
    }

    /// Forgets what has ended, once as much has come as there was the last time: so the cost of
    /// looking through everything is shared by as many calls.
    fn make_room(&mut self, now: Timestamp) -> Result<(), Unreachable> {
        let held = |state: &Self| state.refresh.len() + state.revoked.len() + state.used.len();
        if held(self) < self.prune_at {
            return Ok(());
        }
        self.refresh.retain(|_, token| token.expires > now);
        self.revoked.retain(|_, until| *until > now);
        self.used.retain(|_, until| *until > now);
        let refresh = &self.refresh;
        self.sessions.retain(|_, session| {
            session.tokens.retain(|hash| refresh.contains_key(hash));
            !session.tokens.is_empty()
        });
        let held = held(self);
        self.prune_at = (2 * held).clamp(1024, MOST);
        if held >= MOST { Err(Unreachable::new("it holds no more sessions")) } else { Ok(()) }
    }
}
