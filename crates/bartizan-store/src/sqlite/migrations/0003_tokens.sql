-- Clients that prove themselves by a key or not at all, what they may have when they act for
-- somebody, sessions that are confined to a resource, what may be used once, and keys that sign
-- later.

ALTER TABLE clients ADD COLUMN keys TEXT;                       -- a JWK Set; its `secret` is empty
ALTER TABLE clients ADD COLUMN acts_scopes TEXT NOT NULL DEFAULT '["*"]';
ALTER TABLE clients ADD COLUMN acts_roles TEXT NOT NULL DEFAULT '[]';

ALTER TABLE refresh_tokens ADD COLUMN resource TEXT;

CREATE TABLE used_once (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_once_by_end ON used_once (until);

ALTER TABLE signing_keys ADD COLUMN signs_from INTEGER NOT NULL DEFAULT 0;
