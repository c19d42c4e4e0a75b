//! What can an agent ask about the app itself? `DISCOVER`, `TEST`, `POST /chain`, OpenAPI.

pub mod approvals;
mod chain;
mod rehearse;

use std::sync::{Arc, OnceLock, Weak};

use bartizan_core::authorize::endpoint::About;
use bartizan_core::authorize::{Circumstances, Denial};
use bartizan_core::chain::Bounds;
use bartizan_core::describe::resource::Resources;
use bartizan_core::describe::{self, openapi};
use bartizan_core::exchange::Departure;
use bartizan_core::issue::documents::RESOURCE_PATH;
use bartizan_core::refusal::{Outage, Refusal};
use http::{HeaderValue, header};
use serde_json::Value;

use crate::body::Body;
use crate::clock;
use crate::endpoint::{Draft, NoPolicy, Served, endpoint};
use crate::handler::{Answer, Failure, Handler, Work};
use crate::pipeline::Road;
use crate::reply::json;
use chain::RunChain;
use rehearse::Rehearse;

/// Which of the app's own endpoints there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BuiltIn {
    /// `DISCOVER /actions`, `TEST /action`, `POST /chain`.
    pub actions: bool,
    /// `GET /openapi.json`.
    pub openapi: OpenApi,
    /// What a chain may take.
    pub chain: Bounds,
}

/// Who may see what in `/openapi.json`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OpenApi {
    /// Everybody sees what they may use.
    #[default]
    Filtered,
    /// Everybody sees everything.
    Public,
    /// There is none.
    Off,
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self { actions: true, openapi: OpenApi::default(), chain: Bounds::default() }
    }
}

/// The road that these endpoints stand on. It is set when the road is built: a road cannot hold
/// itself.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    title: Arc<str>,
    road: Arc<OnceLock<Weak<Road>>>,
}

impl Live {
    pub(crate) fn new(title: &Arc<str>) -> Self {
        Self { title: Arc::clone(title), road: Arc::default() }
    }

    pub(crate) fn is(&self, road: &Arc<Road>) {
        // Set once, by the one that builds; a second road would have a `Live` of its own.
        let _ = self.road.set(Arc::downgrade(road));
    }

    fn road(&self) -> Result<Arc<Road>, Failure> {
        let road = self.road.get().and_then(Weak::upgrade);
        let refusal = Refusal::Unavailable(Outage::ShuttingDown);
        road.ok_or(Failure { refusal, departed: false })
    }
}

/// The app's own endpoints.
pub(crate) fn endpoints(
    built_in: BuiltIn,
    resources: Option<&Arc<Resources>>,
    live: &Live,
) -> Vec<Served> {
    let mut served: Vec<Served> =
        resources.into_iter().flat_map(|all| metadata(all, live)).collect();
    if built_in.actions {
        served.extend([
            own("DISCOVER", "/actions", "Lists the actions that the caller may use.")
                .public()
                .alias("GET")
                .handler(Discover(live.clone())),
            own("TEST", "/action", "Says whether a call would pass, and sends nothing.")
                .authenticated()
                .alias("POST")
                .schema(&rehearse::schema())
                .handler(Rehearse(live.clone())),
            chained("POST", "/chain", built_in.chain, live),
            chained("CHAIN", "/request", built_in.chain, live),
        ]);
    }
    if built_in.openapi != OpenApi::Off {
        let whole = built_in.openapi == OpenApi::Public;
        served.push(
            own("GET", "/openapi.json", "Describes what is served, as OpenAPI.")
                .public()
                .handler(Describe { live: live.clone(), whole }),
        );
    }
    served
}

/// `GET /.well-known/oauth-protected-resource`, and below it for every address.
fn metadata(resources: &Arc<Resources>, live: &Live) -> [Served; 2] {
    let about = "Says who issues tokens for this address (RFC 9728).";
    [RESOURCE_PATH.to_owned(), format!("{RESOURCE_PATH}/{{*address}}")].map(|path| {
        let (resources, live) = (Arc::clone(resources), live.clone());
        own("GET", &path, about).public().handler(Metadata { resources, live })
    })
}

/// Answers with the metadata of a protected resource.
#[derive(Debug)]
struct Metadata {
    resources: Arc<Resources>,
    live: Live,
}

impl Handler for Metadata {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let (resources, live) = (Arc::clone(&self.resources), self.live.clone());
        Box::pin(async move {
            let road = live.road()?;
            let path = departure.head.uri.path().strip_prefix(RESOURCE_PATH).unwrap_or_default();
            match resources.document(&road.policy().routes, path) {
                Some(document) => {
                    let mut response = json(&document);
                    let age = HeaderValue::from_static("public, max-age=300");
                    response.headers_mut().insert(header::CACHE_CONTROL, age);
                    Ok(Answer::new(response))
                }
                None => {
                    let refusal = Refusal::Forbidden(Denial::UnknownPath);
                    Err(Failure { refusal, departed: false })
                }
            }
        })
    }
}

fn own(verb: &str, path: &str, description: &str) -> Draft<NoPolicy> {
    let description = Some(Arc::from(description));
    endpoint(verb, path).about(About { description, built_in: true, ..About::default() })
}

fn chained(verb: &str, path: &str, bounds: Bounds, live: &Live) -> Served {
    own(verb, path, "Calls several actions, one after the other.")
        .authenticated()
        .timeout(bounds.deadline)
        .schema(&chain::schema(bounds))
        .handler(RunChain { live: live.clone(), bounds })
}

/// `DISCOVER /actions`.
#[derive(Debug)]
struct Discover(Live);

impl Handler for Discover {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let live = self.0.clone();
        Box::pin(async move {
            let road = live.road()?;
            let circumstances = circumstances(&departure);
            let usable = road.policy().usable(&departure.caller, &circumstances);
            let actions = describe::actions(usable);
            Ok(for_this_caller(&actions))
        })
    }
}

/// `GET /openapi.json`; `?version=3.1` for readers that do not know 3.2.
#[derive(Debug)]
struct Describe {
    live: Live,
    whole: bool,
}

impl Handler for Describe {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let (live, whole) = (self.live.clone(), self.whole);
        Box::pin(async move {
            let road = live.road()?;
            let query = departure.head.uri.query().unwrap_or_default();
            let older = query.split('&').any(|pair| pair == "version=3.1");
            let version = if older { openapi::Version::V3_1 } else { openapi::Version::V3_2 };
            let policy = road.policy();
            let circumstances = circumstances(&departure);
            let document = if whole {
                openapi::document(&live.title, version, policy.routes.endpoints())
            } else {
                openapi::document(
                    &live.title,
                    version,
                    policy.usable(&departure.caller, &circumstances),
                )
            };
            Ok(for_this_caller(&document))
        })
    }
}

/// What a caller might call now, and from where they are.
fn circumstances(departure: &Departure<Body>) -> Circumstances<'static> {
    let address = rehearse::peer(departure);
    Circumstances { now: clock::now(), address, path: None, headers: None }
}

/// An answer that no cache may give to somebody else.
fn for_this_caller(value: &Value) -> Answer {
    let mut answer = Answer::new(json(value));
    let headers = answer.response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, X-API-Key"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer
}
