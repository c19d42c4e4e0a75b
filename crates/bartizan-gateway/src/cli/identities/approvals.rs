//! `bartizan approvals`: calls that wait for somebody to agree.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bartizan::actions::approvals::{note, row};
use bartizan_core::authenticate::api_key::Record;
use bartizan_core::authenticate::jwt::{CLIENT, LOCAL};
use bartizan_core::authenticate::{Caller, Identity, Principal, api_key};
use bartizan_core::authorize::approval::{
    Approval, ApprovalId, Approvals as Book, Decision, NotTheirs, State,
};

use bartizan_core::json;
use serde_json::Value;

use super::{Desk, span};
use crate::config::settings::Deciders;

/// Calls that wait for somebody to agree.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Approvals {
    /// Lists the calls that wait.
    List,
    /// Decides about one.
    Decide(Decide),
}

/// Arguments of `approvals decide`.
#[derive(clap::Args, Clone, Debug)]
pub struct Decide {
    /// What it is called, `apr_…`.
    pub id: String,
    /// Whether the call may be made.
    #[arg(value_enum)]
    pub decision: Word,
    /// Who decides: somebody whom the configuration gives the right; never whoever asks.
    #[arg(long, value_name = "SUBJECT", default_value = "operator:cli")]
    pub by: String,
    /// How long the call may then be made. Default: as long as `approvals.expires` says.
    #[arg(long = "for", value_parser = span, value_name = "SPAN")]
    pub patience: Option<Duration>,
}

/// What may be decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Word {
    /// It may be made, once.
    Approve,
    /// It may not.
    Decline,
}

pub(super) async fn run(
    command: &Approvals,
    book: Arc<dyn Book>,
    deciders: &Deciders,
    desk: &mut Desk<'_>,
) -> anyhow::Result<()> {
    match command {
        Approvals::List => list(&*book, desk).await,
        Approvals::Decide(decide) => self::decide(decide, &*book, deciders, desk).await,
    }
}

async fn list(book: &dyn Book, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = book.waiting(after, desk.now).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for approval in &page {
            desk.tell(&line(approval), &row(approval))?;
        }
    }
}

async fn decide(
    decide: &Decide,
    book: &dyn Book,
    deciders: &Deciders,
    desk: &mut Desk<'_>,
) -> anyhow::Result<()> {
    let Decide { id, decision, by, patience } = decide;
    let unknown = || anyhow!("there is no approval `{id}`; `bartizan approvals list` shows them");
    let known = ApprovalId::parse(id).ok_or_else(unknown)?;
    let approval = book.approval(known, desk.now).await?.ok_or_else(unknown)?;
    let decider = decider(by, deciders, desk).await?;
    let by = decider.principal().to_string();
    let Deciders { approvers, policy, .. } = deciders;
    approvers.may_decide(policy, &decider, &approval).map_err(|why| match why {
        NotTheirs::Unknown if approvers.has_right(policy, &decider) => {
            of_another_tenant(&approval, &decider)
        }
        why => not_theirs(why, &by),
    })?;
    let (decision, state) = match decision {
        Word::Approve => (Decision::Approve, State::Approved),
        Word::Decline => (Decision::Decline, State::Declined),
    };
    let mut told = note(&Approval { state, ..approval });
    told.details.insert("decided_by".into(), by.as_str().into());
    desk.note(told).await?;
    let until = desk.now.plus(patience.unwrap_or(approvers.patience));
    let decided = book.decide(known, decision, &by, until, desk.now).await?;
    let (approval, new) =
        decided.with_context(|| format!("there is no approval `{id}` any more"))?;
    if !new {
        bail!("`{id}` is {} already", approval.state.as_str());
    }
    desk.tell(&format!("{} `{id}`", approval.state.as_str()), &row(&approval))
}

/// A key of the file or of the store.
async fn known_key(
    id: &str,
    deciders: &Deciders,
    desk: &Desk<'_>,
) -> anyhow::Result<Option<Record>> {
    let own = deciders.keys.iter().find(|key| *key.id == *id);
    Ok(match own {
        Some(key) => Some(key.clone()),
        None => desk.store.key(id).await?,
    })
}

/// Whoever decides, with the rights that the store or their key gives them; those that the configuration assigns
/// come with the policy.
async fn decider(by: &str, deciders: &Deciders, desk: &Desk<'_>) -> anyhow::Result<Caller> {
    let principal = Principal::parse(by);
    let name = &*principal.subject;
    let found = match &*principal.issuer {
        LOCAL => desk
            .store
            .user(name)
            .await?
            .map(|user| (user.scopes, user.roles, user.tenant, user.disabled)),
        CLIENT => desk
            .store
            .client(name)
            .await?
            .map(|client| (client.scopes, client.roles, client.tenant, client.disabled)),
        api_key::ISSUER => known_key(name, deciders, desk).await?.map(|key| {
            let over = key.expires.is_some_and(|end| end <= desk.now);
            (key.scopes, key.roles, key.tenant, over || key.revoked.is_some())
        }),
        _ => None,
    };
    let (scopes, roles, tenant, disabled) = found.unwrap_or_default();
    if disabled {
        bail!("`{principal}` may do nothing any more");
    }
    Ok(Caller::assert(Identity { scopes, roles, tenant, ..Identity::bare(principal) }))
}

/// Why `by` may not decide, and what to do about it.
fn not_theirs(why: NotTheirs, by: &str) -> anyhow::Error {
    match why {
        NotTheirs::Own => anyhow!("`{by}` asks for it: {why}"),
        NotTheirs::Delegated => anyhow!("{why}"),
        NotTheirs::Unknown => anyhow!(
            "`{by}` has no right to decide about it; name somebody who has by `--by`, or give `{by}` \
             a role of `approvals.roles` by `access.assign`"
        ),
    }
}

/// Whoever decides has the right, and not in this tenant.
fn of_another_tenant(approval: &Approval, decider: &Caller) -> anyhow::Error {
    let tenant = |tenant: Option<&Arc<str>>| match tenant {
        Some(tenant) => format!("of the tenant `{tenant}`"),
        None => "of no tenant that is known here".to_owned(),
    };
    anyhow!(
        "the call is {}, and `{}` is {}: name somebody of the same tenant by `--by`; with \
         `approvals: {{ across_tenants: true }}` those who have none decide for all",
        tenant(approval.tenant.as_ref()),
        decider.principal(),
        tenant(decider.tenant())
    )
}

/// The most characters of a body in a line.
const SUMMARY: usize = 160;

/// How deep a body may nest that is told in short.
const MAX_DEPTH: usize = 127;

fn line(approval: &Approval) -> String {
    let Approval { id, requester, verb, path, because, expires, digest, .. } = approval;
    let until = String::from_utf8_lossy(&expires.rfc3339()).into_owned();
    let digest: String = digest.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let query = approval.query.as_deref().map(|query| format!("?{}", plain(query)));
    let query = query.unwrap_or_default();
    let what = approval.shown.as_deref().map(|body| format!("  {}", summary(body)));
    let what = what.unwrap_or_default() + &unseen(approval);
    let because = plain(because);
    format!(
        "{id}  {requester}  {verb} {path}{query}{what}  because of {because}  sha256:{digest}…  until {until}"
    )
}

/// How much of the body those do not see who decide, where there is more of it.
fn unseen(approval: &Approval) -> String {
    let shown = approval.shown.as_ref().map_or(0, |shown| shown.len());
    match approval.length {
        _ if !approval.is_cut() => String::new(),
        Some(length) => format!("  ({shown} of {length} bytes are shown)"),
        None => "  (perhaps not all is shown)".to_owned(),
    }
}

/// What is asked for, in short: the tool and its arguments where a body says that and nothing else,
/// else the body.
fn summary(body: &str) -> String {
    match tool_call(body) {
        Some(call) => plain(&call),
        None => plain(&body.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// The call of a tool (MCP) in short. A member more, or one that stands twice, may be what the call is
/// about where another protocol is spoken.
fn tool_call(body: &str) -> Option<String> {
    let mut call = json::object(body.as_bytes(), MAX_DEPTH).ok()?;
    let [version, method] = ["jsonrpc", "method"].map(|member| call.remove(member));
    let spoken = version.is_some_and(|version| version == "2.0");
    let called = method.is_some_and(|method| method == "tools/call");
    let numbered = call.remove("id").is_some_and(|id| id.is_string() || id.is_number());
    let Some(Value::Object(mut params)) = call.remove("params") else { return None };
    let Some(Value::String(tool)) = params.remove("name") else { return None };
    let arguments = params.remove("arguments").map(|all| format!(" {all}")).unwrap_or_default();
    let beside = params.remove("_meta").map(|all| format!(" with {all}")).unwrap_or_default();
    let alone = spoken && called && numbered && call.is_empty() && params.is_empty();
    alone.then(|| format!("tool `{tool}`{arguments}{beside}"))
}

/// A text as one line can show it. Whoever asks has written it: it cannot steer a terminal.
fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c };
    let mut short: String = text.trim().chars().take(SUMMARY).map(safe).collect();
    if text.trim().chars().count() > SUMMARY {
        short.push('…');
    }
    short
}

/// What turns a line around, or hides in it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_decides_reads_which_tool_and_with_what_and_is_not_deceived() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"amount":9}}}"#;
        assert_eq!(summary(call), "tool `pay` {\"amount\":9}");
        for more in [
            r#"{"params":{"name":"list","arguments":{}},"to":"eve"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{},"to":"eve"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","name":"pay"}}"#,
            r#"{"jsonrpc":"2.0","id":{"to":"eve"},"method":"tools/call","params":{"name":"list"}}"#,
        ] {
            assert_eq!(summary(more), more, "nothing of it is left out");
        }
        assert_eq!(summary("{\n  \"a\": 1\n}"), "{ \"a\": 1 }");
        let steering = summary("\u{1b}[2K\u{202e}cheap");
        assert!(!steering.contains(['\u{1b}', '\u{202e}']), "{steering}");
        assert_eq!(summary(&"x".repeat(1000)).chars().count(), SUMMARY + 1);
    }
}
