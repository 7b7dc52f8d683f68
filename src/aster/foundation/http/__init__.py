"""HTTP as plain ASGI: one declarative table of routes a service, security as a list of layers, errors in one place."""
