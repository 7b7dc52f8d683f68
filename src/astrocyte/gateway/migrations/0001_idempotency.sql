-- What was answered to a request that carried an Idempotency-Key, for as long as it may be repeated.
CREATE TABLE memory_idempotency (
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX idempotency_by_expiry ON memory_idempotency (expires_ms);
