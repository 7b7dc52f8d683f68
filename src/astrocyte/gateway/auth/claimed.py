"""Who a caller says it is, in headers: for modes that trust the caller's word (``dev``, ``api_key``)."""

from aster.foundation.http.errors import BadRequest
from astrocyte.access.identity import ActorIdentity, AstrocyteContext, parse_principal
from astrocyte.errors import InvalidPrincipal
from astrocyte.gateway.auth.headers import Headers, only_value

PRINCIPAL = b"x-astrocyte-principal"
ON_BEHALF_OF = b"x-astrocyte-on-behalf-of"
MAX_PRINCIPAL = 256


def claimed_identity(headers: Headers) -> AstrocyteContext | None:
    """The identity in ``X-Astrocyte-Principal``, acting for whom ``X-Astrocyte-On-Behalf-Of`` names; None without."""
    principal = only_value(headers, PRINCIPAL)
    subject = only_value(headers, ON_BEHALF_OF)
    if not principal:
        if subject:
            raise InvalidPrincipal(
                "X-Astrocyte-On-Behalf-Of needs X-Astrocyte-Principal: nobody can't act for somebody"
            )
        return None
    actor = _identity("X-Astrocyte-Principal", principal)
    return AstrocyteContext(
        principal=principal.decode("ascii"),
        actor=actor,
        on_behalf_of=_identity("X-Astrocyte-On-Behalf-Of", subject) if subject else None,
    )


def refuse_claims_of_delegation(headers: Headers) -> None:
    """Where a token proves who is calling, a header can't say for whom; and must not be ignored in silence."""
    if headers(ON_BEHALF_OF):
        raise BadRequest("X-Astrocyte-On-Behalf-Of is not trusted in this auth mode: the token's 'act' claim is")


def _identity(name: str, raw: bytes) -> ActorIdentity:
    if not raw.isascii() or not raw.decode("ascii").isprintable() or len(raw) > MAX_PRINCIPAL:
        raise InvalidPrincipal(f"{name} must be 1 to {MAX_PRINCIPAL} printable ASCII characters")
    return parse_principal(raw.decode("ascii"))
