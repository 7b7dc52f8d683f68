CREATE TABLE trust_nonces (
    nonce TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX trust_nonces_expiry ON trust_nonces (expires_at);
