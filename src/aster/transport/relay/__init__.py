"""A self-hosted relay: it carries encrypted datagrams between endpoints that can't reach each other directly."""
