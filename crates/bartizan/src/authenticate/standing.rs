//! Does a credential still stand that has opened a connection? What is taken back ends what it opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::Credential;
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::refusal::{Outage, Refusal};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep};

use super::{Authenticate, FRESH};
use crate::clock;

/// How long a connection stays while nobody can say whether its credential stands.
const PATIENCE: Duration = Duration::from_secs(30);

/// The credential by which a connection was opened.
#[derive(Clone)]
pub(crate) struct Standing {
    authenticate: Authenticate,
    shown: Arc<Shown>,
}

/// A credential that is kept longer than the head that showed it.
enum Shown {
    ApiKey(SecretString),
    Bearer(SecretString),
    Dpop(SecretString),
}

impl Shown {
    fn credential(&self) -> Credential<'_> {
        match self {
            Self::ApiKey(key) => Credential::ApiKey(key.expose_secret()),
            Self::Bearer(token) => Credential::Bearer(token.expose_secret()),
            Self::Dpop(token) => Credential::Dpop(token.expose_secret()),
        }
    }
}

impl Standing {
    pub(super) fn new(authenticate: Authenticate, credential: &Credential<'_>) -> Self {
        let shown = match credential {
            Credential::ApiKey(key) => Shown::ApiKey(SecretString::from(*key)),
            Credential::Bearer(token) => Shown::Bearer(SecretString::from(*token)),
            Credential::Dpop(token) => Shown::Dpop(SecretString::from(*token)),
        };
        Self { authenticate, shown: Arc::new(shown) }
    }

    /// Ends when the credential is not good any more, and says why; it is looked at as often as one that
    /// opens something.
    pub(crate) async fn fallen(self) -> Refusal {
        let mut known = Instant::now();
        loop {
            sleep(FRESH).await;
            let credential = self.shown.credential();
            match self.authenticate.0.holder(&credential, None, clock::now()).await {
                Ok(_) => known = Instant::now(),
                Err(NotAuthenticated::Rejected(rejection)) => return rejection.into(),
                Err(_) if known.elapsed() < PATIENCE => {}
                Err(_) => return Refusal::Unavailable(Outage::Identities),
            }
        }
    }
}

/// Says that there is one, and not which.
impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}
