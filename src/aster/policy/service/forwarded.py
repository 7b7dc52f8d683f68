"""A caller's address behind a proxy: the last one in ``X-Forwarded-For``, which the proxy itself wrote."""

import ipaddress

from aster.foundation.http.request import Scope

HEADER = b"x-forwarded-for"


def with_forwarded_address(scope: Scope) -> Scope:
    """The scope as the proxy saw it; as it is where the header is missing or tells no address.

    Only the last address can be believed: whatever is before it came from the caller.
    """
    told = [value for name, value in scope["headers"] if name == HEADER]
    last = told[-1].rpartition(b",")[2].strip().decode("latin-1") if told else ""
    try:
        address = str(ipaddress.ip_address(last.strip("[]")))
    except ValueError:
        return scope
    return {**scope, "client": (address, 0)}
