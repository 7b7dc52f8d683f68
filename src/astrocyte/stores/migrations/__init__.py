"""The store's schema as plain SQL files, applied in order, each once."""
