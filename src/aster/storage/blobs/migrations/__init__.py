"""The tables, one SQL file a change; applied in order, each once."""
