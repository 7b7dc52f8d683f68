"""Findings tell the way out as edits, and applying those mends the source."""

import pytest

from aster.policy import PolicySyntaxError, compile_source
from aster.policy.language import Diagnostic, apply_fixes, fixes_of
from aster.policy.language.repairs import MAX_CANDIDATES, closest

PARCEL = "Define Parcel has weight as Int, zone as Text.\nDefine A as one of X, Y.\nDefine B as one of X, Z.\n"


def findings(source: str, locale: str = "en-US") -> tuple[Diagnostic, ...]:
    try:
        return compile_source(source, locale).diagnostics
    except PolicySyntaxError as error:
        return error.diagnostics


@pytest.mark.parametrize(
    ("line", "mended", "code", "is_safe"),
    [
        ("Return n plus 99999999999.", "Return n plus 99999999999L.", "L006", True),
        ('Return "n.', 'Return "n".', "L002", False),
        ("Return 1 < n < 5.", "Return 1 < n and n < 5.", "P016", True),
        ("Return 1 < n plus 1 < 5.", "Return 1 < n plus 1 and n plus 1 < 5.", "P016", False),
        ("Return if b then true else false.", "Return b.", "W003", True),
        ("Return b is true.", "Return b.", "W003", True),
        ("Return n plus 1 plus totl.", "Return n plus 1 plus total.", "E101", False),
        ("Return p.wieght.", "Return p.weight.", "E011", False),
        ('Return Parcel with weihgt set to 1, zone set to "x".', None, "E011", False),
        ('Return Parcel(n plus 1, "x").', 'Return Parcel with weight set to n plus 1, zone set to "x".', "P012", False),
        ('Return Text.lenght("x").', 'Return Text.length("x").', "E212", False),
        ("Return other(n).", "Return others(n).", "E101", False),
        ("Return X.", "Return B.X.", "E106", False),
        ("Return d / 3.", 'Return Decimal.divide(d, 3, 2, "HALF_UP").', "E032", False),
    ],
)
def test_a_fix_mends_what_the_finding_tells(line: str, mended: str | None, code: str, is_safe: bool) -> None:
    head = f"{PARCEL}Rule others given n as Int, produce: Return n.\n"
    head += "Rule f given n as Int, total as Int, b as Bool, p as Parcel, d as Decimal, produce:\n  "
    found = next(each for each in findings(head + line) if each.code == code)
    (fix,) = found.fixes
    assert fix.is_safe is is_safe
    text, count = apply_fixes(head + line, [fix])
    assert count == 1
    if mended is not None:
        assert text == head + mended
    assert code not in [each.code for each in findings(text)]


@pytest.mark.parametrize(
    ("source", "mended", "code"),
    [
        ("Rule f given n as Int, produce Int\n  Return n.", "Rule f given n as Int, produce Int:\n  Return n.", "P006"),
        (
            "Rule f-g given n as Int, produce Int:\n  Return n.",
            "Rule f_g given n as Int, produce Int:\n  Return n.",
            "P005",
        ),
        ("Use a.b.\nUse a.b.\nRule f, produce: Return 1.", "Use a.b.\n\nRule f, produce: Return 1.", "E100"),
        (
            "Rule f given p as Parsel, produce: Return 1.\nDefine Parcel has a as Int.",
            "Rule f given p as Parcel, produce: Return 1.\nDefine Parcel has a as Int.",
            "E006",
        ),
        (
            "Rule f given a as Int, produce:\n  If a over 1\n    Let a be 2.\n  Return a.",
            "Rule f given a as Int, produce:\n  If a over 1\n    Set a to 2.\n  Return a.",
            "W103",
        ),
    ],
)
def test_declarations_are_mended_too(source: str, mended: str, code: str) -> None:
    found = next(each for each in findings(source) if each.code == code)
    assert apply_fixes(source, found.fixes) == (mended, 1)


def test_fixes_are_told_in_the_language_of_the_policy() -> None:
    german = "Regel f gegeben betrag als Ganzzahl, liefert:\n  gib zurueck betrga plus 1.\n"
    (found,) = findings(german, "de-DE")
    assert [fix.title for fix in found.fixes] == ["schreibe 'betrag'"]
    chinese = "规则 f 给定 数 作为 整数，产出：\n  返回 数 加上 99999999999。\n"
    assert [fix.title for fix in findings(chinese, "zh-CN")[0].fixes] == ["插入 'L'"]


def test_only_what_keeps_the_meaning_is_applied_unless_asked_for() -> None:
    source = "Rule f given amount as Int, large as Bool, produce:\n  Return large is true and amunt over 1.\n"
    assert apply_fixes(source, fixes_of(findings(source)))[0] == source.replace("large is true", "large")
    both = apply_fixes(source, fixes_of(findings(source), unsafe=True))[0]
    assert both == source.replace("large is true", "large").replace("amunt", "amount")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_stay_what_they_are(end: str) -> None:
    source = end.join(["Rule f given n as Int, produce:", "  // 😀 \u2028", "  Return n plus 99999999999.", ""])
    assert apply_fixes(source, fixes_of(findings(source)))[0] == source.replace("99.", "99L.")


def test_of_fixes_that_touch_only_the_first_is_made() -> None:
    source = "Rule f given n as Int, produce:\n  Return 1 < n < 99999999999.\n"
    fixes = fixes_of(findings(source))
    text, count = apply_fixes(source, [fixes[0], fixes[0]])
    assert count == 1
    assert text != source


def test_suggestions_are_bounded() -> None:
    assert closest("ammount", ["amount", "account"]) == "amount"
    assert closest("zzz", ["amount"]) is None
    assert closest("amount", [*(f"xmoun{n:03}" for n in range(2 * MAX_CANDIDATES)), "amounts"]) is None
