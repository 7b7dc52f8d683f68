"""The blob store: bytes by their BLAKE3 hash, every chunk of which can be verified on its own."""
