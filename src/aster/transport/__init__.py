"""QUIC endpoints by key, addresses, framing without I/O, and the pipes that carry frames. Knows nothing of calls."""
