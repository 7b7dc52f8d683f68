import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.serving import aster, served


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("Shop.buy", "name=pen", "count=3", "kind=large"), '{"text":"3 large pen"'),
        (("Shop.buy", '{"name": "pen", "due": "2026-01-02"}'), '"due":"2026-01-02"'),
        (("Shop.buy", "name=3"), '{"text":"1 small 3"'),
        (("Shop.buy", "name=3", "--encoding", "json"), '{"text":"1 small 3"'),
        (("Shop.count", "upto=3"), "0\n1\n2\n"),
        (("Shop.order", '{"name": "a"}', '{"name": "b"}'), '{"text":"2 items"'),
        (("Shop.order", "name=a"), '{"text":"1 items"'),
        (("Shop.ping",), "null\n"),
        (("Cart.add", "name=x"), '["x"]\n'),
        (("aster.Health.check",), '{"status":"serving"}\n'),
    ],
)
def test_calls_print_their_answers(address: str, tmp_path: Path, words: tuple[str, ...], printed: str) -> None:
    done = aster("call", address, *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout


def test_streams_take_json_lines_and_give_json_lines(address: str, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"name": "a", "count": count}) + "\n" for count in range(3))
    assert aster("call", address, "Shop.price", "-", cwd=tmp_path, stdin=lines).stdout == "0\n10\n20\n"
    assert aster("call", address, "Shop.price", cwd=tmp_path, stdin=lines).stdout == "0\n10\n20\n"
    (tmp_path / "items.jsonl").write_text(lines)
    assert aster("call", address, "Shop.price", "@items.jsonl", cwd=tmp_path).stdout == "0\n10\n20\n"
    assert "1 small a" in aster("call", address, "Shop.buy", "-", cwd=tmp_path, stdin='{"name": "a"}').stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("Shop.buy", "name=unicorn"), 69, "no unicorns left"),
        (("Shop.buy", "nmae=pen"), 67, "it takes name, count, kind, due"),
        (("Shop.buy", "name=pen", "count=many"), 67, "$.count"),
        (("Shop.bye",), 76, "it has: buy, count, forever, order, ping, price"),
        (("Shpo.buy",), 69, "it offers: Cart, Shop"),
        (("Vault.look",), 69, "no service 'Vault' here"),
        (("Shop.forever", "--timeout", "0.5"), 68, "within 0.5 s"),
        (("nonsense",), 1, "Service.method"),
        (("Shop.ping", "--encoding", "xml"), 2, "msgpack, json"),
        (("Shop.buy", "{nonsense"), 1, "no JSON"),
        (("Shop.buy", "nonsense"), 1, "key=value"),
    ],
)
def test_what_went_wrong_is_told_with_an_exit_code_of_its_own(
    address: str, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    done = aster("call", address, *words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_none_says_so(tmp_path: Path) -> None:
    done = aster("call", "nowhere", "Shop.ping", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
