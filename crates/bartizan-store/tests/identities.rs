//! Does every store of identities do what the trait promises?

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Mutex;

use bartizan_core::issue::identities::{Secrets as _, Sessions as _};
use bartizan_core::time::Timestamp;
use bartizan_store::memory::MemoryIdentities;
use bartizan_store::postgres::Postgres;
use bartizan_store::sqlite::Sqlite;
use bartizan_testkit::identity;
use bartizan_testkit::postgres::PostgresServer;

/// Longer than a busy machine stops for: these tests are not about time.
const PATIENT: std::time::Duration = std::time::Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_promises() {
    identity::suite(async || MemoryIdentities::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_promises() {
    let folders = Mutex::new(Vec::new());
    identity::suite(async || {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("bartizan.db")).await.unwrap();
        folders.lock().unwrap().push(folder);
        store.identities()
    })
    .await;
}

#[tokio::test]
async fn what_is_in_the_file_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bartizan.db");
    let first = Sqlite::open(&path).await.unwrap();
    let store = first.identities();
    let pepper = store.pepper(&[1; 32]).await.unwrap();
    store.signing_keys(b"key").await.unwrap();
    store.revoke_token("j", Timestamp(100), Timestamp(1)).await.unwrap();
    first.close().await;

    let again = Sqlite::open(&path).await.unwrap();
    let store = again.identities();
    assert_eq!(*store.pepper(&[2; 32]).await.unwrap(), *pepper);
    assert_eq!(store.signing_keys(b"other").await.unwrap()[0].pkcs8.as_slice(), b"key");
    assert!(store.is_revoked(&["j"]).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_promises() {
    let server = PostgresServer::new();
    identity::suite(async || {
        Postgres::open_with(&server.database(), PATIENT).await.unwrap().identities()
    })
    .await;
}
