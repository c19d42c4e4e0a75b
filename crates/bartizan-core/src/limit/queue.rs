//! How is a queue that drains kept in little room?

use serde::{Deserialize, Serialize};

use super::gcra::Gcra;
use crate::time::Timestamp;

/// A [`Gcra`], in place where its numbers are small, and in a box of its own where they are not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(from = "Gcra", into = "Gcra")]
pub struct Queue(Form);

#[derive(Clone, Debug)]
enum Form {
    Near(Near),
    Far(Box<Gcra>),
}

/// The same fields in 37 bytes: a line of the cache has room for them beside their digest.
#[derive(Clone, Copy, Debug)]
struct Near {
    limit: u16,
    burst: u16,
    length: u32,
    at: Halves,
    /// How long before it the queue was last empty.
    age: u32,
    added: Halves,
    gone: Halves,
    /// The compiler tells the forms apart by a byte that has values to spare; there is no other here.
    here: Here,
}

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Here {
    Yes,
}

/// A number of 64 bits that may stand at any word.
#[derive(Clone, Copy, Debug)]
struct Halves([u32; 2]);

impl Queue {
    /// What `ask` says of it. It may change it.
    pub(super) fn with<T>(&mut self, ask: impl FnOnce(&mut Gcra) -> T) -> T {
        let said;
        let near = match &mut self.0 {
            Form::Near(near) => {
                let mut gcra = near.whole();
                said = ask(&mut gcra);
                Self::from(gcra)
            }
            Form::Far(gcra) => {
                said = ask(gcra);
                match Near::of(gcra) {
                    Some(near) => Self(Form::Near(near)),
                    None => return said,
                }
            }
        };
        *self = near;
        said
    }

    /// It with all its numbers.
    pub(super) fn whole(&self) -> Gcra {
        match &self.0 {
            Form::Near(near) => near.whole(),
            Form::Far(gcra) => (**gcra).clone(),
        }
    }
}

impl From<Gcra> for Queue {
    fn from(gcra: Gcra) -> Self {
        Self(Near::of(&gcra).map_or_else(|| Form::Far(Box::new(gcra)), Form::Near))
    }
}

impl From<Queue> for Gcra {
    fn from(queue: Queue) -> Self {
        queue.whole()
    }
}

impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }
}

impl Eq for Queue {}

impl Near {
    /// None where a number is too large.
    fn of(gcra: &Gcra) -> Option<Self> {
        Some(Self {
            limit: u16::try_from(gcra.limit).ok()?,
            burst: u16::try_from(gcra.burst).ok()?,
            length: u32::try_from(gcra.length).ok()?,
            at: Halves::of(gcra.at.0),
            age: if gcra.added == 0 { 0 } else { age(gcra)? },
            added: Halves::of(u64::try_from(gcra.added).ok()?),
            gone: Halves::of(u64::try_from(gcra.gone).ok()?),
            here: Here::Yes,
        })
    }

    fn whole(self) -> Gcra {
        let Here::Yes = self.here;
        let at = self.at.whole();
        Gcra {
            limit: self.limit.into(),
            length: self.length.into(),
            burst: self.burst.into(),
            at: Timestamp(at),
            since: Timestamp(at.saturating_sub(self.age.into())),
            added: self.added.whole().into(),
            gone: self.gone.whole().into(),
        }
    }
}

/// An empty queue has none.
fn age(gcra: &Gcra) -> Option<u32> {
    u32::try_from(gcra.at.0.checked_sub(gcra.since.0)?).ok()
}

impl Halves {
    fn of(number: u64) -> Self {
        Self([(number >> 32) as u32, number as u32])
    }

    fn whole(self) -> u64 {
        let Self([high, low]) = self;
        u64::from(high) << 32 | u64::from(low)
    }
}
