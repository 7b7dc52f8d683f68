-- How far a source has been read, in the source's own words.
CREATE TABLE memory_source_positions (
    source TEXT PRIMARY KEY,
    position TEXT NOT NULL
);

-- What a source has delivered: one row an item, with the version that was taken and the memory it became (none when
-- it was refused for what it is: it is not tried again until it changes).
CREATE TABLE memory_source_items (
    source TEXT NOT NULL,
    item TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    memory_id TEXT,
    PRIMARY KEY (source, item)
);
