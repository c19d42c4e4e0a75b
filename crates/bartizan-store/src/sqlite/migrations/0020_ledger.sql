-- The ledger of budgets: what moved from which account to which, one row a movement, so that
-- every movement is written on both sides. Nothing in it is ever changed. Amounts are in the
-- measure of the budget; instants are microseconds since 1970 UTC.

CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    reservation BLOB,                   -- NULL: an operator's hand
    key TEXT NOT NULL,                  -- of the counter
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,        -- the start again where the period rolls
    debit TEXT NOT NULL CHECK (debit IN ('free', 'reserved', 'settled')),
    credit TEXT NOT NULL CHECK (credit IN ('free', 'reserved', 'settled')),
    amount INTEGER NOT NULL CHECK (amount > 0),
    cause TEXT NOT NULL,
    CHECK (debit <> credit)
) STRICT;
CREATE INDEX ledger_by_key ON ledger (key, period_start);
CREATE INDEX ledger_by_reservation ON ledger (reservation);

CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
CREATE TRIGGER ledger_is_not_shortened BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;

-- What stood in the counters before there was a ledger.
INSERT INTO ledger (at, key, period_start, period_end, debit, credit, amount, cause)
    SELECT 0, counters.key, json_extract(state, '$.Budget.current.start'),
           json_extract(state, '$.Budget.current.end'), 'free', 'settled',
           json_extract(state, '$.Budget.current.settled'), 'settled'
    FROM counters WHERE json_extract(state, '$.Budget.current.settled') > 0;
INSERT INTO ledger (at, key, period_start, period_end, debit, credit, amount, cause)
    SELECT 0, counters.key, json_extract(past.value, '$.start'), json_extract(past.value, '$.end'),
           'free', 'settled', json_extract(past.value, '$.settled'), 'settled'
    FROM counters, json_each(counters.state, '$.Budget.past') AS past
    WHERE json_extract(past.value, '$.settled') > 0;
INSERT INTO ledger (at, reservation, key, period_start, period_end, debit, credit, amount, cause)
    SELECT 0, reservations.id, json_extract(take.value, '$.key'), json_extract(take.value, '$.mark.Budget'),
           coalesce((SELECT json_extract(counters.state, '$.Budget.current.end') FROM counters
                     WHERE counters.key = json_extract(take.value, '$.key')),
                    json_extract(take.value, '$.mark.Budget') + 1),
           'free', 'reserved', json_extract(take.value, '$.amount'), 'reserved'
    FROM reservations, json_each(reservations.takes) AS take
    WHERE closed_at IS NULL AND json_extract(take.value, '$.mark.Budget') IS NOT NULL
          AND json_extract(take.value, '$.amount') > 0;

-- Limits that an operator has set in the place of the configured ones.
CREATE TABLE budget_limits (
    key TEXT NOT NULL PRIMARY KEY,
    amount INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Thresholds that were crossed: each once in a period.
CREATE TABLE budget_alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    body TEXT NOT NULL,                 -- JSON: what is told
    due INTEGER,                        -- when it is tried to be told next; NULL: done
    tries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (key, period_start, percent)
) STRICT;
CREATE INDEX budget_alerts_by_due ON budget_alerts (due) WHERE due IS NOT NULL;
