"""Behind a store's back: every row as text, and statements that no engine would run."""

from collections.abc import Sequence
from typing import Any

import psycopg

from aster.foundation.sql import Database

TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}


def every_row(url: str) -> str:
    """All tables of a store; binary columns as they are printed and in hexadecimal digits."""
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            tables = [row[0] for row in connection.execute(TABLES["postgres"]).fetchall()]
            rows = [row for table in tables for row in connection.execute(f'SELECT * FROM "{table}"').fetchall()]
    else:
        database = Database.open(url)
        tables = [row[0] for row in database.read_now(lambda link: link.execute(TABLES["sqlite"]).fetchall())]
        rows = [
            row
            for table in tables
            for row in database.read_now(lambda link, name=table: link.execute(f'SELECT * FROM "{name}"').fetchall())  # type: ignore[misc]  # a default binds the loop's value
        ]
        database.close_now()
    return "\n".join(_shown(value) for row in rows for value in row)


def _shown(value: Any) -> str:
    return f"{value!r} {value.hex()}" if isinstance(value, bytes) else str(value)


def execute(url: str, statement: str, parameters: Sequence[Any] = ()) -> None:
    """A statement in the words that both engines understand."""
    database = Database.open(url)
    database.write_now(lambda connection: connection.execute(statement, parameters).close())  # type: ignore[attr-defined]
    database.close_now()
