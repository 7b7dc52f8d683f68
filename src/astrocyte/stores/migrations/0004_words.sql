-- What the words of a passage mean in it, 64 bytes each (`astrocyte.models.word_vectors`); NULL where the model tells none.
ALTER TABLE memory_passages ADD COLUMN words BLOB;
