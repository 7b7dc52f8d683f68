-- Vectors of large banks as pgvector knows them, each bank with an index of its own (HNSW, made when the bank is large).
-- Derived from memory_passages and gone with them. `last` is the newest passage that was taken over; once a bank is
-- ready, every write takes over what it added, in its own transaction.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE memory_vector_banks (
    bank INTEGER PRIMARY KEY REFERENCES memory_banks (id),
    dimension INTEGER NOT NULL,
    last INTEGER NOT NULL,
    is_ready INTEGER NOT NULL
);
CREATE TABLE memory_neighbours (
    passage INTEGER NOT NULL PRIMARY KEY REFERENCES memory_passages (id) ON DELETE CASCADE,
    bank INTEGER NOT NULL,
    embedding HALFVEC NOT NULL
);
