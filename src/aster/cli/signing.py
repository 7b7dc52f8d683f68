"""What the commands that sign have in common: their options, the credential they issue, how it is shown."""

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.credential import Credential, Role
    from aster.trust.keys import SigningKey

ROOT_KEY_PLACES = "The file that `keygen root` wrote, or keyring:NAME"
RootKeyOption = Annotated[
    str | None, typer.Option("--root-key", help=f"{ROOT_KEY_PLACES}; the profile's when left out.")
]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="Sign for this profile; else the active one.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Becomes the attribute aster.name.")]
RoleOption = Annotated[list[str] | None, typer.Option("--role", help="Becomes part of aster.role; repeatable.")]
AttributeOption = Annotated[list[str] | None, typer.Option("--attribute", help="name=value; repeatable.")]
ExpiresOption = Annotated[
    str,
    typer.Option(
        "--expires-in", help="A number with s, m, h or d, such as 30d; or a moment such as 2027-01-31T12:00:00Z."
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Where to write it; standard output when left out.")]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def issue_credential(
    root: "SigningKey",
    kind: "Role",
    name: str | None,
    roles: list[str] | None,
    attributes: list[str] | None,
    endpoint_id: str | None,
    *,
    expires_in: str,
    one_time: bool = False,
) -> "Credential":
    """What `trust sign` and `enroll node` sign alike."""
    from aster.trust.credential import issue

    return issue(
        root,
        role=kind,
        expires_at=_expiry(expires_in, int(time.time())),
        attributes=_attributes(name, roles, attributes),
        endpoint_id=endpoint_id,
        one_time=one_time,
    )


def root_public_keys(text: str) -> tuple[bytes, ...]:
    """The keys that ``--root-pubkey`` gives: one in hex, or a file of them."""
    from aster.foundation.kinds import hex_bytes
    from aster.trust.anchor import read_root_public_keys

    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return (hex_bytes(32).from_text(text),)
    return read_root_public_keys(text, source="--root-pubkey")


def trusted_roots(text: str | None) -> tuple[bytes, ...]:
    """The keys that ``--root-pubkey`` gives, else those of the profile in use; `ConfigError` without either."""
    from aster.trust.profiles import active_profile

    if text is not None:
        return root_public_keys(text)
    profile = active_profile()
    if profile is None:
        raise ConfigError("no root key to verify with", hint="--root-pubkey HEX or FILE, or aster profile use NAME")
    return tuple(bytes.fromhex(key) for key in profile.root_pubkeys)


def shown(credential: "Credential") -> dict[str, Any]:
    """What a credential says, without nonce and signature."""
    from aster.trust.credential import credential_id, moment

    return {
        "id": credential_id(credential),
        "role": credential.role,
        "type": credential.type,
        "root_pubkey": credential.root_pubkey,
        "issued_at": moment(credential.issued_at),
        "expires_at": moment(credential.expires_at),
        "endpoint_id": credential.endpoint_id,
        "attributes": credential.attributes,
    }


def _attributes(name: str | None, roles: list[str] | None, pairs: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"'{pair}' is not an attribute", hint="--attribute name=value")
        found[key] = value
    if name:
        found["aster.name"] = name
    if roles:
        found["aster.role"] = ",".join(roles)
    return found


def _expiry(text: str, now: int) -> int:
    """The moment, in seconds since 1970, that ``--expires-in`` asks for: so long from now, or then."""
    if found := re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text):
        return now + int(found[1]) * SECONDS[found[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is not a time", hint="a number with s, m, h or d, such as 30d, or 2027-01-31T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise ConfigError(f"'{text}' does not say in which zone", hint=f"in UTC: {text}Z")
    if moment.timestamp() <= now:
        raise ConfigError(f"'{text}' has passed", hint="a credential must end later than it begins")
    return int(moment.timestamp())


def checked_endpoint_id(text: str) -> str:
    """An EndpointId as its 64 lower-case hex characters; `ConfigError` for anything else."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise ConfigError("--endpoint-id: expected 64 hex characters")
    return text.lower()
