"""`aster trust`: root keys and the credentials they sign. Works without any network."""

import os
from pathlib import Path
from typing import Annotated

import typer

from aster.cli import credentials, denials
from aster.cli.signing import ROOT_KEY_PLACES
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

app = typer.Typer(name="trust", help="Root keys and the credentials they sign.", no_args_is_help=True)
keygen = typer.Typer(name="keygen", help="Make keys and show public ones.", no_args_is_help=True)
app.add_typer(keygen)
app.add_typer(credentials.sign)
app.command(name="inspect")(credentials.inspect)
app.command(name="verify")(credentials.verify)
app.command(name="deny")(denials.deny)
app.command(name="allow")(denials.allow)
app.command(name="denied")(denials.list_denied)


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
