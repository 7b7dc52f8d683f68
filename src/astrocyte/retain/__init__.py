"""From what a caller says to what is kept: the privacy barrier, index terms, vectors."""
