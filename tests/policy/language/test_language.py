"""What programs mean: one small program a construct, both evaluators."""

from typing import Any

import pytest

from aster.policy import PolicyEvaluationError, compile_source


def decide(source: str, rule: str | None = None, locale: str = "en-US", **context: Any) -> Any:
    """The value, the same from both evaluators."""
    program = compile_source(source, locale)
    compiled = program.evaluate(rule, context=context, max_seconds=3600.0)
    interpreted = program.evaluate(rule, context=context, max_seconds=3600.0, interpret=True)
    assert compiled == interpreted
    return compiled.value


def expression(text: str, **context: Any) -> Any:
    given = f" given {', '.join(context)}" if context else ""
    return decide(f"Rule answer{given}, produce:\n  Return {text}.", **context)


def fault(text: str, **context: Any) -> str:
    """The code of the fault, which both evaluators tell in the same words at the same place."""
    given = f" given {', '.join(context)}" if context else ""
    program = compile_source(f"Rule answer{given}, produce:\n  Return {text}.")
    told = []
    for interpret in (False, True):
        with pytest.raises(PolicyEvaluationError) as raised:
            program.evaluate(context=context, interpret=interpret)
        error = raised.value
        told.append((error.code, error.message, error.rule, error.line, error.column))
    assert told[0] == told[1]
    return error.code


PARCEL = """
Module parcel.pricing.

Define Parcel has
  weightGrams as Int required between 1 and 30000,
  zone as Text,
  fragile as Bool.

Define Band as one of Light, Medium or Heavy.

Rule band given grams as Int, produce Band:
  If grams at most 500
    Return Light.
  If grams at most 5000
    Return Medium.
  Return Heavy.

Rule surcharge given parcel as Parcel, produce Int:
  Let base be 0.
  If parcel.fragile
    Set base to 250.
  If parcel.zone is equal to "remote" and not parcel.fragile
    Set base to base plus 400.
  Return base.

@entry
Rule price given parcel as Parcel, produce Int:
  Match band(parcel.weightGrams):
    When Light, Return 300 plus surcharge(parcel).
    When Medium, Return 700 plus surcharge(parcel).
    When Heavy,
      Let extra be parcel.weightGrams minus 5000.
      Return 1500 plus extra integer divided by 100 plus surcharge(parcel).
"""


def test_a_whole_program_prices_a_parcel() -> None:
    assert decide(PARCEL, parcel={"weightGrams": 7250, "zone": "remote", "fragile": False}) == 1922
    assert compile_source(PARCEL).diagnostics == ()


def test_a_single_record_may_be_given_without_its_name() -> None:
    assert decide(PARCEL, weightGrams=400, zone="near", fragile=True) == 550


CHINESE = """模块 快递.计价。

定义 包裹 包含 重量 作为 整数，偏远 作为 布尔。

规则 运费 给定 包裹单 作为 包裹，产出 整数：
  令 基价 定义为 300。
  如果 包裹单.重量 超过 500
    将 基价 设为 基价 加上 400。
  如果 包裹单.偏远 并且 包裹单.重量 至少 １０００
    返回 基价 乘以 2。
  否则
    返回 基价。
"""

GERMAN = """Modul paket.preis.

Definiere Paket hat gewicht als Ganzzahl, entfernt als Boolesch.

Regel porto gegeben paket als Paket, liefert Ganzzahl:
  sei basis gleich 300.
  wenn paket.gewicht groesser als 500
    setze basis auf basis plus 400.
  wenn paket.entfernt und paket.gewicht mindestens 1000
    gib zurueck basis mal 2.
  sonst
    gib zurueck basis.
"""

HINDI = """मॉड्यूल पार्सल.मूल्य।

परिभाषित पार्सल रखता है वज़न जैसे पूर्णांक, दूर जैसे बूलियन।

नियम शुल्क दिया गया पार्सल_एक जैसे पार्सल, उत्पन्न पूर्णांक:
  मान लें आधार होना 300।
  यदि पार्सल_एक.वज़न से अधिक 500
    निर्धारित आधार को आधार जोड़ 400।
  यदि पार्सल_एक.दूर और पार्सल_एक.वज़न कम से कम 1000
    लौटाएं आधार गुणा 2।
  अन्यथा
    लौटाएं आधार।
"""


@pytest.mark.parametrize(
    ("locale", "source", "context"),
    [
        ("zh-CN", CHINESE, {"包裹单": {"重量": 1200, "偏远": True}}),
        ("de_de", GERMAN, {"paket": {"gewicht": 1200, "entfernt": True}}),
        ("hi-IN", HINDI, {"पार्सल_एक": {"वज़न": 1200, "दूर": True}}),
    ],
)
def test_the_same_decision_in_every_locale(locale: str, source: str, context: dict[str, Any]) -> None:
    program = compile_source(source, locale)
    assert [found for found in program.diagnostics if found.severity == "error"] == []
    assert decide(source, locale=locale, **context) == 1400


def test_a_field_may_be_called_like_a_keyword_in_chinese() -> None:
    source = "定义 单 包含 结果 作为 整数。\n规则 看 给定 甲 作为 单，产出 整数：\n  返回 甲.结果 加上 1。"
    assert decide(source, locale="zh-CN", 甲={"结果": 4}) == 5


@pytest.mark.parametrize(
    ("locale", "words"),
    [("en-US", "car's year"), ("en-US", "car’s  year"), ("zh-CN", "car 的 year"), ("hi-IN", "car का year")],
)
def test_a_field_may_be_named_by_a_possessive(locale: str, words: str) -> None:
    source = f"Rule f given car, produce Int:\n  Return {words} plus 1.\n"
    program = compile_source(source, locale)
    assert program.evaluate(context={"car": {"year": 2000}}).value == 2001


@pytest.mark.parametrize(
    "source",
    [
        "Use a version 1.\nUse an as the.\nRule a given the, produce: Return the.",
        "Rule f given a, an, produce:\n  Wait for a and an.\n  Return a multiplied by an.",
        (
            "Rule f, produce. It performs io [Http]:\n  workflow:\n    step a:\n      Return 1.\n"
            '    step an depends on ["a"]:\n      Return 2.'
        ),
        "Rule f given a, produce:\n  If a\n    Return a is one of [1].\n  Return if a then a else a does not equal 3.",
    ],
)
def test_articles_may_be_names(source: str) -> None:
    assert compile_source(source).rules


def test_english_words_stay_legal_in_other_locales() -> None:
    assert decide("规则 看 given 甲 as 整数, produce 整数:\n  Return 甲 plus 1.", locale="zh-CN", 甲=1) == 2


def test_chinese_variants_are_not_catch_alls() -> None:
    source = (
        "定义 色 为以下之一 红、绿。\n规则 名 给定 甲 作为 色，产出 文本：\n"
        "  匹配于 甲：\n    当 红，返回 「r」。\n    当 绿，返回 “g”。"
    )
    assert decide(source, locale="zh-CN", 甲="绿") == "g"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7 divided by 2", 3.5),
        ("20 / 4", 5),
        ("0 minus 7 integer divided by 2", -3),
        ("-7 integer divided by 2", -3),
        ("-7 modulo 2", -1),
        ("0.1 plus 0.2", 0.30000000000000004),
        ("1.00m equals to 1", True),
        ("9007199254740991L", 9007199254740991),
        ("9007199254740993L", "9007199254740993"),
        ('"x\\ty\\u0041" plus 1.5', "x\tyA1.5"),
        ('1 plus 5 plus "z"', "6z"),
        ('"n=" plus 5 plus 1', "n=51"),
        ('"a" plus 12.50m', "a12.5"),
        ('"a" plus 20.0', "a20"),
        ("1 plus 2 times 3", 7),
        ("(1 plus 2) * 3", 9),
        ("not 3 less than 3 and true", True),
        ('"3" and 1', True),
        ('if 2 over 1 then "y" else "n"', "y"),
        ("2 is 2", True),
        ("2 is not 2", False),
        ("null is null", True),
        ("1 is not null", True),
        ("3 is greater than or equal to 3", True),
        ("3 multiplied by 4", 12),
        ("true equals to 1", False),
        ('"1" equals to 1', False),
        ("[1, 2,] equals to [1, 2.0]", True),
        ('List.distinct([1, 1, "1", null, null])', [1, "1", None]),
        ("List.map([1, 2], (x) => x times 2)", [2, 4]),
        ("List.reduce([1, 2, 3], 10, (a, b) => a plus b)", 16),
        ("List.sum([0.1m, 0.2m])", "0.3"),
        ("List.sortBy([3, 1, 2], (x) => 0 minus x)", [3, 2, 1]),
        ("List.combinations([1, 2, 3], 2)", [[1, 2], [1, 3], [2, 3]]),
        ("List.range(2, 5)", [2, 3, 4]),
        ("List.length(List.range(0, 6000))", 6000),
        ("List.groupBy([1, 2, 3], (x) => x modulo 2)", {"1": [1, 3], "0": [2]}),
        ('Map.get(Map.put(Map.empty(), "k", 1), "k")', {"__type": "Some", "value": 1}),
        ('Maybe.withDefault(Map.get(Map.empty(), "k"), 9)', 9),
        ("Maybe.withDefault(5, 9)", 5),
        ('Text.concat("a", 1, true, null)', "a1truenull"),
        ('Text.length("a😀")', 3),
        ('Text.substring("hello", 1, 3)', "el"),
        ('Text.split("a,b", ",")', ["a", "b"]),
        ('Text.indexOf("abc", "c")', 2),
        ('Text.matches("AB-12", "^[A-Z]{2}-\\\\d+$")', True),
        ('Decimal.round(10.05m times (1m plus 0.2m), 2, "HALF_UP")', "12.06"),
        ('Decimal.divide(1m, 3m, 4, "HALF_EVEN")', "0.3333"),
        ('Decimal.divide(0m minus 5m, 2m, 0, "HALF_EVEN")', "-2"),
        ('Date.daysBetween(Date.fromISO("2024-01-01"), Date.fromISO("2024-03-01"))', 60),
        ('Date.year(Date.addDays(Date.fromISO("1999-12-31"), 1))', 2000),
        ('Date.format(Date.fromISO("2024-02-09"), "D.M.YYYY")', "9.2.2024"),
        ('Date.format("2024-02-09T07:05:30+01:00", "YYYY年M月D日 HH:mm:ss")', "2024年2月9日 07:05:30"),
        ("Date.format(0, \"'on' dd/MM/yyyy 'at' H:m:s\")", "on 01/01/1970 at 0:0:0"),
        ('Date.parse("09.02.2024", "DD.MM.YYYY") is Date.fromISO("2024-02-09")', True),
        ('Date.parse("2024-02-09T23:59:59", "YYYY-MM-DDTHH:mm:ss") is Date.fromISO("2024-02-09")', True),
        ("ok of 1 plus 1", {"__type": "Ok", "value": 2}),
        ("none", None),
        ("apply Some to 3", {"__type": "Some", "value": 3}),
        ("Math.floor(2.7)", 2),
        ("Int.toString(5)", "5"),
    ],
)
def test_expressions_have_their_value(text: str, value: Any) -> None:
    found = expression(text)
    assert found == value
    assert type(found) is type(value) or isinstance(value, float)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 divided by 0", "DIVISION_BY_ZERO"),
        ("1.5 / 0.0", "DIVISION_BY_ZERO"),
        ("1 modulo 0", "DIVISION_BY_ZERO"),
        ("true plus 1", "TYPE_MISMATCH"),
        ('"a" less than "b"', "TYPE_MISMATCH"),
        ("1.5 plus 1m", "TYPE_MISMATCH"),
        ("missing", "UNDEFINED_VARIABLE"),
        ("missing(1)", "UNDEFINED_FUNCTION"),
        ('Http.get("x")', "UNDEFINED_FUNCTION"),
        ("List.get([1], 1)", "INDEX_OUT_OF_RANGE"),
        ("List.max([])", "EMPTY_LIST"),
        ('Date.fromISO("2024-02-30")', "DATE_INVALID"),
        ('Date.parse("2024-02-30", "YYYY-MM-DD")', "DATE_MISMATCH"),
        ('Date.parse("9.2.24", "D.M.YYYY")', "DATE_MISMATCH"),
        ('Date.parse("2024-02-09 24:00", "YYYY-MM-DD HH:mm")', "DATE_MISMATCH"),
        ('Date.parse("02/2024", "MM/YYYY")', "DATE_PATTERN"),
        ('Date.format(0, "YY-MM-DD")', "DATE_PATTERN"),
        ('Date.format(0, "DD DD")', "DATE_PATTERN"),
        ('Date.format(0, "YYYY \'of")', "DATE_PATTERN"),
        ('Date.format(0, "--")', "DATE_PATTERN"),
        ('Date.format("tomorrow", "YYYY")', "DATE_INVALID"),
        ('Date.format(3000000, "YYYY")', "DATE_OUT_OF_RANGE"),
        ("Result.unwrap(err of 1)", "WRONG_VARIANT"),
        ("9223372036854775807L plus 1", "INTEGER_OVERFLOW"),
        ("Text.length(1)", "ARGUMENT_TYPE"),
        ("List.map([1], (a, b) => a)", "ARITY"),
        ('Text.matches("a", "(")', "PATTERN_INVALID"),
        ("(x) => x", "NOT_SERIALISABLE"),
    ],
)
def test_operations_without_an_answer_are_faults(text: str, code: str) -> None:
    assert fault(text) == code


def test_a_field_of_null_is_a_fault_that_names_it() -> None:
    assert fault("a.b.c", a={"b": None}) == "NULL_ACCESS"
    assert expression("a.missing", a={}) is None


def test_results_are_matched_and_unpacked() -> None:
    source = """
Rule check given n as Int, produce result of Int or Text:
  If n > 0
    Return ok of n.
  Return err of "bad".

@entry
Rule describe given n as Int, produce Text:
  Match check(n):
    When Ok(v), Return "ok" plus v.
    When Err(e), Return e.
"""
    assert decide(source, n=0) == "bad"
    assert decide(source, n=7) == "ok7"


def test_every_kind_of_pattern() -> None:
    source = """
Define Point has x as Int, y as Int.
Define Color as one of Red, Green.
Rule which given v, produce Text:
  Match v:
    When null, Return "null".
    When 3, Return "three".
    When -1, Return "minus one".
    When "t", Return "text".
    When true, Return "yes".
    When Red, Return "red".
    When Some(inner), Return "some " plus inner.
    When Point(x, 0), Return "on the axis at " plus x.
    When Point(x, y), Return "point".
    When _, Return "else".
"""
    values = {None: "null", 3: "three", -1: "minus one", "t": "text", True: "yes", "Red": "red", 9.5: "else"}
    for value, name in values.items():
        assert decide(source, v=value) == name
    assert decide(source, v={"__type": "Some", "value": 4}) == "some 4"
    assert decide(source, v={"__type": "Point", "x": 1, "y": 0}) == "on the axis at 1"
    assert decide(source, v={"__type": "Point", "x": 1, "y": 2}) == "point"


def test_enum_constants_come_out_in_their_json_form_and_go_in_as_text() -> None:
    source = "Define Band as one of Light, Heavy.\nRule same given b as Band, produce Band:\n  Return b."
    light = {"__type": "?", "_enum": "Band", "value": "Light", "variant": "Light", "args": []}
    assert decide(source, b="Light") == light
    assert decide(source, b=light) == light
    qualified = "Define Band as one of Light, Heavy.\nRule heavy given b as Band, produce:\n  Return b is Band.Heavy."
    assert decide(qualified, b="Heavy") is True


def test_set_changes_the_outer_variable_in_every_block() -> None:
    source = """
Rule count given n as Int, produce Int:
  Let total be 0.
  Match n:
    When 1, Set total to 10.
    When other,
      Within scope:
        Set total to other.
  Return total.
"""
    assert decide(source, n=1) == 10
    assert decide(source, n=5) == 5


def test_a_function_keeps_the_values_it_was_made_with() -> None:
    source = """
Rule answer, produce Int:
  Let x be 1.
  Let f be function with y, produce:
    Return x plus y.
  Set x to 100.
  Return f(1).
"""
    assert decide(source) == 2


def test_rules_and_library_functions_are_values() -> None:
    source = """
Define Line has cents as Int, qty as Int.
Rule lineTotal given line as Line, produce Int:
  Return line.cents times line.qty.
@entry
Rule total given lines as list of Line, produce Int:
  Return List.sum(List.map(lines, lineTotal)).
"""
    assert decide(source, lines=[{"cents": 250, "qty": 2}, {"cents": 90, "qty": 1}]) == 590
    assert expression("List.map(words, Text.toUpper)", words=["a"]) == ["A"]


def test_decimals_and_longs_are_exact_at_the_boundary() -> None:
    source = "Rule add given a as Decimal, b as Long, produce Decimal:\n  Return a plus b."
    assert decide(source, a="10.05", b="9007199254740993") == "9007199254741003.05"
    assert decide(source, a=10.05, b=1) == "11.05"


def test_optional_parameters_may_be_absent() -> None:
    source = "Rule f given a as maybe Int, b as option of Int, produce:\n  Return [a, b]."
    assert decide(source) == [None, None]
    assert decide(source, a=1, b=2) == [1, {"__type": "Some", "value": 2}]


def test_branches_chain_and_statements_may_share_a_line() -> None:
    source = """
Rule grade given score as Int, produce Text:
  If score at least 90: Return "A".
  Otherwise If score at least 80
    Return "B".
  Otherwise
    Return "C".
"""
    assert [decide(source, score=score) for score in (95, 85, 5)] == ["A", "B", "C"]


def test_recursion_works_within_the_depth() -> None:
    source = "Rule fact given n as Int, produce Int:\n  If n under 2\n    Return 1.\n  Return n times fact(n minus 1)."
    assert decide(source, n=10) == 3628800


def test_lists_calls_and_conditions_may_span_lines() -> None:
    source = """
Rule f given a as Int, produce Int:
  Let xs be [
    1,
    2
  ].
  If a over 0
      and a under 10
    Return List.sum(xs) plus
      a.
  Return 0.
"""
    assert decide(source, a=1) == 4


def test_capitals_and_articles_are_welcome() -> None:
    source = (
        "Rule CheckAge given the Age as Int, produce Bool:\n"
        "  Let the limit be 18.\n  Return the Age at least the limit."
    )
    assert decide(source, Age=20) is True


def test_the_fields_of_a_construction_may_be_joined_by_and() -> None:
    source = """
Define P has a as Int, b as Bool.
Rule f, produce P:
  Return P with a set to 1 and b set to true and false.
"""
    assert decide(source) == {"__type": "P", "a": 1, "b": False}


def test_widths_fold_outside_of_texts_only() -> None:
    source = '规则 ｆ 给定 甲 作为 文本，产出 文本：\n  返回 （甲 加上 “１（，＂。”） 加上 ＂a"b＂。'
    assert decide(source, locale="zh-CN", 甲="x") == 'x１（，＂。a"b'
