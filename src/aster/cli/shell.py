"""`aster shell`: look around on a server and call what is there."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aster.cli.connecting import ConfigOption, ConnectionOptions, CredentialOption, IdentityOption, PeerOption


def shell(
    address: Annotated[
        str | None, typer.Argument(help="An aster1… ticket, a NodeAddr, or an EndpointId; else the settings' address.")
    ] = None,
    history: Annotated[Path, typer.Option("--history", help="The history file, kept for you alone.")] = Path(
        "~/.aster/shell_history"
    ),
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """Call methods by name, with completion, history and live streams. `help` inside tells the commands.

    Lines from a pipe are run one after the other; the exit code is 1 when one of them failed.
    """
    import asyncio

    from aster.cli.running import run_async
    from aster.cli.shell_session import ShellSession
    from aster.foundation.extras import load_extra

    at_terminal = sys.stdin.isatty()
    if at_terminal:
        load_extra("prompt_toolkit", extra="shell")
    options = ConnectionOptions(address, config, credential, identity, peer)

    async def work() -> bool:
        async with options.client() as client:
            session = ShellSession(client, as_lines=not sys.stdout.isatty())
            await session.load()
            if not at_terminal:
                return await run_lines(session)
            from aster.cli.shell_prompt import prompt_lines

            print(f"{len(session.services)} services; 'help' tells the commands")
            await prompt_lines(session, history.expanduser())
            return True

    async def run_lines(session: ShellSession) -> bool:
        went_well = True
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() in ("exit", "quit"):
                break
            went_well = await session.run_line(line) and went_well
        return went_well

    if not run_async(work()):
        raise typer.Exit(1)
