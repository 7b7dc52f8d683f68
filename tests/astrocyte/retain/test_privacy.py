import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from astrocyte.errors import PersonalDataRefused
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.retain.privacy import guard

MEMORY = NewMemory(
    content="Ann's address is ann@example.org",
    metadata={"mail": "ann@example.org", "token": "abc", "n": 4111111111111111, "ok": "plain"},
    tags=["ann@example.org", "plain"],
    speaker="Ann",
    source="ann@example.org",
)


def test_off_changes_nothing() -> None:
    assert guard([MEMORY], "off") == ([MEMORY], [[]])


def test_redact_cleans_every_field() -> None:
    (cleaned,), kinds = guard([MEMORY], "redact")
    assert cleaned.content == "Ann's address is [EMAIL_REDACTED]"
    assert cleaned.metadata["mail"] == "[EMAIL_REDACTED]"
    assert cleaned.metadata["token"] == "[SECRET_REDACTED]"
    assert cleaned.metadata["n"] == "[CC_REDACTED]"
    assert cleaned.metadata["ok"] == "plain"
    assert cleaned.tags == ["[EMAIL_REDACTED]", "plain"]
    assert (cleaned.speaker, cleaned.source) == ("Ann", "[EMAIL_REDACTED]")
    assert kinds == [["email", "secret", "cc"]]


def test_reject_names_the_kinds_and_not_the_data() -> None:
    with pytest.raises(PersonalDataRefused, match="cc, email, secret") as caught:
        guard([NewMemory(content="fine"), MEMORY], "reject")
    assert "ann@" not in str(caught.value)
    assert caught.value.details["pii_types"] == ["cc", "email", "secret"]


def test_warn_stores_as_is_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    memories, kinds = guard([MEMORY], "warn")
    assert memories == [MEMORY]
    assert kinds == [["email", "secret", "cc"]]
    assert "personal data is stored" in caplog.text
    assert "ann@" not in caplog.text


async def test_redacted_data_reaches_no_part_of_the_file(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "storage": {"url": f"sqlite:///{tmp_path}/memory.db"},
        "embedding": {"provider": "none"},
        "barriers": {"pii": "redact"},
    }
    async with Astrocyte.from_config_dict(settings) as engine:
        result = await engine.retain("mail canary@example.org", "b", metadata={"to": "canary@example.org"})
        assert result.personal_data == ["email"]
        assert (await engine.recall("canary", "b")).hits == []
    with closing(sqlite3.connect(tmp_path / "memory.db")) as database:
        assert "canary" not in "".join(database.iterdump())
    assert b"canary" not in (tmp_path / "memory.db").read_bytes()
