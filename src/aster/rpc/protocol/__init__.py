"""The protocol of one connection's lane without I/O: bytes in, events out, one table of states."""
