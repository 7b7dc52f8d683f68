from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.retain.personal_data import Finding, find_personal_data, redact, without_overlaps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.b+x@mail.example.org.", "write to [EMAIL_REDACTED]."),
        ("card 4111 1111 1111 1111, thanks", "card [CC_REDACTED], thanks"),
        ("card 4111111111111111", "card [CC_REDACTED]"),
        ("iban DE89 3704 0044 0532 0130 00 please", "iban [IBAN_REDACTED] please"),
        ("ssn 123-45-6789", "ssn [SSN_REDACTED]"),
        ("call +44 20 7946 0958 or (555) 123-4567", "call [PHONE_REDACTED] or [PHONE_REDACTED]"),
        ("from 192.168.1.77 and 2001:db8::8a2e:370:7334", "from [IP_REDACTED] and [IP_REDACTED]"),
        ("she was born on 12 May 1987 in Oslo", "she was born on [DOB_REDACTED] in Oslo"),
        ("DOB: 1987-05-12", "DOB: [DOB_REDACTED]"),
        ("key sk-abcdefghijklmnop1234", "key [SECRET_REDACTED]"),
        ("AKIAIOSFODNN7EXAMPLE", "[SECRET_REDACTED]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[PRIVATE_KEY_REDACTED]"),
        ("card 4111 1111 1111 1111 12/27 cvv 123", "card [CC_REDACTED] 12/27 cvv 123"),
        ("2024 4111 1111 1111 1111 123", "2024 [CC_REDACTED] 123"),
        ("12 4111111111111111", "12 [CC_REDACTED]"),
        ("amex 3782 822463 10005 06/28", "amex [CC_REDACTED] 06/28"),
        ("4111-1111-1111-1111 5500-0000-0000-0004", "[CC_REDACTED] [CC_REDACTED]"),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN [IBAN_REDACTED] BIC COBADEFF"),
        ("ES91 2100 0418 4502 0005 1332 CODE 7", "[IBAN_REDACTED] CODE 7"),
        ("ID12 CODE DE89 3704 0044 0532 0130 00", "ID12 CODE [IBAN_REDACTED]"),
        ("+1 555 123 4567 4111 1111 1111 1111", "[PHONE_REDACTED] [CC_REDACTED]"),
        ("+44 20 7946 0958 2024 2025", "[PHONE_REDACTED] 2024 2025"),
        ("a@b.org,c@d.org", "[EMAIL_REDACTED],[EMAIL_REDACTED]"),
    ],
)
def test_personal_data_is_replaced_by_its_name(text: str, expected: str) -> None:
    assert redact(text)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "order 1234567890 of 2024-05-12 at 12:30:45",
        "the card number 4111 1111 1111 1112 fails its check",
        "DE89 3704 0044 0532 0130 02 is no account",
        "000-12-3456 was never given out",
        "version 300.1.2.3 and section 1.2.3",
        "3.14159265358979",
        "the meeting was on 12 May 1987",
        "user @ example, C++ :: scope",
        "0000000000000000",
        "deadbeef cafe",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact(text) == (text, [])


pieces = st.sampled_from(
    ["4111111111111111", "a@b.org", "+1 555 123 4567", "10.0.0.1", " ", "x", "-", "5", "born on 1.2.1990", ":"]
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_findings_never_overlap_and_lie_in_order(text: str) -> None:
    findings = find_personal_data(text)
    assert all(before.end <= after.start for before, after in pairwise(findings))
    assert all(0 <= found.start < found.end <= len(text) for found in findings)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(1, 20)), max_size=8))
def test_every_character_that_something_was_found_in_is_replaced_once(spans: list[tuple[str, int, int]]) -> None:
    text = "x" * 40
    findings = [Finding(kind, start, start + length) for kind, start, length in spans]
    kept = without_overlaps(text, findings)
    assert all(before.end <= after.start for before, after in pairwise(kept))
    covered = [place for found in kept for place in range(found.start, found.end)]
    assert sorted(covered) == sorted({place for found in findings for place in range(found.start, found.end)})
    first = {place: found.kind for found in reversed(findings) for place in range(found.start, found.end)}
    assert all(first[place] == found.kind for found in kept for place in range(found.start, found.end))


@given(st.text(alphabet=st.characters(categories=["Ll", "Zs"])))
def test_ordinary_words_are_never_touched(text: str) -> None:
    assert redact(text) == (text, [])


@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 50_000,
        "1 " * 25_000,
        "a." * 25_000,
        "+1(" * 16_000,
        "eyJ" * 16_000,
        "a@b.co " * 7_000,
        "DE12 " * 10_000,
        "4111 " * 10_000,
    ],
)
def test_no_text_takes_long(hostile: str) -> None:
    assert isinstance(redact(hostile)[0], str)
