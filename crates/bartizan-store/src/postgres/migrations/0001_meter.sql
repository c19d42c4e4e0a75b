-- Counters and reservations of the meter. Instants are microseconds since 1970 UTC.

CREATE TABLE counters (
    key TEXT COLLATE "C" PRIMARY KEY,
    state TEXT NOT NULL,                -- JSON
    idle_at BIGINT                      -- from then on a new one would say the same; NULL: held
);
CREATE INDEX counters_by_idle ON counters (idle_at) WHERE idle_at IS NOT NULL;

CREATE TABLE reservations (
    id BYTEA PRIMARY KEY,               -- 16 bytes, big-endian
    state TEXT NOT NULL CHECK (state IN ('held', 'departed', 'settled', 'charged', 'given_back')),
    deadline BIGINT NOT NULL,
    closed_at BIGINT,                   -- NULL: open
    takes TEXT NOT NULL                 -- JSON
);
CREATE INDEX reservations_by_deadline ON reservations (deadline) WHERE closed_at IS NULL;
CREATE INDEX reservations_by_closing ON reservations (closed_at) WHERE closed_at IS NOT NULL;

-- The latest instant that any gateway has written: the meter's clock, which never goes back.
CREATE TABLE meter_clock (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    instant BIGINT NOT NULL
);
INSERT INTO meter_clock (number, instant) VALUES (1, 0);
