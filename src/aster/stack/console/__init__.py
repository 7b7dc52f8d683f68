"""The web console at ``/console``: static files that speak to the public APIs with the caller's own credentials."""
