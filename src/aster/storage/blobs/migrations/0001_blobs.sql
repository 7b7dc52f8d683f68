CREATE TABLE blobs (
    hash BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    added_at REAL NOT NULL,
    is_collection INTEGER NOT NULL DEFAULT 0,
    content BLOB
);
CREATE TABLE tags (name TEXT PRIMARY KEY, hash BLOB NOT NULL REFERENCES blobs (hash), made_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX tags_by_hash ON tags (hash);
CREATE TABLE members (
    collection BLOB NOT NULL REFERENCES blobs (hash) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (collection, name)
) WITHOUT ROWID;
CREATE INDEX members_by_hash ON members (hash);
CREATE TABLE shares (
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    expires_at REAL,
    PRIMARY KEY (target, kind, subject)
) WITHOUT ROWID;
CREATE TABLE holds (holder TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (holder, hash)) WITHOUT ROWID;
CREATE INDEX holds_by_hash ON holds (hash);
CREATE VIEW kept AS
    WITH RECURSIVE reachable (hash) AS (
        SELECT hash FROM tags UNION SELECT hash FROM holds
        UNION SELECT members.hash FROM members JOIN reachable ON members.collection = reachable.hash
    )
    SELECT hash FROM reachable;
CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), blobs INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (1, 0, 0);
CREATE TRIGGER blob_added AFTER INSERT ON blobs BEGIN
    UPDATE totals SET blobs = blobs + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER blob_removed AFTER DELETE ON blobs BEGIN
    UPDATE totals SET blobs = blobs - 1, bytes = bytes - OLD.size;
END;
