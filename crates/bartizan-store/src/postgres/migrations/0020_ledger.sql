-- The ledger of budgets: what moved from which account to which, one row a movement, so that
-- every movement is written on both sides. Nothing in it is ever changed. Amounts are in the
-- measure of the budget; instants are microseconds since 1970 UTC.

CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    reservation BYTEA,                  -- NULL: an operator's hand
    key TEXT COLLATE "C" NOT NULL,     -- of the counter
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,        -- the start again where the period rolls
    debit TEXT NOT NULL CHECK (debit IN ('free', 'reserved', 'settled')),
    credit TEXT NOT NULL CHECK (credit IN ('free', 'reserved', 'settled')),
    amount BIGINT NOT NULL CHECK (amount > 0),
    cause TEXT NOT NULL,
    CHECK (debit <> credit)
);
CREATE INDEX ledger_by_key ON ledger (key, period_start);
CREATE INDEX ledger_by_reservation ON ledger (reservation);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to';
END $$;
CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Limits that an operator has set in the place of the configured ones.
CREATE TABLE budget_limits (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    amount BIGINT NOT NULL
);

-- Thresholds that were crossed: each once in a period.
CREATE TABLE budget_alerts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key TEXT COLLATE "C" NOT NULL,
    period_start BIGINT NOT NULL,
    percent BIGINT NOT NULL,
    body TEXT NOT NULL,                 -- JSON: what is told
    due BIGINT,                         -- when it is tried to be told next; NULL: done
    tries BIGINT NOT NULL DEFAULT 0,
    UNIQUE (key, period_start, percent)
);
CREATE INDEX budget_alerts_by_due ON budget_alerts (due) WHERE due IS NOT NULL;
