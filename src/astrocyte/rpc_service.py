"""Memory as an Aster RPC service: the same requests, the same engine, the same decisions as over HTTP.

The only file of this package that knows `aster.rpc`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import msgspec

from aster.foundation.errors import AsterError, StorageError
from aster.foundation.http.errors import BadRequest
from aster.foundation.logs import get_logger
from aster.rpc.context import CallContext
from aster.rpc.decorators import rpc, service
from aster.rpc.status import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RpcError,
    UnauthenticatedError,
    UnavailableError,
)
from astrocyte import operations
from astrocyte.access.identity import AstrocyteContext
from astrocyte.errors import (
    AccessDenied,
    BankExists,
    BankNotFound,
    InvalidInput,
    LanguageModelUnavailable,
    LegalHoldActive,
    MemoryNotFound,
    ModelMismatch,
    ModelUnavailable,
    NotOpen,
    PersonalDataRefused,
)
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.auth.errors import IdentityProviderUnavailable, Unauthenticated
from astrocyte.gateway.auth.headers import Authenticator
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

_STATUSES: Mapping[type[AsterError], type[RpcError]] = MappingProxyType(
    {
        InvalidInput: InvalidArgumentError,
        AccessDenied: PermissionDeniedError,
        ModelMismatch: FailedPreconditionError,
        MemoryNotFound: NotFoundError,
        BankNotFound: NotFoundError,
        BankExists: FailedPreconditionError,
        LegalHoldActive: FailedPreconditionError,
        PersonalDataRefused: InvalidArgumentError,
        LanguageModelUnavailable: UnavailableError,
        ModelUnavailable: UnavailableError,
        StorageError: UnavailableError,
        NotOpen: UnavailableError,
        BadRequest: InvalidArgumentError,
        Unauthenticated: UnauthenticatedError,
        IdentityProviderUnavailable: UnavailableError,
    }
)

logger = get_logger("astrocyte.rpc")


@service("MemoryService")
class MemoryService:
    """Retain, recall and forget over a P2P connection. Metadata says who is calling, as headers do over HTTP."""

    def __init__(
        self,
        astrocyte: Astrocyte,
        settings: GatewaySettings | None = None,
        *,
        authenticate: Authenticator | None = None,
    ) -> None:
        """Raises `ConfigError` for an auth mode that the gateway would refuse as well."""
        settings = settings or GatewaySettings()
        self._authenticate = authenticate or create_authenticator(settings)
        self._max_results = settings.max_result_limit
        self._engine = astrocyte

    @rpc
    async def retain(self, request: RetainRequest, call: CallContext) -> RetainResult:
        """Remember something."""
        with _translated():
            return await operations.retain(self._engine, request, await self._identity(call))

    @rpc
    async def retain_batch(self, request: RetainBatchRequest, call: CallContext) -> RetainBatchResult:
        """Remember many things at once, all or none."""
        with _translated():
            return await operations.retain_batch(self._engine, request, await self._identity(call))

    @rpc(idempotent=True)
    async def recall(self, request: RecallRequest, call: CallContext) -> RecallResult:
        """Find what was remembered."""
        with _translated():
            bounded = msgspec.structs.replace(request, max_results=min(request.max_results, self._max_results))
            return await operations.recall(self._engine, bounded, await self._identity(call))

    @rpc(idempotent=True)
    async def reflect(self, request: ReflectRequest, call: CallContext) -> ReflectResult:
        """Answer from memory, with citations."""
        with _translated():
            return await operations.reflect(self._engine, request, await self._identity(call))

    @rpc(idempotent=True)
    async def history(self, request: HistoryRequest, call: CallContext) -> HistoryResult:
        """Find what was known then."""
        with _translated():
            bounded = msgspec.structs.replace(request, max_results=min(request.max_results, self._max_results))
            return await operations.history(self._engine, bounded, await self._identity(call))

    @rpc(idempotent=True)
    async def forget(self, request: ForgetRequest, call: CallContext) -> ForgetResult:
        """Forget for good."""
        with _translated():
            return await operations.forget(self._engine, request, await self._identity(call))

    async def _identity(self, call: CallContext) -> AstrocyteContext | None:
        def values(name: bytes) -> list[bytes]:
            found = call.metadata.get(name.decode())
            return [] if found is None else [found.encode()]

        return await self._authenticate(values)


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
        if status is UnavailableError and not isinstance(error, IdentityProviderUnavailable):
            logger.error("the store did not answer", code=error.code, reason=error.message)
            message = "the memory store is not available"
        raise status(message, details={"code": error.code}) from error
