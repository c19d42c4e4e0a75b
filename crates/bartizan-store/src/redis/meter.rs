//! The meter in Redis: every call is one script, and several gates share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::limit::{
    Draw, Expired, Meter, ReservationId, Settlement, Told, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::address::Address;
use super::line::{Line, PATIENCE};
use super::script::Words;
use super::wire::{Answer, add_draws, expired, merged, settlement, strange, verdict};

/// Counters and reservations in a Redis or Valkey. Gates that name the same server, database and
/// tag share the limits. Cloning gives another handle to the same meter.
#[derive(Clone, Debug)]
pub struct RedisMeter {
    shared: Arc<Shared>,
    withdrawals: Arc<Withdrawals>,
}

#[derive(Debug)]
struct Shared {
    line: Line,
    /// What every key begins with.
    prefix: String,
    clock: Clock,
    /// By how many microseconds the server's clock was ahead of the caller's, when asked last.
    ahead: AtomicI64,
    /// The memory that counts were last seen in.
    epoch: Mutex<String>,
    /// How often another memory was found in its place.
    lost: AtomicU64,
    failures: AtomicU64,
    /// Names that nobody else gives: chance, and a number.
    chance: u64,
    names: AtomicU64,
}

/// Whose clock decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Clock {
    /// Redis's own: one for all gates.
    Server,
    /// The caller's: for tests, which must not wait for a day to end.
    Caller,
}

/// How the store is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Health {
    /// Why it cannot be used; nothing while it can.
    pub down: Option<Arc<str>>,
    /// How many calls it did not answer.
    pub failures: u64,
    /// How often it was found to have lost what it had counted.
    pub lost: u64,
}

/// Reservations of which nobody knows whether they were made: they are taken back when the store
/// is there again. Otherwise their money would be held until their deadline.
#[derive(Debug)]
struct Withdrawals {
    queue: mpsc::Sender<(ReservationId, Vec<Draw>)>,
    worker: AbortHandle,
}

/// How long a call may take where nobody waits for it but a test, on a busy machine.
const UNHURRIED: Duration = Duration::from_secs(10);
/// How many of these may wait; the others run to their deadline.
const MOST_WITHDRAWN: usize = 4096;
/// How often a call is made again because its period was over when it arrived.
const MOST_PERIODS: usize = 3;

impl RedisMeter {
    /// A meter at that address. It need not be reachable yet: until it is, calls are unavailable.
    /// Must be called within a tokio runtime, which keeps the connection up.
    ///
    /// # Errors
    /// [`Unavailable`] where the kernel gives no randomness.
    pub fn open(address: Address) -> Result<Self, Unavailable> {
        Self::on(address, Clock::Server)
    }

    /// The same, on the clock of whoever calls it: for tests, which cannot wait for a month. Gates
    /// whose clocks differ would break its promises.
    ///
    /// # Errors
    /// As [`RedisMeter::open`].
    pub fn danger_on_the_callers_clock(address: Address) -> Result<Self, Unavailable> {
        Self::on(address, Clock::Caller)
    }

    fn on(address: Address, clock: Clock) -> Result<Self, Unavailable> {
        let chance = getrandom::u64().map_err(|error| Unavailable::new(error.to_string()))?;
        let shared = Arc::new(Shared {
            prefix: format!("{{{}}}:", address.tag),
            line: Line::open(address, if clock == Clock::Caller { UNHURRIED } else { PATIENCE }),
            clock,
            ahead: AtomicI64::new(0),
            epoch: Mutex::default(),
            lost: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            chance,
            names: AtomicU64::new(0),
        });
        let (queue, waiting) = mpsc::channel(MOST_WITHDRAWN);
        let worker = tokio::spawn(withdraw(Arc::clone(&shared), waiting)).abort_handle();
        Ok(Self { shared, withdrawals: Arc::new(Withdrawals { queue, worker }) })
    }

    /// How the store is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            down: self.shared.line.down(),
            failures: self.shared.failures.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
        }
    }

    /// Waits until the store answers.
    pub async fn up(&self) {
        self.shared.line.up().await;
    }
}

impl Meter for RedisMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::later(async move {
            let merged = merged(draws);
            let span = deadline.since(now).min(LONGEST).as_micros().to_string();
            let asked = Asked { withdrawals: &self.withdrawals, id, draws: &merged };
            let answer = self.shared.ask("reserve", Some(id), &span, &merged, now).await?;
            asked.answered();
            self.shared.verdict(&answer, id, (draws, &merged), now)
        })
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::later(async move {
            let merged = merged(draws);
            let answer = self.shared.ask("spend", Some(id), "", &merged, now).await?;
            self.shared.verdict(&answer, id, (draws, &merged), now)
        })
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        Told::later(async move {
            match self.shared.ask("depart", Some(id), "", &[], now).await?.what.as_str() {
                "departed" => Ok(()),
                _ => Err(Unavailable::new("the reservation is not open any more: reserve again")),
            }
        })
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        Told::later(async move {
            let span = deadline.since(now).min(LONGEST).as_micros().to_string();
            let answer = self.shared.ask("extend", Some(id), &span, &[], now).await?;
            Ok(answer.what == "extended")
        })
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::later(async move {
            let name = self.shared.name();
            settlement(&self.shared.ask("settle", Some(id), &name, &merged(actual), now).await?)
        })
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            let mut all = Vec::new();
            loop {
                let answer = self.shared.ask("expire", None, "", &[], now).await?;
                for told in &answer.more {
                    all.push(expired(told)?);
                }
                if answer.what != "more" {
                    return Ok(all);
                }
            }
        })
    }
}

/// The longest that a reservation waits.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Shared {
    /// Asks the script. `word` is its fifth argument. A call that comes when the period of a
    /// budget is over is made again with the next one.
    async fn ask(
        &self,
        what: &str,
        id: Option<ReservationId>,
        word: &str,
        draws: &[Draw],
        now: Timestamp,
    ) -> Result<Answer, Unavailable> {
        let mut at = Timestamp(now.0.saturating_add_signed(self.ahead.load(Ordering::Relaxed)));
        for _ in 0..MOST_PERIODS {
            let words = self.words(what, id, word, (draws, at), now);
            let value = self.line.call(&words).await;
            let value = value.inspect_err(|_| {
                self.failures.fetch_add(1, Ordering::Relaxed);
            })?;
            let answer = Answer::read(value)?;
            self.notice(&answer, if what == "withdraw" { answer.at } else { now });
            if answer.what != "period" {
                return Ok(answer);
            }
            at = answer.at;
        }
        Err(strange("every period is over before it begins"))
    }

    fn words(
        &self,
        what: &str,
        id: Option<ReservationId>,
        word: &str,
        (draws, at): (&[Draw], Timestamp),
        now: Timestamp,
    ) -> Words {
        let mut words = Words::default();
        words
            .keys
            .extend(["clock", "deadlines", "told"].map(|key| format!("{}{key}", self.prefix)));
        words.keys.extend(id.map(|id| format!("{}r:{:032x}", self.prefix, id.0)));
        let clock = match self.clock {
            Clock::Server => String::new(),
            Clock::Caller => now.0.to_string(),
        };
        let known = self.epoch.lock().clone();
        words.arguments.extend([what.to_owned(), clock, known, self.name(), word.to_owned()]);
        add_draws(&mut words, &self.prefix, draws, at);
        words
    }

    fn verdict(
        &self,
        answer: &Answer,
        id: ReservationId,
        draws: (&[Draw], &[Draw]),
        now: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        match answer.what.as_str() {
            "taken" | "short" => verdict(answer, id, draws, self.told(answer, now)),
            "lost" => Err(lost(answer)),
            "closed" => Err(Unavailable::new("the reservation is closed: reserve under a new id")),
            _ => Err(strange("it is none to a reservation")),
        }
    }

    /// The instant that waiting times are counted from: the one that the store decided on.
    fn told(&self, answer: &Answer, now: Timestamp) -> Timestamp {
        match self.clock {
            Clock::Server => answer.at,
            Clock::Caller => now,
        }
    }

    /// Remembers the server's clock, and notices when it has forgotten what it counted.
    fn notice(&self, answer: &Answer, now: Timestamp) {
        let ahead = i128::from(answer.at.0) - i128::from(now.0);
        self.ahead.store(i64::try_from(ahead).unwrap_or(0), Ordering::Relaxed);
        let mut epoch = self.epoch.lock();
        if *epoch != answer.epoch {
            if !epoch.is_empty() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    "Redis has lost what it counted: each limit refuses until its window is over"
                );
            }
            epoch.clone_from(&answer.epoch);
        }
    }

    fn name(&self) -> String {
        format!("{:016x}{:016x}", self.chance, self.names.fetch_add(1, Ordering::Relaxed))
    }
}

/// Refused, and for how long that is.
fn lost(answer: &Answer) -> Unavailable {
    let why = Unavailable::new(
        "Redis has lost what it counted: refused for as long as that could matter",
    );
    match answer.more.first().and_then(|wait| wait.parse().ok()) {
        Some(wait) => why.lasts(Duration::from_micros(wait)),
        None => why,
    }
}

impl Withdrawals {
    fn add(&self, id: ReservationId, draws: &[Draw]) {
        let draws = draws.iter().map(|draw| Draw { amount: 0, ..draw.clone() }).collect();
        if self.queue.try_send((id, draws)).is_err() {
            tracing::error!("a reservation that may have been made runs to its deadline");
        }
    }
}

/// A reservation that was asked for. Dropped without an answer — none came, or the caller waits
/// for none any more — it is taken back.
struct Asked<'a> {
    withdrawals: &'a Withdrawals,
    id: ReservationId,
    draws: &'a [Draw],
}

impl Asked<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.withdrawals.add(self.id, self.draws);
    }
}

impl Drop for Withdrawals {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// Takes back what nobody knows of, as soon as the store is there.
async fn withdraw(shared: Arc<Shared>, mut waiting: mpsc::Receiver<(ReservationId, Vec<Draw>)>) {
    while let Some((id, draws)) = waiting.recv().await {
        loop {
            shared.line.up().await;
            // Whenever it is: the store has a clock.
            match shared.ask("withdraw", Some(id), &shared.name(), &draws, Timestamp(0)).await {
                Ok(_) => break,
                Err(error) => tracing::debug!(%error, "not taken back yet"),
            }
        }
    }
}
