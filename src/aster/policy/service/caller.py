"""Who asks, as the three layers established it; everything a tenant owns is reached through this value."""

import enum

import msgspec

from aster.foundation.http.request import Request


class Role(enum.IntEnum):
    """Additive: a higher role may do all that a lower one may."""

    VIEWER = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4

    def __str__(self) -> str:
        return self.name


class Caller(msgspec.Struct, frozen=True, gc=False):
    """``entrance`` is the way in (``http``, ``p2p``); ``key_id`` names the stored key that signed, if one did."""

    tenant: str
    user: str
    role: Role
    request_id: str
    entrance: str = "http"
    client: str | None = None
    key_id: str | None = None

    @property
    def chain(self) -> str:
        """The name of the tenant's audit chain."""
        return chain_of(self.tenant)


ANONYMOUS = "anonymous"


def chain_of(tenant: str) -> str:
    return f"policy:{tenant}"


def tenant_of(request: Request) -> str:
    """What layer 1 established; a KeyError here is a route that was reached without it."""
    tenant: str = request.state["tenant"]
    return tenant


def caller_of(request: Request) -> Caller:
    """What layer 3 established, after the other two."""
    caller: Caller = request.state["caller"]
    return caller
