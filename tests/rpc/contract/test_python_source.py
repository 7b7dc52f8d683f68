import datetime
import decimal
import enum
import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec.structs import replace
from tests.rpc.builtin.test_reflection import Vault
from tests.rpc.messages import Greeter
from tests.rpc.test_inline_parameters import Everything as Inline
from tests.rpc.test_proxy import Cart, Shop, Table

from aster.rpc import LocalClient, any_of, rpc, server_stream, service
from aster.rpc.contract.agreement import ContractMismatchError
from aster.rpc.contract.description import (
    Enumeration,
    Field,
    MethodDescription,
    Record,
    Ref,
    Scalar,
    ServiceDescription,
)
from aster.rpc.contract.python_source import module_name, python_source
from aster.rpc.contract.service import describe_service, identified
from aster.rpc.definition import definition_of


class Level(enum.Enum):
    """How bad it is."""

    INFO = "info"
    class_ = "class"


class Plain(msgspec.Struct, rename={"from_": "from", "odd": "an odd-name"}):
    from_: str
    odd: int = 3
    level: Level = Level.INFO
    other: Level | None = None
    when: datetime.date = datetime.date(2026, 1, 2)
    nested: dict[str, list[decimal.Decimal]] = msgspec.field(default_factory=dict)
    fixed: tuple[int, str] = (1, 'it\'s "quoted" \\ and so on, at a length that does not fit in one line at all')
    words: Annotated[str, msgspec.Meta(max_length=9, description='A "long" description ' + "word " * 20)] = 'a"b'
    unset: int | msgspec.UnsetType = msgspec.UNSET
    quiet: Literal["a", "b"] = "a"
    several: Annotated[list[int], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1, 2])


class Row(msgspec.Struct, array_like=True, tag=7):
    x: int
    y: int = 0


class Twig(msgspec.Struct, tag="twig", tag_field="kind", omit_defaults=True, forbid_unknown_fields=True):
    """A twig."""

    children: list["Twig"] = []
    size: float = 1.5


class Bare(msgspec.Struct):
    pass


class Bare2(msgspec.Struct, tag="bare", tag_field="kind"):
    row: Row


@service("deploy.Tree_ish", version=3)
class Tree:
    """Grows, \"\"\"quoted\"\"\" and \\escaped."""

    @rpc(timeout=2.5, idempotent=True, requires=any_of("reader", "writer"), name="read_it")
    async def read(self, request: Plain) -> Twig | Bare2 | None:
        """Reads."""
        raise NotImplementedError

    @server_stream
    async def grow(
        self, request: Bare
    ) -> AsyncIterator[dict[str, tuple[Annotated[int, msgspec.Meta(ge=0, le=100)], list[Plain | None], float | str]]]:
        yield {}


SERVICES = (Shop, Cart, Table, Greeter, Vault, Inline, Tree)


def imported(text: str, folder: Path, name: str) -> ModuleType:
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in SERVICES:
        described = describe_service(definition_of(each))
        (tmp_path / f"{module_name(described)}.py").write_text(python_source(described), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("cls", SERVICES)
def test_a_generated_client_has_the_contract_it_was_made_from(cls: type, tmp_path: Path) -> None:
    described = describe_service(definition_of(cls))
    module = imported(python_source(described), tmp_path, f"generated_{module_name(described)}")
    made = describe_service(definition_of(vars(module)[definition_name(module)]))
    assert made.contract_id == described.contract_id == module.CONTRACT_ID
    assert made.policy_id == described.policy_id


def definition_name(module: ModuleType) -> str:
    return next(name for name, value in vars(module).items() if "__aster_service__" in getattr(value, "__dict__", {}))


def test_generated_clients_are_typed_and_formatted(folder: Path) -> None:
    for command in (
        ["mypy", "--strict", "--config-file=", "--cache-dir", str(folder / "cache")],
        ["ruff", "format", "--isolated", "--check", "--diff"],
    ):
        run = subprocess.run(
            [sys.executable, "-m", *command, *map(str, sorted(folder.glob("*.py")))],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=folder,
        )
        assert run.returncode == 0, run.stdout + run.stderr


async def test_a_generated_client_calls(tmp_path: Path) -> None:
    module = imported(python_source(describe_service(definition_of(Greeter))), tmp_path, "generated_greeter")
    async with LocalClient([Greeter()]) as client:
        stub: Any = await client.client(module.Greeter)
        answer = await stub.hello(module.Ask("ann", count=1))
    assert answer == module.Answer("hello ann", ["x"])


async def test_a_place_on_the_wire_is_filled_or_said_to_be_missing(tmp_path: Path) -> None:
    module = imported(python_source(describe_service(definition_of(Table))), tmp_path, "generated_table")
    async with LocalClient([Table()]) as client:
        stub: Any = await client.client(module.Table)
        assert await stub.fill(module.Opaque(1, [2])) == module.Opaque(1, [2])
    with pytest.raises(msgspec.ValidationError, match="`numbers` has to be given"):
        module.Opaque(1)


def test_a_client_that_was_changed_by_hand_is_refused_when_it_is_imported(tmp_path: Path) -> None:
    text = python_source(describe_service(definition_of(Greeter)))
    with pytest.raises(ContractMismatchError, match="changed by hand"):
        imported(text.replace("count: int", "count: str"), tmp_path, "changed_greeter")


HOSTILE = 'x"""\nimport os; os.abort()\n"""\'\\'


def test_nothing_of_a_hostile_description_becomes_code(tmp_path: Path) -> None:
    record = Record(
        (
            Field("odd'); import os #", Scalar("str"), description=HOSTILE),
            Field("mro", Scalar("str"), required=False, default=HOSTILE),
            Field("__init__", Scalar("int")),
            Field("class", Scalar("int")),
        ),
        tag=HOSTILE,
        tag_field="kind of '); import os",
        description=HOSTILE,
    )
    choice = Enumeration({HOSTILE: HOSTILE, "mro": "b", "__x__": "c"}, description=HOSTILE)
    methods = (
        MethodDescription("m", "unary", Ref("print"), Ref(HOSTILE), description=HOSTILE),
        MethodDescription("import", "unary", Ref("print"), Scalar("null"), deprecated=HOSTILE),
    )
    described = identified(
        ServiceDescription("msgspec", 1, "", "", methods, {"print": record, HOSTILE: choice}, description=HOSTILE)
    )
    module = imported(python_source(described), tmp_path, "hostile")
    assert described.contract_id == module.CONTRACT_ID


def test_the_same_contract_gives_the_same_text() -> None:
    described = describe_service(definition_of(Tree))
    shuffled = replace(described, types=dict(reversed(described.types.items())))
    assert python_source(shuffled) == python_source(described)
