//! Does every book of approvals do what the trait promises?

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use bartizan_store::memory::MemoryApprovals;
use bartizan_store::postgres::Postgres;
use bartizan_store::sqlite::Sqlite;
use bartizan_testkit::approval;
use bartizan_testkit::postgres::PostgresServer;

/// Longer than a busy machine stops for: these tests are not about time.
const PATIENT: std::time::Duration = std::time::Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_promises() {
    approval::suite(async || MemoryApprovals::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_promises() {
    let folders = Mutex::new(Vec::new());
    approval::suite(async || {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("bartizan.db")).await.unwrap();
        folders.lock().unwrap().push(folder);
        store.approvals()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_promises() {
    let server = PostgresServer::new();
    approval::suite(async || {
        Postgres::open_with(&server.database(), PATIENT).await.unwrap().approvals()
    })
    .await;
}
