-- What a tenant decides about itself. Keys' secrets are derived, never stored. Times are milliseconds since 1970.
CREATE TABLE policy_tenants (
    tenant TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE policy_assignments (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms INTEGER,
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;

CREATE TABLE policy_keys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    label TEXT NOT NULL,
    role_ceiling INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
