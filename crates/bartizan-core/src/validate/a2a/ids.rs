//! Whose task is it? Identifiers leave the gate with a tag that only their caller's own calls take
//! off again.
//!
//! An agent knows no callers but the gate, so whoever knows an identifier could read the task. The
//! tag is a keyed digest over the identifier, the caller and the agent: nothing is remembered, and
//! every gate with the same durable store knows the same tags, also after a restart.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;

use crate::authenticate::Principal;
use crate::authenticate::api_key::Pepper;

/// What tags are made with. Prints as `***`.
#[derive(Clone)]
pub struct IdKey(hmac::Key);

/// What an identifier names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Task,
    Context,
}

/// Tags for one caller at one agent.
#[derive(Clone)]
pub(super) struct Binder {
    key: hmac::Key,
    /// Agent and caller, each behind its length.
    owner: Vec<u8>,
}

/// Bytes in an identifier that is looked at; agents use 36.
pub(super) const LONGEST: usize = 512;

/// Half of a digest: nobody guesses 128 bits at a gate that answers.
const TAG: usize = 32;

impl IdKey {
    /// The key that belongs to the secret by which gates with the same store know keys.
    #[must_use]
    pub fn derive(secret: &Pepper) -> Self {
        let own = secret.key_for(b"bartizan: identifiers of tasks, 1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &own))
    }

    /// Tags for `caller` at the agent that is reached at the path `agent`.
    pub(super) fn binder(&self, agent: &str, caller: &Principal) -> Binder {
        let mut owner = Vec::new();
        for part in [agent, &caller.issuer, &caller.subject] {
            owner.extend_from_slice(&(part.len() as u64).to_be_bytes());
            owner.extend_from_slice(part.as_bytes());
        }
        Binder { key: self.0.clone(), owner }
    }
}

impl Binder {
    /// The identifier as its caller knows it. A context that the caller has named itself carries its
    /// tag at the agent already, and comes back as it was named.
    pub(super) fn bind(&self, kind: Kind, id: &str) -> String {
        match self.open(kind, id) {
            Some(named) if kind == Kind::Context => named.to_owned(),
            _ => format!("{id}.{}", self.tag(kind, id)),
        }
    }

    /// The identifier as the agent knows it, if it is one of the caller's.
    pub(super) fn open<'a>(&self, kind: Kind, id: &'a str) -> Option<&'a str> {
        let (id, tag) = id.rsplit_once('.').filter(|_| id.len() <= LONGEST)?;
        let own = self.tag(kind, id);
        bool::from(own.as_bytes().ct_eq(tag.as_bytes())).then_some(id)
    }

    /// The context that the agent is told: one of the caller's, or one that the caller names and that
    /// nobody else can name.
    pub(super) fn context(&self, id: &str) -> Option<String> {
        if id.len() > LONGEST {
            return None;
        }
        let own = self.open(Kind::Context, id).map(str::to_owned);
        Some(own.unwrap_or_else(|| format!("{id}.{}", self.tag(Kind::Context, id))))
    }

    fn tag(&self, kind: Kind, id: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(match kind {
            Kind::Task => b"task\0",
            Kind::Context => b"ctxt\0",
        });
        context.update(&self.owner);
        context.update(id.as_bytes());
        let digest = context.sign();
        let mut tag = String::with_capacity(TAG);
        for byte in digest.as_ref().iter().take(TAG / 2) {
            // Letters alone: digits might be taken for a number of somebody's.
            let _ = write!(tag, "{}{}", letter(byte >> 4), letter(byte & 15));
        }
        tag
    }
}

/// One of sixteen letters.
fn letter(nibble: u8) -> char {
    char::from(b'a' + nibble)
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(***)")
    }
}

impl fmt::Debug for Binder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binder(***)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn binder(agent: &str, caller: &str) -> Binder {
        IdKey::derive(&Pepper::new(&[7; 32])).binder(agent, &Principal::parse(caller))
    }

    #[test]
    fn an_identifier_opens_for_its_caller_at_its_agent_and_for_nobody_else() {
        let ann = binder("/a", "ann");
        let id = ann.bind(Kind::Task, "t-1");
        assert_eq!(ann.open(Kind::Task, &id), Some("t-1"));
        assert_eq!(ann.open(Kind::Context, &id), None, "a task is no context");
        for other in [binder("/a", "bob"), binder("/b", "ann"), binder("/a", "corp:ann")] {
            assert_eq!(other.open(Kind::Task, &id), None);
        }
        assert_eq!(ann.open(Kind::Task, "t-1"), None);
        let other_key =
            IdKey::derive(&Pepper::new(&[8; 32])).binder("/a", &Principal::parse("ann"));
        assert_eq!(other_key.open(Kind::Task, &id), None);
    }

    #[test]
    fn neither_part_of_the_owner_can_be_moved_into_the_other() {
        let id = binder("/a", "b:c").bind(Kind::Task, "t");
        assert_eq!(binder("/ab", ":c").open(Kind::Task, &id), None);
    }

    #[test]
    fn a_context_that_a_caller_names_is_another_one_for_each_and_comes_back_as_named() {
        let (ann, bob) = (binder("/a", "ann"), binder("/a", "bob"));
        let told = ann.context("mine").unwrap();
        assert_ne!(Some(&told), bob.context("mine").as_ref());
        assert_eq!(ann.bind(Kind::Context, &told), "mine");
        let made = ann.bind(Kind::Context, "made-by-the-agent");
        assert_eq!(ann.context(&made).unwrap(), "made-by-the-agent");
        assert_ne!(bob.context(&made).unwrap(), "made-by-the-agent");
        assert_ne!(bob.context(&told).unwrap(), told, "nor by what the agent is told");
    }
}
