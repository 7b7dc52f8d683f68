-- Older passages of a bank, packed for search indexes to be read at once. Derived from the rows, in the transaction of
-- what they come from. A segment stands for every passage of its bank from the first to the last; whoever removes one of
-- its memories empties it (`content` is NULL), and its passages are read as rows until a later write packs what is left.
CREATE TABLE memory_segments (
    bank INTEGER NOT NULL REFERENCES memory_banks (id),
    first_memory INTEGER NOT NULL,
    last_memory INTEGER NOT NULL,
    first_passage INTEGER NOT NULL,
    last_passage INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    format INTEGER NOT NULL,
    content BLOB,
    vectors BLOB,
    PRIMARY KEY (bank, first_memory)
);
