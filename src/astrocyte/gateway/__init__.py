"""Memory over HTTP: one file an auth mode, one table of routes."""
