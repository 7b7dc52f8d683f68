"""Memory as tools of the Model Context Protocol, each of them one of the gateway's routes."""
