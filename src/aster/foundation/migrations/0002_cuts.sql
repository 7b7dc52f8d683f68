-- How far a chain was cut at its beginning: the last removed record's sequence and hash, and the record that tells it.
CREATE TABLE audit_cuts (
    chain INTEGER PRIMARY KEY REFERENCES audit_chains (id),
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    told_by INTEGER NOT NULL
);
