CREATE TABLE docs (
    id BLOB PRIMARY KEY,
    name TEXT UNIQUE,
    write_seed BLOB,
    is_shared INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE authors (id BLOB PRIMARY KEY, seed BLOB NOT NULL, made_at REAL NOT NULL);
CREATE TABLE entries (
    doc BLOB NOT NULL REFERENCES docs (id) ON DELETE CASCADE,
    key BLOB NOT NULL,
    author BLOB NOT NULL,
    clock INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL,
    size INTEGER NOT NULL,
    hash BLOB NOT NULL,
    author_signature BLOB NOT NULL,
    write_signature BLOB NOT NULL,
    value BLOB,
    identity BLOB NOT NULL,
    seq INTEGER NOT NULL,
    is_local INTEGER NOT NULL,
    PRIMARY KEY (doc, key)
) WITHOUT ROWID;
CREATE INDEX entries_by_seq ON entries (doc, seq);
CREATE INDEX entries_by_hash ON entries (hash);
