//! `bartizan explain`: may they, and why? Everything is decided, nothing is sent.

mod named;

use std::io::{self, Read as _, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bartizan::App;
use bartizan::authenticate::Authenticate;
use bartizan::body::Body;
use bartizan_core::admit::Target;
use bartizan_core::authenticate::{
    Caller, Credential, Identity, Kind, Method as Means, Principal, Subject, certificate,
};
use bartizan_core::authorize::{Circumstances, Endpoint, Grant, Reason};
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::issue::identities::Identities;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::{Call, Invalid, Payload, Protocol, Unfit};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::json;

use super::identities::{Format, Rights};
use super::show;
use crate::assemble::{Standing, examine};
use crate::config::{Overrides, Settings};

/// Says whether a call would pass, and every reason. Exit codes: 0 it would, 1 it would not or
/// somebody must agree first, 2 error.
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
    /// The tool that is called without arguments (MCP) or offered (language models), in place of a
    /// body.
    #[arg(long, value_name = "NAME", conflicts_with = "body")]
    pub tool: Option<String>,
    /// The model that is asked, in place of a body.
    #[arg(long, value_name = "NAME", conflicts_with = "body")]
    pub model: Option<String>,
    /// From which address they call.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// A header field of the call, such as `X-Tenant: acme`; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
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

/// What came out.
struct Verdict {
    endpoint: Option<Arc<Endpoint>>,
    reasons: Vec<Reason>,
    outcome: Outcome,
}

/// What the road says.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Outcome {
    Allow,
    /// Somebody must agree first.
    Approval,
    Deny,
}

impl Verdict {
    fn refused(what: String) -> Self {
        let reasons = vec![Reason { holds: false, what }];
        Self { endpoint: None, reasons, outcome: Outcome::Deny }
    }
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approval => "approval",
            Self::Deny => "deny",
        }
    }
}

/// A header field of the command line, `NAME: VALUE`.
fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{text}` is no header field: write `NAME: VALUE`");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    Ok((name, value.trim().parse().map_err(|_| wrong())?))
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
        Ok(caller) => decide(args, &app, caller, now).await?,
        Err(why) => Verdict::refused(why.to_string()),
    };
    print(args, &verdict, out)?;
    app.close(std::time::Duration::from_secs(1)).await;
    standing.close().await;
    Ok(u8::from(verdict.outcome != Outcome::Allow))
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
    let said = &args.rights;
    let says = !said.scopes.is_empty() || !said.roles.is_empty() || said.tenant.is_some();
    if says && ["local", "key", "client"].contains(&&*principal.issuer) {
        bail!(
            "what `{principal}` holds stands in the configuration or the store: leave out \
             `--scopes`, `--roles` and `--tenant`, which are for callers of an identity provider"
        );
    }
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
        issuer => {
            let Rights { mut scopes, roles, tenant } = said.clone();
            scopes.extend(believed(issuer, settings)?);
            Some((scopes, roles, tenant))
        }
    };
    let Some((scopes, roles, tenant)) = rights else { bail!("there is no `{principal}`") };
    let means = means(&principal);
    let identity = Identity { scopes, roles, tenant, ..Identity::bare(principal) };
    Ok(Caller::assert_by(identity, means))
}

/// The scopes of everybody whom an issuer names, where there is such an issuer.
fn believed(issuer: &str, settings: &Settings) -> anyhow::Result<Vec<Arc<str>>> {
    let auth = &settings.auth;
    match &auth.certificates {
        Some(certificates) if issuer == certificate::ISSUER => {
            return Ok(certificates.scopes.clone());
        }
        _ if auth.issuers.iter().any(|one| &**one.issuer.name() == issuer) => {
            return Ok(Vec::new());
        }
        _ => {}
    }
    let own = ["local", "client", "key"].map(String::from);
    let named = auth.issuers.iter().map(|one| one.issuer.name().to_string());
    let by_certificate = auth.certificates.iter().map(|_| certificate::ISSUER.to_owned());
    let names: Vec<String> = own
        .into_iter()
        .chain(named)
        .chain(by_certificate)
        .map(|name| format!("`{name}:…`"))
        .collect();
    bail!(
        "nothing in the configuration is called `{issuer}`: callers here are {}",
        names.join(", ")
    )
}

/// By what the gateway would recognise them: it decides whether a policy speaks of them, and whether
/// they have a token that can be exchanged.
fn means(principal: &Principal) -> Means {
    match &*principal.issuer {
        "key" => Means::ApiKey,
        certificate::ISSUER => Means::Certificate,
        _ => Means::Jwt,
    }
}

/// Walks the road, and notes what is looked at on it.
async fn decide(
    args: &Explain,
    app: &App,
    caller: Caller,
    now: Timestamp,
) -> anyhow::Result<Verdict> {
    let mut request = Request::builder().method(&args.verb).uri(&args.path);
    request = request.header(header::HOST, "localhost");
    for (name, value) in &args.headers {
        request = request.header(name, value);
    }
    if !args.path.starts_with('/') {
        bail!("`{}` is no path: write it as the caller does, with `/` at its beginning", args.path);
    }
    let request = request.body(()).map_err(|_| anyhow!("`{}` is no path", args.path))?;
    let (head, ()) = request.into_parts();
    let target = match Target::parse(&head) {
        Ok(target) => target,
        Err(why) => return Ok(Verdict::refused(why.to_string())),
    };
    let policy = app.policy();
    let route = policy.routes.find(&args.verb, None, target.path());
    let endpoint = route.endpoint().cloned();
    let circumstances = Circumstances {
        now,
        address: args.ip,
        path: Some(target.path()),
        headers: Some(&head.headers),
    };
    let mut reasons = endpoint
        .as_ref()
        .map(|endpoint| policy.reasons(&caller, endpoint, &circumstances))
        .unwrap_or_default();
    let exchanges = endpoint.as_ref().is_some_and(|endpoint| endpoint.exchanges);
    if exchanges && Subject::may_be_of(&caller) {
        let what = "the upstream wants a token in exchange for the caller's: whether one is given \
                    shows when it is called, for nobody is asked here";
        reasons.push(Reason { holds: true, what: what.into() });
    }
    let decided = policy.decide(caller.clone(), &route, &circumstances);
    let body = match (&args.body, &endpoint) {
        (Some(file), _) => Some(read(file, endpoint.as_ref().map_or(0, |e| e.max_request_size))?),
        (None, Some(endpoint)) => {
            named::body(args.tool.as_deref(), args.model.as_deref(), target.path(), endpoint)?
        }
        (None, None) => None,
    };
    let blind = body.is_none() && endpoint.as_ref().is_some_and(|e| wants_body(e));
    if let (true, Ok(grant)) = (blind, &decided) {
        let what = "the body was not looked at: give one with `--body`, or `--tool` or `--model`";
        reasons.push(Reason { holds: true, what: what.into() });
        let outcome = if grant.need().is_some() { Outcome::Approval } else { Outcome::Allow };
        return Ok(Verdict { endpoint, reasons, outcome });
    }
    if let (Some(body), Ok(grant)) = (&body, &decided) {
        look_into(grant, &head, body, args.body.is_some(), &mut reasons);
    }
    let has_body = body.is_some();
    let mut request = Request::from_parts(head, Body::full(body.unwrap_or_default()));
    if has_body {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
    }
    let rehearsal = app.rehearse(request, args.ip, caller).await;
    if let Some(what) = rehearsal.reason
        && !reasons.iter().any(|reason| !reason.holds)
    {
        reasons.push(Reason { holds: false, what });
    }
    // What the endpoint and the policies ask for was told before the call was read.
    if let Some(tool) = rehearsal.because.as_deref().and_then(|why| why.strip_prefix("tool ")) {
        let what = format!("somebody must agree first: `tools` asks for it for `{tool}`");
        reasons.push(Reason { holds: true, what });
    }
    let outcome = match (rehearsal.passes, rehearsal.approval) {
        (true, false) => Outcome::Allow,
        (true, true) => Outcome::Approval,
        (false, _) => Outcome::Deny,
    };
    Ok(Verdict { endpoint, reasons, outcome })
}

/// Whether a call without a body would be refused for that alone.
fn wants_body(endpoint: &Endpoint) -> bool {
    endpoint.schema.is_some() || endpoint.protocol != Protocol::Http
}

/// What exactly is wrong with a body: a client is told as much. Of one that was made here it is no
/// news that it is sound.
fn look_into(grant: &Grant, head: &Parts, body: &Bytes, given: bool, reasons: &mut Vec<Reason>) {
    let mut head = head.clone();
    let json = HeaderValue::from_static("application/json");
    head.headers.entry(header::CONTENT_TYPE).or_insert(json);
    match Call::<()>::parse(grant, &head, Payload::Whole(body.clone())) {
        Ok(_) if given => reasons.push(Reason { holds: true, what: "the body is sound".into() }),
        Ok(_) => {
            let what =
                "the call was made up of `--tool` and `--model`: give a whole one with `--body`";
            reasons.push(Reason { holds: true, what: what.into() });
        }
        Err(Unfit::Invalid(Invalid::Schema(violations))) => {
            let told =
                violations.iter().map(|v| format!("the body at `{}`: {}", v.pointer, v.detail));
            reasons.extend(told.map(|what| Reason { holds: false, what }));
        }
        Err(unfit) => reasons.push(Reason { holds: false, what: unfit.to_string() }),
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
    let decision = verdict.outcome.as_str();
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
