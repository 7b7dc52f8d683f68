import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.serving import aster, served

BEFORE = """
import msgspec
from aster.rpc import rpc, service

class Order(msgspec.Struct):
    name: str

@service("Orders")
class Orders:
    '''Takes orders.'''
    @rpc
    async def add(self, request: Order) -> None: ...
"""
AFTER = BEFORE.replace("name: str", "name: str\n    age: int").replace("@rpc\n", "@rpc(timeout=3)\n")
WIDER = BEFORE.replace("name: str", "name: str\n    note: str = ''")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "before.py").write_text(BEFORE)
    (tmp_path / "after.py").write_text(AFTER)
    (tmp_path / "wider.py").write_text(WIDER)
    return tmp_path


def test_a_manifest_is_written_shown_and_verified(project: Path) -> None:
    made = aster("contract", "gen", "--service", "before:Orders", cwd=project)
    assert made.returncode == 0, made.stderr
    first = (project / ".aster/manifest.json").read_bytes()
    aster("contract", "gen", "--service", "before:Orders", cwd=project)
    assert (project / ".aster/manifest.json").read_bytes() == first
    shown = aster("contract", "show", cwd=project).stdout
    assert "Orders version 1\n  Takes orders.\n" in shown
    assert "add(Order) -> None" in shown
    assert aster("contract", "verify", "--service", "before:Orders", cwd=project).stdout == "valid: 1 service\n"
    drifted = aster("contract", "verify", "--service", "after:Orders", cwd=project)
    assert drifted.returncode == 1
    assert "age is a new required field" in drifted.stdout


def test_a_manifest_edited_by_hand_does_not_verify(project: Path) -> None:
    aster("contract", "gen", "--service", "before:Orders", cwd=project)
    file = project / ".aster/manifest.json"
    file.write_text(file.read_text().replace('"name": "name"', '"name": "nom"'))
    done = aster("contract", "verify", cwd=project)
    assert done.returncode == 1
    assert "contract id" in done.stderr


def test_diff_tells_breaking_compatible_and_policy_apart(project: Path) -> None:
    breaking = aster("contract", "diff", "before:Orders", "after:Orders", cwd=project)
    assert breaking.returncode == 1
    assert "breaking   request of Orders.add: age is a new required field: breaks old clients" in breaking.stdout
    assert "policy     Orders.add has a default timeout of 3 s instead of none" in breaking.stdout
    wider = aster("contract", "diff", "before:Orders", "wider:Orders", "--json", cwd=project)
    assert wider.returncode == 0
    assert [change["weight"] for change in json.loads(wider.stdout)["changes"]] == ["compatible"]
    assert aster("contract", "diff", "before:Orders", "before:Orders", cwd=project).stdout == "no changes\n"


def test_contracts_are_exported_imported_and_found_by_name(project: Path) -> None:
    aster("contract", "gen", "--service", "before:Orders", cwd=project)
    assert aster("contract", "export", "--out", "out", cwd=project).stdout == "wrote out/Orders.v1.aster.json\n"
    home = project / "home"
    home.mkdir()
    imported = aster("contract", "import", "out/Orders.v1.aster.json", cwd=project, home=home)
    assert imported.returncode == 0, imported.stderr
    assert aster("contract", "diff", "Orders@1", "before:Orders", cwd=project, home=home).stdout == "no changes\n"
    made = aster("gen-client", "Orders", "--out", "made", cwd=project, home=home)
    assert made.stdout == "wrote made/orders_v1.py\n"
    again = ("gen-client", "Orders", "--out", "made", "--check")
    assert aster(*again, cwd=project, home=home).returncode == 0
    (project / "made/orders_v1.py").write_text("")
    assert aster(*again, cwd=project, home=home).returncode == 1


def test_a_running_server_is_a_source_too(project: Path) -> None:
    with served() as address:
        shown = aster("contract", "show", address, cwd=project).stdout
        assert "buy(item: Item)" in shown or "buy(Item)" in shown
        assert "Vault" not in shown
        made = aster("gen-client", address, "--service", "Shop", cwd=project)
        assert made.stdout == "wrote shop_v2.py\n"
        use = f"""
import asyncio
from aster import AsterClient, AsterConfig
from shop_v2 import Item, Shop

async def main():
    async with AsterClient(address={address!r}, config=AsterConfig(bind_addr="127.0.0.1:0")) as client:
        print((await (await client.client(Shop)).buy(Item("pen"))).text)

asyncio.run(main())
"""
        (project / "use.py").write_text(use)
        run = subprocess.run([sys.executable, "use.py"], capture_output=True, text=True, cwd=project, timeout=60)
        assert run.stdout == "1 small pen\n", run.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("contract", "gen", "--service", "nowhere:Orders"), "no module 'nowhere'"),
        (("contract", "gen", "--service", "before:Nothing"), "has no 'Nothing'"),
        (("contract", "gen", "--service", "before"), "MODULE:CLASS"),
        (("contract", "show"), "can't be read"),
        (("contract", "diff", "nothing", "before:Orders"), "is no contract"),
        (("gen-client", "before:Orders", "--service", "Other"), "there is: Orders"),
    ],
)
def test_bad_input_explains_itself(project: Path, arguments: tuple[str, ...], told: str) -> None:
    done = aster(*arguments, cwd=project)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
