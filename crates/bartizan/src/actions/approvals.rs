//! Who decides about calls that wait? `GET /approvals`, and what stands below it.

use std::sync::Arc;

use bartizan_core::audit::{Event, Note, Outcome};
use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::approval::{
    Approval, ApprovalId, Approvals, Approvers, Decision, NotTheirs, State, Unreachable,
};
use bartizan_core::authorize::endpoint::About;
use bartizan_core::exchange::Departure;
use bartizan_core::id::RequestId;
use bartizan_core::refusal::{Outage, Refusal};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::rehearse::read;
use super::{Live, own};
use crate::body::Body;
use crate::clock;
use crate::endpoint::Served;
use crate::handler::{Answer, Failure, Handler, Work};
use crate::reply::Problem;

/// Where they wait, and who may decide.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) live: Live,
    pub(crate) book: Arc<dyn Approvals>,
    pub(crate) approvers: Arc<Approvers>,
}

/// The endpoints of the book.
pub(crate) fn endpoints(book: &Book) -> [Served; 3] {
    let about = |description: &str| About {
        description: Some(description.into()),
        built_in: true,
        ..About::default()
    };
    let list = own("GET", "/approvals", "Lists the calls that wait and that the caller may see.");
    let show = own("GET", "/approvals/{id}", "Shows a call that waits, and what became of it.");
    let decide =
        own("POST", "/approvals/{id}", "").about(about("Decides about a call that waits."));
    [
        list.authenticated().handler(List(book.clone())),
        show.authenticated().handler(Show(book.clone())),
        decide.authenticated().schema(&schema()).handler(Decide(book.clone())),
    ]
}

/// The schema of a decision.
fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["decision"],
        "properties": { "decision": { "enum": ["approve", "decline"] } },
        "additionalProperties": false,
    })
}

/// `GET /approvals`.
#[derive(Debug)]
struct List(Book);

/// `GET /approvals/{id}`.
#[derive(Debug)]
struct Show(Book);

/// `POST /approvals/{id}`.
#[derive(Debug)]
struct Decide(Book);

/// The body of a decision.
#[derive(Deserialize)]
struct Decided {
    decision: Word,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Approve,
    Decline,
}

/// How many pages of the book are looked through for one list.
const PAGES: usize = 100;

impl Handler for List {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let Self(Book { live, book, approvers }) = self;
        let (live, book, approvers) = (live.clone(), Arc::clone(book), Arc::clone(approvers));
        Box::pin(async move {
            let road = live.road()?;
            let (mut rows, mut after) = (Vec::new(), None);
            for _ in 0..PAGES {
                let page = book.waiting(after, clock::now()).await.map_err(unreachable)?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                let theirs = page.iter().filter(|approval| {
                    approvers.may_see(road.policy(), &departure.caller, approval)
                });
                rows.extend(theirs.map(row));
            }
            Ok(super::for_this_caller(&json!({ "approvals": rows })))
        })
    }
}

impl Handler for Show {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let Self(book) = self;
        let book = book.clone();
        Box::pin(async move {
            let Departure { id, head, caller, .. } = departure;
            Ok(match book.find(head.uri.path(), &caller).await? {
                Some(approval) => super::for_this_caller(&row(&approval)),
                None => unknown(id),
            })
        })
    }
}

impl Handler for Decide {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let Self(book) = self;
        let book = book.clone();
        Box::pin(async move {
            let Decided { decision } = read(&departure.body)?;
            let decision = match decision {
                Word::Approve => Decision::Approve,
                Word::Decline => Decision::Decline,
            };
            let Departure { id: request, head, caller, .. } = departure;
            let found = book.find(head.uri.path(), &caller).await?;
            let Some(approval) = found else { return Ok(unknown(request)) };
            let road = book.live.road()?;
            match book.approvers.may_decide(road.policy(), &caller, &approval) {
                Ok(()) => book.decide(&approval, decision, &caller, request).await,
                Err(NotTheirs::Unknown) => Ok(unknown(request)),
                Err(why @ (NotTheirs::Own | NotTheirs::Delegated)) => {
                    let (status, title) = (StatusCode::FORBIDDEN, "Not authorized");
                    let problem = Problem::new(status, "forbidden", title, why.to_string());
                    let mut answer = problem.answer_to(request);
                    answer.notes.push(Note {
                        event: Event::AccessDenied,
                        outcome: Outcome::Deny,
                        reason: Some(why.to_string()),
                        details: named(&approval),
                    });
                    Ok(answer)
                }
            }
        })
    }
}

impl Book {
    /// The approval that the path names, where the caller may see it.
    async fn find(&self, path: &str, caller: &Caller) -> Result<Option<Approval>, Failure> {
        let road = self.live.road()?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some(id) = ApprovalId::parse(name) else { return Ok(None) };
        let found = self.book.approval(id, clock::now()).await.map_err(unreachable)?;
        Ok(found.filter(|found| self.approvers.may_see(road.policy(), caller, found)))
    }

    async fn decide(
        &self,
        approval: &Approval,
        decision: Decision,
        caller: &Caller,
        request: RequestId,
    ) -> Result<Answer, Failure> {
        let now = clock::now();
        let until = now.plus(self.approvers.patience);
        let by = caller.principal().to_string();
        let decided = self.book.decide(approval.id, decision, &by, until, now).await;
        let Some((approval, new)) = decided.map_err(unreachable)? else {
            return Ok(unknown(request));
        };
        if !new {
            let detail = format!("it is {} already", approval.state.as_str());
            let title = "Already decided";
            let problem = Problem::new(StatusCode::CONFLICT, "approval-decided", title, detail);
            return Ok(problem.answer_to(request));
        }
        let mut answer = super::for_this_caller(&row(&approval));
        answer.notes.push(note(&approval));
        Ok(answer)
    }
}

/// What the log says of a decision.
#[must_use]
pub fn note(approval: &Approval) -> Note {
    let outcome = match approval.state {
        State::Approved => Outcome::Allow,
        State::Declined | State::Expired | State::Pending | State::Used => Outcome::Deny,
    };
    let mut details = named(approval);
    details.insert("decision".into(), approval.state.as_str().into());
    Note { event: Event::ApprovalDecided, outcome, reason: None, details }
}

fn named(approval: &Approval) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("approval_id".into(), approval.id.to_string().into());
    details.insert("requester".into(), approval.requester.to_string().into());
    details.insert("verb".into(), approval.verb.to_string().into());
    details.insert("endpoint".into(), approval.endpoint.to_string().into());
    details
}

/// An approval as those see it who may.
#[must_use]
pub fn row(approval: &Approval) -> Value {
    let at =
        |at: bartizan_core::time::Timestamp| String::from_utf8_lossy(&at.rfc3339()).into_owned();
    let mut row = json!({
        "approval_id": approval.id.to_string(),
        "status": approval.state.as_str(),
        "requester": &*approval.requester,
        "verb": &*approval.verb,
        "path": &*approval.path,
        "endpoint": &*approval.endpoint,
        "because": &*approval.because,
        "digest": approval.digest.to_string(),
        "body_truncated": approval.is_cut(),
        "requested_at": at(approval.asked),
        "expires_at": at(approval.expires),
    });
    let mut add = |name: &str, value: Option<&Arc<str>>| {
        if let (Some(members), Some(value)) = (row.as_object_mut(), value) {
            members.insert(name.into(), value.to_string().into());
        }
    };
    add("tenant", approval.tenant.as_ref());
    add("query", approval.query.as_ref());
    add("content_type", approval.media.as_ref());
    add("body", approval.shown.as_ref());
    add("decided_by", approval.decided_by.as_ref());
    if let (Some(members), Some(length)) = (row.as_object_mut(), approval.length) {
        members.insert("body_bytes".into(), length.into());
    }
    row
}

fn unknown(request: RequestId) -> Answer {
    Problem::not_found(NotTheirs::Unknown.to_string()).answer_to(request)
}

fn unreachable(Unreachable { reason }: Unreachable) -> Failure {
    let refusal = Refusal::Unavailable(Outage::Approvals(reason.into()));
    Failure { refusal, departed: false }
}
