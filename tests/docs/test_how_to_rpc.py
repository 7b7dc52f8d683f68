"""The guides on services, run as they stand on the page."""

import ast
import asyncio
import inspect
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import aster
from aster.testing import local_pair

TUTORIAL = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to.md").read_text(encoding="utf-8")


def blocks(title: str) -> list[str]:
    """The Python blocks of one section."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, title
    return found


async def run(code: str, names: dict[str, Any]) -> None:
    """Execute a block, which may await."""
    program = compile(code, "docs/how-to.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(program, names)
    if inspect.isawaitable(result):
        await result


@pytest.fixture
def names() -> dict[str, Any]:
    """What a reader has imported by then."""
    known = {name: getattr(aster, name) for name in aster.__all__}
    return {**known, "__name__": "how_to", "asyncio": asyncio, "time": time, "pytest": pytest}


async def test_a_service_is_written_and_called_as_shown(names: dict[str, Any]) -> None:
    definition, calls = blocks("Write a service")
    await run(definition, names)
    async with local_pair(names["Shop"]()) as client:
        await run(calls, {**names, "client": client, "print": lambda *_: None})


async def test_a_session_is_kept_as_shown(names: dict[str, Any]) -> None:
    definition, use = blocks("Keep state for each caller: sessions")
    await run(definition, names)
    async with local_pair(names["Cart"]) as client:
        await run(use + "    assert await cart.add('milk') == 1\n", {**names, "client": client})


async def test_interceptors_are_put_around_calls_as_shown(names: dict[str, Any]) -> None:
    await run(blocks("Write a service")[0], names)
    [code] = blocks("Do something around every call: interceptors")
    await run(code, {**names, "tokens": ["t"], "token": "t", "address": None})


async def test_a_service_is_tested_as_shown(names: dict[str, Any]) -> None:
    await run(blocks("Write a service")[0], names)
    [code] = blocks("Test a service")
    await run(code, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        await test()


def test_the_tutorials_service_prints_what_it_says() -> None:
    code = TUTORIAL.partition("## 6. Serve something of your own")[2].partition("```python\n")[2].partition("```")[0]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "14 minutes"
