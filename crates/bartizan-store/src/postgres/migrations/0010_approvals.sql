-- Calls that somebody must agree to. Instants are microseconds since 1970 UTC; the digest is
-- SHA-256.

CREATE TABLE approvals (
    id TEXT COLLATE "C" PRIMARY KEY,
    requester TEXT NOT NULL,
    tenant TEXT,
    verb TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    path TEXT NOT NULL,
    digest BYTEA NOT NULL,
    because TEXT NOT NULL,
    shown TEXT,
    asked BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT
);
CREATE INDEX approvals_by_requester ON approvals (requester, digest);
CREATE INDEX approvals_by_end ON approvals (expires);
