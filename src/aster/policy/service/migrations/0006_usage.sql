-- How often, how well and how fast a version decided, by hour: counted once from the audit chain. Times are milliseconds
-- since 1970, durations microseconds; histogram maps classes of durations to counts (JSON).
CREATE TABLE policy_usage (
    tenant TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    hour_ms INTEGER NOT NULL,
    evaluations INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    total_micros INTEGER NOT NULL,
    histogram TEXT NOT NULL,
    PRIMARY KEY (tenant, policy_id, hour_ms, version)
) WITHOUT ROWID;
CREATE TABLE policy_usage_progress (
    tenant TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL
) WITHOUT ROWID;
