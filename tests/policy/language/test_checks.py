"""What the checker notes about programs that run: names, types, flow, effects, personal data, workflows."""

from typing import Any

import pytest

from aster.policy import PolicyEvaluationError, PolicySyntaxError, compile_source
from aster.policy.language import read_manifest
from aster.policy.language.errors import ManifestInvalid

HEAD = """
Define User has id as Text, age as Int, nick as maybe Text.
Define Band as one of Light, Medium, Heavy.
Define Other as one of Light, Dark.
"""


def codes(body: str, head: str = HEAD) -> list[str]:
    return [found.code for found in compile_source(head + body).diagnostics if found.severity != "info"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Rule f given n as Int, produce Int:\n  Return n plus 1.", []),
        ("Rule f, produce Int:\n  Return x.", ["E101"]),
        ("Rule f, produce Int:\n  Set x to 1.\n  Return x.", ["E101"]),
        ("Rule f, produce Int:\n  Let x be 1.\n  Let x be 2.\n  Return x.", ["E104"]),
        ("Rule f, produce Int:\n  Let unused be 1.\n  Return 2.", ["W001"]),
        ('Rule f, produce Int:\n  Let x be 1.\n  Set x to "t".\n  Return 1.', ["W001", "E002"]),
        ('Rule f, produce Int:\n  Return "t".', ["E003"]),
        ("Rule f, produce Float:\n  Return 1.", []),
        ("Rule f given n as Nowhere, produce Int:\n  Return 1.", ["E006"]),
        ("Rule f of T given n as T, produce T:\n  Return n.", []),
        ("Rule f of T given n as Int, produce Int:\n  Return n.", ["E005"]),
        ('Rule f given b as Bool, produce:\n  Return if b then 1 else "x".', ["E008"]),
        ("Rule f given t as Text, produce:\n  Match t:\n    When 1, Return 1.\n    When _, Return 2.", ["E010"]),
        ("Rule f given u as User, produce:\n  Return u.height.", ["E011"]),
        ('Rule f, produce User:\n  Return User with id set to 1, age set to "x".', ["E012", "E012"]),
        ('Rule f, produce User:\n  Return User with id set to "i".', ["E013"]),
        ('Rule f, produce User:\n  Return User with id set to "i", age set to 1.', []),
        (
            "Rule f given b as Band, produce:\n  Match b:\n    When Light, Return 1.\n    When Dark, Return 2.",
            ["W102", "E018"],
        ),
        (
            (
                "Rule f given b as Band, produce:\n"
                "  Match b:\n    When Light, Return 1.\n    When Medium, Return 2.\n    When Heavy, Return 3."
            ),
            [],
        ),
        ("Rule f given t as maybe Int, produce:\n  Match t:\n    When null, Return 1.", ["W102", "E017"]),
        ("Rule f given t as maybe Int, produce Int:\n  Match t:\n    When null, Return 0.\n    When v, Return v.", []),
        ('Rule f, produce:\n  Return [1, "x"].', ["E020"]),
        ("Rule f, produce:\n  Return 1m plus 1.5.", ["E031"]),
        ("Rule f, produce:\n  Return Light.", ["E106"]),
        ("Rule f, produce:\n  Return Band.Pale.", ["E107"]),
        ("Rule g given n as Int, produce Int:\n  Return n.\nRule f, produce:\n  Return g(1, 2).", ["E105"]),
        ('Rule g given n as Int, produce Int:\n  Return n.\nRule f, produce:\n  Return g("x").', ["E001"]),
        ("Rule f, produce:\n  Return User(1).", ["P012"]),
        ("Rule f, produce:\n  Return 1.\n  Return 2.", ["W101"]),
        ("Rule f given n as Int, produce Int:\n  If n over 1\n    Return 1.", ["W102"]),
        ("Rule f given n as Int, produce Int:\n  If n\n    Return 1.\n  Return 2.", ["W104"]),
        (
            (
                "Rule f given n as Int, produce Int:\n"
                "  Let s be 0.\n  If n over 1\n    Let s be 1.\n    Return s.\n  Return s."
            ),
            ["W103"],
        ),
        ("Rule f, produce:\n  Return Elsewhere.call(1).", ["E212"]),
    ],
)
def test_findings(body: str, expected: list[str]) -> None:
    assert codes(body) == expected


def test_type_errors_stop_a_strict_compilation_only() -> None:
    source = 'Rule f, produce Int:\n  Return "t".'
    assert compile_source(source).evaluate().value == "t"
    with pytest.raises(PolicySyntaxError, match="produces Int"):
        compile_source(source, strict=True)


def test_two_entry_rules_are_ambiguous() -> None:
    source = (
        "@entry\nRule a, produce:\n  Return 1.\n@entry\nRule b, produce:\n  Return 2.\nRule c, produce:\n  Return 3."
    )
    program = compile_source(source)
    assert [found.code for found in program.diagnostics] == ["E102"]
    with pytest.raises(PolicyEvaluationError) as raised:
        program.evaluate()
    assert raised.value.details["candidates"] == ["a", "b"]
    assert program.evaluate("b").value == 2


def test_findings_have_the_users_own_positions() -> None:
    source = "Rule f\tgiven the n as Int,   produce  Int:\n  Return  n  plus “x”  plus missing.  // why\n"
    found = [item for item in compile_source(source).diagnostics if item.code == "E101"]
    line = source.splitlines()[1]
    assert [(item.start_line, item.start_column, item.end_column) for item in found] == [
        (2, line.index("missing") + 1, line.index("missing") + 8)
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('Rule f, produce. It performs io [Http]:\n  Return Http.get("x").', []),
        ('Rule f, produce:\n  Return Http.get("x").', ["E200"]),
        ('Rule f, produce. It performs io [Http]:\n  Return Db.query("x").', ["E301"]),
        (('Rule f, produce. It performs io [Http, Sql]:\n  Return g().\nRule g, produce. It performs io [Sql]:\n'
         '  Return Db.query("x").'), []),
        ('Rule f, produce:\n  Return g().\nRule g, produce. It performs io [Sql]:\n  Return Db.query("x").', ["E205"]),
        (("Rule f given xs, produce:\n  Return List.map(xs, g).\nRule g given x, produce. It performs io [Sql]:\n"
         "  Return Db.query(x)."), ["E205"]),
        (("Rule f given g, produce:\n  Return g(1).\nRule g given x, produce. It performs io [Sql]:\n"
         "  Return Db.query(x)."), []),
        (('Rule f, produce:\n  Return g().\nRule g, produce. It performs cpu [Crypto]:\n'
         '  Return Crypto.hash("x").'), ["E206"]),
        ("Rule f<E> given h, xs, produce. It performs E:\n  Return List.map(xs, h).", []),
        ("Rule f<E> given xs, produce. It performs E:\n  Return xs.", ["E211"]),
        ("Rule f given h, xs, produce. It performs E:\n  Return List.map(xs, h).", ["E210"]),
        ('Rule f, produce:\n  Return Crypto.hash("x").', ["E201"]),
        ('Use Http as H.\nRule f, produce:\n  Return H.get("x").', ["E200", "E212"]),
    ],
)  # fmt: skip
def test_effects_and_capabilities(body: str, expected: list[str]) -> None:
    assert codes(body) == expected


def test_what_is_declared_but_not_done_is_told_as_information() -> None:
    found = compile_source("Rule f, produce. It performs io [Http]:\n  Return 1.").diagnostics
    assert [(item.code, item.severity) for item in found] == [("E202", "info"), ("E302", "info")]
    both = compile_source('Rule f, produce. It performs io and cpu:\n  Return Http.get("x").').diagnostics
    assert [(item.code, item.severity) for item in both] == [("E204", "info")]


PII = """
Define Person has name as @pii(L1, name) Text, ssn as @pii(L3, id) Text, city as Text.
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Rule f given p as Person, produce Text:\n  Return p.city.", []),
        ("Rule f given p as Person, produce Text:\n  Return p.ssn.", ["E070"]),
        ('Rule f given p as Person, produce Text:\n  Let t be "x" plus p.ssn.\n  Return t.', ["E070"]),
        ("Rule f given p as Person, produce @pii(L3, id) Text:\n  Return p.ssn.", []),
        ("Rule f given p as Person, produce Text:\n  Return redact(p.ssn).", []),
        ('Rule f given p as Person, produce. It performs io [Http]:\n  Return Http.post("/x", p.name).', ["E400"]),
        ('Rule f given p as Person, produce. It performs io [Http]:\n  Return Http.post("/x", p.ssn).', ["E072"]),
        (
            "Rule g given t as Text, produce:\n  Return t.\nRule f given p as Person, produce:\n  Return g(p.ssn).",
            ["E073"],
        ),
    ],
)
def test_personal_data_is_followed_to_where_it_ends(body: str, expected: list[str]) -> None:
    assert codes(body, PII) == expected


MARKED = """
Define Person has name as @pii(L1, name) Text, ssn as @pii(L3, id) Text, agrees as Bool, consent as Bool.
"""
SAVE = "Rule f given p as Person, produce. It performs io [Sql]:\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SAVE + "  Return Db.insert(p.name).", ["E403"]),
        (SAVE + "  If p.agrees\n    Return Db.insert(p.name).\n  Return 1.", ["E403"]),
        (SAVE + "  If p.consent\n    Return Db.insert(p.name).\n  Return 1.", []),
        (SAVE + "  If not p.consent\n    Return 1.\n  Return Db.insert(p.name).", []),
        (SAVE + "  If p.consent\n    Db.insert(1).\n  Return Db.insert(p.name).", ["E403"]),
        (("Rule f given p as Person, produce @pii(L3, id) Text:\n  Return g(p.name).\n"
         "Rule g given x as @pii(L3, id) Text, produce @pii(L3, id) Text:\n  Return x."), ["W071"]),
        ("Rule f given name as @pii(L2, name) Text, produce:\n  Return 1.", ["E402"]),
        ("Rule f given workEmail as Text, produce:\n  Return 1.", ["E401"]),
        ("Rule f given emailCount as Int, sent as Bool, produce:\n  Return 1.", []),
        ("Rule f given p as Person, send, produce:\n  Return send(p.ssn).", ["E404"]),
        (('Rule f given ps as list of Person, produce. It performs io [Http]:\n'
         '  Return List.map(ps, (p) => Http.post("/x", p.ssn)).'), ["E072"]),
        (("Rule g given t as Text, produce Text:\n  Return t.\n"
         "Rule f given xs as list of @pii(L3, id) Text, produce:\n  Return List.map(xs, g)."), ["E073"]),
        ("Rule f given xs as list of @pii(L3, id) Text, produce:\n  Return List.map(xs, redact).", []),
    ],
)  # fmt: skip
def test_personal_data_is_marked_raised_and_kept_knowingly(body: str, expected: list[str]) -> None:
    assert codes(body, MARKED) == expected


def test_without_marks_no_name_is_taken_for_personal_data() -> None:
    assert codes("Rule f given email as Text, produce:\n  Return email.") == []


@pytest.mark.parametrize(
    ("locale", "word"),
    [
        ("zh-CN", "手机号"),
        ("de-DE", "telefon"),
        ("de-DE", "workEmail"),
        ("en-US", "dateOfBirth"),
        ("en-US", "customer_iban"),
        ("hi-IN", "ईमेल"),
        ("en-US", "SSN"),
    ],
)
def test_names_of_personal_data_are_known_in_every_locale(locale: str, word: str) -> None:
    source = f"{MARKED}Rule f given {word} as Text, produce:\n  Return 1."
    assert [found.code for found in compile_source(source, locale).diagnostics] == ["E401"]


MANIFEST_SOURCE = """Module shop.
Rule pay given n as Int, produce. It performs io [Payment]:
  Return Payment.charge(n).
Rule load, produce. It performs io [Http]:
  Return Http.get("/x").
"""


@pytest.mark.parametrize(
    ("manifest", "refused"),
    [
        ({"allow": {"Payment": ["shop.pay"], "Http": ["shop.*"]}}, []),
        ({"allow": {"Payment": ["*"]}}, ["'shop.load'"]),
        ({"deny": {"Payment": ["shop.p*"]}}, ["'shop.pay'"]),
        ({"allow": {"Http": ["*"], "Payment": ["shop.*"]}, "deny": {"Payment": ["shop.pay"]}}, ["'shop.pay'"]),
        ({"allow": {}}, ["'shop.pay'", "'shop.load'"]),
        ({}, []),
    ],
)
def test_a_manifest_says_which_rules_have_which_capability(manifest: dict[str, Any], refused: list[str]) -> None:
    try:
        compile_source(MANIFEST_SOURCE, manifest=read_manifest(manifest))
        found = []
    except PolicySyntaxError as error:
        found = [item for item in error.diagnostics if item.code == "E300"]
    assert [name for item in found for name in refused if name in item.message] == refused


@pytest.mark.parametrize(
    "manifest",
    [
        {"allow": ["Http"]},
        {"allow": {"Teleport": ["*"]}},
        {"deny": {"Http": "*"}},
        {"deny": {"Http": ["*.f"]}},
        {"alow": {}},
    ],
)
def test_malformed_manifests_are_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(ManifestInvalid):
        read_manifest(manifest)


def test_personal_data_is_masked_in_traces() -> None:
    source = f'{PII}\nRule f given p as Person, produce:\n  If p.ssn is "123"\n    Return p.ssn.\n  Return p.city.'
    outcome = compile_source(source).evaluate(context={"p": {"name": "n", "ssn": "123", "city": "c"}}, trace=True)
    assert outcome.value == "123"
    assert "123" not in repr([step["operands"] for step in outcome.trace["steps"]])
    assert outcome.trace["steps"][0]["operands"] == {"p.ssn": "***"}
    assert outcome.trace["finalResult"] == "***"


SECRETS = "Define P has ssn as @pii(L3, id) Text, all as list of @pii(L3, id) Text, plain as list of Text.\n"


@pytest.mark.parametrize(
    "body",
    [
        'Rule f given p as P, produce:\n  Return List.any(p.all, (s) => s is "TOLD").',
        'Rule f given p as P, produce:\n  Let g be (s) => s is "TOLD".\n  Return List.map(p.all, g).',
        (
            "Rule f given p as P, produce:\n  Let g be function given s:\n"
            '    If s is "TOLD"\n      Return 1.\n    Return 2.\n  Return List.map(p.all, g).'
        ),
        (
            'Rule g given t as Text, produce Bool:\n  Return t is "TOLD".\n'
            "Rule f given p as P, produce:\n  Return g(p.ssn)."
        ),
        (
            "Rule g given t as Text, produce Bool:\n  Return h(t).\nRule h given t as Text, produce Bool:\n"
            '  Return t is "TOLD".\nRule f given p as P, produce:\n  Return List.map(p.all, g).'
        ),
        (
            "Rule g given p as P, produce @pii(L3, id) Text:\n  Return p.ssn.\n"
            'Rule f given p as P, produce:\n  Let x be g(p).\n  Return x is "TOLD".'
        ),
    ],
)
def test_personal_data_stays_masked_wherever_it_is_passed(body: str) -> None:
    program = compile_source(SECRETS + body)
    outcome = program.evaluate("f", {"p": {"ssn": "TOLD", "all": ["TOLD"], "plain": []}}, trace=True)
    told: list[Any] = []

    def collect(steps: list[dict[str, Any]]) -> None:
        for step in steps:
            told.extend([step["operands"], step["result"]])
            collect(step["children"])

    collect(outcome.trace["steps"])
    assert "TOLD" not in repr([told, outcome.trace["finalResult"]])


def test_what_is_not_personal_data_is_shown_to_functions_beside_it() -> None:
    rule = 'Rule f given p as P, produce:\n  Return List.any(p.plain, (t) => t is "TOLD").'
    program = compile_source(SECRETS + rule)
    trace = program.evaluate(context={"p": {"ssn": "x", "all": [], "plain": ["TOLD"]}}, trace=True).trace
    assert trace["steps"][0]["children"][0]["operands"] == {"t": "TOLD"}


WORKFLOW = """
Rule f, produce. It performs io [Http]:
  workflow:
    step first:
      Return Http.get("/a").
    step second depends on ["first"]:
      Return ok of 1.
    compensate:
      Return ok of 2.
    retry:
      max attempts: 3.
      backoff: exponential.
    timeout: 30 seconds.
  .
"""


def test_a_workflow_is_checked_and_never_executed() -> None:
    program = compile_source(WORKFLOW)
    assert [item.code for item in program.diagnostics] == ["W600", "E023"]
    with pytest.raises(Exception, match="never executed"):
        program.evaluate()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('["first"]', '["nowhere"]', "E029"),
        ('["first"]', '["second"]', "E030"),
        ("max attempts: 3", "max attempts: 0", "E024"),
        ("max attempts: 3", "max attempts: 40", "W105"),
        ("timeout: 30", "timeout: 0", "E025"),
        ("timeout: 30", "timeout: 9999", "W106"),
        (". It performs io [Http]", "", "E026"),
    ],
)
def test_workflow_findings(old: str, new: str, code: str) -> None:
    assert code in [item.code for item in compile_source(WORKFLOW.replace(old, new)).diagnostics]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("  Start a as async g().\n  Return 1.", "E500"),
        ("  Wait for a.\n  Return 1.", "E501"),
        ("  Start a as async g().\n  Start a as async g().\n  Wait for a.\n  Return 1.", "E502"),
        ("  Start a as async g().\n  Wait for a.\n  Wait for a.\n  Return 1.", "E503"),
        ("  Wait for a.\n  Start a as async g().\n  Return 1.", "E504"),
    ],
)
def test_concurrency_findings(body: str, code: str) -> None:
    found = compile_source(f"Rule f, produce:\n{body}\nRule g, produce:\n  Return 1.").diagnostics
    assert code in [item.code for item in found]


def test_the_schema_describes_records_to_their_leaves() -> None:
    program = compile_source(
        "Module m.\nDefine User has age as Int required between 0 and 150, nick as maybe Text.\n"
        "Define Band as one of Light, Heavy.\n"
        "Rule f given user as User, bands as list of Band, amount, produce Bool:\n  Return true."
    )
    schema = program.schema()
    user, bands, amount = schema["parameters"]
    assert (schema["moduleName"], schema["functionName"], schema["returnType"]) == ("m", "f", "Bool")
    assert (user["type"], user["typeKind"], user["optional"]) == ("User", "STRUCT", False)
    assert [(item["name"], item["type"], item["optional"]) for item in user["fields"]] == [
        ("age", "Int", False),
        ("nick", "Text?", True),
    ]
    assert user["fields"][0]["constraints"] == [{"kind": "required"}, {"kind": "range", "min": 0, "max": 150}]
    assert (bands["type"], bands["typeKind"], bands["enumVariants"]) == ("list of Band", "LIST", ["Light", "Heavy"])
    assert (amount["type"], amount["inferred"]) == ("Float", True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Rule f given n as maybe Int, produce Int:\n  Return n plus 1.", ["E021"]),
        ("Rule f given n as maybe Int, produce Int:\n  Return n.", ["E021"]),
        ("Rule g given n as Int, produce: Return n.\nRule f given n as maybe Int, produce: Return g(n).", ["E021"]),
        ("Rule f given n as maybe Int, produce Int:\n  If n is null\n    Return 0.\n  Return n plus 1.", []),
        ("Rule f given n as maybe Int, produce Int:\n  If n is not null\n    Return n.\n  Return 0.", []),
        ("Rule f given n as maybe Int, produce Bool:\n  Return n is not null and n over 3.", []),
        ("Rule f given n as maybe Int, produce Bool:\n  Return n is null or n over 3.", []),
        ("Rule f given n as maybe Int, produce Int:\n  Return if n is null then 0 else n plus 1.", []),
        ("Rule f given n as maybe Int, produce Int:\n  Let x be n.\n  If x is null\n    Set x to 1.\n  Return x.", []),
        ("Rule p of T given a as T, b as T, produce T: Return a.\nRule f, produce: Return p(1, true).", ["E007"]),
        ("Rule p of T given a as T, b as T, produce T: Return a.\nRule f, produce: Return p(1, 2).", []),
        (
            "Rule p of T given a as list of T, b as T, produce T: Return b.\nRule f, produce: Return p([1], true).",
            ["E007"],
        ),
        ('Rule f given n as Int, produce:\n  Match n:\n    When 1, Return 1.\n    When _, Return "x".', ["E009"]),
        (
            (
                "Rule f given n as option of Int, produce Int:\n"
                "  Match n:\n    When Some(v), Return v.\n    When none, Return 0."
            ),
            [],
        ),
        ("Rule f given a as Decimal, produce: Return a / 2.", ["E032"]),
    ],
)
def test_values_that_may_be_null_and_types_that_stand_for_others(source: str, expected: list[str]) -> None:
    assert [found.code for found in compile_source(source).diagnostics] == expected
