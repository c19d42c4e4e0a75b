//! Is this opaque token good? Its issuer is asked (RFC 7662), seldom, and never about too many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::Rejection;
use bartizan_core::authenticate::holder::Holder;
use bartizan_core::authenticate::jwt::Issuer;
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::obtain::{basic, encoded};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::cache::{Cache, Fingerprint};
use super::issuer::discover;
use crate::fetch::{Fetch, Form};

/// How an issuer is asked about tokens that are no JWTs.
pub struct Introspection {
    settings: Settings,
    fetch: Arc<dyn Fetch>,
    /// Its address, once it is known.
    endpoint: Mutex<Option<Arc<str>>>,
    /// Who asks holds one; a slow issuer must not tie up everything that comes.
    asking: Semaphore,
    /// Tokens that were found bad, and until when nobody asks again.
    bad: Cache<Timestamp>,
}

/// What is needed to ask.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to ask; where the issuer's metadata says, if it is not known.
    pub endpoint: Option<String>,
    /// As whom.
    pub client: String,
    /// Proves it.
    pub secret: SecretString,
    /// Whether the secret goes into the form instead of `Authorization: Basic`
    /// (`client_secret_post`).
    pub in_form: bool,
    /// How long an answer counts; never longer than the token.
    pub cache: Duration,
    /// How long an answer may take.
    pub patience: Duration,
    /// Whether a token counts of which the issuer does not say for whom it is meant.
    pub any_audience: bool,
}

/// How many tokens are asked about at once.
const AT_ONCE: usize = 64;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// How many bad tokens are remembered.
const BAD: usize = 4_096;

/// How long a bad one is remembered; a token that was not good yet must not wait for long.
const BAD_FOR: Duration = Duration::from_secs(5);

impl Introspection {
    /// Asks over `fetch`.
    #[must_use]
    pub fn new(settings: Settings, fetch: Arc<dyn Fetch>) -> Self {
        Self {
            settings,
            fetch,
            endpoint: Mutex::default(),
            asking: Semaphore::new(AT_ONCE),
            bad: Cache::new(BAD),
        }
    }

    /// How long an answer counts.
    pub(super) fn lasts(&self) -> Duration {
        self.settings.cache
    }

    /// Asks `issuer` about a token.
    ///
    /// # Errors
    /// [`NotAuthenticated::Rejected`] where it does not count, [`NotAuthenticated::Outage`] where
    /// nobody can say: then nobody gets in.
    pub(super) async fn ask(
        &self,
        issuer: &Issuer,
        token: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Holder, NotAuthenticated> {
        if self.bad.get(fingerprint, |until| Some(now < *until)) == Some(true) {
            return Err(Rejection::Unknown.into());
        }
        let asked = tokio::time::timeout(self.settings.patience, self.answer(issuer, token)).await;
        let answer = asked.unwrap_or_else(|_| Err("no answer in time".into())).map_err(|reason| {
            tracing::warn!(issuer = %issuer.name(), %reason, "a token could not be introspected");
            NotAuthenticated::Outage
        })?;
        issuer.introspected(&answer, self.settings.any_audience, now).map_err(|rejection| {
            self.bad.put(fingerprint, now.plus(BAD_FOR));
            rejection.into()
        })
    }

    async fn answer(&self, issuer: &Issuer, token: &str) -> Result<Vec<u8>, String> {
        let _one = self.asking.acquire().await;
        let url = self.endpoint(issuer).await?;
        let Settings { client, secret, in_form, patience, .. } = &self.settings;
        let mut body = format!("token={}&token_type_hint=access_token", encoded(token));
        let authorization = if *in_form {
            let (client, secret) = (encoded(client), encoded(secret.expose_secret()));
            body.push_str(&format!("&client_id={client}&client_secret={secret}"));
            None
        } else {
            Some(basic(client, secret).map_err(|error| error.to_string())?)
        };
        let form = Form { url: &url, body, authorization };
        let fetched = self.fetch.post(form, MAX_ANSWER, *patience).await;
        fetched.map(|fetched| fetched.body.to_vec()).map_err(|error| error.to_string())
    }

    async fn endpoint(&self, issuer: &Issuer) -> Result<Arc<str>, String> {
        if let Some(endpoint) = &self.settings.endpoint {
            return Ok(endpoint.as_str().into());
        }
        if let Some(known) = self.endpoint.lock().clone() {
            return Ok(known);
        }
        let document = discover(&*self.fetch, issuer.url(), self.settings.patience).await?;
        let endpoint = document.get("introspection_endpoint").and_then(Value::as_str);
        let endpoint: Arc<str> = endpoint.ok_or("no `introspection_endpoint`")?.into();
        *self.endpoint.lock() = Some(Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("settings", &self.settings).finish_non_exhaustive()
    }
}
