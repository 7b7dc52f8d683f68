"""Every parser that strangers reach stands the fuzzer, and the fuzzer finds what it looks for."""

import importlib.util
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fuzz.py"
SPEC = importlib.util.spec_from_file_location("fuzz", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
fuzz = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)

COUNT = 400


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_a_parser_that_strangers_reach_stands_mutated_bytes(name: str) -> None:
    fuzzer = fuzz.Fuzzer(fuzz.TARGETS[name], random.Random(1))
    assert fuzzer.run(COUNT) is None
    assert fuzzer.runs == COUNT
    assert len(fuzzer.corpus) > 1, "mutations lead to new lines"


def crashes(data: bytes) -> object:
    return data[30] if data.startswith(b"ab") else None


def hoards(data: bytes) -> object:
    return bytearray(len(data) * 10_000)


def slows_down(data: bytes) -> object:
    found = 0
    for first in data:
        for second in data:
            found += first == second
    return found


@pytest.mark.parametrize(
    ("parse", "problem"),
    [(crashes, "IndexError"), (hoards, "bytes of memory for"), (slows_down, "lines for")],
)
def test_a_parser_that_is_not_up_to_it_is_found(
    parse: Callable[[bytes], object], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "OURS", str(Path(__file__).parent))
    target = fuzz.Target(parse, [b"abcdefgh", b"x" * 200], (ValueError,))
    finding = fuzz.Fuzzer(target, random.Random(1)).run(2000)
    assert finding is not None
    assert problem in finding.problem
    again = fuzz.Fuzzer(target, random.Random(1)).run(2000)
    assert again.data == finding.data, "the same seed finds the same"


def test_it_tells_of_each_target_and_saves_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["relay", "--count", "20"]) == 0
    assert "relay" in capsys.readouterr().out
    fuzz.TARGETS["broken"] = fuzz.Target(crashes, [b"abc"], ())
    try:
        assert fuzz.main(["broken", "--count", "50", "--save", str(tmp_path)]) == 1
    finally:
        del fuzz.TARGETS["broken"]
    assert (tmp_path / "broken.bin").read_bytes().startswith(b"ab")
    assert "IndexError" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        fuzz.main(["nothing"])
