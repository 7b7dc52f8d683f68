"""`aster enroll node`: an identity for a node, and its place in a deployment."""

import os
from pathlib import Path
from typing import Annotated

import typer

from aster.cli.trust import AttributeOption, ExpiresOption, ProfileOption, RoleOption, RootKeyOption, issue_credential
from aster.foundation.errors import ConfigError

app = typer.Typer(name="enroll", help="Give a node its identity and credentials.", no_args_is_help=True)


@app.callback()
def enroll() -> None:
    """Give a node its identity and credentials."""


@app.command()
def node(
    name: Annotated[str, typer.Argument(help="The enrollment's name in the file, e.g. billing-producer.")],
    root_key: RootKeyOption = None,
    profile: ProfileOption = None,
    kind: Annotated[str, typer.Option("--as", help="consumer or producer.")] = "consumer",
    role: RoleOption = None,
    attribute: AttributeOption = None,
    expires_in: ExpiresOption = "30d",
    identity: Annotated[Path, typer.Option("--identity", help="The identity file to make or add to.")] = Path(
        ".aster-identity"
    ),
) -> None:
    """Make (or add to) an .aster-identity file: the node's secret key and a credential signed for it.

    AsterServer and AsterClient find the file in their working directory.
    """
    from aster.trust.identity_file import Peer, read_identity, write_identity
    from aster.trust.keys import SigningKey
    from aster.trust.root_key import signing_root

    if kind not in ("consumer", "producer"):
        raise ConfigError(f"'{kind}' is neither consumer nor producer")
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
    credential = issue_credential(root, kind, name, role, attribute, key.public.hex(), expires_in=expires_in)
    written = write_identity(identity, key.seed, [*peers, Peer(name, credential)])
    typer.echo(f"enrolled {name} as {kind} in {written}\nendpoint {key.public.hex()}")
