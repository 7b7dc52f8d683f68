"""Core IR: the nodes of the specification, the same in every language, with places in the source."""

import json
from typing import Any

import msgspec
import pytest
from tests.policy.language.test_legal import Legal, every_program

from aster.policy import compile_source
from aster.policy.language import translate_source
from aster.policy.language.errors import CoreIRTooDeep

SOURCE = """\
Module demo.ir.
use risk.core version 2 as Risk.
type Money as Decimal.
Define Band as one of Low, High.
Define Person has age as Int required between 0 and 150, mail as @pii(L2, email) Text, note as maybe Text.

@entry
@name(label: "Decide")
Rule decide of T given p as Person, rate, x as T, money as Money, produce result of Int or Text:
  Let base be p.age plus 2 times 3.
  Set base to base minus 1L.
  If base at least 10 and not p.age is 3
    Return ok of base.
  Otherwise If p.age over 90
    Return err of "old".
  Match p.age:
    When 1, Return ok of 1.
    When null, Return ok of if true then 1 else 2.
    When _,
      List.map([1, 2.5], (y) => y plus base).
      Return ok of f(Person with age set to 1).
  Return err of "no".

Rule f given p as Person, produce Int. It performs io with Http:
  Return p.age.
"""


def plain(node: Any) -> Any:
    """A document without its places."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != "origin"}
    return [plain(item) for item in node] if isinstance(node, list) else node


def name(text: str) -> dict[str, Any]:
    return {"kind": "Name", "name": text}


def call(target: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Call", "target": name(target), "args": list(arguments)}


def number(value: int) -> dict[str, Any]:
    return {"kind": "Int", "value": value}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return compile_source(SOURCE).core_ir()


def declaration(document: dict[str, Any], at: int) -> dict[str, Any]:
    found: dict[str, Any] = plain(document["module"]["decls"][at])
    return found


def test_declarations_are_nodes_of_the_specification(document: dict[str, Any]) -> None:
    assert document["version"] == "1.0"
    assert document["module"]["name"] == "demo.ir"
    assert declaration(document, 0) == {"kind": "Import", "name": "risk.core", "version": 2, "asName": "Risk"}
    assert declaration(document, 1) == {"kind": "Enum", "name": "Band", "variants": ["Low", "High"]}
    age, mail, note = declaration(document, 2)["fields"]
    assert age["constraints"] == [{"kind": "Required"}, {"kind": "Range", "min": 0, "max": 150}]
    text = {"kind": "TypeName", "name": "Text"}
    assert mail["type"] == {"kind": "PiiType", "baseType": text, "sensitivity": "L2", "category": "email"}
    assert note["type"] == {"kind": "Maybe", "type": text}


def test_a_rule_has_its_signature_effects_and_annotations(document: dict[str, Any]) -> None:
    decide, other = declaration(document, 3), declaration(document, 4)
    assert (decide["kind"], decide["typeParams"], decide["effects"]) == ("Func", ["T"], [])
    assert decide["annotations"] == [{"name": "entry", "args": {}}, {"name": "name", "args": {"label": "Decide"}}]
    assert decide["params"][1] == {
        "name": "rate",
        "type": {"kind": "TypeName", "name": "Double"},
        "constraints": [],
        "typeInferred": True,
    }
    assert decide["params"][2]["type"] == {"kind": "TypeVar", "name": "T"}
    assert decide["params"][3]["type"] == {"kind": "TypeName", "name": "Decimal"}
    integer, text = {"kind": "TypeName", "name": "Int"}, {"kind": "TypeName", "name": "Text"}
    assert decide["ret"] == {"kind": "Result", "ok": integer, "err": text}
    assert (other["effects"], other["effectCaps"], other["effectCapsExplicit"]) == (["io"], ["Http"], True)


def test_statements_and_expressions_are_nodes_of_the_specification(document: dict[str, Any]) -> None:
    let, change, choice, match, last = declaration(document, 3)["body"]["statements"]
    total = call("+", name("p.age"), call("*", number(2), number(3)))
    assert let == {"kind": "Let", "name": "base", "expr": total}
    long = {"kind": "Long", "value": "1"}
    assert change == {"kind": "Set", "name": "base", "expr": call("-", name("base"), long)}
    condition = call("and", call(">=", name("base"), number(10)), call("not", call("==", name("p.age"), number(3))))
    assert (choice["kind"], choice["cond"]) == ("If", condition)
    (nested,) = choice["elseBlock"]["statements"]
    assert (nested["kind"], nested["elseBlock"]) == ("If", None)
    one, nothing, rest = match["cases"]
    assert one["pattern"] == {"kind": "PatInt", "value": 1}
    assert one["body"] == {"kind": "Return", "expr": {"kind": "Ok", "expr": number(1)}}
    assert nothing["pattern"] == {"kind": "PatNull"}
    assert nothing["body"]["expr"]["expr"]["kind"] == "IfExpr"
    assert rest["pattern"] == {"kind": "PatName", "name": "_"}
    discarded, returned = rest["body"]["statements"]
    assert (discarded["kind"], discarded["name"]) == ("Let", "_")
    function = discarded["expr"]["args"][1]
    assert (function["kind"], function["captures"], function["body"]["kind"]) == ("Lambda", ["base"], "Block")
    made = returned["expr"]["expr"]["args"][0]
    assert made == {"kind": "Construct", "typeName": "Person", "fields": [{"name": "age", "expr": number(1)}]}
    assert last["expr"]["kind"] == "Err"


def test_nodes_tell_where_they_are_in_the_source(document: dict[str, Any]) -> None:
    rule = document["module"]["decls"][3]
    let = rule["body"]["statements"][0]
    assert let["origin"] == {"start": {"line": 10, "col": 3}, "end": {"line": 10, "col": 35}}
    assert SOURCE.splitlines()[9][2:34] == "Let base be p.age plus 2 times 3"


def test_what_json_can_not_nest_is_refused() -> None:
    def chain(length: int) -> str:
        return f"Rule f given n as Int, produce:\n  Return {' plus '.join(['n'] * length)}.\n"

    document = compile_source(chain(380)).core_ir()
    assert json.loads(json.dumps(document)) == json.loads(msgspec.json.encode(document))
    with pytest.raises(CoreIRTooDeep):
        compile_source(chain(512)).core_ir()


@every_program
def test_the_language_of_the_source_does_not_matter(legal: Legal) -> None:
    told = compile_source(legal.source, legal.locale).core_ir()
    json.dumps(told)
    other = "zh-CN" if legal.locale != "zh-CN" else "de-DE"
    translated = translate_source(legal.source, legal.locale, other)
    if legal.title != "long line":  # compared by a function that calls itself
        assert plain(compile_source(translated, other).core_ir()) == plain(told)
