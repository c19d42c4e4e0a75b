//! What does another service say of what may pass? A signed request, a bounded time, an answer.
//!
//! Requests are signed as Standard Webhooks (standardwebhooks.com) lay it down, so that libraries in
//! most languages can check them: `webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,…`,
//! the HMAC-SHA-256 of `ID.TIMESTAMP.BODY` in base64.

use std::fmt;

use bartizan_core::authorize::Endpoint;
use bartizan_core::limit::BoxFuture;
use bartizan_core::mask::{MAX_SPOTTED, MAX_SPOTTED_TEXT, Spotted};
use bartizan_core::refusal::Objection;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, header};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Hook, Look, Opinion, Remit, pass};
use crate::clock;
use crate::fetch::{FetchError, HttpFetch, place};

/// The largest answer of a webhook, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The shortest secret, in bytes: as Standard Webhooks asks for.
const LEAST_SECRET: usize = 24;

/// A check by another service over HTTP.
///
/// It is sent `{"id","direction","principal","verb","path","endpoint","content_type","body"}` (or
/// `"body_base64"`, where the body is no text), and answers 200 with `{"result":"allow"}`,
/// `{"result":"deny","detail":"…"}`, or `{"result":"mask","findings":[{"entity":"PERSON","text":"…"}]}`.
pub struct Webhook {
    name: String,
    url: String,
    /// What is told of it: its path and query may be a secret.
    place: String,
    secret: SecretSlice<u8>,
    remit: Remit,
    fetch: HttpFetch,
}

/// A webhook that cannot be used. The developer must mend it.
#[derive(Debug, thiserror::Error)]
pub enum BadWebhook {
    /// The secret is too short, or no base64 behind `whsec_`.
    #[error(
        "the secret of the webhook `{0}` is shorter than 24 bytes, or no base64 behind `whsec_`"
    )]
    Secret(String),
    /// Not an address of a server, or one with a user. It may hold a secret, and is not repeated.
    #[error(
        "the webhook `{0}` has no address that can be asked: write `https://HOST/…`, or `http://` \
         on this machine, without a user or password: `secret` says who asks"
    )]
    Address(String),
    /// Nothing to send with.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Webhook {
    /// A webhook that is asked about requests to all endpoints, and has a second to answer.
    ///
    /// # Errors
    /// [`BadWebhook`] where it cannot be used.
    pub fn new(name: &str, url: &str, secret: &str) -> Result<Self, BadWebhook> {
        let address = || BadWebhook::Address(name.to_owned());
        let uri: http::Uri = url.parse().map_err(|_| address())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(address)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(address());
        }
        let fetch = HttpFetch::keeping(vec![host.to_owned()], IDLE)?;
        let place = place(&uri);
        fetch.check(&uri, &place)?;
        let secret = key(secret).ok_or_else(|| BadWebhook::Secret(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            url: url.to_owned(),
            place,
            secret,
            remit: Remit::default(),
            fetch,
        })
    }

    /// Which messages it looks at, for how long, and what becomes of those that it could not look at.
    #[must_use]
    pub fn remit(self, remit: Remit) -> Self {
        Self { remit, ..self }
    }

    async fn ask(&self, look: Look<'_>, direction: &str) -> Result<Opinion, Objection> {
        let said = async {
            let Said { result, detail, findings } = self.answer(look, direction).await?;
            Ok::<_, Failure>(match result {
                Verdict::Allow => Ok(Opinion::Pass),
                Verdict::Mask => Ok(Opinion::Mask(findings)),
                Verdict::Deny => {
                    let detail = detail.chars().take(MAX_DETAIL).collect();
                    Err(Objection { detail, ..Objection::default() })
                }
            })
        };
        self.remit.keep(&self.name, look, said).await
    }

    async fn answer(&self, look: Look<'_>, direction: &str) -> Result<Said, Failure> {
        let body = question(look, direction).map_err(|_| Failure::Unusable)?;
        let request = self.signed(&look.request_id.to_string(), clock::now().0 / 1_000_000, &body);
        let asked = self.fetch.ask(request, &self.place, body.into(), MAX_ANSWER);
        let fetched = tokio::time::timeout(self.remit.patience(), asked).await;
        let fetched = fetched.map_err(|_elapsed| Failure::TooSlow)??;
        let said: Said = serde_json::from_slice(&fetched.body).map_err(|_| Failure::Unusable)?;
        let sound = |one: &Spotted| (1..=MAX_SPOTTED_TEXT).contains(&one.text.len());
        let sound = said.findings.len() <= MAX_SPOTTED && said.findings.iter().all(sound);
        if sound { Ok(said) } else { Err(Failure::Unusable) }
    }

    fn signed(&self, request: &str, seconds: u64, body: &[u8]) -> http::request::Builder {
        let id = format!("msg_{request}");
        let mut mac = Hmac::<Sha256>::new((&block(self.secret.expose_secret())).into());
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", format!("v1,{signature}"))
    }
}

/// How many connections to one webhook are kept open.
const IDLE: usize = 32;

/// How much of what a webhook says a client may read, in characters.
const MAX_DETAIL: usize = 512;

/// Why there is no answer. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it did not answer in time")]
    TooSlow,
    #[error("its answer cannot be used")]
    Unusable,
}

/// What a webhook is asked.
#[derive(Serialize)]
struct Question<'a> {
    id: String,
    direction: &'a str,
    principal: String,
    verb: &'a str,
    endpoint: &'a str,
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

fn question(look: Look<'_>, direction: &str) -> Result<Vec<u8>, serde_json::Error> {
    let body = str::from_utf8(look.body).ok();
    serde_json::to_vec(&Question {
        id: look.request_id.to_string(),
        direction,
        principal: look.caller.principal().to_string(),
        verb: look.endpoint.verb.as_str(),
        endpoint: &look.endpoint.path,
        content_type: look.content_type,
        body,
        body_base64: body.is_none().then(|| BASE64_STANDARD.encode(look.body)),
    })
}

/// What a webhook answers.
#[derive(Deserialize)]
struct Said {
    result: Verdict,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    findings: Vec<Spotted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Mask,
}

/// `whsec_` and base64, or the bytes themselves.
fn key(secret: &str) -> Option<SecretSlice<u8>> {
    let secret = match secret.trim().strip_prefix("whsec_") {
        Some(encoded) => BASE64_STANDARD.decode(encoded).ok()?,
        None => secret.trim().as_bytes().to_vec(),
    };
    (secret.len() >= LEAST_SECRET).then(|| secret.into())
}

/// The key of HMAC as a block: RFC 2104 has longer ones hashed, and all filled up with zeros.
fn block(secret: &[u8]) -> [u8; 64] {
    use sha2::Digest as _;
    let mut block = [0; 64];
    let hashed = (secret.len() > block.len()).then(|| Sha256::digest(secret));
    let secret = hashed.as_ref().map_or(secret, |hashed| hashed.as_slice());
    block.iter_mut().zip(secret).for_each(|(place, byte)| *place = *byte);
    block
}

impl Hook for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self, endpoint: &Endpoint) -> bool {
        self.remit.reads(endpoint)
    }

    fn tells_apart(&self, one: &Endpoint, other: &Endpoint) -> bool {
        self.remit.covers(one) != self.remit.covers(other)
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        if !self.remit.reads(call.endpoint) {
            return pass();
        }
        Box::pin(self.ask(call, "request"))
    }

    fn looks_at_answers(&self) -> bool {
        self.remit.answers()
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        if !self.remit.covers(answer.endpoint) {
            return pass();
        }
        Box::pin(self.ask(answer, "response"))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signature_is_the_one_that_standard_webhooks_shows() {
        // The example of the specification's reference libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = key(secret).unwrap();
        let mut mac = Hmac::<Sha256>::new((&block(secret.expose_secret())).into());
        mac.update(b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_none() {
        let url = "http://127.0.0.1:1/";
        assert!(matches!(Webhook::new("x", url, "short"), Err(BadWebhook::Secret(_))));
        assert!(matches!(Webhook::new("x", url, "whsec_?"), Err(BadWebhook::Secret(_))));
        let secret = "0123456789abcdef01234567";
        assert!(matches!(Webhook::new("x", "/path", secret), Err(BadWebhook::Address(_))));
        for url in ["ftp://127.0.0.1/", "http://example.org/"] {
            assert!(matches!(Webhook::new("x", url, secret), Err(BadWebhook::Fetch(_))), "{url}");
        }
    }

    #[test]
    fn what_is_told_of_an_address_holds_no_part_of_its_path_query_or_login() {
        let secret = "0123456789abcdef01234567";
        for url in [
            "https://ann:geheim@example.org/",
            "ftp://example.org/geheim",
            "http://example.org/?geheim",
            "https:///geheim",
        ] {
            let error = Webhook::new("x", url, secret).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
        let hook = Webhook::new("x", "https://example.org:8443/geheim?geheim", secret).unwrap();
        assert!(!format!("{hook:?}").contains("geheim"), "{hook:?}");
        assert_eq!(hook.place, "https://example.org:8443");
    }

    #[tokio::test]
    async fn a_webhook_that_does_not_answer_is_told_by_its_place_alone() {
        let hook =
            Webhook::new("x", "http://127.0.0.1:1/geheim?geheim", "0123456789abcdef01234567");
        let hook = hook.unwrap();
        let request = Request::post(&hook.url);
        let error = hook.fetch.ask(request, &hook.place, bytes::Bytes::new(), 9).await.unwrap_err();
        assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
        let message = Request::post(&hook.url).body(bytes::Bytes::new()).unwrap();
        let error = hook.fetch.deliver(message, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
