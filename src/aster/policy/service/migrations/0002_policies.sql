-- Stored policies, their versions and activations. Times are milliseconds since 1970.
CREATE TABLE policies (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    module TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    default_function TEXT,
    active_version INTEGER,
    last_version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    deleted_ms INTEGER,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX policies_by_module ON policies (tenant, module) WHERE deleted_ms IS NULL;

CREATE TABLE policy_versions (
    tenant TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    locale TEXT NOT NULL,
    source_hash TEXT NOT NULL,
    envelope_hash TEXT NOT NULL,
    functions TEXT NOT NULL,
    status TEXT NOT NULL,
    notes TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    author_role TEXT NOT NULL,
    decided_ms INTEGER,
    decided_by TEXT,
    comment TEXT,
    UNIQUE (tenant, policy_id, version),
    FOREIGN KEY (tenant, policy_id) REFERENCES policies (tenant, id)
);

CREATE TABLE policy_activations (
    tenant TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    activated_ms INTEGER NOT NULL,
    activated_by TEXT NOT NULL,
    PRIMARY KEY (tenant, policy_id, number)
) WITHOUT ROWID;
