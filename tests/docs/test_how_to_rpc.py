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
from tests.cli.serving import served

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


def commands(title: str) -> list[str]:
    """The commands of one section, without their comments."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\$ (.*?)(?:\s+#.*)?$", section, re.MULTILINE)
    assert found, title
    return found


def aster_command(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of the guide in bash, with this interpreter's `aster`."""
    text = f'aster() {{ "{sys.executable}" -m aster "$@"; }}\n{command}'
    return subprocess.run(["bash", "-c", text], cwd=folder, capture_output=True, text=True, timeout=120)


ORDERS = """
import msgspec
from aster.rpc import rpc, service

class Order(msgspec.Struct):
    name: str

@service
class Orders:
    @rpc
    async def add(self, order: Order) -> int:
        return 1
"""


def test_a_change_is_weighed_as_shown(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    code = tmp_path / "shop" / "services.py"
    code.write_text(ORDERS)
    generate, compare = commands("Change a service without breaking anybody")
    made = aster_command(generate, tmp_path)
    assert (made.returncode, (tmp_path / ".aster" / "manifest.json").exists()) == (0, True), made.stderr
    code.write_text(ORDERS.replace("@rpc\n", "@rpc(timeout=3)\n").replace("name: str", "name: str\n    age: int"))
    compared = aster_command(compare, tmp_path)
    assert compared.returncode == 1
    assert compared.stdout.splitlines() == PAGE.partition(f"$ {compare}\n")[2].partition("\n```")[0].splitlines()


def test_a_server_is_called_by_name_and_asked_how_it_is_as_shown(tmp_path: Path) -> None:
    buy, _, _, generate = commands("Call a service without its code")
    with served() as address:
        bought = aster_command(buy.replace("aster1…", address), tmp_path)
        assert bought.stdout.startswith('{"text":"2 small pen"'), bought.stderr
        made = aster_command(generate.replace("aster1…", address), tmp_path)
        assert made.stdout == "wrote clients/shop_v2.py\n", made.stderr
        [asking] = re.findall(r"`(aster call aster1… aster\.Health\.check) service=Orders`", PAGE)
        health = aster_command(f"{asking.replace('aster1…', address)} service=Shop", tmp_path)
        assert '"serving"' in health.stdout, health.stderr


def test_the_tutorials_service_prints_what_it_says() -> None:
    code = TUTORIAL.partition("## 6. Serve something of your own")[2].partition("```python\n")[2].partition("```")[0]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "14 minutes"
