-- Counters and reservations of the meter. Instants are microseconds since 1970 UTC.

CREATE TABLE counters (
    key TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,                -- JSON
    idle_at INTEGER                     -- from then on a new one would say the same; NULL: held
) STRICT, WITHOUT ROWID;

CREATE INDEX counters_by_idle ON counters (idle_at) WHERE idle_at IS NOT NULL;

CREATE TABLE reservations (
    id BLOB NOT NULL PRIMARY KEY,       -- 16 bytes, big-endian
    state TEXT NOT NULL CHECK (state IN ('held', 'departed', 'settled', 'charged', 'given_back')),
    deadline INTEGER NOT NULL,
    closed_at INTEGER,                  -- NULL: open
    takes TEXT NOT NULL                 -- JSON
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_by_deadline ON reservations (deadline) WHERE closed_at IS NULL;
CREATE INDEX reservations_by_closing ON reservations (closed_at) WHERE closed_at IS NOT NULL;
