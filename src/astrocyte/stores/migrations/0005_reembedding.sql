-- Vectors by another model, on their way into a bank: made batch by batch, put in the place of the old ones at once. A
-- passage that is forgotten meanwhile takes its fresh vector along. `epoch` is raised when the vectors of passages that
-- were there already have changed: a search index that followed the bank starts anew.
ALTER TABLE memory_banks ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
CREATE TABLE memory_reembeddings (
    bank INTEGER PRIMARY KEY REFERENCES memory_banks (id),
    model TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    started_at INTEGER NOT NULL
);
CREATE TABLE memory_fresh_vectors (
    passage INTEGER PRIMARY KEY REFERENCES memory_passages (id) ON DELETE CASCADE,
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    vector BLOB NOT NULL,
    words BLOB
);
CREATE INDEX fresh_vectors_of_bank ON memory_fresh_vectors (bank, passage);
