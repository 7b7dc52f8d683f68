-- What operators and curators need. `settings` is a bank's own configuration as JSON; a deleted bank keeps its row, so
-- that its number is never used again and every index that followed it sees that everything is gone.
ALTER TABLE memory_banks ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE memory_banks ADD COLUMN deleted_at INTEGER;

-- An update replaces the row (a new `id`, the same `memory_id`); `updated_at` is when what it says now became known.
-- An archived memory keeps its row and has no passages: it is listed and exported, and never recalled.
-- `layer` is fact for what was retained, and observation, model or page for what was derived from facts.
ALTER TABLE memories ADD COLUMN updated_at INTEGER;
ALTER TABLE memories ADD COLUMN archived_at INTEGER;
ALTER TABLE memories ADD COLUMN retained_by TEXT;
ALTER TABLE memories ADD COLUMN layer TEXT NOT NULL DEFAULT 'fact';
CREATE INDEX memories_by_author ON memories (retained_by, bank) WHERE retained_by IS NOT NULL;
CREATE INDEX memories_by_speaker ON memories (bank, speaker) WHERE speaker IS NOT NULL;

-- Why a row left the indexes: forgotten, replaced, archived.
ALTER TABLE memory_tombstones ADD COLUMN kind TEXT NOT NULL DEFAULT 'forgotten';

-- While a bank has one, nothing in it can be forgotten, replaced or archived.
CREATE TABLE memory_holds (
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    hold_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (bank, hold_id)
);

-- From which rows a derived one was made. When a source goes, what was derived from it goes in the same transaction.
CREATE TABLE memory_sources (
    derived INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    source INTEGER NOT NULL,
    PRIMARY KEY (derived, source)
);
CREATE INDEX derived_from_source ON memory_sources (source);

-- Work for the background: durable, one row a task (`kind` and `subject` say which), run from `due_at` on.
CREATE TABLE memory_tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    UNIQUE (bank, kind, subject)
);
CREATE INDEX tasks_by_due ON memory_tasks (due_at);
