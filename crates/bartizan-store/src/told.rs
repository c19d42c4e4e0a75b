//! What does a database that refuses say, in one sentence, and what helps?

use std::io::ErrorKind;

use sqlx::Error;
use sqlx::migrate::MigrateError;

/// What a server or a file has said, once, and what helps where that is known.
pub(crate) fn why(error: &Error) -> String {
    let said = said(error);
    match help(error) {
        Some(help) => format!("{said}; {help}"),
        None => said,
    }
}

/// What is wrong with a schema.
pub(crate) fn schema(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => why(error),
        MigrateError::VersionMissing(step) => format!(
            "a newer version of bartizan has written it (step {step}); run that version, or restore \
             what was saved before it"
        ),
        MigrateError::VersionMismatch(step) => format!(
            "its step {step} was made by another program, or by a version between releases; name \
             a database of its own"
        ),
        other => other.to_string(),
    }
}

/// PostgreSQL tells the line of its own source, which helps nobody here.
fn said(error: &Error) -> String {
    match error {
        Error::Database(error) => error.message().to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Configuration(error) => error.to_string(),
        Error::PoolTimedOut => "no connection came free in time".to_owned(),
        other => other.to_string(),
    }
}

/// By SQLSTATE (PostgreSQL appendix A), by the result code of SQLite, or by the error of a socket.
fn help(error: &Error) -> Option<&'static str> {
    match error {
        Error::Database(error) => {
            let code = error.code();
            CODES.iter().find(|(known, _)| Some(*known) == code.as_deref()).map(|(_, help)| *help)
        }
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Some("is it running, and are host and port right?"),
            ErrorKind::TimedOut => Some("is it running, and does a firewall let this machine in?"),
            _ => None,
        },
        _ => None,
    }
}

const RIGHTS: &str =
    "make the user the owner of the database, or `GRANT CREATE, USAGE ON SCHEMA public` to it";

const CODES: &[(&str, &str)] = &[
    ("28P01", "mend user and password in `store.durable`, or set it with `ALTER ROLE … PASSWORD`"),
    ("28000", "let this machine and user in, in `pg_hba.conf` of the server"),
    ("3D000", "make it with `CREATE DATABASE`, or mend its name in `store.durable`"),
    ("42501", RIGHTS),
    ("3F000", RIGHTS),
    ("53300", "raise `max_connections` of the server: a gateway uses up to 9"),
    ("57P03", "it starts or stops: try again"),
    ("25006", "it is a standby: name the server that may write"),
    ("26", "name another file in `store.durable`: this one is left as it is"),
    ("14", "may this user write the file and its folder?"),
    ("8", "may this user write the file and its folder?"),
    ("13", "make room on its disk"),
    ("5", "another program holds it: end that, or wait"),
];
