"""``aster.Contract``: is the contract that a client knows the one that is served? Asked before a client's first call.

No interceptor stands around it, on either side: it is part of making a call, not a call that anybody meant, so nothing
should count, limit or change it; and all it tells is whether two hashes are equal. Who finds a difference asks
`Reflection` for the rest, as every interceptor allows.
"""

from collections.abc import Sequence

from msgspec import Struct

from aster.rpc.builtin.visibility import visible_methods
from aster.rpc.context import CallContext
from aster.rpc.contract.service import describe_service
from aster.rpc.decorators import rpc, service
from aster.rpc.definition import ServiceDefinition
from aster.rpc.status import NotFoundError


class CheckContract(Struct, frozen=True):
    """A service as the client knows it."""

    service: str
    version: int
    contract_id: str


class ContractChecked(Struct, frozen=True):
    """Whether the ids are the same."""

    is_same: bool


@service("aster.Contract", public=True)
class Contract:
    """Compares contract ids."""

    def __init__(self, offered: Sequence[ServiceDefinition]) -> None:
        self._offered = {(each.name, each.version): each for each in offered}

    @rpc(idempotent=True)
    async def check(self, request: CheckContract, context: CallContext) -> ContractChecked:
        """Is it the contract served? NOT_FOUND for a service that this caller may not call."""
        definition = self._offered.get((request.service, request.version))
        if definition is None or not visible_methods(definition, context):
            raise NotFoundError(f"no service '{request.service:.128}' version {request.version} here")
        return ContractChecked(describe_service(definition).contract_id == request.contract_id)
