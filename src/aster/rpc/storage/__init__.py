"""Blobs and docs between peers: built-in services, and the asynchronous face of a node's own stores."""
