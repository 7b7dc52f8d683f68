"""`astrocyte setup`: give the coding agents of this account memory."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from aster.cli.agent_files import AGENTS, Agent, AgentFileUnclear, change_of, found_agents
from aster.cli.memory_opening import DataOption, UrlOption
from aster.foundation.errors import ConfigError

AGENT_DATA = Path("~/.local/share/astrocyte")


def setup(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AGENT]...", help=f"Only these: {', '.join(agent.name for agent in AGENTS)}."),
    ] = None,
    url: UrlOption = None,
    data: DataOption = AGENT_DATA,
    remove: Annotated[bool, typer.Option("--remove", help="Take the memory tools away again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before each change.")] = False,
) -> None:
    """Give the coding agents of this account memory.

    Adds `astrocyte mcp` to the configuration of every one that is found, after showing the change.

    Each agent gets a bank and an identity of its own (agent:NAME). A copy of a changed file stays beside it. No key or
    token is written: an agent takes those from its own environment.
    """
    from aster.cli.terminal import print_error, visible

    home = Path.home()
    chosen = _chosen(names, home)
    failed = 0
    for agent in chosen:
        try:
            change = change_of(agent, home, None if remove else _server(agent, url, data))
        except AgentFileUnclear as error:
            print_error(error)
            failed += 1
            continue
        if change.before == change.after:
            typer.echo(f"{agent.title}: nothing to do")
            continue
        typer.echo(visible(f"{agent.title}:\n{change.diff}\n"))
        if not dry_run and (is_sure or typer.confirm(f"Change {change.path}?", err=True)):
            change.write()
            typer.echo(f"{agent.title}: {'removed' if remove else 'done; restart it to see the tools'}")
    if failed:
        raise typer.Exit(1)


def _chosen(names: list[str] | None, home: Path) -> list[Agent]:
    found = found_agents(home)
    known = {agent.name: agent for agent in AGENTS}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"'{name}' is no agent that is known", hint=f"known: {', '.join(known)}")
        if known[name] not in found:
            raise ConfigError(f"{known[name].title} is not set up here: there is no ~/{known[name].file}")
    chosen = [known[name] for name in names] if names else found
    if not chosen:
        places = ", ".join(f"~/{agent.file}" for agent in AGENTS)
        raise ConfigError("no coding agent was found", hint=f"looked for {places}")
    return chosen


def _server(agent: Agent, url: str | None, data: Path) -> dict[str, Any]:
    """How an agent starts the tools, by full paths: it may have another PATH and another folder."""
    program = shutil.which("astrocyte")
    command = [program] if program else [sys.executable, "-c", "from aster.cli.astrocyte import run; run()"]
    place = ["--url", url] if url else ["--data", str((data.expanduser() / agent.name).absolute())]
    environment = {"ASTROCYTE_PRINCIPAL": f"agent:{agent.name}"}
    return {"command": command[0], "args": [*command[1:], "mcp", *place], "env": environment}
