-- Banks exist from their first memory on. `version` changes with every write, so that caches know when they are old.
-- `model` and `dimension` are those of the first vector stored: no other model's vectors join them.
CREATE TABLE memory_banks (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT,
    dimension INTEGER,
    version INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
);

-- Times are microseconds since 1970 in UTC. `id` only grows and is never used again, as that
-- of passages and tombstones does: "what is new" is `id > last`.
CREATE TABLE memories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    memory_id TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    session_id TEXT,
    speaker TEXT,
    source TEXT,
    content_type TEXT NOT NULL,
    fingerprint BLOB,
    occurred_at INTEGER,
    retained_at INTEGER NOT NULL,
    UNIQUE (bank, memory_id)
);
CREATE INDEX memories_of_bank ON memories (bank, id);
CREATE INDEX memories_by_fingerprint ON memories (bank, fingerprint) WHERE fingerprint IS NOT NULL;

-- What is searched: one passage of a short memory, several of a long one, as spans of its content (characters).
-- Derived from the memory and gone with it: `terms` are little-endian 32-bit pairs (term, occurrences), `vector` is
-- float16 numbers of length 1 together, absent when no model was in use.
CREATE TABLE memory_passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    memory INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    terms BLOB NOT NULL,
    vector BLOB
);
CREATE INDEX passages_of_bank ON memory_passages (bank, id);
CREATE INDEX passages_of_memory ON memory_passages (memory);

-- That something was forgotten, and nothing of what it said.
CREATE TABLE memory_tombstones (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    memory INTEGER NOT NULL,
    memory_id TEXT NOT NULL,
    forgotten_at INTEGER NOT NULL
);
CREATE INDEX tombstones_of_bank ON memory_tombstones (bank, id);
