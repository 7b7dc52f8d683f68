"""Programs from Core IR: a source and its document decide the same; what is no document is refused."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.language.programs import CONTEXTS, programs
from tests.policy.language.test_core_ir import SOURCE, call, name, number
from tests.policy.language.test_legal import Legal, every_program

from aster.policy import compile_source
from aster.policy.language import ModuleSource, PolicyEvaluationError, PolicySyntaxError, Program
from aster.policy.language.core_ir_read import program_of_ir
from aster.policy.language.errors import CoreIRInvalid

HUGE = 2**63
_ORIGIN = re.compile(r',?"origin":\{"start":\{[^}]*\},"end":\{[^}]*\}\}')


def bare(document: Any) -> bytes:
    """The text of a document without its places."""
    return _ORIGIN.sub("", msgspec.json.encode(document).decode()).encode()


def read(document: Any, **options: Any) -> Program:
    return program_of_ir(json.dumps(document), **options)


def outcome(program: Program, context: Any, rule: str | None = None) -> Any:
    """The value in JSON, or the error with its place."""
    try:
        return msgspec.json.encode(program.evaluate(rule, context=context).value)
    except PolicyEvaluationError as error:
        return (error.code, error.line, error.column, error.rule)


@settings(max_examples=150)
@given(programs(), st.lists(CONTEXTS, min_size=1, max_size=3))
def test_a_source_and_its_document_decide_the_same(source: str, contexts: list[dict[str, Any]]) -> None:
    program = compile_source(source)
    imported = read(program.core_ir())
    for context in contexts:
        assert outcome(imported, context) == outcome(program, context)
        assert outcome(imported, context, "main") == outcome(program, context, "main")


@every_program
def test_every_program_of_the_corpus_survives_the_way_there_and_back(legal: Legal) -> None:
    program = compile_source(legal.source, locale=legal.locale)
    document = program.core_ir()
    imported = read(document)
    assert bare(imported.core_ir()) == bare(document)
    assert outcome(imported, legal.context, legal.rule) == outcome(program, legal.context, legal.rule)
    for rule in program.rules:
        for context in program.samples(rule, 3):
            assert outcome(imported, context, rule) == outcome(program, context, rule)


def test_places_are_those_of_the_source() -> None:
    program = compile_source(SOURCE)
    assert read(program.core_ir()).core_ir() == program.core_ir()


def rule(body: Any, **fields: Any) -> dict[str, Any]:
    """A document without places, with one rule over a whole number."""
    parameter = {"name": "n", "type": {"kind": "TypeName", "name": "Int"}, "constraints": []}
    func = {"kind": "Func", "name": "main", "params": [parameter], "ret": {"kind": "TypeName", "name": "Int"}}
    block = {"kind": "Block", "statements": body if isinstance(body, list) else [{"kind": "Return", "expr": body}]}
    module = {"kind": "Module", "name": "demo", "decls": [{**func, "body": block, **fields}]}
    return {"version": "1.0", "module": module}


def test_a_document_by_hand_needs_no_places() -> None:
    program = read(rule(call("+", call("*", name("n"), number(2)), number(1))))
    assert program.evaluate(context={"n": 4}).value == 9
    assert program.module == "demo"


def test_a_trace_tells_conditions_in_signs() -> None:
    branch = {"kind": "Block", "statements": [{"kind": "Return", "expr": number(1)}]}
    chosen = {"kind": "If", "cond": call(">=", name("n"), number(18)), "thenBlock": branch, "elseBlock": None}
    program = read(rule([chosen, {"kind": "Return", "expr": number(0)}]))
    trace = program.evaluate(context={"n": 20}, trace=True).trace
    assert trace is not None
    step = msgspec.to_builtins(trace)["steps"][0]
    assert (step["expression"], step["operands"]) == ("n >= 18", {"n": 20})


def test_a_sign_survives() -> None:
    source = "Rule main given x as Float, produce Float:\n  Return 0.0 minus minus x.\n"
    program = compile_source(source)
    for value in (0.0, -0.0, 1.5):
        assert outcome(read(program.core_ir()), {"x": value}) == outcome(program, {"x": value})


def test_a_rule_may_be_named_like_an_operator() -> None:
    twice = "Regel and gegeben x als Int, liefert Int:\n  gib zurück x plus 1.\n"
    source = f"{twice}\nRegel main gegeben n als Int, liefert Int:\n  gib zurück and(n).\n"
    program = compile_source(source, locale="de-DE")
    assert read(program.core_ir()).evaluate("main", {"n": 1}).value == 2


def test_modules_are_found_as_for_a_source() -> None:
    source = "Module a.\nUse b as Other.\nRule main given n as Int, produce Int:\n  Return Other.twice(n).\n"
    used = "Module b.\nRule twice given n as Int, produce Int:\n  Return n times 2.\n"
    document = compile_source(source).core_ir()
    program = read(document, modules=lambda module, version: ModuleSource(used, 1) if module == "b" else None)
    assert program.evaluate(context={"n": 4}).value == 8
    assert [found.name for found in program.imported] == ["b"]
    with pytest.raises(PolicySyntaxError, match="M101"):
        read(document, modules=lambda module, version: None)


def with_origin(start: Any, end: Any) -> Any:
    return rule({**number(1), "origin": {"start": start, "end": end}})


def changed(**fields: Any) -> Any:
    return {**rule(number(1)), **fields}


def nested(depth: int) -> str:
    """The text of a document with lists in lists."""
    opened, closed = '{"kind":"ListLit","elements":[', "]}"
    return json.dumps(rule("HERE")).replace('"HERE"', opened * depth + json.dumps(name("n")) + closed * depth)


def chained(length: int) -> str:
    """The text of a document that adds one so many times."""
    opened = '{"kind":"Call","target":{"kind":"Name","name":"+"},"args":['
    closed = f",{json.dumps(number(1))}]}}"
    return json.dumps(rule("HERE")).replace('"HERE"', opened * length + json.dumps(name("n")) + closed * length)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "x",
        changed(version="2.0"),
        changed(more=1),
        changed(module={"kind": "Package", "name": None, "decls": []}),
        rule({"kind": "Eval", "code": "1"}),
        rule({**number(1), "value": "1"}),
        rule({**number(1), "more": 1}),
        rule(number(HUGE)),
        rule({"kind": "Long", "value": "1e9"}),
        rule({"kind": "Decimal", "value": "NaN"}),
        rule(name("__import__")),
        rule(name("a b")),
        rule(name("a..b")),
        rule(name("")),
        rule(name(".".join("a" * 40))),
        rule(number(1), name="a.b"),
        rule(number(1), name="1a"),
        rule("x"),
        rule([number(1)]),
        with_origin({"line": 0, "col": 1}, {"line": 1, "col": 1}),
        with_origin({"line": 1, "col": 10**9}, {"line": 1, "col": 1}),
        nested(300),
        nested(5_000),
        chained(600),
    ],
)
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(CoreIRInvalid):
        program_of_ir(document if isinstance(document, str) else json.dumps(document))


def test_a_place_can_not_cost_memory() -> None:
    lines = [
        {**number(1), "origin": {"start": {"line": line, "col": 99_999}, "end": {"line": line, "col": 99_999}}}
        for line in range(1, 20)
    ]
    with pytest.raises(CoreIRInvalid, match="places"):
        read(rule({"kind": "ListLit", "elements": lines}))


@pytest.mark.parametrize("text", ["{", "\ud800", b"\xff", '{"version":"1.0"}', "[" * 100_000, "x" * 262_145])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(CoreIRInvalid):
        program_of_ir(text)


def test_a_refusal_tells_where() -> None:
    with pytest.raises(CoreIRInvalid, match=r"\$\.module\.decls\[0\]\.body\.statements\[0\]\.expr"):
        read(rule({"kind": "Eval"}))


def test_a_chain_as_long_as_a_sources_is_read() -> None:
    assert program_of_ir(chained(300)).evaluate(context={"n": 1}).value == 301


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_no_nonsense_in_a_node_makes_it_fail_otherwise(value: Any) -> None:
    for place in ("expr", "kind", "name", "origin", "args", "value"):
        with pytest.raises((CoreIRInvalid, PolicySyntaxError)):
            read(rule({**call("+", name("n"), number(1)), place: value, "unknown": 1}))
