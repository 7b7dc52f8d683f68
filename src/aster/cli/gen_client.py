"""`aster gen-client`: a typed client as Python source."""

from pathlib import Path
from typing import Annotated

import typer

from aster.cli.connecting import ConfigOption, ConnectionOptions, CredentialOption, IdentityOption, PeerOption
from aster.foundation.errors import ConfigError


def gen_client(
    source: Annotated[
        str, typer.Argument(help="A manifest or export file, MODULE:CLASS, an imported name, or a server's address.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder to write modules to.")] = Path(),
    service: Annotated[
        list[str] | None, typer.Option("--service", metavar="NAME", help="Only this service; repeatable.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a file would change.")
    ] = False,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a Python module for each service: its messages and a class for `await client.client(Service)`.

    The same contract gives the same text, so it can be committed; a module checks its contract id when it is imported.
    """
    from aster.cli.contract_sources import services_from, write_text
    from aster.rpc.contract.python_source import sources

    found = services_from(source, ConnectionOptions(source, config, credential, identity, peer))
    if service:
        known = {each.name for each in found}
        if missing := sorted(set(service) - known):
            raise ConfigError(f"there is no service '{missing[0]}'", hint=f"there is: {', '.join(sorted(known))}")
        found = tuple(each for each in found if each.name in service)
    stale = False
    for name, text in sources(found).items():
        path = out.expanduser() / name
        if not check:
            typer.echo(f"wrote {write_text(path, text.encode())}")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale = True
            typer.echo(f"{path} is out of date")
    for each in found:
        if each.partial:
            typer.echo(f"note: {each.name} has methods that this caller may not call; they are left out", err=True)
    if stale:
        raise typer.Exit(1)
