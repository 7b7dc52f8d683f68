"""Grants follow their file while the engine runs; a file that is not good changes nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from astrocyte.access.decisions import Authorizer
from astrocyte.access.identity import AstrocyteContext
from astrocyte.access.reload import SECONDS_BETWEEN_LOOKS, FollowedRules
from astrocyte.config import read_settings
from astrocyte.memory import Astrocyte

HEAD = "access_control:\n  enabled: true\n  default_policy: deny\naccess_grants:\n"
GRANT = "  - {{bank_id: {}, principal: 'user:alice', permissions: [read]}}\n"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "astrocyte.yaml"
    file.write_text(HEAD + GRANT.format("one"))
    return file


@pytest.fixture
def may_read(file: Path) -> Callable[..., bool]:
    """Whether alice may read a bank, asked after the next look at the file is over."""
    clock = Clock()
    followed = FollowedRules(file, lambda path: read_settings(path).access, now=clock)
    authorizer = Authorizer(read_settings(file).access)
    authorizer.follow(followed)

    def ask(bank: str, *, after: float = SECONDS_BETWEEN_LOOKS) -> bool:
        clock.seconds += after
        authorizer.authorize(None, "recall", [bank])
        followed.wait()
        return authorizer.authorize(AstrocyteContext("alice"), "recall", [bank]).allowed

    return ask


def test_a_changed_file_acts_without_a_restart(file: Path, may_read: Callable[..., bool]) -> None:
    assert (may_read("one"), may_read("two")) == (True, False)
    file.write_text(HEAD + GRANT.format("two"))
    assert (may_read("one"), may_read("two")) == (False, True)


def test_a_replaced_file_is_a_changed_one(file: Path, may_read: Callable[..., bool]) -> None:
    before = file.stat()
    new = file.with_suffix(".new")
    new.write_text(HEAD + GRANT.format("two"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)
    assert may_read("two")


def test_the_file_is_not_looked_at_for_every_decision(file: Path, may_read: Callable[..., bool]) -> None:
    file.write_text(HEAD + GRANT.format("two"))
    assert not may_read("two", after=0)
    assert may_read("two")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("access_control: [", "can't be read"),
        (HEAD + "  - {bank_id: one}\n", "can't be read"),
        (HEAD + GRANT.format("two") + "storage:\n  ulr: x\n", "can't be read"),
        ("", "something else about access"),
        (GRANT.format("two"), "can't be read"),
        (HEAD.replace("true", "false") + GRANT.format("two"), "something else about access"),
        (HEAD.replace("deny", "open") + GRANT.format("two"), "something else about access"),
        (HEAD + GRANT.format("two") + "identity:\n  obo_enabled: true\n", "something else about access"),
        (None, "can't be read"),
    ],
)
def test_a_file_that_is_not_good_leaves_the_last_good_grants(
    file: Path, may_read: Callable[..., bool], text: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    assert (may_read("one"), may_read("two")) == (True, False)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert words in caplog.text
    file.write_text(HEAD + GRANT.format("two"))
    assert (may_read("one"), may_read("two")) == (False, True)


def test_an_engine_follows_the_file_it_was_made_from(file: Path) -> None:
    authorizer = Astrocyte.from_config(file).authorizer
    followed = authorizer._followed
    assert followed is not None
    followed._looked_at -= SECONDS_BETWEEN_LOOKS
    file.write_text(HEAD + GRANT.format("two"))
    alice = AstrocyteContext("alice")
    assert authorizer.authorize(alice, "recall", ["one"]).allowed
    followed.wait()
    assert not authorizer.authorize(alice, "recall", ["one"]).allowed


def test_nothing_is_followed_where_nothing_is_enforced(file: Path) -> None:
    file.write_text("storage:\n  url: sqlite:///m.db\n")
    assert Astrocyte.from_config(file).authorizer._followed is None
