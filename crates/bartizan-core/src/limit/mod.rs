//! Is there room and money for it?
//!
//! A [`Rule`] is one limit or one budget as meant. A call becomes [`Draw`]s, and a [`Meter`] takes
//! all of them or none. When the call is over, what it really was is settled, and the rest goes
//! back. The arithmetic is here, in [`Book`]: a value that is handed the time. A store keeps it.
//!
//! | shape | what is promised |
//! |---|---|
//! | [`Shape::Window`] | no window of the length, wherever it begins, holds more than the limit |
//! | [`Shape::Gcra`] | smooth at the rate; no window of the length holds more than limit + burst |
//! | [`Shape::Budget`] | settled + reserved never pass the limit at admission |
//! | [`Shape::Concurrency`] | never more than the limit are under way |

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

pub mod rate;
pub mod price;
pub mod usage;
pub mod period;
pub mod meter;
pub mod book;
pub mod permit;
pub mod counter;
pub mod reservation;
pub mod transfer;
pub mod treasury;
pub mod alert;
pub mod lease;
mod asked;
mod digest;
mod few;
mod full;
mod log;
mod room;
mod table;
mod window;
mod gcra;
mod queue;
mod budget;
mod concurrency;
#[cfg(test)]
mod tests;

pub use crate::seam::BoxFuture;
pub use alert::Alert;
pub use book::{Book, Capacity};
pub use budget::{Budget, Ledger};
pub use concurrency::Concurrency;
pub use counter::{Counter, Mark};
use digest::Digest;
pub use gcra::Gcra;
pub use meter::{
    Charge, Expired, Meter, Order, ReservationId, Settlement, Told, Unavailable, spend_in_two,
};
pub use period::{Calendar, Period};
pub use price::{NanoUsd, Price};
pub use queue::Queue;
pub use reservation::{Reservation, State, Take};
pub use room::Room;
pub use transfer::{Account, Cause, Transfer};
pub use treasury::{Difference, Holding, Posted, Sum, Treasury};
pub use usage::{Usage, actual_draws, no_less, not_sent, nothing_used};
pub use window::Window;

/// One limit or budget as meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What the configuration calls it; clients read it in the `RateLimit` fields.
    pub name: Arc<str>,
    /// What it counts.
    pub measure: Measure,
    /// How it counts.
    pub shape: Shape,
    /// What passes the limit is told and not refused.
    pub soft: bool,
    /// What a call costs whose gateway died while it was away.
    pub on_crash: OnCrash,
    /// What the keys of its counters begin with; made once, since every call makes a key.
    prefix: Arc<str>,
}

/// What a call costs whose gateway died while it was away: its reservation runs into the deadline.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum OnCrash {
    /// All that was reserved: a provider bills the call.
    #[default]
    Charge,
    /// Nothing.
    GiveBack,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Measure {
    /// Calls under way.
    Concurrent,
    /// Messages of a client over a WebSocket.
    Messages,
    /// Billionths of a US dollar.
    NanoUsd,
    /// Calls.
    Requests,
    /// Tokens of a language model, in and out.
    Tokens,
}

/// How it is counted, and how much of it there is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Money (or tokens, or calls) for a period.
    Budget {
        /// The most that may be settled and reserved together.
        limit: u64,
        /// When the counting starts again.
        period: Period,
    },
    /// How many at once.
    Concurrency {
        /// The most that may be under way.
        limit: u64,
    },
    /// Smooth at `limit` per `length`, and `burst` more at once (the generic cell rate algorithm).
    Gcra {
        /// How many in a length, in the long run.
        limit: u64,
        /// The length.
        length: Duration,
        /// How many may come early. A single draw of more than `burst + 1` never passes.
        burst: u64,
    },
    /// A sliding window.
    Window {
        /// The most that any window holds.
        limit: u64,
        /// How long the window is.
        length: Duration,
    },
}

/// Which promise was about to be broken; the road words its refusal after it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Kind {
    /// A budget: its money comes back with the next period.
    Budget,
    /// A limit on how many are under way: room comes back when one of them ends.
    Concurrency,
    /// A rate: waiting helps.
    Rate,
}

impl Rule {
    /// A rule of that name.
    pub fn new(name: impl Into<Arc<str>>, measure: Measure, shape: Shape) -> Self {
        let name = name.into();
        // A slash in a name would let one rule spell the key of another.
        let safe = name.replace('%', "%25").replace('/', "%2F");
        let prefix = format!("{safe}/{}.{}/", measure.code(), Form(&shape)).into();
        let (soft, on_crash) = (false, OnCrash::Charge);
        Self { name, measure, shape, soft, on_crash, prefix }
    }

    /// The same rule, of which what passes the limit is told and not refused.
    #[must_use]
    pub fn soft(self) -> Self {
        Self { soft: true, ..self }
    }

    /// The same rule, with what a call costs whose gateway died.
    #[must_use]
    pub fn on_crash(self, on_crash: OnCrash) -> Self {
        Self { on_crash, ..self }
    }

    /// The same rule with another limit; its counters stay the same.
    #[must_use]
    pub fn with_limit(&self, limit: u64) -> Self {
        let mut rule = self.clone();
        match &mut rule.shape {
            Shape::Budget { limit: old, .. }
            | Shape::Concurrency { limit: old }
            | Shape::Gcra { limit: old, .. }
            | Shape::Window { limit: old, .. } => *old = limit,
        }
        rule
    }

    /// Whether it counts calls, at a rate: what it draws is known when it is asked, and nothing that
    /// becomes of the call changes it.
    #[must_use]
    pub fn counts_calls(&self) -> bool {
        self.measure == Measure::Requests && self.kind() == Kind::Rate
    }

    /// Which kind of promise it makes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.shape {
            Shape::Budget { .. } => Kind::Budget,
            Shape::Concurrency { .. } => Kind::Concurrency,
            Shape::Gcra { .. } | Shape::Window { .. } => Kind::Rate,
        }
    }
}

impl Shape {
    /// How much there is of it: in a window, in a period, or at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::Budget { limit, .. }
            | Self::Concurrency { limit }
            | Self::Gcra { limit, .. }
            | Self::Window { limit, .. } => *limit,
        }
    }
}

/// Who shares a counter: the rule, and whom it counts. The text says it, and its digest finds it: that is
/// worked out once, where the text is made.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MeterKey {
    text: Arc<str>,
    digest: Digest,
}

/// Subjects up to this many bytes stand in the key as they are, so that an operator can read them.
const READABLE_SUBJECT: usize = 96;

impl MeterKey {
    /// The counter of `rule` for `subject`. Two rules never share one by accident: the name, what
    /// is counted and how stand in the key. A subject longer than 96 bytes stands as its SHA-256,
    /// so that a caller cannot choose how much memory a key takes.
    #[must_use]
    pub fn new(rule: &Rule, subject: &str) -> Self {
        // A zero byte is no text to a database: it would refuse all that is written with the key.
        if subject.len() > READABLE_SUBJECT || subject.as_bytes().contains(&0) {
            let digest = Hex(Sha256::digest(subject.as_bytes()).into());
            return Self::from(&*format!("{}sha256:{digest}", rule.prefix));
        }
        Self::of([&*rule.prefix, subject].concat().into())
    }

    fn of(text: Arc<str>) -> Self {
        let digest = Digest::of(&text);
        Self { text, digest }
    }

    /// What the key of a budget says: the budget's name, what it counts and for how long, and
    /// whom it counts. None for the key of another limit.
    #[must_use]
    pub fn of_budget(&self) -> Option<BudgetKey<'_>> {
        let (name, rest) = self.text.split_once('/')?;
        let (form, subject) = rest.split_once('/')?;
        let (measure, period) = form.split_once(".budget.")?;
        Some(BudgetKey {
            name: name.replace("%2F", "/").replace("%25", "%"),
            measure,
            period,
            subject,
        })
    }

    /// The key as a store writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What the key of a budget's counter says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BudgetKey<'a> {
    /// The budget's name.
    pub name: String,
    /// What is counted: `usd`, `tokens` or `requests`.
    pub measure: &'a str,
    /// For how long: `day`, `month`, `rolling.86400s`.
    pub period: &'a str,
    /// Whom it counts; `-` for everybody together.
    pub subject: &'a str,
}

impl BudgetKey<'_> {
    /// Its length, where it rolls.
    #[must_use]
    pub fn rolling(&self) -> Option<Duration> {
        let length = self.period.strip_prefix("rolling.")?;
        match (length.strip_suffix("us"), length.strip_suffix('s')) {
            (Some(micros), _) => micros.parse().ok().map(Duration::from_micros),
            (None, Some(seconds)) => seconds.parse().ok().map(Duration::from_secs),
            (None, None) => None,
        }
    }
}

/// A key that a store wrote.
impl From<&str> for MeterKey {
    fn from(key: &str) -> Self {
        Self::of(key.into())
    }
}

impl fmt::Display for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Hash for MeterKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl Serialize for MeterKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for MeterKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(String::deserialize(deserializer)?.into()))
    }
}

impl Measure {
    /// The word for it in keys and in stores.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Concurrent => "concurrent",
            Self::Messages => "messages",
            Self::NanoUsd => "usd",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// One withdrawal from one counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draw {
    /// Which counter.
    pub key: MeterKey,
    /// By which rule.
    pub rule: Arc<Rule>,
    /// How much, in the rule's measure.
    pub amount: u64,
}

impl Draw {
    /// Draws `amount` by `rule` for `subject`.
    #[must_use]
    pub fn new(rule: Arc<Rule>, subject: &str, amount: u64) -> Self {
        Self { key: MeterKey::new(&rule, subject), rule, amount }
    }
}

/// How a counter stands after a verdict: what the `RateLimit` fields say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The rule's name.
    pub name: Arc<str>,
    /// What is counted.
    pub measure: Measure,
    /// Which kind of promise it is.
    pub kind: Kind,
    /// How much there is.
    pub limit: u64,
    /// For how long: the window or the period; zero for concurrency.
    pub window: Duration,
    /// How much is left now.
    pub remaining: u64,
    /// When there will be more: the oldest leaves the window, or the period ends. Zero if nothing
    /// is used.
    pub reset: Duration,
}

/// How one counter stands, in numbers. Whoever tells a client of it knows the rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers {
    /// For how long: the window or the period; zero for concurrency.
    pub window: Duration,
    /// How much is left now.
    pub remaining: u64,
    /// When there will be more; zero if nothing is used.
    pub reset: Duration,
}

impl Numbers {
    /// What is told of a counter of that rule.
    #[must_use]
    pub fn of(self, rule: &Rule) -> Standing {
        let Self { window, remaining, reset } = self;
        let (name, measure, kind) = (rule.name.clone(), rule.measure, rule.kind());
        Standing { name, measure, kind, limit: rule.shape.limit(), window, remaining, reset }
    }
}

/// How the counters of a call stand that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standings {
    /// That of its only draw. A meter in memory asks for no memory to say so, and most calls are of
    /// this kind.
    Alone(Numbers),
    /// Those of its draws, in their order.
    Each(Vec<Standing>),
}

impl Standings {
    /// What is told of them, in the order of the draws.
    #[must_use]
    pub fn of(self, draws: &[Draw]) -> Vec<Standing> {
        match self {
            Self::Alone(numbers) => {
                draws.first().map(|draw| numbers.of(&draw.rule)).into_iter().collect()
            }
            Self::Each(standings) => standings,
        }
    }
}

/// Nothing was drawn.
impl Default for Standings {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl From<Vec<Standing>> for Standings {
    fn from(standings: Vec<Standing>) -> Self {
        Self::Each(standings)
    }
}

/// What a meter answers to a reservation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// At least one draw found no room, and none was taken.
    Short(Exhausted),
    /// Every draw was taken.
    Taken {
        /// How each counter stands now.
        standings: Standings,
    },
}

/// There is no room, or no money.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` {}", self.how())]
pub struct Exhausted {
    /// The rule that refused; of several the one with the longest wait.
    pub name: Arc<str>,
    /// Which kind of promise it is.
    pub kind: Kind,
    /// How long to wait. Exact for windows of at most 128; never shorter than what is needed for
    /// the others, as far as is known now. Says nothing where it is `never`.
    pub retry_after: Duration,
    /// The draw is larger than the rule ever allows: waiting does not help.
    pub never: bool,
    /// How each counter stands, in the order of the draws.
    pub standings: Vec<Standing>,
}

impl Exhausted {
    /// What is told of it: something may be left, and not enough for this call.
    fn how(&self) -> &'static str {
        let mut own =
            self.standings.iter().filter(|standing| standing.name == self.name).peekable();
        if self.never && own.peek().is_some_and(|standing| standing.limit == 0) {
            "allows nothing: ask the operator for more"
        } else if self.never {
            "never allows as much as this call may take: ask for less, or the operator for more"
        } else if own.peek().is_some() && own.all(|standing| standing.remaining > 0) {
            "has less left than this call may take"
        } else {
            "is used up"
        }
    }
}

/// A shape as it stands in a key: everything that makes counts incomparable, and not the limit, so
/// that raising a limit does not forget what was counted.
struct Form<'a>(&'a Shape);

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Shape::Budget { period, .. } => write!(f, "budget.{}", period.code()),
            Shape::Concurrency { .. } => f.write_str("atonce"),
            Shape::Gcra { length, .. } => write!(f, "gcra.{}", period::Seconds(*length)),
            Shape::Window { length, .. } => write!(f, "window.{}", period::Seconds(*length)),
        }
    }
}

struct Hex([u8; 32]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
