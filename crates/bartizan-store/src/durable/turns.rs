//! Who writes, and who waits? One worker takes all calls that wait, and answers them together.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_core::limit::{
    BoxFuture, Draw, Expired, Meter, ReservationId, Settlement, Told, Unavailable, Verdict,
    nothing_used, spend_in_two,
};
use bartizan_core::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::page::{Call, Done, Said};

/// A database that takes a batch of calls in one transaction.
pub(crate) trait Pages: Send + 'static {
    /// Reads what the calls touch, decides on them, writes, and commits.
    fn turn<'a>(&'a mut self, calls: &'a [Call]) -> BoxFuture<'a, Result<Done, Unavailable>>;

    /// The last turn was cut short: whatever it worked on is not used again.
    fn cut(&mut self) {}
}

/// How many calls may wait. Beyond that they are refused at once.
const QUEUE: usize = 4096;
/// The most that one transaction takes.
const BATCH: usize = 256;
/// How many expired reservations wait to be told; the oldest are dropped first.
const MOST_UNTOLD: usize = 4096;

/// The queue of calls, and the worker at its end. Cloning gives another place to stand in it.
#[derive(Clone)]
pub(crate) struct Turns {
    queue: mpsc::Sender<Asked>,
    patience: Duration,
    answering: Arc<AtomicBool>,
}

/// Budgets and limits in a database: they outlive the process, and are shared by all processes
/// that use it. Cloning gives another handle to the same ones.
#[derive(Clone, Debug)]
pub struct DurableMeter(Turns);

enum Asked {
    Call(Call, oneshot::Sender<Answer>),
    Finish(oneshot::Sender<()>),
}

enum Answered {
    Said(Said),
    Expired(Vec<Expired>, bool),
}

/// An answer on its way to whoever asked.
struct Answer {
    answered: Result<Answered, Unavailable>,
    unclaimed: Option<Unclaimed>,
}

/// A reservation that only its answer tells of. Dropped on the way, because whoever asked hung up
/// and took nothing any more, it is given back: nobody else would settle it.
struct Unclaimed {
    /// Absent once somebody knows of it.
    given_back: Option<Call>,
    to: mpsc::Sender<Call>,
}

impl Answer {
    /// Has arrived: what it reserved is for whoever asked to settle.
    fn claimed(self) -> Result<Answered, Unavailable> {
        if let Some(mut unclaimed) = self.unclaimed {
            unclaimed.given_back = None;
        }
        self.answered
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(call) = self.given_back.take() else { return };
        if self.to.try_send(call).is_err() {
            tracing::error!("a reservation that nobody waited for runs to its deadline");
        }
    }
}

impl Turns {
    /// Starts the worker. It ends when nobody holds a place in the queue any more.
    pub(crate) fn start(pages: impl Pages, patience: Duration) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        let (nobody, returned) = mpsc::channel(QUEUE);
        let answering = Arc::new(AtomicBool::new(true));
        let worker = Worker {
            pages,
            asked,
            nobody,
            returned,
            patience,
            answering: Arc::clone(&answering),
            untold: VecDeque::new(),
            unclaimed: VecDeque::new(),
        };
        tokio::spawn(worker.run());
        Self { queue, patience, answering }
    }

    /// Waits until everything that was asked so far is answered; nothing is answered afterwards.
    pub(crate) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.queue.send(Asked::Finish(done)).await.is_ok() {
            let _ = finished.await;
        }
    }

    async fn ask(&self, call: Call) -> Result<Answered, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let full = |_| Unavailable::new("the store is behind: too many calls wait for it");
        self.queue.try_send(Asked::Call(call, answer)).map_err(full)?;
        match tokio::time::timeout(self.patience, answered).await {
            Ok(Ok(answer)) => answer.claimed(),
            Ok(Err(_gone)) => Err(Unavailable::new("the store is closed")),
            Err(_elapsed) => Err(late()),
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl DurableMeter {
    pub(crate) fn new(turns: Turns) -> Self {
        Self(turns)
    }

    /// Did the database answer when it was asked last? Whoever asks it now and then, as the sweep
    /// of expired reservations does, keeps this true.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.0.answering.load(Ordering::Relaxed)
    }
}

impl Meter for DurableMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::later(async move {
            let call = Call::Reserve { id, draws: draws.to_vec(), deadline, now };
            match self.0.ask(call).await? {
                Answered::Said(Said::Verdict(verdict)) => verdict,
                _ => Err(mixed_up()),
            }
        })
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        spend_in_two(self, id, draws, now)
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        Told::later(async move {
            match self.0.ask(Call::Depart { id, now }).await? {
                Answered::Said(Said::Departed(departed)) => departed,
                _ => Err(mixed_up()),
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
            match self.0.ask(Call::Extend { id, deadline, now }).await? {
                Answered::Said(Said::Extended(extended)) => Ok(extended),
                _ => Err(mixed_up()),
            }
        })
    }

    fn report<'a>(
        &'a self,
        id: ReservationId,
        used: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::later(async move {
            match self.0.ask(Call::Report { id, used: used.to_vec(), now }).await? {
                Answered::Said(Said::Settled(settlement)) => Ok(settlement),
                _ => Err(mixed_up()),
            }
        })
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::later(async move {
            match self.0.ask(Call::Settle { id, actual: actual.to_vec(), now }).await? {
                Answered::Said(Said::Settled(settlement)) => Ok(settlement),
                _ => Err(mixed_up()),
            }
        })
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            let mut told = Vec::new();
            loop {
                let Answered::Expired(expired, more) = self.0.ask(Call::Expire { now }).await?
                else {
                    return Err(mixed_up());
                };
                told.extend(expired);
                if !more {
                    return Ok(told);
                }
            }
        })
    }
}

struct Worker<P> {
    pages: P,
    asked: mpsc::Receiver<Asked>,
    /// Where answers that reach nobody leave what gives back their reservations, and where it is
    /// found.
    nobody: mpsc::Sender<Call>,
    returned: mpsc::Receiver<Call>,
    patience: Duration,
    answering: Arc<AtomicBool>,
    /// What expired in passing and nobody has been told of.
    untold: VecDeque<Expired>,
    /// What gives back reservations that nobody knows of.
    unclaimed: VecDeque<Call>,
}

/// What gives back what `call` may have reserved.
fn given_back(call: Call) -> Option<Call> {
    let Call::Reserve { id, draws, now, .. } = call else { return None };
    Some(Call::Settle { id, actual: nothing_used(&draws), now })
}

impl<P: Pages> Worker<P> {
    async fn run(mut self) {
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            let many = tokio::select! {
                many = self.asked.recv_many(&mut waiting, BATCH) => many,
                Some(call) = self.returned.recv() => {
                    self.unclaimed.push_back(call);
                    self.give_back().await;
                    continue;
                }
            };
            if many == 0 {
                return;
            }
            let (mut calls, mut answers, mut finished) = (Vec::new(), Vec::new(), None);
            for asked in waiting.drain(..) {
                match asked {
                    // Whoever asked has given up, and would not know that something was taken.
                    Asked::Call(Call::Reserve { .. }, answer) if answer.is_closed() => {}
                    Asked::Call(call, answer) => {
                        calls.push(call);
                        answers.push(answer);
                    }
                    Asked::Finish(done) => finished = Some(done),
                }
            }
            if !calls.is_empty() {
                self.turn(calls, answers).await;
            }
            if finished.is_some() {
                self.give_back().await;
                return;
            }
        }
    }

    async fn turn(&mut self, calls: Vec<Call>, answers: Vec<oneshot::Sender<Answer>>) {
        let done = match tokio::time::timeout(self.patience, self.pages.turn(&calls)).await {
            Ok(done) => done,
            Err(_elapsed) => Err(late()),
        };
        self.tell_of(done.as_ref().err());
        match done {
            Ok(Done { said, lapsed, more }) => {
                self.remember(lapsed);
                for ((said, answer), call) in said.into_iter().zip(answers).zip(calls) {
                    self.answer(said, more, answer, call);
                }
                self.give_back().await;
            }
            Err(error) => {
                self.pages.cut();
                for (answer, call) in answers.into_iter().zip(calls) {
                    // It may have been committed all the same.
                    self.unclaimed.extend(given_back(call));
                    let _ = answer.send(Answer { answered: Err(error.clone()), unclaimed: None });
                }
                let surplus = self.unclaimed.len().saturating_sub(QUEUE);
                self.unclaimed.drain(..surplus);
            }
        }
    }

    fn answer(&mut self, said: Said, more: bool, answer: oneshot::Sender<Answer>, call: Call) {
        let taken = matches!(said, Said::Verdict(Ok(Verdict::Taken { .. })));
        let given_back = if taken { given_back(call) } else { None };
        let unclaimed =
            given_back.map(|call| Unclaimed { given_back: Some(call), to: self.nobody.clone() });
        let answered = match said {
            Said::Expired => Answered::Expired(self.untold.drain(..).collect(), more),
            said => Answered::Said(said),
        };
        // Whoever asked for what expired may have gone: somebody else is told.
        if let Err(Answer { answered: Ok(Answered::Expired(expired, _)), .. }) =
            answer.send(Answer { answered: Ok(answered), unclaimed })
        {
            self.untold.extend(expired);
        }
    }

    /// Settles at nothing what was reserved for somebody who does not know of it. What cannot be
    /// settled now waits for the next turn.
    async fn give_back(&mut self) {
        while let Ok(call) = self.returned.try_recv() {
            self.unclaimed.push_back(call);
        }
        let surplus = self.unclaimed.len().saturating_sub(QUEUE);
        self.unclaimed.drain(..surplus);
        let many = self.unclaimed.len().min(BATCH);
        let calls: Vec<Call> = self.unclaimed.drain(..many).collect();
        if calls.is_empty() {
            return;
        }
        match tokio::time::timeout(self.patience, self.pages.turn(&calls)).await {
            Ok(Ok(done)) => self.remember(done.lapsed),
            Ok(Err(_)) | Err(_) => {
                self.pages.cut();
                self.unclaimed.extend(calls);
            }
        }
    }

    fn remember(&mut self, lapsed: Vec<Expired>) {
        self.untold.extend(lapsed);
        let surplus = self.untold.len().saturating_sub(MOST_UNTOLD);
        self.untold.drain(..surplus);
    }

    /// Says once that the store stopped answering, and once that it answers again.
    fn tell_of(&self, error: Option<&Unavailable>) {
        let before = self.answering.swap(error.is_none(), Ordering::Relaxed);
        match error {
            Some(error) if before => tracing::error!(%error, "budgets cannot be written: refused"),
            None if !before => tracing::info!("budgets are written again"),
            Some(_) | None => {}
        }
    }
}

fn late() -> Unavailable {
    Unavailable::new("the store did not answer in time")
}

fn mixed_up() -> Unavailable {
    Unavailable::new("the store gave an answer to another question")
}
