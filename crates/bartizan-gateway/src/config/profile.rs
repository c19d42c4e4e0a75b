//! Is the configuration fit for where it will run? The guides' checklists, one row a question.

use std::time::Duration;

use bartizan_core::audit::Event;
use bartizan_core::authenticate::password;
use bartizan_core::authorize::endpoint::{Access, By};
use bartizan_core::issue::GrantType;
use bartizan_core::limit::{Kind, Measure};
use bartizan_core::validate::Protocol;
use http::Method;
use secrecy::SecretString;

use super::exposed;
use super::file::OpenApiAccess;
use super::findings::Severity;
use super::settings::endpoint::Endpoint;
use super::settings::oidc::is_loopback;
use super::settings::personal::{Destination, Durability};
use super::settings::upstream::{Target, Upstream};
use super::settings::{Settings, Shared};

/// Where a configuration will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
    /// On somebody's own machine.
    Development,
    /// As in production, without real callers.
    Staging,
    /// For real callers and real data.
    Production,
}

impl Profile {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::Development => "development",
            Profile::Staging => "staging",
            Profile::Production => "production",
        }
    }
}

/// A row of the checklist.
#[derive(Debug)]
pub struct Row {
    /// Its name, in JSON output.
    pub id: &'static str,
    /// From which profile on it is asked; `None`: always.
    pub from: Option<Profile>,
    /// How grave a hit is.
    pub severity: Severity,
    /// What is wrong; `{}` stands for what was found.
    pub message: &'static str,
    /// What to do.
    pub help: &'static str,
    /// Where it is wrong.
    find: fn(&Settings) -> Vec<At>,
}

/// A place, and what stands for `{}`.
type At = (String, String);

/// A row that found something.
#[derive(Debug)]
pub struct Hit {
    /// Which row.
    pub row: &'static Row,
    /// Where.
    pub pointer: String,
    subject: String,
}

const DEVELOPMENT: Option<Profile> = Some(Profile::Development);
const STAGING: Option<Profile> = Some(Profile::Staging);
const PRODUCTION: Option<Profile> = Some(Profile::Production);

/// The checklist.
pub static ROWS: &[Row] = &[
    Row {
        id: "demo-credentials",
        from: None,
        severity: Severity::Error,
        message: "the demo's user `{}` has the demo's password here, which everybody knows",
        help: "give the user another password, or remove the user",
        find: demo_credentials,
    },
    Row {
        id: "hard-coded-secret",
        from: DEVELOPMENT,
        severity: Severity::Error,
        message: "`{}` stands in the configuration, which others read and copy",
        help: "name it: `{ env: NAME }`, `{ file: PATH }` or `{ secret: NAME }`; and replace it, for it may be known",
        find: hard_coded_secret,
    },
    Row {
        id: "plaintext",
        from: STAGING,
        severity: Severity::Error,
        message: "`danger_allow_plaintext` serves credentials in the clear on `{}`",
        help: "write `server: { tls: { cert: …, key: … } }`, or listen on loopback behind something that speaks TLS",
        find: plaintext,
    },
    Row {
        id: "upstream-plaintext",
        from: STAGING,
        severity: Severity::Warning,
        message: "requests go on to `{}` in the clear",
        help: "use https to upstreams on other machines",
        find: upstream_plaintext,
    },
    Row {
        id: "no-limit",
        from: STAGING,
        severity: Severity::Warning,
        message: "no limit applies to `{}`",
        help: "add one under `limits`: without `match` it applies to every endpoint",
        find: no_limit,
    },
    Row {
        id: "no-budget",
        from: STAGING,
        severity: Severity::Error,
        message: "no budget in `usd` or `tokens` applies to the models behind `{}`",
        help: "add one under `budgets`, as `- { name: daily, by: user, usd: 10, period: day }`",
        find: no_budget,
    },
    Row {
        id: "no-oidc",
        from: STAGING,
        severity: Severity::Warning,
        message: "no identity provider is believed{}",
        help: "write `auth: { oidc: [{ issuer: https://…, audience: … }] }`",
        find: no_oidc,
    },
    Row {
        id: "no-pii",
        from: STAGING,
        severity: Severity::Warning,
        message: "personal data is looked for nowhere{}",
        help: "write `pii: { request: { detect: [EMAIL, PHONE, SSN, CREDIT_CARD], action: mask } }`",
        find: no_pii,
    },
    Row {
        id: "detections-unlogged",
        from: STAGING,
        severity: Severity::Warning,
        message: "personal data is found and not logged{}",
        help: "write `pii: { log_detections: true }`: types and places are logged, never values",
        find: detections_unlogged,
    },
    Row {
        id: "public-endpoint",
        from: PRODUCTION,
        severity: Severity::Error,
        message: "everybody may call `{}`",
        help: "ask for `scopes`, `roles` or `authenticated: true`; leave `public: true` to `handler: health`",
        find: public_endpoint,
    },
    Row {
        id: "public-unlimited",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "no limit `by: ip` guards the public `{}`",
        help: "add one, as `- { name: door, by: ip, rpm: 60 }`",
        find: public_unlimited,
    },
    Row {
        id: "models-unmasked",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "personal data goes unseen to the models behind `{}`",
        help: "write `pii: { request: { detect: [EMAIL, PHONE, SSN, CREDIT_CARD], action: mask } }`",
        find: models_unmasked,
    },
    Row {
        id: "unvalidated",
        from: DEVELOPMENT,
        severity: Severity::Warning,
        message: "bodies sent to `{}` are not validated",
        help: "give the endpoint a `schema`",
        find: unvalidated,
    },
    Row {
        id: "password-grant",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "the token endpoint takes passwords{} (RFC 9700, section 2.4 advises against it)",
        help: "let people log in at an identity provider (`auth.oidc`) and programs use `client_credentials`",
        find: password_grant,
    },
    Row {
        id: "pepper",
        from: PRODUCTION,
        severity: Severity::Note,
        message: "what the digests of keys and secrets are keyed with is kept beside them, in the store{}",
        help: "write `auth: { pepper: { env: BARTIZAN_PEPPER } }` or `{ file: … }`: who reads the store alone can then check no guess",
        find: pepper,
    },
    Row {
        id: "exposed-file",
        from: PRODUCTION,
        severity: Severity::Error,
        message: "everybody on this machine can read `{}`, which holds secrets",
        help: "`chmod 600` it, and give it to the user that the gateway runs as",
        find: exposed_file,
    },
    Row {
        id: "access-token-ttl",
        from: PRODUCTION,
        severity: Severity::Error,
        message: "access tokens live longer than an hour{}",
        help: "write `access_ttl: 15m`: a stolen one is good for that long",
        find: access_token_ttl,
    },
    Row {
        id: "refresh-token-ttl",
        from: PRODUCTION,
        severity: Severity::Error,
        message: "refresh tokens live longer than 90 days{}",
        help: "write `refresh_ttl: 30d`",
        find: refresh_token_ttl,
    },
    Row {
        id: "issuer-roles",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "the issuer `{}` may assert every role",
        help: "name the roles that it may assert under `grants_at_most`",
        find: issuer_roles,
    },
    Row {
        id: "key-expiry",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "the API key `{}` never ends",
        help: "write `expires: 2027-01-01T00:00:00Z`, and rotate keys with `bartizan keys rotate`",
        find: key_expiry,
    },
    Row {
        id: "proxy-untold",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "plain HTTP needs a proxy before it, and none is named{}: every caller has the proxy's address",
        help: "write its addresses under `server: { trusted_proxies: […] }`",
        find: proxy_untold,
    },
    Row {
        id: "audit-durability",
        from: PRODUCTION,
        severity: Severity::Error,
        message: "records may be lost when the machine stops{}",
        help: "write `audit: { durability: sync }`",
        find: audit_durability,
    },
    Row {
        id: "audit-stdout",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "audit records go to standard output{}, where nobody can verify the chain",
        help: "write `audit: { destination: file://… }` on a disk that is kept",
        find: audit_stdout,
    },
    Row {
        id: "audit-events",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "the audit log leaves out `{}`",
        help: "add it to `audit.events`, or remove the key to log everything",
        find: audit_events,
    },
    Row {
        id: "openapi-public",
        from: PRODUCTION,
        severity: Severity::Warning,
        message: "`/openapi.json` shows every endpoint to everybody{}",
        help: "write `openapi: { access: filtered }`",
        find: openapi_public,
    },
    Row {
        id: "one-gateway",
        from: PRODUCTION,
        severity: Severity::Note,
        message: "counters are kept in memory{}: limits and budgets hold for one gateway, and a second one doubles them",
        help: "run one gateway on this configuration",
        find: one_gateway,
    },
];

/// What the rows find that are asked for a profile.
pub fn run(settings: &Settings, profile: Option<Profile>) -> Vec<Hit> {
    let asked = |row: &&'static Row| {
        row.from.is_none_or(|from| profile.is_some_and(|profile| profile >= from))
    };
    let hits = |row: &'static Row| {
        let hit = move |(pointer, subject): At| Hit { row, pointer, subject };
        (row.find)(settings).into_iter().map(hit)
    };
    ROWS.iter().filter(asked).flat_map(hits).collect()
}

impl Hit {
    /// What is wrong.
    pub fn message(&self) -> String {
        self.row.message.replacen("{}", &self.subject, 1)
    }
}

fn when(condition: bool, pointer: &str) -> Vec<At> {
    if condition { vec![(pointer.to_owned(), String::new())] } else { Vec::new() }
}

fn endpoints(settings: &Settings, key: &str, mut bad: impl FnMut(&Endpoint) -> bool) -> Vec<At> {
    let numbered = settings.endpoints.iter().enumerate();
    let found = numbered.filter(|(_, endpoint)| bad(endpoint));
    found
        .map(|(index, endpoint)| (format!("/endpoints/{index}{key}"), endpoint.path.to_string()))
        .collect()
}

fn upstream(endpoint: &Endpoint) -> Option<&Upstream> {
    match &endpoint.target {
        Target::Upstream(upstream) => Some(upstream),
        Target::Health | Target::ForwardAuth => None,
    }
}

fn demo_credentials(settings: &Settings) -> Vec<At> {
    let secret = SecretString::from("secret");
    let users = settings.auth.tokens.iter().flat_map(|tokens| tokens.users.iter().enumerate());
    let demo = users.filter(|(_, user)| {
        &*user.name == "agent1" && password::verify(Some(&user.password), &secret)
    });
    demo.map(|(index, user)| (format!("/auth/tokens/users/{index}"), user.name.to_string()))
        .collect()
}

fn hard_coded_secret(settings: &Settings) -> Vec<At> {
    let found = settings.hard_coded.iter();
    found
        .map(|pointer| {
            let tokens = super::tree::tokens(pointer);
            let named = tokens.into_iter().rev().find(|token| token.parse::<usize>().is_err());
            (pointer.clone(), named.unwrap_or_default())
        })
        .collect()
}

fn no_oidc(settings: &Settings) -> Vec<At> {
    let known = settings.endpoints.iter().any(|endpoint| endpoint.access != Access::Public);
    when(known && settings.auth.issuers.is_empty(), "/auth")
}

fn no_pii(settings: &Settings) -> Vec<At> {
    let looked = |pii: &super::settings::Pii| pii.request.is_some() || pii.response.is_some();
    let forwards = settings.endpoints.iter().any(|endpoint| upstream(endpoint).is_some());
    let nowhere =
        !looked(&settings.pii) && settings.endpoints.iter().all(|endpoint| !looked(&endpoint.pii));
    when(forwards && nowhere, "/pii")
}

fn plaintext(settings: &Settings) -> Vec<At> {
    let server = &settings.server;
    if server.tls.is_some() || server.listen.ip().is_loopback() {
        return Vec::new();
    }
    vec![("/server/danger_allow_plaintext".to_owned(), server.listen.to_string())]
}

fn upstream_plaintext(settings: &Settings) -> Vec<At> {
    let numbered = settings.endpoints.iter().enumerate();
    let hosts =
        numbered.filter_map(|(index, endpoint)| Some((index, upstream(endpoint)?.url.clone())));
    let clear = hosts.filter(|(_, url)| {
        url.scheme_str() == Some("http") && !url.host().is_some_and(is_loopback)
    });
    clear
        .map(|(index, url)| {
            (format!("/endpoints/{index}/upstream/url"), url.host().unwrap_or_default().to_owned())
        })
        .collect()
}

fn limited(settings: &Settings, endpoint: &Endpoint, fits: impl Fn(&By) -> bool) -> bool {
    let applies = |verb: &Method| {
        settings.limits.iter().any(|limit| {
            limit.applies.to(&endpoint.path, verb)
                && limit.rules.iter().any(|rule| !rule.of_messages() && fits(&rule.by))
        })
    };
    endpoint.verbs.iter().all(applies)
}

fn no_limit(settings: &Settings) -> Vec<At> {
    endpoints(settings, "", |endpoint| !limited(settings, endpoint, |_| true))
}

fn no_budget(settings: &Settings) -> Vec<At> {
    let spends = |measure| matches!(measure, Measure::NanoUsd | Measure::Tokens);
    endpoints(settings, "", |endpoint| {
        let covered = |verb: &Method| {
            settings.budgets.iter().any(|budget| {
                budget.applies.to(&endpoint.path, verb)
                    && budget.rules.iter().any(|limit| {
                        limit.rule.kind() == Kind::Budget && spends(limit.rule.measure)
                    })
            })
        };
        endpoint.protocol.has_models() && !endpoint.verbs.iter().all(covered)
    })
}

fn detections_unlogged(settings: &Settings) -> Vec<At> {
    let pii = &settings.pii;
    when(
        !pii.log_detections && (pii.request.is_some() || pii.response.is_some()),
        "/pii/log_detections",
    )
}

fn public_endpoint(settings: &Settings) -> Vec<At> {
    endpoints(settings, "/public", |endpoint| {
        endpoint.access == Access::Public && upstream(endpoint).is_some()
    })
}

fn public_unlimited(settings: &Settings) -> Vec<At> {
    endpoints(settings, "/public", |endpoint| {
        endpoint.access == Access::Public && !limited(settings, endpoint, |by| *by == By::Ip)
    })
}

fn models_unmasked(settings: &Settings) -> Vec<At> {
    endpoints(settings, "", |endpoint| {
        endpoint.protocol.has_models() && endpoint.pii.request.is_none()
    })
}

fn unvalidated(settings: &Settings) -> Vec<At> {
    let bodiless = |verb: &Method| {
        ["GET", "HEAD", "DELETE", "OPTIONS", "FETCH", "DISCOVER"].contains(&verb.as_str())
    };
    endpoints(settings, "", |endpoint| {
        let plain = endpoint.protocol == Protocol::Http && upstream(endpoint).is_some();
        plain && endpoint.schema.is_none() && !endpoint.verbs.iter().all(bodiless)
    })
}

fn password_grant(settings: &Settings) -> Vec<At> {
    let tokens = settings.auth.tokens.as_ref();
    when(
        tokens.is_some_and(|tokens| tokens.grants.contains(&GrantType::Password)),
        "/auth/tokens/grants",
    )
}

fn pepper(settings: &Settings) -> Vec<At> {
    when(settings.auth.pepper.is_none(), "/auth")
}

fn exposed_file(settings: &Settings) -> Vec<At> {
    let found = exposed::find(settings).into_iter();
    found.map(|(pointer, path)| (pointer.to_owned(), path.display().to_string())).collect()
}

fn access_token_ttl(settings: &Settings) -> Vec<At> {
    let tokens = settings.auth.tokens.as_ref();
    when(
        tokens.is_some_and(|tokens| tokens.access_ttl > Duration::from_hours(1)),
        "/auth/tokens/access_ttl",
    )
}

fn refresh_token_ttl(settings: &Settings) -> Vec<At> {
    let tokens = settings.auth.tokens.as_ref();
    when(
        tokens.is_some_and(|tokens| tokens.refresh_ttl > Duration::from_hours(90 * 24)),
        "/auth/tokens/refresh_ttl",
    )
}

fn issuer_roles(settings: &Settings) -> Vec<At> {
    let issuers = settings.auth.issuers.iter().enumerate();
    let wide =
        issuers.filter(|(_, one)| one.issuer.grants_at_most.roles.iter().any(|role| role == "*"));
    wide.map(|(index, one)| {
        (format!("/auth/oidc/{index}/grants_at_most/roles"), one.issuer.name().to_string())
    })
    .collect()
}

fn key_expiry(settings: &Settings) -> Vec<At> {
    let keys = settings.auth.keys.iter().enumerate();
    let endless = keys.filter(|(_, key)| key.expires.is_none());
    endless
        .map(|(index, key)| (format!("/auth/api_keys/keys/{index}"), key.id.to_string()))
        .collect()
}

fn proxy_untold(settings: &Settings) -> Vec<At> {
    let server = &settings.server;
    when(server.tls.is_none() && server.trusted_proxies.is_empty(), "/server")
}

fn audit_durability(settings: &Settings) -> Vec<At> {
    when(settings.audit.durability == Durability::Batch, "/audit/durability")
}

fn audit_stdout(settings: &Settings) -> Vec<At> {
    when(settings.audit.destination == Destination::Stdout, "/audit/destination")
}

fn audit_events(settings: &Settings) -> Vec<At> {
    let needed =
        [Event::AuthFailure, Event::AccessDenied, Event::TokenIssued, Event::RateLimitExceeded];
    let Some(kept) = &settings.audit.events else { return Vec::new() };
    let left_out = needed.iter().filter(|event| !kept.contains(event));
    left_out.map(|event| ("/audit/events".to_owned(), event.as_str().to_owned())).collect()
}

fn openapi_public(settings: &Settings) -> Vec<At> {
    when(settings.openapi == OpenApiAccess::Public, "/openapi/access")
}

fn one_gateway(settings: &Settings) -> Vec<At> {
    let counts = !settings.limits.is_empty() || !settings.budgets.is_empty();
    when(counts && settings.store.shared == Shared::Memory, "/store/shared")
}
