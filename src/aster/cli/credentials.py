"""`aster trust sign`, `inspect`, `verify`: credentials as files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.signing import (
    AttributeOption,
    ExpiresOption,
    NameOption,
    OutOption,
    ProfileOption,
    RoleOption,
    RootKeyOption,
    checked_endpoint_id,
    issue_credential,
    shown,
    trusted_roots,
)
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.credential import Credential

sign = typer.Typer(name="sign", help="Sign a credential with a root key.", no_args_is_help=True)

CredentialArgument = Annotated[Path, typer.Argument(help="A credential's JSON file, or an .aster-identity.")]
PeerOption = Annotated[str | None, typer.Option("--peer", help="Which enrollment of an .aster-identity.")]


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
    as_json: JsonOption = False,
) -> None:
    """A credential for who calls; ASTER_ENROLLMENT_CREDENTIAL names its file."""
    from aster.trust.root_key import signing_root

    root = signing_root(root_key, profile)
    credential = issue_credential(
        root, "consumer", name, role, attribute, endpoint_id, expires_in=expires_in, one_time=one_time
    )
    _write(credential, out, as_json=as_json)


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
    as_json: JsonOption = False,
) -> None:
    """A credential for who serves, bound to its endpoint."""
    from aster.trust.root_key import signing_root

    root = signing_root(root_key, profile)
    credential = issue_credential(root, "producer", name, role, attribute, endpoint_id, expires_in=expires_in)
    _write(credential, out, as_json=as_json)


def inspect(credential: CredentialArgument, peer: PeerOption = None, as_json: JsonOption = False) -> None:
    """Show what a credential says, and whether it holds together: signature and time, but not whose root key it is."""
    from aster.cli.terminal import print_json

    found = read_any_credential(credential, peer)
    problem = _problem(found, (bytes.fromhex(found.root_pubkey),), found.endpoint_id)
    rows = {**shown(found), "problem": None if problem is None else ": ".join(filter(None, problem))}
    if as_json:
        print_json(rows)
    else:
        typer.echo("\n".join(f"{name:<12} {'-' if value is None else value}" for name, value in rows.items()))


def verify(
    credential: CredentialArgument,
    root_pubkey: Annotated[
        str | None,
        typer.Option("--root-pubkey", help="64 hex characters, or a file of root keys; the profile's when left out."),
    ] = None,
    endpoint_id: Annotated[str | None, typer.Option("--endpoint-id", help="Whose connection it should admit.")] = None,
    peer: PeerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Would it admit now? Exit code 1, and the reason, when it would not.

    Whether a one-time credential was used before, or an endpoint is denied, only the server knows.
    """
    from aster.cli.terminal import print_json

    found = read_any_credential(credential, peer)
    peer_id = found.endpoint_id if endpoint_id is None else checked_endpoint_id(endpoint_id)
    problem = _problem(found, trusted_roots(root_pubkey), peer_id)
    reason, hint = problem or (None, None)
    if as_json:
        print_json({"valid": problem is None, "reason": reason, "hint": hint})
    else:
        typer.echo("valid" if problem is None else f"refused: {reason}")
        if hint is not None:
            typer.echo(f"hint:    {hint}")
    if problem is not None:
        raise typer.Exit(1)


def read_any_credential(file: Path, peer: str | None = None) -> "Credential":
    """The credential in a file of its own, or that of an enrollment in an identity file."""
    from aster.trust.credential import read_credential_file
    from aster.trust.identity_file import read_identity

    if _is_json(file):
        if peer is not None:
            raise ConfigError(f"{file} holds one credential, and no peers", hint="leave --peer out")
        return read_credential_file(str(file), source="aster trust")
    identity = read_identity(file)
    names = [each.name for each in identity.peers]
    if peer is None and len(names) != 1:
        known = ", ".join(names)
        raise ConfigError(f"{file} holds {len(names)} enrollments", hint=f"--peer NAME: {known}" if known else None)
    return identity.peer(peer or names[0]).credential


def _is_json(file: Path) -> bool:
    """Not TOML, whose first sign is no brace. A file that can't be read is left to its reader."""
    try:
        with file.expanduser().open("rb") as stream:
            return stream.read(1024).lstrip().startswith(b"{") or file.suffix == ".json"
    except OSError:
        return True


def _problem(
    credential: "Credential", roots: tuple[bytes, ...], endpoint_id: str | None
) -> tuple[str, str | None] | None:
    """Why it does not admit, and what to do about it; None when it does."""
    from aster.trust.credential import CredentialRefused
    from aster.trust.credential import verify as verify_credential

    try:
        verify_credential(credential, roots=roots, role=credential.role, peer=endpoint_id or "", now=time.time())
    except CredentialRefused as error:
        return error.message, error.hint
    return None


def _write(credential: "Credential", out: Path | None, *, as_json: bool) -> None:
    from aster.cli.terminal import print_json
    from aster.foundation.private_file import create_private_file
    from aster.trust.credential import credential_json

    text = credential_json(credential).decode()
    if out is None:
        typer.echo(text, nl=False)
        return
    create_private_file(out.expanduser(), text)
    if as_json:
        print_json({"file": str(out), **shown(credential)})
    else:
        typer.echo(f"wrote {out}")
