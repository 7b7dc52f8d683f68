"""What can go wrong with blobs and docs, beside the errors of every store (`StorageFull`, `StorageBusy` …)."""

from aster.foundation.errors import AsterError, StorageCorrupt, StorageError


class BlobNotFound(AsterError):
    """There is no such blob here."""

    code = "BLOB_NOT_FOUND"


class BlobDamaged(StorageCorrupt):
    """A stored blob is not what its hash says; ``details`` name the hash and, where known, the chunk."""

    code = "BLOB_DAMAGED"


class ChunkRefused(AsterError):
    """A peer sent bytes that are not what the blob's hash says; nothing of them was kept."""

    code = "BLOB_CHUNK_REFUSED"


class ChunkMissing(AsterError):
    """A blob is here in part, and this chunk of it has not come yet."""

    code = "BLOB_CHUNK_MISSING"


class DownloadFailed(AsterError):
    """No peer could give the rest of a blob; what arrived is kept, and asking again goes on from there."""

    code = "BLOB_DOWNLOAD_FAILED"


class QuotaExceeded(StorageError):
    """A configured limit of the store was reached; nothing was added."""

    code = "STORAGE_QUOTA_EXCEEDED"


class RangeInvalid(AsterError):
    """The range asked for does not lie within the blob."""

    code = "BLOB_RANGE_INVALID"


class NameInvalid(AsterError):
    """A hash, tag or key that can't be one."""

    code = "STORAGE_NAME_INVALID"


class TicketInvalid(AsterError):
    """A text that is no ticket, is mistyped or cut, or is of another kind or version."""

    code = "STORAGE_TICKET_INVALID"


class DocNotFound(AsterError):
    """There is no such document here."""

    code = "DOC_NOT_FOUND"


class DocReadOnly(AsterError):
    """This replica has no write capability for the document."""

    code = "DOC_READ_ONLY"


class EntryRefused(AsterError):
    """An entry is not signed as it must be, is from the future, or is malformed; it was not taken."""

    code = "DOC_ENTRY_REFUSED"
