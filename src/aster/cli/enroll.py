"""`aster enroll node`: an identity for a node, and its place in a deployment."""

import os
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from aster.cli.instance_token import token
from aster.cli.signing import (
    AttributeOption,
    ExpiresOption,
    ProfileOption,
    RoleOption,
    RootKeyOption,
    issue_credential,
    shown,
)
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

app = typer.Typer(name="enroll", help="Give a node its identity and credentials.", no_args_is_help=True)

app.command()(token)

TYPES = {"policy": False, "one-time": True, "ott": True}


@app.callback()
def enroll() -> None:
    """Give a node its identity and credentials."""


@app.command()
def node(
    name: Annotated[str, typer.Argument(help="The enrollment's name in the file, e.g. billing-producer.")],
    root_key: RootKeyOption = None,
    profile: ProfileOption = None,
    kind: Annotated[str, typer.Option("--as", help="consumer or producer.")] = "consumer",
    credential_type: Annotated[
        str, typer.Option("--type", "-t", help="policy: good until it expires; one-time (ott): it admits once.")
    ] = "policy",
    role: RoleOption = None,
    attribute: AttributeOption = None,
    expires_in: ExpiresOption = "30d",
    identity: Annotated[Path, typer.Option("--identity", help="The identity file to make or add to.")] = Path(
        ".aster-identity"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all went well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make (or add to) an .aster-identity file: the node's secret key and a credential signed for it.

    AsterServer and AsterClient find the file in their working directory. Inside a git work tree the file is added to
    .gitignore.
    """
    from aster.cli.terminal import print_json
    from aster.trust.identity_file import Peer, read_identity, write_identity
    from aster.trust.keys import SigningKey
    from aster.trust.root_key import signing_root

    if kind not in ("consumer", "producer"):
        raise ConfigError(f"'{kind}' is neither consumer nor producer", hint="--as consumer or --as producer")
    if credential_type not in TYPES:
        raise ConfigError(f"'{credential_type}' is no type of credential", hint="--type policy or --type one-time")
    root = signing_root(root_key, profile)
    identity = identity.expanduser()
    if not identity.name:
        raise ConfigError(f"'{identity}' is not the name of a file", hint="e.g. --identity .aster-identity")
    existing = read_identity(identity) if os.path.lexists(identity) else None
    peers = list(existing.peers) if existing else []
    if any(peer.name == name for peer in peers):
        raise ConfigError(f"{identity} has a peer named '{name}' already", hint="choose another name")
    secret = existing.secret_key if existing and existing.secret_key else None
    key = SigningKey.from_seed(secret) if secret else SigningKey.generate()
    credential = issue_credential(
        root,
        cast("Literal['consumer', 'producer']", kind),
        name,
        role,
        attribute,
        key.public.hex(),
        expires_in=expires_in,
        one_time=TYPES[credential_type],
    )
    written = write_identity(identity, key.seed, [*peers, Peer(name, credential)])
    ignoring = keep_out_of_git(written)
    if as_json:
        file = {"file": str(written), "name": name, "gitignore": None if ignoring is None else str(ignoring)}
        print_json({**file, **shown(credential)})
    elif not quiet:
        typer.echo(f"enrolled {name} as {kind} in {written}\nendpoint {key.public.hex()}")
        if ignoring is not None:
            typer.echo(f"added {written.name} to {ignoring}: it holds a secret key")


def keep_out_of_git(file: Path) -> Path | None:
    """Add ``file``'s name to the work tree's .gitignore; answers that file when it had to be changed."""
    folder = file.absolute().parent
    root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if root is None:
        return None
    ignoring = root / ".gitignore"
    try:
        text = ignoring.read_text(encoding="utf-8") if ignoring.exists() else ""
        if {file.name, f"/{file.absolute().relative_to(root)}"} & {line.strip() for line in text.splitlines()}:
            return None
        with ignoring.open("a", encoding="utf-8") as stream:
            stream.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{file.name}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{ignoring} can't be changed: {error}", hint=f"{file} holds a secret key; keep it out of git by hand"
        ) from None
    return ignoring
