//! Is what a database refuses told once, and with what helps?

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bartizan_store::postgres::Postgres;
use bartizan_store::sqlite::Sqlite;
use bartizan_testkit::postgres::PostgresServer;

#[tokio::test]
async fn a_server_that_refuses_is_told_once_with_what_helps() {
    let server = PostgresServer::new();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    let missing = server.url("nowhere_at_all");
    let error = Postgres::open(&missing).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("CREATE DATABASE"), "{said}");
    assert_eq!(said.matches("does not exist").count(), 1, "{said}");
    assert!(!said.contains("at line"), "{said}");
    assert!(std::error::Error::source(&error).is_none(), "what is told is told again");

    server.sql(database, "CREATE ROLE guest LOGIN");
    let guest = url.replacen("://bartizan@", "://guest@", 1);
    for less in ["CREATE", "ALL"] {
        server.sql(database, &format!("REVOKE {less} ON SCHEMA public FROM PUBLIC"));
        let said = Postgres::open(&guest).await.unwrap_err().to_string();
        assert!(said.contains("GRANT CREATE, USAGE ON SCHEMA public"), "{said}");
        assert!(!said.contains("at line"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_is_none_or_is_newer_is_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let said = Sqlite::open(folder.path().join("none/here.db")).await.unwrap_err().to_string();
    assert!(said.contains("there is no such folder; make it"), "{said}");
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "Dear Ann, this is no database. ".repeat(200)).unwrap();
    let said = Sqlite::open(&letter).await.unwrap_err().to_string();
    assert!(said.contains("not a database") && said.contains("name another file"), "{said}");

    let path = folder.path().join("b.db");
    Sqlite::open(&path).await.unwrap().close().await;
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations SELECT 999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1";
    sqlx::query(newer).execute(&pool).await.unwrap();
    pool.close().await;
    let said = Sqlite::open(&path).await.unwrap_err().to_string();
    assert!(said.contains("a newer version of bartizan has written it"), "{said}");
}
