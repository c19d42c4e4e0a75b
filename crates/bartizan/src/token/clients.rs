//! Which program asks, and has this been guessed too often? Clients prove who they are; every
//! attempt is counted until it succeeds.

use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::issue::account::is_name;
use bartizan_core::issue::request::{Presented, Shown};
use bartizan_core::issue::{Client, Refused};
use bartizan_core::limit::{Draw, ReservationId, Verdict, nothing_used};
use bartizan_core::time::Timestamp;
use http::request::Parts;

use super::{TokenEndpoint, out_of_reach};
use crate::clock;
use crate::peer::Peer;

/// How long an attempt may take before what it reserved is given back by itself.
const ATTEMPT: Duration = Duration::from_mins(1);

/// An attempt that counts as failed until it is closed.
pub(super) struct Attempt {
    id: ReservationId,
    draws: Vec<Draw>,
}

impl TokenEndpoint {
    /// The client of a request, once it has proved who it is; none, where none is named.
    pub(super) async fn client(
        &self,
        presented: Option<Presented>,
        head: &Parts,
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<Option<Client>, Refused> {
        let Some(Presented { id, shown }) = presented else { return Ok(None) };
        let attempt = self.attempt(&format!("client {id}"), address, now).await?;
        let proved = match self.known(&id).await {
            Ok(Some(client)) => {
                let proved = self.proved(client, &shown, head, now).await;
                if let Err(Refused::InvalidClient(why)) = proved {
                    tracing::info!(client = id, why, "a client did not prove who it is");
                }
                proved
            }
            Ok(None) => Err(Refused::InvalidClient("there is no client of this id")),
            Err(refused) => Err(refused),
        };
        // An outage is nobody's wrong guess.
        let failed = matches!(proved, Err(Refused::InvalidClient(_)));
        self.close(attempt, !failed, now).await;
        proved.map(Some)
    }

    async fn known(&self, id: &str) -> Result<Option<Client>, Refused> {
        match self.clients.get(id) {
            Some(client) => Ok(Some(client.clone())),
            None if is_name(id) => {
                self.identities.client(id).await.map_err(|error| out_of_reach(&error))
            }
            None => Ok(None),
        }
    }

    async fn proved(
        &self,
        client: Client,
        shown: &Shown,
        head: &Parts,
        now: Timestamp,
    ) -> Result<Client, Refused> {
        let certificate = head.extensions.get::<Peer>().and_then(Peer::certificate);
        let certificate = certificate.map(|certificate| &**certificate);
        let names: Vec<&str> = self.names.iter().map(|name| &**name).collect();
        if let Some(once) = client.prove(shown, certificate, Some(&self.pepper), &names, now)? {
            let first = self.identities.use_once(&once.id, once.until, now).await;
            if !first.map_err(|error| out_of_reach(&error))? {
                return Err(Refused::InvalidClient("its assertion was shown before"));
            }
        }
        Ok(client)
    }

    /// Reserves an attempt on `name`, which counts as failed until it is closed.
    pub(super) async fn attempt(
        &self,
        name: &str,
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<Attempt, Refused> {
        let (id, draws) =
            (ReservationId(clock::chance()), self.settings.throttle.draws(name, address));
        match self.meter.reserve(id, &draws, now.plus(ATTEMPT), now).await {
            Ok(Verdict::Taken { .. }) => Ok(Attempt { id, draws }),
            Ok(Verdict::Short(exhausted)) => Err(Refused::Throttled(exhausted.retry_after)),
            Err(error) => {
                tracing::error!(%error, "attempts cannot be counted");
                Err(Refused::Unavailable)
            }
        }
    }

    /// An attempt that succeeded does not count.
    pub(super) async fn close(&self, attempt: Attempt, succeeded: bool, now: Timestamp) {
        let Attempt { id, draws } = attempt;
        let nothing = nothing_used(&draws);
        let actual = if succeeded { &nothing } else { &draws };
        if let Err(error) = self.meter.settle(id, actual, now).await {
            tracing::warn!(%error, "an attempt was not settled");
        }
    }
}
