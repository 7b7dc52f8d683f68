"""The same three policies in other engines, each in the form its users write, compiled once where the engine can.

A peer is made when its package is installed, and left out when it is not. Every form answers as the hand-written one.
"""

import importlib
import importlib.metadata
import json
from collections.abc import Callable
from typing import Any

from benchmarks.policy.workloads import ACTIONS, REGIONS, ROLES

Decide = Callable[[dict[str, Any]], Any]

LOAN_CONDITION = (
    "applicant.age >= 18 and applicant.score >= 600 and applicant.employed and amount <= applicant.income * 3"
    " and applicant.job != 'gambler' and applicant.income >= 1000"
)


def _rows() -> list[tuple[str, str, int, str]]:
    return [(ROLES[index // 10], ACTIONS[index % 10], index % 7, f"rule{index}") for index in range(100)]


def _brackets() -> list[tuple[str, int, int, int]]:
    return [
        (region, bracket * 1000, bracket * 1000 + 1000, row * 50 + bracket)
        for row, region in enumerate(REGIONS)
        for bracket in range(50)
    ]


# --- ZEN -------------------------------------------------------------------------------------------------------------


def _zen_table(inputs: list[tuple[str, str]], rows: list[list[str]], result: str) -> str:
    columns = [{"id": f"i{index}", "name": field, "field": field} for index, (field, _) in enumerate(inputs)]
    rules = [
        {"_id": f"r{index}", **{f"i{place}": cell for place, cell in enumerate(row[:-1])}, "o": row[-1]}
        for index, row in enumerate(rows)
    ]
    table = {
        "hitPolicy": "first",
        "inputs": columns,
        "outputs": [{"id": "o", "name": result, "field": result}],
        "rules": rules,
    }
    nodes = [
        {"id": "in", "name": "in", "type": "inputNode"},
        {"id": "t", "name": "t", "type": "decisionTableNode", "content": table},
        {"id": "out", "name": "out", "type": "outputNode"},
    ]
    edges = [
        {"id": "a", "sourceId": "in", "targetId": "t", "type": "edge"},
        {"id": "b", "sourceId": "t", "targetId": "out", "type": "edge"},
    ]
    return json.dumps({"contentType": "application/vnd.gorules.decision", "nodes": nodes, "edges": edges})


def zen_expression() -> dict[str, Decide]:
    zen: Any = importlib.import_module("zen")
    loan = zen.compile_expression(LOAN_CONDITION)
    return {"loan": lambda context: loan.evaluate(context)}


def zen_graph() -> dict[str, Decide]:
    zen: Any = importlib.import_module("zen")
    engine = zen.ZenEngine()
    access_rows = [
        [f'"{role}"', f'"{action}"', f">= {level}", "true", f'"{name}"'] for role, action, level, name in _rows()
    ]
    access_rows.append(["", "", "", "", '"deny"'])
    fields = [(f"request.{name}", "") for name in ("role", "action", "level", "owner")]
    access = engine.create_decision(_zen_table(fields, access_rows, "answer"))
    table_rows = [[f'"{region}"', f"[{low}..{high})", str(value)] for region, low, high, value in _brackets()]
    table_rows.append(["", "", "-1"])
    table = engine.create_decision(_zen_table([("region", ""), ("income", "")], table_rows, "answer"))
    return {
        "access 100": lambda context: access.evaluate(context)["result"]["answer"],
        "table 1000": lambda context: table.evaluate(context)["result"]["answer"],
    }


# CEL has no parser deep enough for a chain of 100 choices; rows travel with the context, as its users pass data.

# --- CEL -------------------------------------------------------------------------------------------------------------


def cel() -> dict[str, Decide]:
    module: Any = importlib.import_module("cel")
    loan = module.compile(LOAN_CONDITION.replace(" and ", " && "))
    names = {f"{role}|{action}": [level, name] for role, action, level, name in _rows()}
    found = "names[request.role + '|' + request.action]"
    access = module.compile(
        "(request.role + '|' + request.action) in names && request.level >= "
        f"{found}[0] && request.owner ? {found}[1] : 'deny'"
    )
    rows = {
        region: [[low, high, value] for key, low, high, value in _brackets() if key == region] for region in REGIONS
    }
    table = module.compile(
        "region in rows && rows[region].exists(r, income >= r[0] && income < r[1])"
        " ? rows[region].filter(r, income >= r[0] && income < r[1])[0][2] : -1"
    )
    return {
        "loan": lambda context: loan.execute(context),
        "access 100": lambda context: access.execute({"names": names, **context}),
        "table 1000": lambda context: table.execute({"rows": rows, **context}),
    }


# --- JSON Logic ------------------------------------------------------------------------------------------------------


def json_logic() -> dict[str, Decide]:
    module: Any = importlib.import_module("json_logic")

    def var(name: str) -> dict[str, str]:
        return {"var": name}

    loan: Any = {
        "and": [
            {">=": [var("applicant.age"), 18]},
            {">=": [var("applicant.score"), 600]},
            var("applicant.employed"),
            {"<=": [var("amount"), {"*": [var("applicant.income"), 3]}]},
            {"!=": [var("applicant.job"), "gambler"]},
            {">=": [var("applicant.income"), 1000]},
        ]
    }
    access: list[Any] = []
    for role, action, level, name in _rows():
        tests: list[Any] = [{"==": [var("request.role"), role]}, {"==": [var("request.action"), action]}]
        tests += [{">=": [var("request.level"), level]}, var("request.owner")]
        access += [{"and": tests}, name]
    table: list[Any] = []
    for region, low, high, value in _brackets():
        within: list[Any] = [
            {"==": [var("region"), region]},
            {">=": [var("income"), low]},
            {"<": [var("income"), high]},
        ]
        table += [{"and": within}, value]
    decide = module.jsonLogic
    return {
        "loan": lambda context: decide(loan, context),
        "access 100": lambda context: decide({"if": [*access, "deny"]}, context),
        "table 1000": lambda context: decide({"if": [*table, -1]}, context),
    }


# --- Cedar -----------------------------------------------------------------------------------------------------------


def cedar() -> dict[str, Decide]:
    module: Any = importlib.import_module("cedarpy")
    head = "permit(principal, action, resource) when {"
    condition = LOAN_CONDITION.replace("applicant.", "context.applicant.").replace(" amount", " context.amount")
    loan = f"{head} {condition.replace(' and ', ' && ')} }};".replace("'", '"')
    access = "\n".join(
        f'@id("{name}") {head} context.request.role == "{role}" && context.request.action == "{action}"'
        f" && context.request.level >= {level} && context.request.owner }};"
        for role, action, level, name in _rows()
    )
    table = "\n".join(
        f'@id("{value}") {head} context.region == "{region}" && context.income >= {low} && context.income < {high} }};'
        for region, low, high, value in _brackets()
    )

    loans, accesses, tables = (module.PolicySet.from_str(text) for text in (loan, access, table))
    nobody = module.Entities.from_json_str("[]")

    def ask(policies: Any, context: dict[str, Any]) -> Any:
        request = {"principal": 'User::"u"', "action": 'Action::"a"', "resource": 'R::"r"', "context": context}
        return module.is_authorized(request, policies, nobody)

    def named(policies: Any, names: list[str], otherwise: Any) -> Decide:
        def decide(context: dict[str, Any]) -> Any:
            reasons = ask(policies, context).diagnostics.reasons
            return names[int(reasons[0].removeprefix("policy"))] if reasons else otherwise

        return decide

    values = named(tables, [str(row[3]) for row in _brackets()], "-1")
    return {
        "loan": lambda context: bool(ask(loans, context).allowed),
        "access 100": named(accesses, [row[3] for row in _rows()], "deny"),
        "table 1000": lambda context: int(values(context)),
    }


# --- Casbin ----------------------------------------------------------------------------------------------------------


def casbin() -> dict[str, Decide]:
    module: Any = importlib.import_module("casbin")
    model = module.Model()
    model.add_def("r", "r", "role, action, level, owner")
    model.add_def("p", "p", "role, action, level, name")
    model.add_def("e", "e", "some(where (p.eft == allow))")
    model.add_def("m", "m", "r.role == p.role && r.action == p.action && r.level >= int(p.level) && r.owner")
    access = module.Enforcer(model)
    access.add_function("int", int)
    for role, action, level, name in _rows():
        access.add_policy(role, action, str(level), name)
    brackets = module.Model()
    brackets.add_def("r", "r", "region, income")
    brackets.add_def("p", "p", "region, low, high, value")
    brackets.add_def("e", "e", "some(where (p.eft == allow))")
    brackets.add_def("m", "m", "r.region == p.region && r.income >= int(p.low) && r.income < int(p.high)")
    table = module.Enforcer(brackets)
    table.add_function("int", int)
    for row in _brackets():
        table.add_policy(*map(str, row))

    def answer(found: tuple[bool, list[str]], otherwise: str) -> str:
        return found[1][3] if found[0] else otherwise

    def decide_access(context: dict[str, Any]) -> str:
        request = context["request"]
        return answer(access.enforce_ex(request["role"], request["action"], request["level"], request["owner"]), "deny")

    return {
        "access 100": decide_access,
        "table 1000": lambda context: int(answer(table.enforce_ex(context["region"], context["income"]), "-1")),
    }


# --- Rego ------------------------------------------------------------------------------------------------------------


def _rego_texts() -> dict[str, str]:
    lines = [line.strip().replace("applicant.", "input.applicant.") for line in LOAN_CONDITION.split(" and ")]
    lines = [line.replace("amount", "input.amount", 1).replace("'", '"') for line in lines]
    loan = "default answer := false\nanswer if {\n " + "\n ".join(lines) + "\n}\n"
    access = 'default answer := "deny"\n' + "".join(
        f'answer := "{name}" if {{ input.request.role == "{role}"; input.request.action == "{action}";'
        f" input.request.level >= {level}; input.request.owner }}\n"
        for role, action, level, name in _rows()
    )
    table = "default answer := -1\n" + "".join(
        f'answer := {value} if {{ input.region == "{region}"; input.income >= {low}; input.income < {high} }}\n'
        for region, low, high, value in _brackets()
    )
    texts = {"loan": loan, "access 100": access, "table 1000": table}
    return {name: f"package p\nimport rego.v1\n{text}" for name, text in texts.items()}


def rego() -> dict[str, Decide]:
    module: Any = importlib.import_module("regopy")

    def made(text: str) -> Decide:
        engine = module.Interpreter()
        engine.add_module("p", text)

        def decide(context: dict[str, Any]) -> Any:
            engine.set_input_term(json.dumps(context))
            return json.loads(str(engine.query("x = data.p.answer")))["bindings"]["x"]

        return decide

    return {name: made(text) for name, text in _rego_texts().items()}


def opa() -> dict[str, Decide]:
    """OPA's own evaluator, in Go; its server, which adds HTTP to this, is in no package."""
    module: Any = importlib.import_module("opa_bindings")

    def made(text: str) -> Decide:
        engine = module.OpaEngine()
        engine.add_policy("p.rego", text)
        return lambda context: engine.eval_document("p.answer", context)

    return {name: made(text) for name, text in _rego_texts().items()}


PEERS: dict[str, tuple[str, float | None, Callable[[], dict[str, Decide]]]] = {
    "ZEN, expression": ("zen-engine", 3.0, zen_expression),
    "ZEN, decision table": ("zen-engine", 3.0, zen_graph),
    "CEL": ("common-expression-language", 10.0, cel),
    "JSON Logic": ("json-logic-qubit", None, json_logic),
    "Cedar": ("cedarpy", 100.0, cedar),
    "Casbin": ("casbin", 100.0, casbin),
    "Rego (regopy)": ("regopy", 10.0, rego),
    "Rego (OPA)": ("opa-golib-python-bindings", 10.0, opa),
}
"""Name: the distribution, how many times faster ours has to be (issue 5), what makes its three forms."""


def installed() -> dict[str, dict[str, Decide]]:
    """The peers at hand."""
    found = {}
    for name, (distribution, _, make) in PEERS.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            print(f"# {name}: {distribution} is not installed")
            continue
        found[name] = make()
        print(f"# {name}: {distribution} {version}")
    return found
