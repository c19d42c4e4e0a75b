//! `bartizan explain`: may they, and why? Everything is decided, nothing is sent.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bartizan::App;
use bartizan::authenticate::Authenticate;
use bartizan_core::admit::Target;
use bartizan_core::authenticate::{Caller, Credential, Identity, Kind, Principal};
use bartizan_core::authorize::{Access, Denied, Endpoint, Grant};
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::issue::identities::Identities;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::{Call, Invalid, Payload};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use serde_json::json;

use super::identities::{Format, Rights};
use super::show;
use crate::assemble::{Standing, examine};
use crate::config::{Overrides, Settings};

/// Says whether a call would pass, and every reason. Exit codes: 0 it would, 1 it would not, 2
/// error.
#[derive(clap::Args, Clone, Debug)]
pub struct Explain {
    /// The verb.
    pub verb: Method,
    /// The path.
    pub path: String,
    /// Who calls.
    #[command(flatten)]
    pub who: Who,
    /// What a caller whom only an identity provider knows would hold.
    #[command(flatten)]
    pub rights: Rights,
    /// A file with the body, JSON; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "bartizan.yaml")]
    pub config: PathBuf,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Who calls; nobody in particular where nothing is said.
#[derive(clap::Args, Clone, Debug)]
#[group(multiple = false)]
pub struct Who {
    /// A principal: `agent1`, `key:ci`, `client:robot`, `corp:ann`.
    #[arg(long = "as", value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// A token; `-` reads it from standard input.
    #[arg(long)]
    pub token: Option<String>,
    /// An API key; `-` reads it from standard input.
    #[arg(long)]
    pub key: Option<String>,
}

/// One thing that was looked at.
struct Reason {
    holds: bool,
    what: String,
}

/// What came out.
struct Verdict {
    endpoint: Option<Arc<Endpoint>>,
    reasons: Vec<Reason>,
    allowed: bool,
}

/// Decides, and prints to `out`.
///
/// # Errors
/// The configuration is not sound, or there is no such caller.
pub async fn run(args: &Explain, now: Timestamp, out: &mut dyn Write) -> anyhow::Result<u8> {
    let settings = show::settings(&args.config, &Overrides::default())?;
    let folder = tempfile::tempdir().context("no folder for temporary files")?;
    let standing = Standing::open(&show::without_log(settings.clone(), folder.path())).await?;
    let (app, eyes) = examine(&settings, &standing).await?;
    let verdict = match caller(args, &settings, &**standing.identities(), &eyes, now).await? {
        Ok(caller) => decide(args, &app, caller)?,
        Err(why) => {
            let what = why.to_string();
            Verdict { endpoint: None, reasons: vec![Reason { holds: false, what }], allowed: false }
        }
    };
    print(args, &verdict, out)?;
    app.close(std::time::Duration::from_secs(1)).await;
    standing.close().await;
    Ok(u8::from(!verdict.allowed))
}

async fn caller(
    args: &Explain,
    settings: &Settings,
    store: &dyn Identities,
    eyes: &Authenticate,
    now: Timestamp,
) -> anyhow::Result<Result<Caller, NotAuthenticated>> {
    let Who { subject, token, key } = &args.who;
    if let Some(subject) = subject {
        return Ok(Ok(known(subject, args, settings, store).await?));
    }
    let typed = |text: &str| match text {
        "-" => io::read_to_string(io::stdin().lock()).map(|text| text.trim().to_owned()),
        text => Ok(text.to_owned()),
    };
    Ok(match (token, key) {
        (Some(token), _) => eyes.verify(&Credential::Bearer(&typed(token)?), now).await,
        (None, Some(key)) => eyes.verify(&Credential::ApiKey(&typed(key)?), now).await,
        (None, None) => Ok(Caller::anonymous()),
    })
}

/// A principal with the rights that the configuration or the store gives it.
async fn known(
    subject: &str,
    args: &Explain,
    settings: &Settings,
    store: &dyn Identities,
) -> anyhow::Result<Caller> {
    let mut principal = Principal::parse(subject);
    let name = Arc::clone(&principal.subject);
    let tokens = settings.auth.tokens.as_ref();
    let rights = match &*principal.issuer {
        "local" => {
            let filed = tokens.and_then(|tokens| tokens.users.iter().find(|u| u.name == name));
            let user = match filed {
                Some(user) => Some(user.clone()),
                None => store.user(&name).await?,
            };
            user.map(|user| (user.scopes, user.roles, user.tenant))
        }
        "key" => {
            let filed = settings.auth.keys.iter().find(|key| key.id == name);
            let key = match filed {
                Some(key) => Some(key.clone()),
                None => store.key(&name).await?,
            };
            key.map(|key| (key.scopes, key.roles, key.tenant))
        }
        "client" => {
            principal.kind = Kind::Client;
            let filed = tokens.and_then(|tokens| tokens.clients.iter().find(|c| c.id == name));
            let client = match filed {
                Some(client) => Some(client.clone()),
                None => store.client(&name).await?,
            };
            client.map(|client| (client.scopes, client.roles, client.tenant))
        }
        _ => {
            let Rights { scopes, roles, tenant } = args.rights.clone();
            Some((scopes, roles, tenant))
        }
    };
    let Some((scopes, roles, tenant)) = rights else { bail!("there is no `{principal}`") };
    Ok(Caller::assert(Identity { scopes, roles, tenant, ..Identity::bare(principal) }))
}

/// Walks the stages that decide, and notes what each of them looked at.
fn decide(args: &Explain, app: &App, caller: Caller) -> anyhow::Result<Verdict> {
    let request = Request::builder().method(&args.verb).uri(&args.path);
    let request = request.header(header::HOST, "localhost").body(());
    let request = request.map_err(|_| anyhow!("`{}` is no path", args.path))?;
    let (head, ()) = request.into_parts();
    let policy = app.policy();
    let mut reasons = Vec::new();
    let target = match Target::parse(&head) {
        Ok(target) => target,
        Err(why) => {
            reasons.push(Reason { holds: false, what: why.to_string() });
            return Ok(Verdict { endpoint: None, reasons, allowed: false });
        }
    };
    let route = policy.routes.find(&args.verb, None, target.path());
    let endpoint = route.endpoint().cloned();
    if let Some(endpoint) = &endpoint {
        reasons.extend(conditions(app, endpoint, &caller));
    }
    let allowed = match policy.decide(caller, &route) {
        Ok(grant) => call(args, &grant, &mut reasons)?,
        Err(denied) => {
            let what = match denied {
                Denied::Forbidden(denial) => denial.to_string(),
                Denied::Unauthenticated(rejection, _) => rejection.to_string(),
            };
            if !reasons.iter().any(|reason| reason.what == what) {
                reasons.push(Reason { holds: false, what });
            }
            false
        }
    };
    Ok(Verdict { endpoint, reasons, allowed })
}

/// What the endpoint asks of its callers, each with whether this one has it.
fn conditions(app: &App, endpoint: &Endpoint, caller: &Caller) -> Vec<Reason> {
    let policy = app.policy();
    let roles = policy.roles_of(caller);
    let mut reasons = Vec::new();
    let mut look = |holds: bool, what: String| reasons.push(Reason { holds, what });
    match &endpoint.access {
        Access::Public => look(true, "the endpoint is public".into()),
        Access::Authenticated => look(!caller.is_anonymous(), "a credential is needed".into()),
        Access::Held { scopes, roles: any_of } => {
            for scope in scopes {
                let held = policy.scopes.hold(caller.scopes(), scope);
                look(held, format!("the scope `{scope}` is needed"));
            }
            if !any_of.is_empty() {
                let held = any_of.iter().any(|role| roles.contains(role));
                look(held, format!("one of the roles `{}` is needed", any_of.join("`, `")));
            }
        }
    }
    if let Some(permission) = &endpoint.permission {
        let (resource, action) = (&permission.resource, &permission.action);
        let held = policy.roles.permit(&roles, resource, action);
        look(held, format!("some role must permit `{action}` on `{resource}`"));
    }
    reasons
}

/// Whether the body is sound, where there is one.
fn call(args: &Explain, grant: &Grant, reasons: &mut Vec<Reason>) -> anyhow::Result<bool> {
    let Some(file) = &args.body else { return Ok(true) };
    let body = read(file, grant.endpoint().max_request_size)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match Call::<()>::parse(grant, &headers, Payload::Whole(body)) {
        Ok(_) => {
            reasons.push(Reason { holds: true, what: "the body is sound".into() });
            Ok(true)
        }
        Err(Invalid::Schema(violations)) => {
            let told =
                violations.iter().map(|v| format!("the body at `{}`: {}", v.pointer, v.detail));
            reasons.extend(told.map(|what| Reason { holds: false, what }));
            Ok(false)
        }
        Err(invalid) => {
            reasons.push(Reason { holds: false, what: invalid.to_string() });
            Ok(false)
        }
    }
}

fn read(file: &Path, max: u64) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(max + 1).read_to_end(&mut bytes)?;
    } else {
        let opened = std::fs::File::open(file);
        let opened = opened.with_context(|| format!("`{}` cannot be read", file.display()))?;
        opened.take(max + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > max {
        bail!("the body is larger than {max} bytes, which the endpoint takes");
    }
    Ok(bytes.into())
}

fn print(args: &Explain, verdict: &Verdict, out: &mut dyn Write) -> anyhow::Result<()> {
    let decision = if verdict.allowed { "allow" } else { "deny" };
    let endpoint = verdict.endpoint.as_ref();
    let limits: Vec<_> = endpoint
        .iter()
        .flat_map(|endpoint| endpoint.limits.iter())
        .map(|limit| limit.rule.name.to_string())
        .collect();
    if args.format == Format::Json {
        let reasons = verdict.reasons.iter();
        let reasons: Vec<_> =
            reasons.map(|reason| json!({ "holds": reason.holds, "what": reason.what })).collect();
        let object = json!({
            "decision": decision, "verb": args.verb.as_str(), "path": args.path,
            "endpoint": endpoint.map(|e| format!("{} {}", e.verb, e.path)),
            "reasons": reasons, "limits": limits,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(out, "{decision}  {} {}", args.verb, args.path)?;
    if let Some(endpoint) = endpoint {
        writeln!(out, "  endpoint {} {}", endpoint.verb, endpoint.path)?;
    }
    for reason in &verdict.reasons {
        writeln!(out, "  {} {}", if reason.holds { "yes" } else { "no " }, reason.what)?;
    }
    if !limits.is_empty() {
        writeln!(out, "  limits that will be asked: {}", limits.join(", "))?;
    }
    Ok(())
}
