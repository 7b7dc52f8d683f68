"""The how-to guide's pages on memory, run as a reader would."""

import asyncio
import re
from pathlib import Path

import pytest

from aster.foundation.http.server import HttpServer
from astrocyte.access.decisions import Authorizer
from astrocyte.access.identity import ActorIdentity, AstrocyteContext
from astrocyte.config import read_settings
from astrocyte.gateway.app import create_gateway
from astrocyte.memory import Astrocyte

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to.md").read_text(encoding="utf-8")


def blocks(title: str, language: str) -> list[str]:
    section = re.split(r"\n#{2,3} ", PAGE.partition(f"# {title}\n")[2])[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_policy_says_no_where_the_page_says_so(tmp_path: Path) -> None:
    (source,) = blocks("Let a policy in plain language have the last word", "aster")
    (config,) = blocks("Let a policy in plain language have the last word", "yaml")
    (tmp_path / "office.aster").write_text(source)
    (tmp_path / "astrocyte.yaml").write_text(config)
    asked = Authorizer(read_settings(tmp_path / "astrocyte.yaml").access)
    bot = AstrocyteContext("agent:bot", actor=ActorIdentity("agent", "bot", {"clearance": "5"}))
    assert asked.authorize(bot, "recall", ["b"]).allowed
    assert asked.authorize(bot, "forget", ["b"]).reason.endswith("only people may forget")
    assert not asked.authorize(AstrocyteContext("agent:bot"), "recall", ["b"]).allowed


async def test_the_client_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = blocks("Use memory from Python over HTTP", "python")
    values = {"storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"}, "embedding": {"provider": "none"}}
    server = HttpServer(host="127.0.0.1", port=0)
    async with Astrocyte.from_config_dict(values) as engine:
        await server.start(create_gateway(engine))
        await asyncio.to_thread(exec, program.replace("http://127.0.0.1:8080", server.url), {})
        await server.close()
    assert capsys.readouterr().out == "Alice likes dark mode\n"
