//! Whoever guesses is told to wait, everybody else is not, and all of it is on record.

use crate::program::{KEY, Program};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

#[tokio::test]
async fn an_address_that_guesses_is_throttled_and_a_good_credential_from_there_is_not() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("auth:\n", "auth:\n  bad_credentials_per_minute: 5\n", 1)
    });
    let shown = async |field: &str| ask(program.address, "GET /guarded", &[field]).await;
    for i in 0..20 {
        let answer = shown(&format!("X-API-Key: guess-{i}")).await;
        assert_eq!(status(&answer), if i < 5 { 401 } else { 429 }, "{i}: {answer}");
        assert_eq!(answer.to_lowercase().contains("retry-after: "), i >= 5, "{answer}");
    }
    assert_eq!(status(&shown("Authorization: Bearer a.b.c").await), 429);
    assert_eq!(status(&shown(&format!("X-API-Key: {KEY}")).await), 200);
    let records = program.records();
    let count = |event: &str| records.iter().filter(|record| record["event"] == event).count();
    assert_eq!(count("AUTH_FAILURE"), 5);
    let limited = records.iter().find(|record| record["event"] == "RATE_LIMIT_EXCEEDED").unwrap();
    assert_eq!(limited["details"]["limit"], "bad-credentials", "{limited}");
    assert!(!format!("{records:?}").contains("guess-"), "what was guessed is nobody's business");
}
