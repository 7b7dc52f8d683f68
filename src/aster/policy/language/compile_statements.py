"""Statements of the core as `ast.stmt`: blocks, chains of conditions, matches, runs of rows by decision index."""

import ast
from collections.abc import Callable
from typing import Any, cast

from aster.policy.language import core
from aster.policy.language.compile_expressions import BARE_COMPARE, ExpressionCompiler
from aster.policy.language.core import Expr, Stmt
from aster.policy.language.decision_index import Rows, Table, fill
from aster.policy.language.emitter import LOAD
from aster.policy.language.whitelist import CompilerDefect


class StatementCompiler(ExpressionCompiler):
    """Compiles the statements of one rule."""

    def body(self, statements: tuple[Stmt, ...]) -> list[ast.stmt]:
        if len(statements) == 1 and type(statements[0]) is not core.If:
            return self.statement(statements[0])
        compiled: list[ast.stmt] = []
        statements = flattened(statements)
        rows = Rows(statements)
        index = 0
        while index < len(statements):
            found = rows.table_at(index)
            if found is None:
                compiled.extend(self.statement(statements[index]))
                index += 1
            else:
                compiled.extend(self.table(found[0]))
                index += found[1]
        return compiled

    def table(self, table: Table) -> list[ast.stmt]:
        """Look a decision up instead of testing row by row (see `decision_index`)."""
        emit = self.emit
        emit.at(table.rows[0].result.start)
        data = self.constants.add(fill(table, self.constants.value_of, self.result_of))
        name = self.temporary()
        if not table.keys:
            return [emit.assign(name, self.cut(emit.load(data), table)), self.return_found(name, table)]
        keys = [self.expression(path) for path in table.keys]
        key = keys[0] if len(keys) == 1 else emit.node(ast.Tuple, elts=keys, ctx=LOAD)
        getter = self.constants.add(self.constants.names[data].get)
        if table.tests:
            rows = emit.call(getter, key, emit.constant(()))
            return [self.rows(name, rows, table)]
        if table.ranged is None:
            return [emit.assign(name, emit.call(getter, key, emit.load("o_miss"))), self.return_found(name, table)]
        bucket = emit.assign(name, emit.call(getter, key))
        inner = [emit.assign(name, self.cut(emit.load(name), table)), self.return_found(name, table)]
        present = emit.compare(emit.load(name), ast.IsNot, emit.constant(None))
        return [bucket, emit.node(ast.If, test=present, body=inner, orelse=[])]

    def cut(self, bucket: ast.expr, table: Table) -> ast.expr:
        emit = self.emit
        path = self.expression(cast("Expr", table.ranged))
        place = emit.call("o_bisect", self.item(bucket, emit.constant(0)), path)
        return self.item(self.item(bucket, emit.constant(1)), place)

    def return_found(self, name: str, table: Table) -> ast.stmt:
        emit = self.emit
        is_found = emit.compare(emit.load(name), ast.IsNot, emit.load("o_miss"))
        found = emit.node(ast.Return, value=self.found(emit.load(name), table))
        return emit.node(ast.If, test=is_found, body=[found], orelse=[])

    def result_of(self, node: Expr) -> Any:
        """What a table holds for a row's constant result."""
        return self.constants.value_of(node)

    def found(self, value: ast.expr, table: Table) -> ast.expr:
        """What is returned of what a table holds."""
        return value

    def rows(self, name: str, rows: ast.expr, table: Table) -> ast.stmt:
        """Test the rows of a bucket one by one, their constants taken from the row."""
        emit = self.emit
        tests: list[ast.expr] = []
        place = 0
        for operator, node in table.tests:
            path = self.expression(node)
            if operator == "true":
                tests.append(path)
            elif operator == "false":
                tests.append(emit.negate(path))
            else:
                constant = self.item(emit.load(name), emit.constant(place))
                place += 1
                tests.append(emit.compare(path, BARE_COMPARE[operator], constant))
        result = self.found(self.item(emit.load(name), emit.constant(place)), table)
        found = emit.node(ast.Return, value=result)
        body: list[ast.stmt] = [emit.node(ast.If, test=emit.both(tests), body=[found], orelse=[])]
        return emit.node(ast.For, target=emit.store(name), iter=rows, body=body, orelse=[])

    def statement(self, statement: Stmt) -> list[ast.stmt]:
        return _STATEMENTS[type(statement)](self, statement)

    def _bind(self, node: core.Bind) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [self.emit.assign(f"v{node.slot}", value)]

    def _return(self, node: core.Return) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [self.emit.node(ast.Return, value=value)]

    def _discard(self, node: core.Discard) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [self.emit.node(ast.Expr, value=value)]

    def _if(self, node: core.If) -> list[ast.stmt]:
        return self.chain(
            [(lambda test=test: self.condition(test), body, test.start) for test, body in node.branches], node.otherwise
        )

    def chain(self, branches: list[Any], otherwise: tuple[Stmt, ...]) -> list[ast.stmt]:
        """`if … elif … else`; flat where a branch can't be left at its end, so that long chains do not nest."""
        compiled: list[ast.stmt] = []
        target = compiled
        for make_test, body, start in branches:
            test = make_test()
            statements = self.body(body)
            self.emit.at(start)
            branch = self.emit.node(ast.If, test=test, body=statements or [self.emit.node(ast.Pass)], orelse=[])
            target.append(branch)
            if not (statements and isinstance(statements[-1], ast.Return)):
                target = branch.orelse
        target.extend(self.body(otherwise))
        return compiled

    def _match(self, node: core.Match) -> list[ast.stmt]:
        subject = self.expression(node.subject)
        name = self.temporary()
        self.emit.at(node.start)
        compiled = [self.emit.assign(name, subject)]
        target = compiled
        for arm in node.arms:
            test = self.test(arm.pattern, name, ())
            binds = self.binds(arm.pattern, name, ())
            statements = [*binds, *self.body(arm.body)]
            self.emit.at(arm.start)
            if test is None:
                target.extend(statements)
                return compiled
            branch = self.emit.node(ast.If, test=test, body=statements or [self.emit.node(ast.Pass)], orelse=[])
            target.append(branch)
            if not (statements and isinstance(statements[-1], ast.Return)):
                target = branch.orelse
        return compiled

    def value_at(self, name: str, path: tuple[tuple[tuple[str, ...], int], ...]) -> ast.expr:
        value = self.emit.load(name)
        for fields, index in path:
            value = self.emit.call("o_part", value, self.constants.of(fields, self.emit), self.emit.constant(index))
        return value

    def test(self, pattern: core.Test, name: str, path: Any) -> ast.expr | None:
        """What must hold for a pattern to match; None if it always does."""
        emit = self.emit
        emit.at(pattern.start)
        if isinstance(pattern, core.TestAny):
            return None
        value = self.value_at(name, path)
        if isinstance(pattern, core.TestNull):
            return emit.compare(value, ast.Is, emit.constant(None))
        if isinstance(pattern, core.TestBind):
            return None if pattern.nullable else emit.compare(value, ast.IsNot, emit.constant(None))
        if isinstance(pattern, core.TestValue):
            return emit.call("o_eq", value, emit.constant(pattern.value))
        if isinstance(pattern, core.TestVariant):
            if pattern.certain:
                return emit.compare(value, ast.Is, emit.load(self.constants.variant(pattern.enum, pattern.name)))
            return emit.call("o_named", value, emit.constant(pattern.name))
        if isinstance(pattern, core.TestName):
            return emit.call("o_named", value, emit.constant(pattern.name))
        if not isinstance(pattern, core.TestParts):
            raise CompilerDefect(type(pattern).__name__)
        count = emit.constant(len(pattern.parts))
        fields = self.constants.of(pattern.fields, emit)
        tests = [emit.call("o_parts", value, emit.constant(pattern.name), fields, count)]
        for index, part in enumerate(pattern.parts):
            inner = self.test(part, name, (*path, (pattern.fields, index)))
            if inner is not None:
                tests.append(inner)
        return emit.both(tests)

    def binds(self, pattern: core.Test, name: str, path: Any) -> list[ast.stmt]:
        if isinstance(pattern, core.TestBind):
            self.emit.at(pattern.start)
            return [self.emit.assign(f"v{pattern.slot}", self.value_at(name, path))]
        if isinstance(pattern, core.TestParts):
            found: list[ast.stmt] = []
            for index, part in enumerate(pattern.parts):
                found.extend(self.binds(part, name, (*path, (pattern.fields, index))))
            return found
        return []


_STATEMENTS: dict[type, Callable[[StatementCompiler, Any], list[ast.stmt]]] = {
    core.Bind: StatementCompiler._bind,
    core.Return: StatementCompiler._return,
    core.Discard: StatementCompiler._discard,
    core.If: StatementCompiler._if,
    core.Match: StatementCompiler._match,
}


def flattened(statements: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """`If … Otherwise If … Otherwise …` whose branches all return, as one `If` after another."""
    flat: list[Stmt] = []
    for statement in statements:
        if (
            isinstance(statement, core.If)
            and len(statement.branches) > 1
            and all(body and isinstance(body[-1], core.Return) for _, body in statement.branches)
        ):
            flat.extend(core.If(test.start, test.end, ((test, body),), ()) for test, body in statement.branches)
            flat.extend(flattened(statement.otherwise))
            continue
        flat.append(statement)
    return tuple(flat)
