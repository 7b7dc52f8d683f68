from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte import Astrocyte
from astrocyte.errors import AstrocyteError, InvalidInput
from astrocyte.inputs import BANK_ID, Limits, bank_name, bank_names, checked_batch, checked_memory, checked_query, utc
from astrocyte.memories import NewMemory

LIMITS = Limits()


@pytest.mark.parametrize("name", ["user-alice", "a", "team:api@x.y_z", "9" * 255])
def test_bank_names_of_the_contract_pass(name: str) -> None:
    assert bank_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "a\n", "ä", "x" * 256, "*", "shared-*", None, 7])
def test_what_is_not_a_bank_name_is_refused(name: object) -> None:
    with pytest.raises(AstrocyteError) as caught:
        bank_name(name)
    assert caught.value.code == "BANK_ID_INVALID"


@given(st.text())
def test_a_bank_name_is_exactly_what_the_pattern_says(text: str) -> None:
    if BANK_ID.fullmatch(text):
        assert bank_name(text) == text
    else:
        with pytest.raises(AstrocyteError):
            bank_name(text)


def test_a_recall_needs_a_bank() -> None:
    nothing: list[list[str] | None] = [None, []]
    for banks in nothing:
        with pytest.raises(AstrocyteError) as caught:
            bank_names(None, banks, LIMITS)
        assert caught.value.message == "bank_id or banks is required"


def test_banks_are_named_once() -> None:
    assert bank_names("a", ["b", "a", "b"], LIMITS) == ["a", "b"]


@pytest.mark.parametrize(
    ("memory", "code"),
    [
        (NewMemory(content=""), "CONTENT_INVALID"),
        (NewMemory(content=" \n"), "CONTENT_INVALID"),
        (NewMemory(content="a\0b"), "CONTENT_INVALID"),
        (NewMemory(content="\ud800"), "CONTENT_INVALID"),
        (NewMemory(content="x" * 50_001), "CONTENT_TOO_LONG"),
        (NewMemory(content="x", tags=["t"] * 101), "TAGS_INVALID"),
        (NewMemory(content="x", tags=[""]), "TAGS_INVALID"),
        (NewMemory(content="x", tags=["t" * 129]), "TAGS_INVALID"),
        (NewMemory(content="x", metadata={"a": "b" * 5000}), "METADATA_INVALID"),
        (NewMemory(content="x", metadata={"a": [1]}), "METADATA_INVALID"),  # type: ignore[dict-item]  # what a caller may do
        (NewMemory(content="x", metadata={"a": float("nan")}), "METADATA_INVALID"),
        (NewMemory(content="x", speaker=""), "INVALID_INPUT"),
        (NewMemory(content="x", session_id="s" * 257), "INVALID_INPUT"),
        (NewMemory(content="x", source="\udfff"), "INVALID_INPUT"),
        (NewMemory(content="x" * 50_000, tags=["t"], metadata={"a": None, "b": 1.5}), None),
    ],
)
def test_limits_of_a_memory(memory: NewMemory, code: str | None) -> None:
    if code is None:
        assert checked_memory(memory, LIMITS).content == memory.content
        return
    with pytest.raises(AstrocyteError) as caught:
        checked_memory(memory, LIMITS)
    assert caught.value.code == code


def test_a_bad_memory_refuses_its_batch_and_is_named() -> None:
    with pytest.raises(AstrocyteError, match=r"memories\[1\]: Content is empty") as caught:
        checked_batch([NewMemory(content="good"), NewMemory(content="")], LIMITS)
    assert caught.value.code == "CONTENT_INVALID"


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_has_between_one_and_a_thousand_memories(size: int) -> None:
    with pytest.raises(AstrocyteError):
        checked_batch([NewMemory(content="x")] * size, LIMITS)


@pytest.mark.parametrize("query", ["", "  ", None, "q" * 10_001, "\ud800"])
def test_what_is_not_a_question_is_refused(query: object) -> None:
    with pytest.raises(AstrocyteError) as caught:
        checked_query(query, LIMITS)
    assert caught.value.code == "QUERY_INVALID"


def test_times_become_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert utc("t", noon) == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert utc("t", datetime(2026, 1, 1, 12)) == datetime(2026, 1, 1, 12, tzinfo=UTC)  # noqa: DTZ001 - the point
    with pytest.raises(AstrocyteError, match="outside the calendar"):
        utc("t", datetime.min.replace(tzinfo=timezone(timedelta(hours=2))))


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("recall", ("x", "b"), {"max_results": "5"}),
    ("recall", ("x", "b"), {"max_results": True}),
    ("recall", ("x", "b"), {"max_tokens": "5"}),
    ("recall", ("x", "b"), {"max_tokens": 0}),
    ("recall", ("x", "b"), {"min_score": "high"}),
    ("recall", ("x", "b"), {"min_score": float("nan")}),
    ("recall", ("x", "b"), {"enough": None}),
    ("recall", ("x", "b"), {"diversity": "much"}),
    ("recall", ("x", "b"), {"bank_weights": {"b": "heavy"}}),
    ("reflect", ("x", "b"), {"max_tokens": -1}),
    ("history", ("x", "b", "2020"), {}),
    ("forget", ("b",), {"memory_ids": [1]}),
    ("forget", ("b",), {"memory_ids": "abc"}),
    ("preview_forget", ("b",), {"query": "x", "limit": "7"}),
    ("list_memories", ("b",), {"limit": "x"}),
    ("list_memories", ("b",), {"layer": "dream"}),
    ("archive_memories", ("b", "abc"), {}),
    ("erase", ("user:ann",), {"names": "Ann"}),
    ("erase", ("user:ann",), {"banks": "team"}),
    ("retain_batch", ("b", ["x"]), {}),
    ("retain_batch", ("b", [{"content": "x"}]), {}),
]


@pytest.mark.parametrize(("method", "arguments", "named"), WRONG, ids=lambda value: str(value)[:40])
async def test_an_argument_of_the_wrong_kind_is_a_typed_error(
    plain: Astrocyte, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    await plain.retain("x", "b")
    with pytest.raises(InvalidInput):
        await getattr(plain, method)(*arguments, **named)
    assert len((await plain.list_memories("b")).memories) == 1
