//! What has a program said of what its app works with?

use std::sync::Arc;

use bartizan_core::audit::Trail;
use bartizan_core::authenticate::jwt::{Issuer, IssuerError};
use bartizan_core::issue::Identities;
use bartizan_core::limit::Meter;

use super::key::ApiKey;
use super::log::Audit;
use super::tokens::Tokens;

/// What the program said so far.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) issuers: Vec<Result<Issuer, IssuerError>>,
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) store: Option<String>,
    pub(crate) counters: Option<String>,
    pub(crate) audit: Audit,
    pub(crate) identities: Option<Arc<dyn Identities>>,
    pub(crate) meter: Option<Arc<dyn Meter>>,
    pub(crate) trail: Option<Arc<dyn Trail>>,
}
