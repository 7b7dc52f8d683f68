"""The engine's operations, one file a concern; `astrocyte.memory.Astrocyte` puts them together."""
