-- Answers to changes that were asked for with an Idempotency-Key. Times are milliseconds since 1970.
CREATE TABLE policy_idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX policy_idempotency_by_expiry ON policy_idempotency (expires_ms);
