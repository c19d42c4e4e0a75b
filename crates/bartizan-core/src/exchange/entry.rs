//! What may this be, and may it? From a parsed head to a grant.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, header};
use serde_json::Map;

use super::field::is_standard;
use super::record::ending;
use super::{
    Admitted, Arrival, Authenticated, Authorized, Exchange, Memory, Preflight, Preflighted,
    Received, Refused, Routed, Situated,
};
use crate::admit::fields::take_out_listed;
use crate::admit::target::{names_a_method, take_override};
use crate::admit::{Misdirected, Purpose, Target};
use crate::audit::{Dossier, Event, Facts, Outcome, Trail, told};
use crate::authenticate::{Caller, Credential, Places, Rejection, Subject, dpop};
use crate::authorize::{Circumstances, Denial, Endpoint, Policy, Route};
use crate::limit::permit::at_the_door;
use crate::limit::{Draw, Exhausted, Kind, Unavailable, Verdict};
use crate::refusal::{Outage, Refusal};
use crate::time::Timestamp;
use crate::validate::Protocol;

impl<B> Exchange<Received<B>> {
    /// Opens an exchange. From here on it leaves exactly one end in the log.
    pub fn open(request: Request<B>, arrival: Arrival, trail: Arc<dyn Trail>) -> Self {
        let (mut head, body) = request.into_parts();
        // Here, so that whatever is decided on from now on is what goes on.
        take_out_listed(&mut head.headers);
        for secret in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE] {
            if let Some(value) = head.headers.get_mut(secret) {
                value.set_sensitive(true);
            }
        }
        let Arrival { id, now, client, trace_id, user_agent, path, parent, dry_run, purpose } =
            arrival;
        let facts = Facts {
            request_id: id,
            trace_id,
            caller: None,
            client,
            user_agent,
            verb: Some(told::verb(&head.method)),
            path: Some(path),
            endpoint: None,
            tool: None,
            model: None,
            parent,
            dry_run,
            inquiry: purpose != Purpose::Call,
        };
        let dossier = Dossier::open(facts, now, trail);
        let (head, standings) = (Box::new(head), Vec::new());
        let (preflight, vault, echo, subject) = (None, None, None, None);
        let memory = Memory { now, purpose, dossier, standings, preflight, vault, echo, subject };
        let memory = Box::new(memory);
        Self { head, memory, state: Received { body } }
    }

    /// Reads the target, and finds where it leads. The decided verb replaces the one that was
    /// sent.
    ///
    /// # Errors
    /// Refused where the request can be read in two ways.
    pub fn route(self, policy: &Policy) -> Result<Exchange<Routed<B>>, Refused> {
        self.step(|head, Memory { dossier, purpose, preflight, .. }, Received { body }| {
            if let Purpose::Unsound(wrong) = *purpose {
                return Err(wrong);
            }
            if *purpose == Purpose::Inquiry && names_a_method(&head.headers) {
                // The proxy would send it on, and whoever reads it do another thing.
                return Err(Misdirected::Override);
            }
            let rewritten = Target::parse(head)?.into_rewritten();
            canonicalise(&mut head.uri, rewritten.as_deref())?;
            let overridden = take_override(&head.method, &mut head.headers)?;
            let (path, overridden) = (head.uri.path(), overridden.as_ref());
            if !policy.reads_alike(&head.method, overridden, path) {
                return Err(Misdirected::Path);
            }
            if *purpose == Purpose::Call {
                *preflight = asked_about(head, policy);
            }
            let route = policy.routes.find(&head.method, overridden, path);
            let route = at_its_door(route, *purpose, dossier.facts().dry_run);
            if let Some(asked) = preflight {
                // It leads nowhere: whoever goes on with it is refused.
                dossier.learn(|facts| facts.endpoint = Some(Arc::clone(&asked.endpoint.path)));
                let denial = Box::new(Denial::UnknownPath);
                return Ok(Routed { route: Route::Missing { guarded: true, denial }, body });
            }
            match &route {
                Route::Found(endpoint) => {
                    // HEAD stays what it is where GET answers it: nobody need write a body then.
                    if head.method != Method::HEAD || endpoint.verb != Method::GET {
                        head.method = endpoint.verb.clone();
                    }
                    dossier.belongs_to(endpoint);
                    dossier.learn(|facts| {
                        facts.verb = Some(head.method.clone());
                        facts.endpoint = Some(Arc::clone(&endpoint.path));
                    });
                }
                // Named where nothing answers to it: nobody may learn more from that than from
                // a verb that is sent as one.
                Route::Missing { .. } => {}
            }
            Ok::<_, Misdirected>(Routed { route, body })
        })
    }
}

impl<B> Exchange<Routed<B>> {
    /// What the door draws: the limits by address. A question about a call draws as the call does.
    #[must_use]
    pub fn door_draws(&self) -> Vec<Draw> {
        let client = self.facts().client;
        let asked = self.memory.preflight.as_ref().map(|asked| &asked.endpoint);
        asked
            .or_else(|| self.state.endpoint())
            .map_or_else(Vec::new, |endpoint| at_the_door(endpoint, client))
    }

    /// Lets the request in, if there is room for these draws.
    ///
    /// # Errors
    /// Refused where a limit by address is used up, or cannot be asked.
    pub fn admit(
        self,
        draws: &[Draw],
        verdict: Result<Verdict, Unavailable>,
    ) -> Result<Exchange<Admitted<B>>, Refused> {
        self.step(|_, memory, Routed { route, body }| {
            match verdict? {
                Verdict::Taken { standings } => memory.standings = standings.of(draws),
                Verdict::Short(exhausted) => return Err(Refusal::Exhausted(exhausted)),
            }
            Ok(Admitted { route, body })
        })
    }
}

impl<B> Exchange<Admitted<B>> {
    /// Whether a browser only asks if a page may call. Nothing is decided about the call.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.memory.preflight.is_some()
    }

    /// Ends an exchange in which a browser only asks; any other one counts as abandoned.
    #[must_use]
    pub fn preflighted(self, status: u16, now: Timestamp) -> Option<Preflighted> {
        let Memory { preflight, dossier, .. } = *self.memory;
        let Preflight { verb, .. } = *preflight?;
        Some(Preflighted {
            verb,
            receipt: dossier.close(ending(Outcome::Allow, now, Some(status))),
        })
    }

    /// Whether the endpoint reads its clients' credentials itself (the token endpoint).
    #[must_use]
    pub fn has_own_credentials(&self) -> bool {
        self.state.endpoint().is_some_and(|endpoint| endpoint.protocol == Protocol::OAuth)
    }

    /// Goes on in the name of `caller`, or not at all. From here on nobody sees the credential.
    ///
    /// # Errors
    /// Refused where a credential was shown that is not valid, also at a public endpoint, or
    /// where it could not be looked up.
    pub fn authenticate(
        self,
        caller: Result<Caller, NotAuthenticated>,
        places: &Places,
    ) -> Result<Exchange<Authenticated<B>>, Refused> {
        let keeps_credential = self.has_own_credentials();
        self.step(|head, Memory { dossier, now, subject, .. }, Admitted { route, body }| {
            // Also where another exchange has said who is calling: a step of a chain.
            Credential::none_in(&head.uri)?;
            let caller = match caller {
                Ok(caller) => caller,
                Err(NotAuthenticated::Rejected(rejection)) => return Err(Refusal::from(rejection)),
                Err(NotAuthenticated::Outage) => {
                    return Err(Refusal::Unavailable(Outage::Identities));
                }
                Err(NotAuthenticated::Overload) => {
                    return Err(Refusal::Unavailable(Outage::Overload));
                }
                Err(NotAuthenticated::Throttled(wait)) => return Err(throttled(wait).into()),
            };
            if let Some(endpoint) = route.endpoint().filter(|endpoint| endpoint.exchanges) {
                *subject = kept(endpoint, &caller, head, places, dossier.facts().dry_run)?;
            }
            if !keeps_credential {
                head.headers.remove(header::AUTHORIZATION);
                for name in &places.key_headers {
                    head.headers.remove(name);
                }
                if places.dpop {
                    head.headers.remove(&dpop::DPOP);
                }
            }
            dossier.learn(|facts| facts.caller = Some(caller.clone()));
            if !caller.is_anonymous() {
                let actor = caller.actor().map(|actor| ("actor".to_owned(), actor.into()));
                let details = actor.into_iter().collect();
                drop(dossier.note(Event::AuthSuccess, Outcome::Allow, *now, None, details));
            }
            Ok(Authenticated { caller, route, body })
        })
    }
}

/// The token of a caller in whose name the upstream is called. Of a call that is only asked about
/// nobody has shown it, and it is not sent.
fn kept(
    endpoint: &Endpoint,
    caller: &Caller,
    head: &Parts,
    places: &Places,
    dry_run: bool,
) -> Result<Option<Box<Subject>>, Rejection> {
    if !endpoint.welcomes(caller) || (dry_run && Subject::may_be_of(caller)) {
        return Ok(None);
    }
    Subject::of(caller, Credential::find(head, places)?).map(|subject| Some(Box::new(subject)))
}

impl<B> Exchange<Authenticated<B>> {
    /// Lays something beside the head, for whoever sends it on: no part of it is sent.
    #[must_use]
    pub fn lay_beside<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.head.extensions.insert(value);
        self
    }

    /// Asks the policy.
    ///
    /// # Errors
    /// Refused where it says no.
    pub fn authorize(self, policy: &Policy) -> Result<Exchange<Authorized<B>>, Refused> {
        self.step(|head, Memory { dossier, now, .. }, Authenticated { caller, route, body }| {
            let circumstances = Circumstances {
                now: *now,
                address: dossier.facts().client.ip(),
                path: Some(head.uri.path()),
                headers: Some(&head.headers),
            };
            let grant = policy.decide(caller, &route, &circumstances)?;
            if dossier.facts().inquiry && grant.must_see() {
                return Err(Refusal::Forbidden(Denial::Unseen));
            }
            drop(dossier.note(Event::AccessGranted, Outcome::Allow, *now, None, Map::new()));
            Ok(Authorized { grant, body })
        })
    }
}

/// The call that a browser asks about, where it is one that could be made here: of what there is not
/// nobody learns anything by asking.
fn asked_about(head: &Parts, policy: &Policy) -> Option<Box<Preflight>> {
    let verb = policy.cors.as_ref()?.asks_about(head)?;
    let path = head.uri.path();
    let serves = |endpoint: &Arc<Endpoint>| !endpoint.elsewhere;
    let found = policy.routes.find(&verb, None, path).endpoint().cloned().filter(serves);
    // A verb of one's own may be named on a POST that nobody serves as such.
    let named = |endpoint: &&Arc<Endpoint>| {
        verb == Method::POST && endpoint.method_override && !is_standard(&endpoint.verb)
    };
    let by_name = || policy.routes.at(path).find(named).cloned().filter(serves);
    let endpoint = found.or_else(by_name)?;
    Some(Box::new(Preflight { verb, endpoint }))
}

/// Calls that a proxy sends on are not answered here, and those that are answered here are none to
/// ask about: at the other door neither is there. A dry run tries both.
fn at_its_door(route: Route, purpose: Purpose, dry_run: bool) -> Route {
    match route {
        Route::Found(endpoint)
            if endpoint.elsewhere != (purpose == Purpose::Inquiry) && !dry_run =>
        {
            let guarded = !endpoint.access.is_public();
            Route::Missing { guarded, denial: Box::new(Denial::UnknownPath) }
        }
        Route::Found(_) | Route::Missing { .. } => route,
    }
}

/// Why there is no caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAuthenticated {
    /// The credential is not good.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The credential could not be looked up.
    #[error("identities cannot be looked up")]
    Outage,
    /// More is remembered of late than there is room for.
    #[error("no more proofs can be checked at the moment")]
    Overload,
    /// The address has shown too many credentials that are none.
    #[error("too many bad credentials came from this address")]
    Throttled(Duration),
}

/// The answer to one bad credential too many.
fn throttled(wait: Duration) -> Exhausted {
    Exhausted {
        name: "bad-credentials".into(),
        kind: Kind::Rate,
        retry_after: wait,
        never: false,
        standings: Vec::new(),
    }
}

/// Leaves of a target what is decided on: the path, and the query as it came.
fn canonicalise(uri: &mut http::Uri, rewritten: Option<&str>) -> Result<(), Misdirected> {
    if rewritten.is_none() && uri.authority().is_none() {
        return Ok(());
    }
    let path = rewritten.unwrap_or(uri.path());
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    *uri = text.parse().map_err(|_| Misdirected::Path)?;
    Ok(())
}
