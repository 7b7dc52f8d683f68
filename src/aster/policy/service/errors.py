"""What the policy service refuses, by security layer and by state; each error knows its HTTP status and stable code."""

from aster.foundation.http.errors import HttpError


class TenantMissing(HttpError):
    """Layer 1: no ``X-Tenant-Id``."""

    status = 400
    code = "TENANT_MISSING"


class TenantInvalid(HttpError):
    """Layer 1: ``X-Tenant-Id`` is malformed, or sent twice with different values."""

    status = 400
    code = "TENANT_INVALID"


class Unsigned(HttpError):
    """Layer 2: the request does not prove who signed it, or when."""

    status = 401
    code = "SIGNATURE_INVALID"


class SignatureMissing(Unsigned):
    code = "SIGNATURE_MISSING"


class SignatureInvalid(Unsigned):
    """Wrong signature, or no key for the tenant: the answer is the same for both."""


class TimestampInvalid(Unsigned):
    code = "TIMESTAMP_INVALID"


class TimestampOutOfWindow(Unsigned):
    code = "TIMESTAMP_OUT_OF_WINDOW"


class NonceInvalid(Unsigned):
    code = "NONCE_INVALID"


class NonceReplayed(HttpError):
    """Layer 2: the signature is right, but its nonce was used before."""

    status = 409
    code = "NONCE_REPLAYED"


class Forbidden(HttpError):
    """Layer 3: the caller's role does not allow this."""

    status = 403
    code = "ROLE_INSUFFICIENT"


class RoleMissing(Forbidden):
    code = "ROLE_MISSING"


class RoleInvalid(Forbidden):
    code = "ROLE_INVALID"


class RoleInsufficient(Forbidden):
    pass


class TenantNotAllowed(Forbidden):
    """The operator lists whom it serves, and this tenant is not among them."""

    code = "TENANT_NOT_ALLOWED"


class OriginNotAllowed(Forbidden):
    """A page of an origin that the tenant does not list."""

    code = "ORIGIN_NOT_ALLOWED"


class DocumentInvalid(HttpError):
    """What was sent as Core IR is none."""

    status = 400
    code = "CORE_IR_INVALID"


class EntryAmbiguous(HttpError):
    """The source has several rules, none is marked ``@entry``, and the request names none."""

    status = 400
    code = "ENTRY_AMBIGUOUS"


class UnsupportedLocale(HttpError):
    """There is no such language; said by what looks at sources, where an evaluation tells it in its answer."""

    status = 400
    code = "UNSUPPORTED_LOCALE"


class PolicyNotFound(HttpError):
    """No such policy in this tenant; another tenant's is as unknown as one that never was."""

    status = 404
    code = "POLICY_NOT_FOUND"


class VersionNotFound(HttpError):
    status = 404
    code = "VERSION_NOT_FOUND"


class UnknownTarget(HttpError):
    """The version to go back to does not exist (documented as 400: it is part of the body)."""

    status = 400
    code = "VERSION_NOT_FOUND"


class Conflict(HttpError):
    """The state does not allow it now."""

    status = 409
    code = "ILLEGAL_STATE"


class VersionAlreadyActive(Conflict):
    code = "VERSION_ALREADY_ACTIVE"


class VersionNotApproved(Conflict):
    """A version that nobody has approved, or that was put away, decides nothing, whoever asks for it by its number."""

    code = "VERSION_NOT_APPROVED"


class DuplicateName(Conflict):
    code = "DUPLICATE_NAME"


class KeysUnavailable(Conflict):
    """Named keys are derived from a master key, and none is configured."""

    code = "KEYS_UNAVAILABLE"


class ConcurrentModification(Conflict):
    """Somebody else's change came first."""

    code = "CONCURRENT_MODIFICATION"


class PreconditionFailed(HttpError):
    """``If-Match`` names another state than the present one."""

    status = 412
    code = "PRECONDITION_FAILED"


class SourceTooLarge(HttpError):
    """A source with more characters than the operator lets be compiled."""

    status = 413
    code = "SOURCE_TOO_LARGE"


class TooManyVersions(Conflict):
    """A policy has as many versions as the operator lets it have."""

    code = "TOO_MANY_VERSIONS"


class CompilationFailed(HttpError):
    """A broken policy can't be stored; ``problems`` lists where it breaks."""

    status = 422
    code = "COMPILATION_FAILED"


class IdempotencyConflict(Conflict):
    code = "IDEMPOTENCY_CONFLICT"
