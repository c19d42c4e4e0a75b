//! The whole road on one page.

use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::{Proxies, Purpose};
use bartizan_core::audit::Trail;
use bartizan_core::authenticate::Caller;
use bartizan_core::authenticate::dpop::DPOP;
use bartizan_core::authorize::approval::{Approvals, Approvers};
use bartizan_core::authorize::endpoint::OnDisconnect;
use bartizan_core::authorize::{Policy, Routes};
use bartizan_core::exchange::{Admitted, Agreed, Arrival, Exchange, Realm, Received, Refused};
use bartizan_core::id::RequestId;
use bartizan_core::limit::Meter;
use bartizan_core::refusal::Refusal;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use tokio_util::task::TaskTracker;

use crate::admit::Admit;
use crate::answer;
use crate::approve::Approve;
use crate::authenticate::{AsSent, Authenticate};
use crate::authorize::Authorize;
use crate::body::Body;
use crate::clock;
use crate::forward::Forward;
use crate::handler::Handler;
use crate::inquiry::Way;
use crate::limit::Limit;
use crate::mask::Mask;
use crate::presence::{Detached, Presence};
use crate::redact::Redactor;
use crate::settle::{Settle, Settler};
use crate::stage::Stage;
use crate::validate::{Bodies, Validate};

/// Every request travels this road, and there is no other.
#[derive(Debug)]
pub struct Road {
    admit: Admit,
    authenticate: Authenticate,
    authorize: Authorize,
    validate: Validate,
    limit: Limit,
    mask: Mask,
    approve: Approve,
    forward: Forward,
    settle: Settle,
    /// Calls that go on after their client hung up; shutting down waits for them.
    tasks: TaskTracker,
    door: Door,
    /// Whether proxies ask about calls that they send on themselves,
    asked: bool,
    /// and how long the body of such a question may take.
    body_timeout: Duration,
}

/// What the road knows before any stage.
#[derive(Debug)]
struct Door {
    proxies: Proxies,
    realm: Realm,
    redactor: Redactor,
    trail: Arc<dyn Trail>,
}

/// What a road is built from. `assemble` and `App` fill it; nothing else does.
#[derive(Debug)]
pub struct Parts {
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Who is calling.
    pub authenticate: Authenticate,
    /// Counters.
    pub meter: Arc<dyn Meter>,
    /// The audit log.
    pub trail: Arc<dyn Trail>,
    /// By the index of their endpoint.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// The developer's own checks, in their order.
    pub mask: Mask,
    /// Calls that wait for somebody to agree.
    pub approvals: Arc<dyn Approvals>,
    /// Who may.
    pub approvers: Arc<Approvers>,
    /// Whose word on addresses is believed.
    pub proxies: Proxies,
    /// What challenges say about us.
    pub realm: Realm,
    /// How long the body of a question may take that a proxy asks about somebody else's call.
    pub body_timeout: Duration,
    /// The room for bodies that are read whole.
    pub bodies: Arc<Bodies>,
    /// How much longer than its answer may take to begin a reservation stands, before it is
    /// charged by itself.
    pub settle_timeout: Duration,
    /// Calls that run on after their client hung up.
    pub tasks: TaskTracker,
}

/// Where a request comes from: from outside, or from another exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The exchange of which it is a step, and which.
    parent: Option<(RequestId, u16)>,
    /// Whether nothing is to be sent.
    dry_run: bool,
    /// Who is calling, where another exchange has established it.
    caller: Option<Caller>,
}

impl Origin {
    /// A step of another exchange, on behalf of its caller.
    pub(crate) fn step(caller: Caller, parent: RequestId, step: usize) -> Self {
        let step = u16::try_from(step).unwrap_or(u16::MAX);
        Self { parent: Some((parent, step)), dry_run: false, caller: Some(caller) }
    }

    /// A call that is asked about and not made, on behalf of the caller who asks.
    pub(crate) fn rehearsal(caller: Caller) -> Self {
        Self { parent: None, dry_run: true, caller: Some(caller) }
    }
}

impl Road {
    /// Builds a road, and the worker that settles beside it.
    #[must_use]
    pub fn build(parts: Parts) -> (Self, Settler) {
        let Parts { policy, authenticate, meter, trail, handlers, mask, proxies, .. } = parts;
        let Parts { realm, body_timeout, settle_timeout, tasks, approvals, approvers, .. } = parts;
        let bodies = parts.bodies;
        let (settle, settler) = Settle::new(Arc::clone(&meter), settle_timeout);
        let asked = policy.routes.endpoints().any(|endpoint| endpoint.elsewhere);
        let redactor = Redactor::new(policy.routes.endpoints().map(|endpoint| &endpoint.profile));
        let road = Self {
            admit: Admit { policy: Arc::clone(&policy), meter: Arc::clone(&meter) },
            authenticate,
            authorize: Authorize { policy },
            validate: Validate { bodies },
            limit: Limit {
                meter: Arc::clone(&meter),
                returns_to: Arc::new(settle.clone()),
                settle_timeout,
            },
            mask,
            approve: Approve { book: approvals, approvers },
            forward: Forward { handlers: handlers.into(), meter, settle: settle.clone() },
            settle,
            tasks,
            asked,
            body_timeout,
            door: Door { proxies, realm, redactor, trail },
        };
        (road, settler)
    }

    /// Answers a request that may be a step of another exchange.
    pub(crate) fn travel(
        &self,
        request: Request<Body>,
        peer: IpAddr,
        origin: Origin,
    ) -> impl Future<Output = Response<Body>> + Send {
        let Origin { parent, dry_run, caller } = origin;
        self.run(self.open(request, peer, parent, dry_run, Purpose::Call), caller)
    }

    /// Opens the exchange of a request. From here on it leaves exactly one end in the log.
    pub(crate) fn open(
        &self,
        mut request: Request<Body>,
        peer: IpAddr,
        parent: Option<(RequestId, u16)>,
        dry_run: bool,
        purpose: Purpose,
    ) -> Exchange<Received<Body>> {
        let routes = &self.authorize.policy.routes;
        let arrival = self.door.arrival(&request, routes, peer, parent);
        let arrival = Arrival { dry_run, purpose, ..arrival };
        if request.headers().contains_key(&DPOP) {
            // A proof speaks of the request as it was sent, and routing rewrites both.
            let asked = AsSent { method: request.method().clone(), uri: request.uri().clone() };
            request.extensions_mut().insert(asked);
        }
        Exchange::open(request, arrival, Arc::clone(&self.door.trail))
    }

    /// Answers a request whose exchange is open; `caller` is who calls, where another exchange has
    /// established it.
    pub(crate) async fn run(
        &self,
        exchange: Exchange<Received<Body>>,
        caller: Option<Caller>,
    ) -> Response<Body> {
        let id = exchange.facts().request_id;
        let cors = self.authorize.policy.cors.as_ref();
        let page = cors.and_then(|cors| cors.page(&exchange.head().headers).cloned());
        // A stage that panics fails alone: its dossier says so, and the connection stays.
        let answer = AssertUnwindSafe(self.pass(exchange, caller)).catch_unwind().await;
        let mut response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(refused)) => Box::pin(self.refuse(refused)).await,
            Err(_panic) => answer::failed(),
        };
        answer::name(response.headers_mut(), id);
        if let Some(cors) = cors {
            cors.sign(page, response.headers_mut());
        }
        response
    }

    /// The road.
    async fn pass(
        &self,
        exchange: Exchange<Received<Body>>,
        caller: Option<Caller>,
    ) -> Result<Response<Body>, Refused> {
        let exchange = self.admit.pass(exchange).await?;
        if exchange.is_preflight() {
            return Ok(self.permit(exchange));
        }
        let exchange = match caller {
            None => self.authenticate.pass(exchange).await?,
            Some(caller) => exchange.authenticate(Ok(caller), self.authenticate.places())?,
        };
        let exchange = self.authorize.pass(exchange).await?;
        let exchange = self.validate.pass(exchange).await?;
        let exchange = self.limit.pass(exchange).await?;
        let exchange = self.mask.pass(exchange).await?;
        let exchange = self.approve.pass(exchange).await?;
        // Boxed, because these ways are rare, and every request would carry room for them.
        if exchange.facts().dry_run {
            return Ok(Box::pin(self.rehearsed(exchange)).await);
        }
        if exchange.grant().endpoint().on_disconnect == OnDisconnect::Finish {
            return Box::pin(self.finish(exchange)).await;
        }
        let returned = self.forward.pass(exchange).await?;
        // Settling and the end of the record come with the last byte of the answer.
        answer::bring_home(returned, &self.mask.hooks).await
    }

    /// The rest of the road for a call that comes to its end also when its client hangs up: it
    /// costs money anyway, and so what it really cost is known.
    async fn finish(&self, exchange: Exchange<Agreed<Body>>) -> Result<Response<Body>, Refused> {
        let patience = exchange.grant().endpoint().timeout;
        let client = Presence::default();
        // Dropped with this future, where the client does not wait for the answer to begin.
        let watch = client.watch();
        let (forward, settle) = (self.forward.clone(), self.settle.clone());
        let hooks = Arc::clone(&self.mask.hooks);
        let home = async move {
            let mut returned = forward.pass(exchange).await?;
            returned.away.outlives(client);
            answer::bring_home(returned, &hooks).await
        };
        let run = async move {
            let mut answer = home.await;
            if let Err(refused) = &mut answer {
                // Here, since nobody may be left who would do it.
                settle.now(refused.take_release()).await;
            }
            answer
        };
        match self.tasks.spawn(run).await {
            Ok(answer) => {
                Ok(answer?.map(|body| Detached::wrap(body, watch, self.tasks.clone(), patience)))
            }
            // Its dossier says that it was abandoned, and why nobody knows.
            Err(_lost) => Ok(answer::failed()),
        }
    }

    /// Tells a browser that a page may make the call about which it asks.
    fn permit(&self, exchange: Exchange<Admitted<Body>>) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let asked = exchange.preflighted(204, clock::now());
        if let Some((asked, cors)) = asked.zip(self.authorize.policy.cors.as_ref()) {
            cors.permit(&asked.verb, response.headers_mut());
            drop(asked.receipt);
        }
        response
    }

    /// Ends a dry run: everything was decided, nothing is sent, and what was reserved goes back.
    async fn rehearsed(&self, exchange: Exchange<Agreed<Body>>) -> Response<Body> {
        let needed = exchange.grant().need().map(|need| Arc::clone(&need.because));
        let rehearsed = exchange.rehearsed(204, clock::now());
        self.settle.now(rehearsed.release).await;
        drop(rehearsed.receipt);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if needed.is_some() {
            response.extensions_mut().insert(AwaitsApproval { because: needed });
        }
        response
    }

    /// Settles what was reserved, records the refusal, and words it.
    async fn refuse(&self, mut refused: Refused) -> Response<Body> {
        self.settle.now(refused.take_release()).await;
        let waits = matches!(refused.refusal(), Refusal::Waiting(_));
        let answered = refused.answer(&self.door.realm, clock::now());
        if answered.receipt.durable().await.is_err() {
            tracing::error!("a refusal could not be recorded");
        }
        let mut response = answered.response.map(Body::full);
        if waits {
            response.extensions_mut().insert(AwaitsApproval { because: None });
        }
        response
    }

    /// Walks the road with a call of `caller` that is asked about and not made.
    pub(crate) async fn rehearse(
        &self,
        request: Request<Body>,
        peer: IpAddr,
        caller: Caller,
    ) -> Rehearsal {
        let exchange = self.open(request, peer, None, true, Purpose::Call);
        match self.pass(exchange, Some(caller)).await {
            Ok(response) => {
                let awaits = response.extensions().get::<AwaitsApproval>();
                let approval = awaits.is_some();
                let because = awaits.and_then(|awaits| awaits.because.clone());
                let status = response.status();
                Rehearsal { status, passes: true, approval, because, reason: None }
            }
            Err(refused) => {
                let reason = Some(refused.refusal().to_string());
                let status = self.refuse(refused).await.status();
                Rehearsal { status, passes: false, approval: false, because: None, reason }
            }
        }
    }

    /// The audit log.
    pub(crate) fn trail(&self) -> Arc<dyn Trail> {
        Arc::clone(&self.door.trail)
    }

    /// How a request asks about a call that somebody else sends on, where there are such calls.
    pub(crate) fn inquires(&self, request: &Request<Body>) -> Option<Way> {
        if self.asked { Way::of(request) } else { None }
    }

    /// Whether this is one of the proxies whose word counts.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.door.proxies.trusts(peer)
    }

    /// How long the body of a question may take that a proxy asks.
    pub(crate) fn patience(&self) -> Duration {
        self.body_timeout
    }

    /// The fields in which callers show their credentials.
    pub(crate) fn credentials(&self) -> Vec<HeaderName> {
        let places = self.authenticate.places();
        let dpop = places.dpop.then(|| DPOP.clone());
        let keys = places.key_headers.iter().cloned();
        [header::AUTHORIZATION].into_iter().chain(keys).chain(dpop).collect()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.authorize.policy
    }
}

/// What became of a call that was asked about and not made. For the operator only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rehearsal {
    /// The status that a client would see; 204 where the call would pass.
    pub status: StatusCode,
    /// Whether the call would pass.
    pub passes: bool,
    /// Whether somebody would have to agree first.
    pub approval: bool,
    /// What asks for that: `endpoint`, a policy's name, or `tool NAME`.
    pub because: Option<Arc<str>>,
    /// Why it would not pass: what the log would say.
    pub reason: Option<String>,
}

/// Marks the answer to a call that somebody must agree to first, for those inside who made it:
/// its status alone might be an upstream's.
#[derive(Clone, Debug)]
pub(crate) struct AwaitsApproval {
    /// What asks for it, as far as that is known here.
    because: Option<Arc<str>>,
}

impl Door {
    fn arrival(
        &self,
        request: &Request<Body>,
        routes: &Routes,
        peer: IpAddr,
        parent: Option<(RequestId, u16)>,
    ) -> Arrival {
        let now = clock::now();
        let headers = request.headers();
        let client = self.proxies.client(peer, headers);
        let taken_over = self.proxies.trusts(peer).then(|| named(headers)).flatten();
        let id = match (parent, taken_over) {
            // Steps have names of their own, else their records could not be told apart.
            (None, Some(id)) => id,
            (Some(_), _) | (None, None) => RequestId::new(now, clock::chance()),
        };
        let path = request.uri().path();
        let path = routes.constant(path).unwrap_or_else(|| self.redactor.path(path));
        Arrival {
            id,
            now,
            client,
            trace_id: trace_id(headers).map(Arc::from),
            user_agent: self.redactor.user_agent(headers),
            path,
            parent,
            dry_run: false,
            purpose: Purpose::Call,
        }
    }
}

/// The name that a trusted proxy gave the request.
fn named(headers: &HeaderMap) -> Option<RequestId> {
    headers.get("x-request-id").and_then(|value| value.to_str().ok()).and_then(RequestId::parse)
}

/// The trace of `traceparent` (W3C Trace Context section 3.2.2): 32 hexadecimal digits, not all
/// of them zero.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let id = value.split('-').nth(1)?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let sound = id.len() == 32 && id.bytes().all(hex) && id.bytes().any(|byte| byte != b'0');
    sound.then_some(id)
}
