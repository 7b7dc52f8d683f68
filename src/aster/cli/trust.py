"""`aster trust`: root keys and the credentials they sign. Works without any network."""

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.credential import Credential
    from aster.trust.keys import SigningKey

app = typer.Typer(name="trust", help="Root keys and the credentials they sign.", no_args_is_help=True)
keygen = typer.Typer(name="keygen", help="Make keys and show public ones.", no_args_is_help=True)
sign = typer.Typer(name="sign", help="Sign a credential with a root key.", no_args_is_help=True)
app.add_typer(keygen)
app.add_typer(sign)

ROOT_KEY_PLACES = "The file that `keygen root` wrote, or keyring:NAME"
RootKeyOption = Annotated[
    str | None, typer.Option("--root-key", help=f"{ROOT_KEY_PLACES}; the profile's when left out.")
]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="Sign for this profile; else the active one.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Becomes the attribute aster.name.")]
RoleOption = Annotated[list[str] | None, typer.Option("--role", help="Becomes part of aster.role; repeatable.")]
AttributeOption = Annotated[list[str] | None, typer.Option("--attribute", help="name=value; repeatable.")]
ExpiresOption = Annotated[str, typer.Option("--expires-in", help="A number with s, m, h or d, such as 30d.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Where to write it; standard output when left out.")]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@keygen.command("root")
def keygen_root(
    out: Annotated[
        Path | None, typer.Option("--out", help="The private key; its public half is written beside it as .pub.")
    ] = None,
    keyring: Annotated[
        str | None, typer.Option("--keyring", metavar="NAME", help="Keep the private key in the OS keyring instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a root key: the trust anchor of a deployment. Keep it offline; servers need its public half only."""
    if (out is None) == (keyring is None):
        raise ConfigError("a root key is kept in one place", hint="--out FILE, or --keyring NAME")
    if keyring is not None:
        _root_in_keyring(keyring, as_json=as_json)
    elif out is not None:
        _root_in_file(out, as_json=as_json)


def _root_in_keyring(name: str, *, as_json: bool) -> None:
    from aster.cli.terminal import print_json
    from aster.trust.keys import SigningKey
    from aster.trust.profiles import checked_name
    from aster.trust.root_keyring import store_root_key

    key = SigningKey.generate()
    store_root_key(checked_name(name), key)
    if as_json:
        print_json({"keyring": name, "public_key": key.public.hex()})
    else:
        typer.echo(f"private key  keyring:{name} (in this machine's keyring)\npublic key   {key.public.hex()}")


def _root_in_file(out: Path, *, as_json: bool) -> None:
    from aster.cli.terminal import print_json
    from aster.trust.keys import SigningKey, write_key_file

    out = out.expanduser()
    if not out.name:
        raise ConfigError(f"'{out}' is not the name of a file", hint="e.g. --out root.key")
    public = out.with_name(f"{out.name}.pub")
    if os.path.lexists(public):
        raise ConfigError(f"{public} exists already", hint="keys are never overwritten; choose another path")
    key = SigningKey.generate()
    private = write_key_file(out, key)
    try:
        public.write_text(f"{key.public.hex()}\n", encoding="ascii")
    except OSError as error:
        private.unlink()  # one half alone is of no use
        raise ConfigError(f"{public} can't be written: {error.strerror or error}") from error
    if as_json:
        print_json({"private_key_file": str(private), "public_key_file": str(public), "public_key": key.public.hex()})
    else:
        typer.echo(f"private key  {private} (keep it offline)\npublic key   {public}\n             {key.public.hex()}")


@keygen.command("pubkey")
def keygen_pubkey(
    root_key: Annotated[str, typer.Argument(help=f"{ROOT_KEY_PLACES}.")], as_json: JsonOption = False
) -> None:
    """Print the public half of a root key, as ASTER_ROOT_PUBKEY takes it."""
    from aster.cli.terminal import print_json
    from aster.trust.root_key import read_root_key

    public = read_root_key(root_key).public.hex()
    if as_json:
        print_json({"public_key": public})
    else:
        typer.echo(public)


@sign.command("consumer")
def sign_consumer(
    root_key: RootKeyOption = None,
    profile: ProfileOption = None,
    name: NameOption = None,
    role: RoleOption = None,
    attribute: AttributeOption = None,
    endpoint_id: Annotated[str | None, typer.Option("--endpoint-id", help="Bind it to one endpoint.")] = None,
    one_time: Annotated[bool, typer.Option("--one-time", help="It admits once.")] = False,
    expires_in: ExpiresOption = "30d",
    out: OutOption = None,
) -> None:
    """A credential for who calls; ASTER_ENROLLMENT_CREDENTIAL names its file."""
    from aster.trust.root_key import signing_root

    credential = issue_credential(
        signing_root(root_key, profile),
        "consumer",
        name,
        role,
        attribute,
        endpoint_id,
        expires_in=expires_in,
        one_time=one_time,
    )
    _write(credential, out)


@sign.command("producer")
def sign_producer(
    endpoint_id: Annotated[str, typer.Option("--endpoint-id", help="The producer's EndpointId, 64 hex characters.")],
    root_key: RootKeyOption = None,
    profile: ProfileOption = None,
    name: NameOption = None,
    role: RoleOption = None,
    attribute: AttributeOption = None,
    expires_in: ExpiresOption = "30d",
    out: OutOption = None,
) -> None:
    """A credential for who serves, bound to its endpoint."""
    from aster.trust.root_key import signing_root

    root = signing_root(root_key, profile)
    credential = issue_credential(root, "producer", name, role, attribute, endpoint_id, expires_in=expires_in)
    _write(credential, out)


@app.command()
def inspect(
    credential: Annotated[Path, typer.Argument(help="A credential's JSON file.")], as_json: JsonOption = False
) -> None:
    """Show what a credential says. Says nothing about whether it is valid."""
    from aster.cli.terminal import print_json
    from aster.trust.credential import read_credential_file

    shown = _shown(read_credential_file(str(credential), source="aster trust inspect"))
    if as_json:
        print_json(shown)
    else:
        typer.echo("\n".join(f"{name:<12} {value}" for name, value in shown.items()))


@app.command()
def verify(
    credential: Annotated[Path, typer.Argument(help="A credential's JSON file.")],
    root_pubkey: Annotated[str, typer.Option("--root-pubkey", help="64 hex characters, or a file that holds them.")],
    endpoint_id: Annotated[str | None, typer.Option("--endpoint-id", help="Whose connection it should admit.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Would it admit now? Exit code 1, and the reason, when it would not."""
    from aster.cli.terminal import print_json
    from aster.trust.credential import CredentialRefused, read_credential_file
    from aster.trust.credential import verify as verify_credential

    found = read_credential_file(str(credential), source="aster trust verify")
    peer = endpoint_id or found.endpoint_id or ""
    reason = None
    try:
        verify_credential(found, roots=root_public_keys(root_pubkey), role=found.role, peer=peer, now=time.time())
    except CredentialRefused as error:
        reason = error.message
    if as_json:
        print_json({"valid": reason is None, "reason": reason})
    else:
        typer.echo("valid" if reason is None else f"refused: {reason}")
    if reason is not None:
        raise typer.Exit(1)


def issue_credential(
    root: "SigningKey",
    kind: Any,
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
        expires_at=int(time.time()) + _seconds(expires_in),
        attributes=_attributes(name, roles, attributes),
        endpoint_id=endpoint_id,
        one_time=one_time,
    )


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


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if found is None:
        raise ConfigError(f"'{text}' is not a time", hint="a number with s, m, h or d, such as 30d")
    return int(found[1]) * SECONDS[found[2]]


def root_public_keys(text: str) -> tuple[bytes, ...]:
    """The keys that ``--root-pubkey`` gives: one in hex, or a file of them."""
    from aster.foundation.kinds import hex_bytes
    from aster.trust.anchor import read_root_public_keys

    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return (hex_bytes(32).from_text(text),)
    return read_root_public_keys(text, source="--root-pubkey")


def _shown(credential: "Credential") -> dict[str, Any]:
    return {
        "role": credential.role,
        "type": credential.type,
        "root_pubkey": credential.root_pubkey,
        "issued_at": _moment(credential.issued_at),
        "expires_at": _moment(credential.expires_at),
        "endpoint_id": credential.endpoint_id,
        "attributes": credential.attributes,
    }


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _write(credential: "Credential", out: Path | None) -> None:
    from aster.trust.credential import credential_json

    text = credential_json(credential)
    if out is None:
        typer.echo(text.decode())
        return
    try:
        with out.expanduser().open("xb") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{out} exists already", hint="choose another path") from None
    except OSError as error:
        raise ConfigError(f"{out} can't be written: {error.strerror or error}") from error
    typer.echo(f"wrote {out}")
