//! `bartizan approvals`: calls that wait for somebody to agree.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bartizan::actions::approvals::row;
use bartizan_core::authorize::approval::{Approval, ApprovalId, Approvals as Book, Decision};
use serde_json::json;

use super::{Desk, span};

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
    /// Who decides, for the audit log; never whoever asks.
    #[arg(long, value_name = "SUBJECT", default_value = "operator:cli")]
    pub by: String,
    /// How long the call may then be made.
    #[arg(long = "for", value_parser = span, default_value = "1h", value_name = "SPAN")]
    pub patience: Duration,
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
    desk: &mut Desk<'_>,
) -> anyhow::Result<()> {
    match command {
        Approvals::List => list(&*book, desk).await,
        Approvals::Decide(decide) => self::decide(decide, &*book, desk).await,
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

async fn decide(decide: &Decide, book: &dyn Book, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let Decide { id, decision, by, patience } = decide;
    let unknown = || anyhow!("there is no approval `{id}`; `bartizan approvals list` shows them");
    let known = ApprovalId::parse(id).ok_or_else(unknown)?;
    let approval = book.approval(known, desk.now).await?.ok_or_else(unknown)?;
    let by = bartizan_core::authenticate::Principal::parse(by).to_string();
    if by == *approval.requester {
        bail!("`{by}` asks for it: nobody decides about a call of their own");
    }
    let decision = match decision {
        Word::Approve => Decision::Approve,
        Word::Decline => Decision::Decline,
    };
    let word = if decision == Decision::Approve { "approve" } else { "decline" };
    let details = json!({
        "approval_id": id, "decision": word, "decided_by": by, "requester": &*approval.requester,
    });
    desk.record("approvals.decide", details).await?;
    let until = desk.now.plus(*patience);
    let decided = book.decide(known, decision, &by, until, desk.now).await?;
    let (approval, new) =
        decided.with_context(|| format!("there is no approval `{id}` any more"))?;
    if !new {
        bail!("`{id}` is {} already", approval.state.as_str());
    }
    desk.tell(&format!("{} `{id}`", approval.state.as_str()), &row(&approval))
}

fn line(approval: &Approval) -> String {
    let Approval { id, requester, verb, path, expires, .. } = approval;
    let until = String::from_utf8_lossy(&expires.rfc3339()).into_owned();
    format!("{id}  {requester}  {verb} {path}  until {until}")
}
