"""Clients of the gateway: `AstrocyteClient` blocks, `AsyncAstrocyteClient` awaits; both give the engine's own types."""

from astrocyte.client.clients import AstrocyteClient, AsyncAstrocyteClient
from astrocyte.client.errors import GatewayRefused, GatewayUnreachable
from astrocyte.client.identity import Credentials

__all__ = ["AstrocyteClient", "AsyncAstrocyteClient", "Credentials", "GatewayRefused", "GatewayUnreachable"]
