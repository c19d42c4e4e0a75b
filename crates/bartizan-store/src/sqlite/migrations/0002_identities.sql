-- Users, clients, keys, sessions, and what was taken back. Lists are JSON arrays; instants are
-- microseconds since 1970; digests are written as the configuration writes them.

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    disabled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    grants TEXT NOT NULL,
    disabled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    previous_hash TEXT,
    previous_until INTEGER,
    subject TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    environment TEXT,
    expires INTEGER,
    revoked INTEGER,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    user TEXT NOT NULL,
    client TEXT,
    scopes TEXT NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires);

CREATE TABLE revocations (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_end ON revocations (until);

CREATE TABLE signing_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pkcs8 BLOB NOT NULL
) STRICT;

CREATE TABLE peppers (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    pepper BLOB NOT NULL
) STRICT;
