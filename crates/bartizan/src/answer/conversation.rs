//! What may be said over a WebSocket? Its exchange goes on until the conversation ends.

use std::sync::Arc;

use bartizan_core::authenticate::{Caller, Rejection};
use bartizan_core::exchange::{Journey, Refused};
use bartizan_core::limit::{Draw, Verdict};
use bartizan_core::mask::{Side, Talk};
use bartizan_core::problem::closing::{Closing, closing};
use bartizan_core::refusal::{Refusal, Upstream};
use bartizan_core::validate::Invalid;
use bartizan_core::validate::websocket::{Binary, Breach, Messages};
use http::Response;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::asked::ask;
use super::relay::{Ending, Gate, Pair, Said};
use super::{close, refuse};
use crate::authenticate::Standing;
use crate::body::Body;
use crate::clock;
use crate::hook::Hook;
use crate::settle::Away;
use crate::upstream::{self, Both, Ends, Pulse, Watched, fallen, reached};

/// Opens what the upstream has agreed to: messages where they must be read, else a tunnel.
///
/// # Errors
/// Refused where somebody would have to read it who cannot.
pub(super) async fn open(
    mut away: Away,
    response: Response<Body>,
    ends: Option<Ends>,
    hooks: &[Arc<dyn Hook>],
) -> Result<Response<Body>, Refused> {
    let rules = away.journey().and_then(|journey| journey.endpoint().reads_messages());
    if rules.is_some() && ends.is_none() {
        return refuse(away, Refusal::Upstream(Upstream::Blocked));
    }
    let end = away.journey().map(Journey::grant).and_then(|grant| end(grant.caller()));
    match (rules, ends) {
        (Some(rules), Some(mut ends)) => {
            away.answered(response.status().as_u16());
            away.stays_with_its_client();
            let conversation = Conversation::new(away, rules, hooks.to_vec());
            let until = (end, ends.standing.take());
            ends.meet(move |both, closing| conversation.run(both, until, closing));
            Ok(response)
        }
        (_, ends) => {
            let response = close(away, response).await?;
            if let Some(ends) = ends.filter(|_| response.status().is_informational()) {
                ends.join(end);
            }
            Ok(response)
        }
    }
}

/// When the caller's credential ends: what it has opened ends with it.
fn end(caller: &Caller) -> Option<Instant> {
    let left = caller.expires()?.since(clock::now());
    Instant::now().checked_add(left)
}

/// An exchange whose call and answer are messages.
struct Conversation {
    away: Away,
    rules: Messages,
    hooks: Vec<Arc<dyn Hook>>,
    /// What each message of the client draws.
    draws: Vec<Draw>,
    talk: Mutex<Talk>,
}

impl Conversation {
    fn new(away: Away, rules: Messages, hooks: Vec<Arc<dyn Hook>>) -> Self {
        let journey = away.journey();
        let draws = journey.map(Journey::message_draws).unwrap_or_default();
        let talk = match journey {
            Some(journey) => journey.talk(clock::chance()),
            None => Talk::new(&away.profile(), None, clock::chance()),
        };
        Self { away, rules, hooks, draws, talk: Mutex::new(talk) }
    }

    async fn run(
        self,
        both: Both,
        (end, standing): (Option<Instant>, Option<Standing>),
        closing: upstream::Closing,
    ) {
        let Both { client, upstream, idle } = both;
        let pulse = Pulse::new();
        let client = Watched { io: client, pulse: &pulse };
        let mut pair = Pair::new(client, upstream, self.rules.max_size).await;
        let ending = tokio::select! {
            ending = pair.run(&self) => ending,
            () = pulse.silence(idle) => Ending::Away,
            () = closing => Ending::Away,
            () = reached(end) => Ending::Refused(Rejection::Expired.into()),
            refusal = fallen(standing) => Ending::Refused(refusal),
        };
        if let Some((to_client, to_upstream)) = self.finish(ending).await {
            pair.close(&to_client, &to_upstream).await;
        }
    }

    /// Closes the exchange; what each side is told where it does not know yet.
    async fn finish(self, ending: Ending) -> Option<(Closing, Closing)> {
        let Self { away, talk, .. } = self;
        let talk = talk.into_inner();
        away.detected_on_the_way_in(talk.found(Side::Client));
        away.detected(talk.found(Side::Upstream));
        let (refusal, to_upstream) = match ending {
            Ending::Closed => {
                drop(away.end().await);
                return None;
            }
            Ending::Away => {
                drop(away.end().await);
                return Some((Closing::away(), Closing::away()));
            }
            // Dropped, it is on record as abandoned.
            Ending::Gone(Side::Client) => return Some((Closing::away(), Closing::away())),
            Ending::Gone(Side::Upstream) => (Upstream::Garbled.into(), Closing::away()),
            Ending::Breach(Side::Client, breach) => (message(breach), Closing::away()),
            Ending::Breach(Side::Upstream, breach) => {
                (Upstream::Garbled.into(), closing(&message(breach)))
            }
            Ending::Refused(refusal) => (refusal, Closing::away()),
        };
        let (to_client, receipt) = away.hang_up(refusal).await?;
        if receipt.durable().await.is_err() {
            tracing::error!("the end of a conversation could not be recorded");
        }
        Some((to_client, to_upstream))
    }

    /// Counts a message of the client.
    async fn count(&self) -> Result<(), Refusal> {
        if self.draws.is_empty() {
            return Ok(());
        }
        match self.away.spend(&self.draws).await? {
            Verdict::Taken { .. } => Ok(()),
            Verdict::Short(exhausted) => Err(exhausted.into()),
        }
    }

    fn look(&self, side: Side, said: Said) -> Result<Said, Refusal> {
        let mut talk = self.talk.lock();
        let text = match said {
            Said::Binary(_) if talk.guards(side) && self.rules.binary == Binary::Refuse => {
                return Err(match side {
                    Side::Client => message(Breach::Binary),
                    Side::Upstream => Upstream::Blocked.into(),
                });
            }
            Said::Binary(bytes) => return Ok(Said::Binary(bytes)),
            Said::Text(text) => text,
        };
        match (talk.pass(side, text), side) {
            (Ok(text), _) => Ok(Said::Text(text)),
            (Err(blocked), Side::Client) => Err(blocked.into()),
            (Err(blocked), Side::Upstream) => {
                self.away.blocked(&blocked.detections);
                Err(Upstream::Blocked.into())
            }
        }
    }
}

impl Gate for Conversation {
    async fn pass(&self, side: Side, said: Said) -> Result<Said, Refusal> {
        if side == Side::Client {
            self.count().await?;
        }
        let said = self.look(side, said)?;
        let said = ask(&self.hooks, &self.away, &self.talk, side, said).await?;
        Ok(match (side, said) {
            (Side::Upstream, Said::Text(text)) => Said::Text(self.talk.lock().restore(text)),
            (_, said) => said,
        })
    }
}

fn message(breach: Breach) -> Refusal {
    Invalid::from(breach).into()
}
