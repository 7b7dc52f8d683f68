-- One row a chain, with its head; one row a record. The previous hash is the previous row's, so it is not stored twice.
CREATE TABLE audit_chains (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL
);
CREATE TABLE audit_records (
    id INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES audit_chains (id),
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (chain, sequence)
);
