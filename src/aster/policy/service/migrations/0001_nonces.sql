-- Used nonces; a row may go once expires_ms (milliseconds since 1970) has passed.
CREATE TABLE policy_nonces (
    tenant TEXT NOT NULL,
    nonce TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, nonce)
) WITHOUT ROWID;
CREATE INDEX policy_nonces_by_expiry ON policy_nonces (expires_ms);
