//! How is the token endpoint served? As endpoints of the app, on the same road as all others.

use std::sync::Arc;

use bartizan_core::audit::Note;
use bartizan_core::authorize::endpoint::About;
use bartizan_core::exchange::Departure;
use bartizan_core::issue::documents::RESOURCE_PATH;
use bartizan_core::validate::{Payload, Protocol};
use http::Method;

use super::{Decided, TokenEndpoint};
use crate::body::Body;
use crate::clock;
use crate::endpoint::{Served, endpoint};
use crate::handler::{Answer, Handler, Work};

/// The largest form that is read, in bytes.
const MAX_FORM: u64 = 16 * 1024;

/// The endpoints of `tokens`, to be served by an app.
#[must_use]
pub fn served(tokens: &Arc<TokenEndpoint>) -> Vec<Served> {
    let one = |(verb, path): (Method, String)| {
        endpoint(verb.as_str(), &path)
            .public()
            .protocol(Protocol::OAuth)
            .max_request_size(MAX_FORM)
            .about(About { built_in: true, ..About::default() })
            .handler(Counter(Arc::clone(tokens)))
    };
    // The app describes what it guards itself: it knows all of it.
    let routes = tokens.routes().into_iter().filter(|(_, path)| path != RESOURCE_PATH);
    routes.map(one).collect()
}

/// Where tokens are asked for.
#[derive(Debug)]
struct Counter(Arc<TokenEndpoint>);

impl Handler for Counter {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let tokens = Arc::clone(&self.0);
        Box::pin(async move {
            let Departure { head, body, client, .. } = departure;
            let bytes = match body {
                Payload::Whole(bytes) => bytes,
                // The road reads every body of this protocol whole.
                Payload::Stream(_) => bytes::Bytes::new(),
            };
            let decided = tokens.handle(&head, &bytes, client, clock::now()).await;
            let Decided { response, event, principal, reason, mut details } = decided;
            if let Some(principal) = principal {
                details.insert("subject".into(), principal.to_string().into());
            }
            let note = event.map(|(event, outcome)| Note { event, outcome, reason, details });
            let answer = Answer::new(response.map(Body::full));
            Ok(Answer { notes: note.into_iter().collect(), ..answer })
        })
    }
}
