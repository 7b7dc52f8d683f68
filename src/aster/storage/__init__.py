"""Blobs and docs: content by its hash, and signed key-value documents that converge. Knows nothing of the network."""
