"""Configuration files of coding agents, and the change that gives an agent the memory tools."""

import difflib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aster.foundation.errors import AsterError

SERVER = "astrocyte"


class AgentFileUnclear(AsterError):
    """An agent's file is not what it should be; it is left as it is."""

    code = "AGENT_FILE_UNCLEAR"


@dataclass(frozen=True, slots=True)
class Agent:
    """``file`` below the home directory; ``key`` is the table of servers in it."""

    name: str
    title: str
    file: str
    key: str = "mcpServers"


AGENTS: Sequence[Agent] = (
    Agent("claude-code", "Claude Code", ".claude.json"),
    Agent("claude-desktop", "Claude Desktop", ".config/Claude/claude_desktop_config.json"),
    Agent("codex", "Codex", ".codex/config.toml", "mcp_servers"),
    Agent("cursor", "Cursor", ".cursor/mcp.json"),
    Agent("gemini", "Gemini CLI", ".gemini/settings.json"),
    Agent("vscode", "VS Code", ".config/Code/User/mcp.json", "servers"),
    Agent("windsurf", "Windsurf", ".codeium/windsurf/mcp_config.json"),
)
"""Where each agent looks for its servers, on Linux."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after; equal where there is nothing to do."""

    agent: Agent
    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """As ``diff -u`` shows it."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), str(self.path), str(self.path), n=2, lineterm=""
        )
        return "\n".join(lines)

    def write(self) -> None:
        """Replace the file at once, with the rights it had; a copy of what it was stays beside it."""
        kept = self.path.with_name(f"{self.path.name}.before-astrocyte")
        mode = self.path.stat().st_mode & 0o777
        kept.unlink(missing_ok=True)
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self.before)  # never readable by more than its owner, even for a moment: it may hold tokens
        kept.chmod(mode)
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.after)
        Path(name).chmod(mode)
        Path(name).replace(self.path)


def found_agents(home: Path) -> list[Agent]:
    """The agents whose files are there."""
    return [agent for agent in AGENTS if (home / agent.file).is_file()]


def change_of(agent: Agent, home: Path, server: Mapping[str, Any] | None) -> Change:
    """The file with ``server`` as its memory server, or without one for None. Raises `AgentFileUnclear`."""
    path = (home / agent.file).resolve()
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AgentFileUnclear(f"{path} can't be read: {error}") from error
    edit = _toml if path.suffix == ".toml" else _json
    return Change(agent, path, before, edit(path, before, agent.key, server))


def _json(path: Path, text: str, key: str, server: Mapping[str, Any] | None) -> str:
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise AgentFileUnclear(
            f"{path} is not plain JSON: {error}", hint="it may hold comments; add the server by hand"
        ) from None
    servers = found.setdefault(key, {}) if isinstance(found, dict) else None
    if not isinstance(servers, dict):
        raise AgentFileUnclear(f"{path}: '{key}' is no table of servers")
    if servers.get(SERVER) == server:
        return text
    if server is None:
        del servers[SERVER]
    else:
        servers[SERVER] = dict(server)
    indent = re.search(r"\n([ \t]+)\S", text)
    return json.dumps(found, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def _toml(path: Path, text: str, key: str, server: Mapping[str, Any] | None) -> str:
    """Our own tables are cut out and written anew; every other line stays as it is."""
    try:
        servers = tomllib.loads(text).get(key, {})
    except tomllib.TOMLDecodeError as error:
        raise AgentFileUnclear(f"{path} is not TOML: {error}") from None
    if not isinstance(servers, dict):
        raise AgentFileUnclear(f"{path}: '{key}' is no table of servers")
    if servers.get(SERVER) == server:
        return text
    ours = re.compile(rf"^\[{re.escape(key)}\.{SERVER}(\.\w+)?\]\n(?:(?!\[).*\n?)*", re.MULTILINE)
    rest = ours.sub("", text).rstrip()
    if SERVER in tomllib.loads(rest).get(key, {}):
        raise AgentFileUnclear(f"{path}: '{key}.{SERVER}' is written in a way that can't be changed safely")
    if server is None:
        return f"{rest}\n" if rest else ""
    lines = [f"[{key}.{SERVER}]", f"command = {json.dumps(server['command'])}", f"args = {json.dumps(server['args'])}"]
    lines += [f"\n[{key}.{SERVER}.env]", *(f"{name} = {json.dumps(value)}" for name, value in server["env"].items())]
    return (f"{rest}\n\n" if rest else "") + "\n".join(lines) + "\n"
