"""The policy service over HTTP: three security layers in one file each, and one table of routes."""
