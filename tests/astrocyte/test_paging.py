import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.errors import InvalidCursor
from astrocyte.paging import page_cursor, page_start

STORES = ("sqlite", "postgres")


@given(st.integers(0, 10**18 - 1))
def test_a_cursor_leads_back_to_its_row(row: int) -> None:
    assert page_start(page_cursor(row)) == row


def test_without_a_cursor_a_list_starts_at_its_beginning() -> None:
    assert page_start(None) == 0


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    try:
        row = page_start(text)
    except InvalidCursor:
        return
    assert page_cursor(row).rstrip("=") != ""


@pytest.mark.parametrize("text", ["", "abc", "YWZ0ZXI6", "YWZ0ZXI6LTE", "é"])
def test_forged_cursors_are_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        page_start(text)
