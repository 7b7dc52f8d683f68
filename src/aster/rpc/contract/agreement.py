"""Before the first call of a method on a connection: do both sides mean the same contract?

The client asks the server once a service and connection whether the contract id it knows is the one served. When it is
not, the description that reflection gives is compared with the client's own: a compatible difference works; a method
that breaks this client refuses to be called, with the reasons, where decoding would have failed in the middle of a
call. The other methods work.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from aster.rpc.builtin import is_reserved
from aster.rpc.builtin.asking import describe_remote, is_same_contract
from aster.rpc.builtin.contract import CheckContract
from aster.rpc.builtin.reflection import DescribedService, DescribeService
from aster.rpc.contract.changes import Change, problems_of_client
from aster.rpc.contract.description import ServiceDescription
from aster.rpc.contract.manifest import ManifestInvalid, parse_manifest
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import ServiceDefinition
from aster.rpc.interception import Interceptor
from aster.rpc.status import (
    ContractViolationError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnimplementedError,
)

if TYPE_CHECKING:
    from aster.rpc.client_connection import ClientConnection

Problems = Mapping[str, tuple[Change, ...]]
"""What breaks this client, by method; under the empty name, of the service as a whole."""

_AGREED: Problems = {}

CAN_NOT_BE_ASKED = (
    NotFoundError,
    UnimplementedError,
    PermissionDeniedError,
    UnauthenticatedError,
    ResourceExhaustedError,
)


class ContractMismatchError(ContractViolationError):
    """This client and the server mean different contracts by one service; ``changes`` says where."""

    code = "CONTRACT_MISMATCH"

    def __init__(self, message: str, *, changes: tuple[Change, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.changes = changes


class Agreements:
    """What each connection's server was found to mean by the services called on it."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[ClientConnection, dict[ServiceDefinition, Problems]] = WeakKeyDictionary()

    async def check(
        self,
        connection: "ClientConnection",
        service: ServiceDefinition,
        method: str = "",
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """Raise `ContractMismatchError` when the server's contract breaks this client's calls of ``method``.

        Without a method, when it breaks the service as a whole. A server that has no such service, shows it to nobody
        here, or can't be asked passes: the calls' own errors say it.
        """
        known = self._found.setdefault(connection, {})
        problems = known.get(service)
        if problems is None:
            problems = known[service] = await _ask(connection, service, interceptors)
        changes = (*problems.get("", ()), *(problems.get(method, ()) if method else ()))
        if changes:
            reasons = "\n".join(f"  {change.sentence}" for change in changes)
            raise ContractMismatchError(
                f"{service.name} version {service.version} is another contract at the server:\n{reasons}",
                changes=changes,
                hint="make the client again with 'aster gen-client', or serve the version it was made for",
            )


AGREEMENTS = Agreements()


def description_in(answer: DescribedService) -> ServiceDescription:
    """The description that a server answered with; `ContractViolationError` when it makes no sense."""
    try:
        services = parse_manifest(answer.manifest, "the server's description").services
    except ManifestInvalid as error:
        raise ContractViolationError(error.message, hint=error.hint) from None
    if len(services) != 1 or services[0].contract_id != answer.contract_id:
        raise ContractViolationError("the server's description is not of one service, or not of its contract id")
    return services[0]


async def _ask(
    connection: "ClientConnection", service: ServiceDefinition, interceptors: Sequence[Interceptor]
) -> Problems:
    if is_reserved(service.name):
        return _AGREED
    mine = describe_service(service)
    try:
        if await is_same_contract(connection, CheckContract(mine.name, mine.version, mine.contract_id)):
            return _AGREED
        answer = await describe_remote(connection, DescribeService(mine.name, mine.version), interceptors)
    except CAN_NOT_BE_ASKED:
        return _AGREED
    return problems_of_client(mine, description_in(answer))
