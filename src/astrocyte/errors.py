"""What can go wrong with a memory: one class for each thing a caller can act on, a stable code on every class."""

from collections.abc import Sequence
from typing import ClassVar

from aster.foundation.errors import AsterError


class AstrocyteError(AsterError):
    """Base of the memory engine's errors."""

    code: ClassVar[str] = "MEMORY_FAILED"


class InvalidInput(AstrocyteError):
    """An argument is not what it should be. Nothing was stored, changed or searched."""

    code = "INVALID_INPUT"


class InvalidBankId(InvalidInput):
    code = "BANK_ID_INVALID"


class BankRequired(InvalidInput):
    """Neither a bank nor a list of banks was named."""

    code = "BANK_REQUIRED"


class InvalidContent(InvalidInput):
    """The content is empty, or holds what can't be stored as text."""

    code = "CONTENT_INVALID"


class ContentTooLong(InvalidInput):
    code = "CONTENT_TOO_LONG"


class InvalidTags(InvalidInput):
    code = "TAGS_INVALID"


class InvalidMetadata(InvalidInput):
    code = "METADATA_INVALID"


class InvalidQuery(InvalidInput):
    code = "QUERY_INVALID"


class InvalidPrincipal(InvalidInput):
    """What a caller says it is can't be a principal."""

    code = "PRINCIPAL_INVALID"


class PersonalDataRefused(AstrocyteError):
    """The privacy barrier is set to refuse; ``details['pii_types']`` lists what was found. Nothing was stored."""

    code = "PII_REJECTED"


class InvalidCursor(InvalidInput):
    """A list can't be continued from there."""

    code = "CURSOR_INVALID"


class InvalidExport(InvalidInput):
    """A file is not an exported bank, or one of its lines is not a memory. Nothing was imported."""

    code = "EXPORT_INVALID"


class BatchTooLarge(InvalidInput):
    code = "BATCH_TOO_LARGE"


class NothingSelected(InvalidInput):
    """A forget that names nothing to forget."""

    code = "NOTHING_SELECTED"


class AccessDenied(AstrocyteError):
    """The caller may not do this to this bank."""

    code = "ACCESS_DENIED"

    def __init__(self, principal: str, permission: str, bank_id: str) -> None:
        super().__init__(
            f"Principal '{principal}' denied '{permission}' on bank '{bank_id}'",
            principal=principal,
            permission=permission,
            bank_id=bank_id,
        )


class MemoryNotFound(AstrocyteError):
    """There is no such memory in this bank: it never was, or it is forgotten."""

    code = "MEMORY_NOT_FOUND"


class BankExists(AstrocyteError):
    """A bank of this name is there already; nothing was changed."""

    code = "BANK_EXISTS"


class BankNotFound(AstrocyteError):
    """There is no such bank."""

    code = "BANK_NOT_FOUND"


class LegalHoldActive(AstrocyteError):
    """A legal hold forbids it; ``details`` has ``bank_id`` and ``holds``. Nothing was removed or changed."""

    code = "LEGAL_HOLD_ACTIVE"

    def __init__(self, bank_id: str, holds: Sequence[str]) -> None:
        super().__init__(
            f"bank '{bank_id}' is under legal hold: {', '.join(holds[:5])}",
            hint="an administrator can lift the hold",
            bank_id=bank_id,
            holds=list(holds),
        )


class ModelMismatch(AstrocyteError):
    """The bank's vectors were made by another embedding model than the one in use: the two are never mixed."""

    code = "MODEL_MISMATCH"


class NotSupported(AstrocyteError):
    """This store can't do it."""

    code = "NOT_SUPPORTED"


class ModelUnavailable(AstrocyteError):
    """The embedding model's file is not there, is damaged, or can't be made."""

    code = "MODEL_UNAVAILABLE"


class LanguageModelUnavailable(AstrocyteError):
    """The configured language model did not answer, or not in time."""

    code = "LLM_UNAVAILABLE"


class NotOpen(AstrocyteError):
    """The engine is used outside ``async with``."""

    code = "NOT_OPEN"
