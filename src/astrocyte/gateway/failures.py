"""From errors to answers: one table of statuses, one shape of body."""

from collections.abc import Mapping
from types import MappingProxyType

from aster.foundation.errors import AsterError, StorageError
from aster.foundation.http.errors import HttpError
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.logs import get_logger
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
from astrocyte.gateway.bodies import ErrorBody

STATUSES: Mapping[type[AsterError], int] = MappingProxyType(
    {
        InvalidInput: 400,
        AccessDenied: 403,
        MemoryNotFound: 404,
        BankNotFound: 404,
        BankExists: 409,
        LegalHoldActive: 409,
        ModelMismatch: 409,
        PersonalDataRefused: 422,
        LanguageModelUnavailable: 502,
        ModelUnavailable: 503,
        StorageError: 503,
        NotOpen: 503,
    }
)
"""The nearest class of an error decides; what is not listed is a 500."""

HIDDEN = (StorageError, NotOpen)
"""Errors whose detail is for the log: it may name files."""

logger = get_logger("astrocyte.gateway")


def render_error(request: Request, error: AsterError) -> Reply:
    """``{"detail", "code"}`` with the status of the error's class."""
    status = error.status if isinstance(error, HttpError) else _status(error)
    headers = error.headers if isinstance(error, HttpError) else ()
    detail = str(error)
    if isinstance(error, HIDDEN):
        logger.error("the store did not answer", code=error.code, reason=error.message, request_id=request.request_id)
        detail = "the memory store is not available"
    return json_reply(ErrorBody(detail, error.code), status, headers)


def _status(error: AsterError) -> int:
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
