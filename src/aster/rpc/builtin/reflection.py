"""``aster.Reflection``: which services a server offers its caller, and what they promise.

Answers are made once for each set of methods that some caller may see, and kept as bytes.
"""

from collections.abc import Sequence

from msgspec import Struct

from aster.rpc.builtin.visibility import visible_methods
from aster.rpc.context import CallContext
from aster.rpc.contract.manifest import manifest_json, manifest_of
from aster.rpc.contract.service import describe_service, visible_part
from aster.rpc.decorators import rpc, service
from aster.rpc.definition import ServiceDefinition
from aster.rpc.status import NotFoundError

MAX_KEPT = 256


class OfferedService(Struct, frozen=True):
    """One service that the caller may call, and the methods of it that it may."""

    name: str
    version: int
    scoped: str
    contract_id: str
    policy_id: str
    methods: tuple[str, ...]
    description: str = ""


class ListServices(Struct, frozen=True):
    """Asks for every service."""


class ServiceList(Struct, frozen=True):
    """The services by name and version."""

    services: tuple[OfferedService, ...]


class DescribeService(Struct, frozen=True):
    """Asks for one service; without a version for the newest."""

    service: str
    version: int | None = None


class DescribedService(Struct, frozen=True):
    """The contract id, and a manifest of one service (its JSON text)."""

    contract_id: str
    manifest: bytes


@service("aster.Reflection", public=True)
class Reflection:
    """Tells which services there are and what they promise, to each caller what it may call."""

    def __init__(self, offered: Sequence[ServiceDefinition], built_in: Sequence[ServiceDefinition] = ()) -> None:
        self._offered = offered
        self._described = (*offered, *built_in)
        self._manifests: dict[tuple[ServiceDefinition, frozenset[str]], bytes] = {}

    @rpc(idempotent=True)
    async def list_services(self, request: ListServices, context: CallContext) -> ServiceList:
        """Every service that this caller may call something of."""
        found = [(each, seen) for each in self._offered if (seen := visible_methods(each, context))]
        found.sort(key=lambda pair: (pair[0].name, pair[0].version))
        return ServiceList(tuple(_offer(each, seen) for each, seen in found))

    @rpc(idempotent=True)
    async def describe(self, request: DescribeService, context: CallContext) -> DescribedService:
        """One service in full, as far as this caller may call it; NOT_FOUND for one that it may not call at all."""
        found = self._find(request, context)
        if found is None:
            which = "" if request.version is None else f" version {request.version}"
            raise NotFoundError(f"no service '{request.service:.128}'{which} here")
        definition, seen = found
        described = describe_service(definition)
        return DescribedService(described.contract_id, self._manifest(definition, seen))

    def _find(self, request: DescribeService, context: CallContext) -> tuple[ServiceDefinition, frozenset[str]] | None:
        candidates = [
            each for each in self._described if each.name == request.service and request.version in (None, each.version)
        ]
        for each in sorted(candidates, key=lambda each: -each.version):
            if seen := visible_methods(each, context):
                return each, seen
        return None

    def _manifest(self, definition: ServiceDefinition, seen: frozenset[str]) -> bytes:
        found = self._manifests.get((definition, seen))
        if found is None:
            found = manifest_json(manifest_of([visible_part(describe_service(definition), seen)]))
            if len(self._manifests) >= MAX_KEPT:  # callers with many mixtures of roles must not fill the memory
                self._manifests.clear()
            self._manifests[definition, seen] = found
        return found


def _offer(definition: ServiceDefinition, seen: frozenset[str]) -> OfferedService:
    described = describe_service(definition)
    return OfferedService(
        described.name,
        described.version,
        described.scoped,
        described.contract_id,
        described.policy_id,
        tuple(sorted(seen)),
        described.description,
    )
