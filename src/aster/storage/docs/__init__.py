"""Documents: signed entries of several authors, which any two replicas merge into the same state."""
