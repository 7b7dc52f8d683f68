CREATE TABLE trust_denied (
    id TEXT PRIMARY KEY,
    denied_at INTEGER NOT NULL,
    note TEXT NOT NULL
) WITHOUT ROWID;
