"""Memory as an Aster RPC service: the same requests, the same engine, the same decisions as over HTTP.

The only file of this package that knows `aster.rpc`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from aster.foundation.errors import AsterError, StorageError
from aster.foundation.logs import get_logger
from aster.rpc.context import CallContext
from aster.rpc.definition import rpc, service
from aster.rpc.status import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RpcError,
    UnavailableError,
)
from astrocyte import operations
from astrocyte.access.identity import AstrocyteContext
from astrocyte.errors import AccessDenied, InvalidInput, MemoryNotFound, ModelMismatch, NotOpen, PersonalDataRefused
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.auth.dev import claimed_identity
from astrocyte.gateway.settings import GatewaySettings
from astrocyte.memories import ForgetResult, HistoryResult, RecallResult, ReflectResult, RetainResult
from astrocyte.memory import Astrocyte
from astrocyte.requests import (
    ForgetRequest,
    HistoryRequest,
    RecallRequest,
    ReflectRequest,
    RetainBatchRequest,
    RetainBatchResult,
    RetainRequest,
)

PRINCIPAL = "x-astrocyte-principal"

_STATUSES: Mapping[type[AsterError], type[RpcError]] = MappingProxyType(
    {
        InvalidInput: InvalidArgumentError,
        AccessDenied: PermissionDeniedError,
        ModelMismatch: FailedPreconditionError,
        MemoryNotFound: NotFoundError,
        PersonalDataRefused: InvalidArgumentError,
        StorageError: UnavailableError,
        NotOpen: UnavailableError,
    }
)

logger = get_logger("astrocyte.rpc")


@service("MemoryService")
class MemoryService:
    """Retain, recall and forget over a P2P connection. The principal comes with the call's metadata (mode ``dev``)."""

    def __init__(self, astrocyte: Astrocyte, settings: GatewaySettings | None = None) -> None:
        """Raises `ConfigError` for an auth mode that the gateway would refuse as well."""
        create_authenticator(settings or GatewaySettings())
        self._engine = astrocyte

    @rpc
    async def retain(self, request: RetainRequest, call: CallContext) -> RetainResult:
        """Remember something."""
        with _translated():
            return await operations.retain(self._engine, request, _identity(call))

    @rpc
    async def retain_batch(self, request: RetainBatchRequest, call: CallContext) -> RetainBatchResult:
        """Remember many things at once, all or none."""
        with _translated():
            return await operations.retain_batch(self._engine, request, _identity(call))

    @rpc(idempotent=True)
    async def recall(self, request: RecallRequest, call: CallContext) -> RecallResult:
        """Find what was remembered."""
        with _translated():
            return await operations.recall(self._engine, request, _identity(call))

    @rpc(idempotent=True)
    async def reflect(self, request: ReflectRequest, call: CallContext) -> ReflectResult:
        """Answer from memory, with citations."""
        with _translated():
            return await operations.reflect(self._engine, request, _identity(call))

    @rpc(idempotent=True)
    async def history(self, request: HistoryRequest, call: CallContext) -> HistoryResult:
        """Find what was known then."""
        with _translated():
            return await operations.history(self._engine, request, _identity(call))

    @rpc(idempotent=True)
    async def forget(self, request: ForgetRequest, call: CallContext) -> ForgetResult:
        """Forget for good."""
        with _translated():
            return await operations.forget(self._engine, request, _identity(call))


def _identity(call: CallContext) -> AstrocyteContext | None:
    return claimed_identity(call.metadata.get(PRINCIPAL, "").strip().encode())


@contextmanager
def _translated() -> Iterator[None]:
    """Our errors as statuses, with our stable code in ``details['code']``; what a store says goes to the log alone."""
    try:
        yield
    except AsterError as error:
        status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), None)
        if status is None:
            raise
        message = str(error)
        if status is UnavailableError:
            logger.error("the store did not answer", code=error.code, reason=error.message)
            message = "the memory store is not available"
        raise status(message, details={"code": error.code}) from error
