"""Log records: one line each, every field there, no secret among them."""

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.logs import (
    IDENTIFIER_FIELDS,
    ROOTS,
    SECRET_FIELDS,
    bind_request,
    configure_logging,
    get_logger,
    mask_fields,
)

pytestmark = pytest.mark.usefixtures("restored_logging")


def logged(event: str, *, format: str = "json", mask: bool = True, **fields: Any) -> str:
    stream = io.StringIO()
    configure_logging(format=format, mask=mask, stream=stream)
    get_logger("aster.test").info(event, **fields)
    return stream.getvalue()


def test_a_json_record_has_time_level_logger_and_fields() -> None:
    record = json.loads(logged("it happened", tenant="acme", count=3, ratio=0.5, missing=None))
    time = record.pop("ts")
    assert time.endswith("Z")
    assert len(time) == len("2026-03-01T12:30:00.250Z")
    assert record == {
        "level": "info",
        "logger": "aster.test",
        "msg": "it happened",
        "tenant": "acme",
        "count": 3,
        "ratio": 0.5,
        "missing": None,
    }


def test_a_text_record_is_readable() -> None:
    line = logged("it happened", format="text", tenant="acme", count=3)
    assert line.rstrip("\n").partition(" ")[2] == "INFO    aster.test — it happened [tenant=acme count=3]"
    assert logged("bare", format="text").endswith("aster.test — bare\n")


any_text = st.text(max_size=30)


@pytest.mark.parametrize("format", ["json", "text"])
@given(event=any_text, field=any_text)
def test_any_record_is_one_line_without_control_characters(format: str, event: str, field: str) -> None:
    line = logged(event, format=format, field=field, forged="x\r\n12:00:00.000 ERROR aster — forged \x1b[31m\x85\u2028")
    assert len(line.removesuffix("\n").splitlines()) == 1
    assert "\x1b" not in line


def test_a_lone_surrogate_does_not_lose_the_record() -> None:
    assert json.loads(logged("half \udcff", field="\udcff"))["level"] == "info"


def test_values_of_any_type_are_rendered() -> None:
    record = json.loads(logged("x", error=ValueError("wrong"), raw=b"\x00", kinds={1, 2}, huge=10**30))
    assert record["error"] == "wrong"
    assert record["huge"] == 10**30


@pytest.mark.parametrize(
    "name", ["name", "module", "args", "message", "msg", "process", "created", "level", "ts", "logger"]
)
@pytest.mark.parametrize("format", ["json", "text"])
def test_a_field_may_have_the_name_of_an_attribute_of_the_record(format: str, name: str) -> None:
    fields: dict[str, Any] = {name: "value-of-the-field"}
    line = logged("it happened", format=format, **fields)
    assert "value-of-the-field" in line
    assert "it happened" in line
    if format == "json":
        assert json.loads(line)["logger"] == "aster.test"
        assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_a_secret_is_masked_by_its_field_name(format: str, name: str) -> None:
    for value in ("hunter2", b"hunter2", ["hunter2"], {"inner": "hunter2"}):
        for field in (name, name.upper(), f"X-{name.title().replace('_', '-')}"):
            fields: dict[str, Any] = {field: value}
            line = logged("x", format=format, **fields)
            assert "hunter2" not in line
            assert "aHVudGVyM" not in line
            assert "***" in line


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_secret_inside_another_field_is_masked(format: str) -> None:
    nested = {"headers": {"authorization": "hunter2", "accept": "*/*"}, "keys": [{"private_key": "hunter2"}]}
    line = logged("x", format=format, request=nested)
    assert "hunter2" not in line
    assert "*/*" in line


def test_a_long_identifier_is_shortened_and_a_short_one_is_not() -> None:
    for name in IDENTIFIER_FIELDS:
        assert mask_fields({name: "0123456789abcdef" * 4}) == {name: "01234567...cdef"}
        assert mask_fields({name: "0123456789ab"}) == {name: "0123456789ab"}


def test_masking_can_be_switched_off() -> None:
    assert json.loads(logged("x", mask=False, nonce="0123456789abcdef"))["nonce"] == "0123456789abcdef"


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_traceback_shows_no_masked_field(format: str) -> None:
    stream = io.StringIO()
    configure_logging(format=format, stream=stream)
    try:
        raise ValueError("a reason\nof two lines")
    except ValueError:
        get_logger("aster.test").exception("it failed", token="hunter2", secret_key="hunter2")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "ValueError" in text
    assert "test_a_traceback_shows_no_masked_field" in text
    if format == "json":
        record = json.loads(text)
        assert record["error_type"] == "ValueError"
        assert record["traceback"].startswith("Traceback")
        assert text.count("\n") == 1


def test_fields_bound_to_a_request_are_on_every_record_inside_it() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)
    logger = get_logger("aster.test")
    with bind_request(request_id="r-1"):
        logger.info("inside", step=1)
    logger.info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert (inside["request_id"], inside["step"]) == ("r-1", 1)
    assert "request_id" not in outside


def test_the_level_is_kept_and_configuring_twice_does_not_double_records() -> None:
    stream = io.StringIO()
    for _ in range(2):
        configure_logging(level="warning", stream=stream)
    get_logger("aster.test").info("quiet")
    get_logger("astrocyte.test").warning("loud")
    logging.getLogger("aster.plain").warning("from the %s", "standard library", extra={"tenant": "acme"})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "astrocyte.test — loud" in lines[0]
    assert lines[1].endswith("from the standard library [tenant=acme]")


def test_without_configuration_records_go_to_the_host(caplog: pytest.LogCaptureFixture) -> None:
    for name in ROOTS:
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
    with caplog.at_level(logging.INFO):
        get_logger("aster.test").info("hello", tenant="acme")
    assert [(record.getMessage(), vars(record)["tenant"]) for record in caplog.records] == [("hello", "acme")]
