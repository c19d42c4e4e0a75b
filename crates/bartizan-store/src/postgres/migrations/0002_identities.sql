-- Users, clients, keys, sessions, and what was taken back. Lists are JSON arrays; instants are
-- microseconds since 1970 UTC; digests are written as the configuration writes them. Names are
-- ordered by their bytes.

CREATE TABLE users (
    name TEXT COLLATE "C" PRIMARY KEY,
    password TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    disabled BOOLEAN NOT NULL
);

CREATE TABLE clients (
    id TEXT COLLATE "C" PRIMARY KEY,
    secret TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    grants TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    keys TEXT,                          -- a JWK Set; `secret` is empty then
    acts_scopes TEXT NOT NULL,
    acts_roles TEXT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    hash TEXT NOT NULL,
    previous_hash TEXT,
    previous_until BIGINT,
    subject TEXT NOT NULL,
    scopes TEXT NOT NULL,
    roles TEXT NOT NULL,
    tenant TEXT,
    environment TEXT,
    expires BIGINT,
    revoked BIGINT,
    last_used BIGINT
);

CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    account TEXT NOT NULL,
    client TEXT,
    scopes TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BOOLEAN NOT NULL,
    resource TEXT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
CREATE INDEX refresh_tokens_by_account ON refresh_tokens (account);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires);

CREATE TABLE revocations (
    id TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX revocations_by_end ON revocations (until);

CREATE TABLE used_once (
    id TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX used_once_by_end ON used_once (until);

CREATE TABLE signing_keys (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pkcs8 BYTEA NOT NULL,
    signs_from BIGINT NOT NULL
);

CREATE TABLE peppers (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    pepper BYTEA NOT NULL
);

-- How often something was changed or taken back on which a verified credential may rest: gateways
-- look at this one number instead of at every key. That a key was used is no such change.
CREATE TABLE changes (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    count BIGINT NOT NULL
);
INSERT INTO changes (number, count) VALUES (1, 0);

CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE changes SET count = count + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER api_keys_added_or_removed AFTER INSERT OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE TRIGGER api_keys_changed AFTER UPDATE OF
    id, hash, previous_hash, previous_until, subject, scopes, roles, tenant, environment, expires, revoked
    ON api_keys FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE TRIGGER revocations_changed AFTER INSERT OR UPDATE ON revocations
    FOR EACH ROW EXECUTE FUNCTION count_change();
