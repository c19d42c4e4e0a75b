-- How often something was changed or taken back on which a verified credential may rest: gateways
-- look at this one number instead of at every key. That a key was used is no such change.

CREATE TABLE changes (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO changes VALUES (1, 0);

CREATE TRIGGER api_keys_added AFTER INSERT ON api_keys
BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER api_keys_changed AFTER UPDATE OF
    id, hash, previous_hash, previous_until, subject, scopes, roles, tenant, environment, expires, revoked
    ON api_keys
BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER api_keys_removed AFTER DELETE ON api_keys
BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER revocations_added AFTER INSERT ON revocations
BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER revocations_changed AFTER UPDATE ON revocations
BEGIN UPDATE changes SET count = count + 1; END;
