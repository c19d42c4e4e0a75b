//! Does a book of approvals let each call be made once, and only by whom it was asked for?

#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::approval::{
    Approval, ApprovalId, Approvals, Asked, CallDigest, Decision, KEPT, Lapse, MAX_OPEN_EACH,
    MAX_PAGE, Redeemed, State,
};
use bartizan_core::time::Timestamp;

/// Runs every check, each on a fresh store that `open` gives.
///
/// # Panics
/// Where the store does not do what `Approvals` promises.
pub async fn suite<S: Approvals + 'static>(open: impl AsyncFn() -> S) {
    an_approval_comes_back_as_it_was_asked_for(&open().await).await;
    the_same_call_is_written_down_once(&open().await).await;
    only_the_requester_and_only_this_call_may_use_it(&open().await).await;
    an_approval_is_used_once(Arc::new(open().await)).await;
    what_was_declined_or_expired_cannot_be_used(&open().await).await;
    a_decision_stands(Arc::new(open().await)).await;
    what_waits_is_listed_in_pages(&open().await).await;
    nobody_fills_the_book(&open().await).await;
    what_is_over_is_forgotten(&open().await).await;
}

const NOW: Timestamp = Timestamp(1_000_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn approval(id: u128, requester: &str) -> Approval {
    Approval {
        id: ApprovalId(id),
        requester: requester.into(),
        tenant: Some("acme".into()),
        verb: "DELETE".into(),
        endpoint: "/documents/{id}".into(),
        path: "/documents/7".into(),
        query: Some("why=old".into()),
        media: Some("application/json".into()),
        length: Some(13),
        digest: digest(id),
        because: "deletions".into(),
        shown: Some("{\"why\":\"old\"}".into()),
        asked: NOW,
        expires: NOW.plus(HOUR),
        state: State::Pending,
        decided_by: None,
    }
}

fn digest(n: u128) -> CallDigest {
    CallDigest::of(&[&n.to_be_bytes()])
}

async fn approve(book: &dyn Approvals, id: u128, now: Timestamp) -> Approval {
    let by = book.decide(ApprovalId(id), Decision::Approve, "corp:bob", now.plus(HOUR), now);
    let (approval, new) = by.await.unwrap().unwrap();
    assert!(new, "{approval:?}");
    approval
}

async fn redeem(book: &dyn Approvals, id: u128, who: &str, now: Timestamp) -> Redeemed {
    book.redeem(ApprovalId(id), who, &digest(id), now).await.unwrap()
}

async fn an_approval_comes_back_as_it_was_asked_for(book: &dyn Approvals) {
    assert_eq!(book.approval(ApprovalId(1), NOW).await.unwrap(), None);
    let asked = approval(1, "corp:ann");
    assert_eq!(book.ask(asked.clone(), NOW).await.unwrap(), Asked::New(asked.clone()));
    assert_eq!(book.approval(ApprovalId(1), NOW).await.unwrap(), Some(asked.clone()));
    let bare = approval(2, "key:ci");
    let bare = Approval { tenant: None, query: None, media: None, length: None, ..bare };
    let bare = Approval { shown: None, ..bare };
    book.ask(bare.clone(), NOW).await.unwrap();
    assert_eq!(book.approval(ApprovalId(2), NOW).await.unwrap(), Some(bare));
    let decided = approve(book, 1, NOW).await;
    let expected = Approval {
        state: State::Approved,
        decided_by: Some("corp:bob".into()),
        expires: NOW.plus(HOUR),
        ..asked
    };
    assert_eq!(decided, expected);
    assert_eq!(book.approval(ApprovalId(1), NOW).await.unwrap(), Some(expected));
}

async fn the_same_call_is_written_down_once(book: &dyn Approvals) {
    let first = approval(1, "corp:ann");
    book.ask(first.clone(), NOW).await.unwrap();
    let again = Approval { id: ApprovalId(2), ..first.clone() };
    assert_eq!(book.ask(again.clone(), NOW).await.unwrap(), Asked::Known(first.clone()));
    let other = Approval { id: ApprovalId(3), requester: "corp:eve".into(), ..first.clone() };
    assert!(matches!(book.ask(other, NOW).await.unwrap(), Asked::New(_)), "somebody else's");
    // When the first is over, the call may be asked about anew.
    let later = NOW.plus(HOUR);
    let again = Approval { expires: later.plus(HOUR), ..again };
    assert!(matches!(book.ask(again, later).await.unwrap(), Asked::New(_)));
}

async fn only_the_requester_and_only_this_call_may_use_it(book: &dyn Approvals) {
    book.ask(approval(1, "corp:ann"), NOW).await.unwrap();
    approve(book, 1, NOW).await;
    let foreign = Redeemed::Lapsed(Lapse::Foreign);
    for who in ["corp:eve", "local:ann", "corp:ann ", ""] {
        assert_eq!(redeem(book, 1, who, NOW).await, foreign, "{who}");
    }
    let other = book.redeem(ApprovalId(1), "corp:ann", &digest(2), NOW).await.unwrap();
    assert_eq!(other, foreign, "another call");
    assert_eq!(redeem(book, 9, "corp:ann", NOW).await, foreign, "unknown");
    assert!(matches!(redeem(book, 1, "corp:ann", NOW).await, Redeemed::Taken(_)));
}

async fn an_approval_is_used_once<S: Approvals + 'static>(book: Arc<S>) {
    book.ask(approval(1, "corp:ann"), NOW).await.unwrap();
    assert!(matches!(redeem(&*book, 1, "corp:ann", NOW).await, Redeemed::Waiting(_)));
    approve(&*book, 1, NOW).await;
    let tries = (0..16).map(|_| {
        let book = Arc::clone(&book);
        tokio::spawn(async move { redeem(&*book, 1, "corp:ann", NOW).await })
    });
    let mut taken = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Redeemed::Taken(used) => {
                assert_eq!(used.state, State::Used);
                taken += 1;
            }
            other => assert_eq!(other, Redeemed::Lapsed(Lapse::Used)),
        }
    }
    assert_eq!(taken, 1);
}

async fn what_was_declined_or_expired_cannot_be_used(book: &dyn Approvals) {
    for id in 1..=3 {
        book.ask(approval(id, "corp:ann"), NOW).await.unwrap();
    }
    let no = book.decide(ApprovalId(1), Decision::Decline, "corp:bob", NOW.plus(HOUR), NOW);
    assert_eq!(no.await.unwrap().unwrap().0.state, State::Declined);
    assert_eq!(redeem(book, 1, "corp:ann", NOW).await, Redeemed::Lapsed(Lapse::Declined));
    approve(book, 2, NOW).await;
    let late = NOW.plus(HOUR);
    assert_eq!(redeem(book, 2, "corp:ann", late).await, Redeemed::Lapsed(Lapse::Expired));
    assert_eq!(redeem(book, 3, "corp:ann", late).await, Redeemed::Lapsed(Lapse::Expired));
    let too_late = book.decide(ApprovalId(3), Decision::Approve, "corp:bob", late.plus(HOUR), late);
    let (expired, new) = too_late.await.unwrap().unwrap();
    assert_eq!((expired.state, new), (State::Expired, false));
}

async fn a_decision_stands<S: Approvals + 'static>(book: Arc<S>) {
    book.ask(approval(1, "corp:ann"), NOW).await.unwrap();
    let tries = (0..16).map(|n| {
        let book = Arc::clone(&book);
        tokio::spawn(async move {
            let decision = if n % 2 == 0 { Decision::Approve } else { Decision::Decline };
            let by = format!("corp:bob{n}");
            let decided = book.decide(ApprovalId(1), decision, &by, NOW.plus(HOUR), NOW).await;
            decided.unwrap().unwrap()
        })
    });
    let mut outcomes = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        outcomes.push(attempt.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|(_, new)| *new).count(), 1);
    let who: Vec<_> = outcomes.iter().map(|(approval, _)| &approval.decided_by).collect();
    assert!(who.iter().all(|by| Some(by) == who.first()), "{who:?}");
    let nobody = book.decide(ApprovalId(9), Decision::Approve, "corp:bob", NOW.plus(HOUR), NOW);
    assert_eq!(nobody.await.unwrap(), None);
}

async fn what_waits_is_listed_in_pages(book: &dyn Approvals) {
    let most = MAX_PAGE as u128;
    for id in 1..=most + 5 {
        book.ask(approval(id, &format!("corp:{}", id % 7)), NOW).await.unwrap();
    }
    approve(book, 3, NOW).await;
    let first = book.waiting(None, NOW).await.unwrap();
    assert_eq!(first.len(), MAX_PAGE);
    assert!(first.iter().all(|approval| approval.state == State::Pending));
    let last = first.last().unwrap().id;
    assert_eq!(book.waiting(Some(last), NOW).await.unwrap().len(), 4);
    assert_eq!(book.waiting(None, NOW.plus(HOUR)).await.unwrap(), []);
}

async fn nobody_fills_the_book(book: &dyn Approvals) {
    let most = MAX_OPEN_EACH as u128;
    for id in 1..=most {
        assert!(matches!(book.ask(approval(id, "corp:ann"), NOW).await.unwrap(), Asked::New(_)));
    }
    assert_eq!(book.ask(approval(most + 1, "corp:ann"), NOW).await.unwrap(), Asked::Full);
    assert!(matches!(book.ask(approval(1, "corp:ann"), NOW).await.unwrap(), Asked::Known(_)));
    assert!(
        matches!(book.ask(approval(most + 2, "corp:eve"), NOW).await.unwrap(), Asked::New(_)),
        "one requester takes no room from another"
    );
    approve(book, 1, NOW).await;
    redeem(book, 1, "corp:ann", NOW).await;
    assert!(
        matches!(book.ask(approval(most + 3, "corp:ann"), NOW).await.unwrap(), Asked::New(_)),
        "what was used makes room"
    );
}

async fn what_is_over_is_forgotten(book: &dyn Approvals) {
    book.ask(approval(1, "corp:ann"), NOW).await.unwrap();
    let later = NOW.plus(HOUR).plus(KEPT);
    let fresh = Approval { expires: later.plus(HOUR), ..approval(2, "corp:ann") };
    book.ask(fresh, later).await.unwrap();
    assert_eq!(book.approval(ApprovalId(1), later).await.unwrap(), None);
    assert!(book.approval(ApprovalId(2), later).await.unwrap().is_some());
}
