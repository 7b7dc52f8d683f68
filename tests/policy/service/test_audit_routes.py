"""Audit over HTTP: reading, filtering, exporting, verifying; every tampering is found."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.policy.service.asgi import ask

from aster.foundation.audit import chain_hash
from aster.foundation.sql import Connection, Database
from aster.policy.audit_export import ExportUnreadable, verify_export
from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

AUDIT = "/api/v1/audit"
SETTINGS = "/api/v1/tenant/settings"


async def fill(service: PolicyHttpService, count: int = 5, tenant: str = "acme-corp") -> None:
    for number in range(count):
        body = {"displayName": f"name {number}"}
        await ask(service, "PUT", SETTINGS, body, role="OWNER", tenant=tenant, user=f"user{number % 2}")


async def read(service: PolicyHttpService, target: str, **options: Any) -> Any:
    answered = await ask(service, "GET", f"{AUDIT}{target}", role="ADMIN", **options)
    assert answered.status == 200, answered.body
    return answered.json


async def test_newest_first_in_pages(service: PolicyHttpService) -> None:
    await fill(service)
    pages = [[record["sequence"] for record in await read(service, f"?size=2&page={page}")] for page in range(4)]
    assert pages == [[5, 4], [3, 2], [1], []]
    assert [record["sequence"] for record in await read(service, "/logs?before=3")] == [2, 1]


async def test_filters(service: PolicyHttpService) -> None:
    await fill(service)
    assert [record["sequence"] for record in await read(service, "?user=user1")] == [4, 2]
    assert [record["sequence"] for record in await read(service, "?user=user0&size=2")] == [5, 3]
    assert [record["sequence"] for record in await read(service, "?user=user0&size=2&page=1")] == [1]
    assert await read(service, "?eventType=POLICY_EVALUATED") == []
    assert len(await read(service, "?success=true&eventType=TENANT_SETTINGS_CHANGED")) == 5
    times = [record["occurredAt"] for record in await read(service, "")]
    assert len(await read(service, f"?from={times[-1]}&to={times[0]}")) == 5
    assert await read(service, "?to=2020-01-01T00:00:00%2B02:00") == []
    for wrong in ("from=yesterday", "to=2020-01-01T00:00:00", "success=1", "before=0"):
        assert (await ask(service, "GET", f"{AUDIT}?{wrong}", role="ADMIN")).code == "VALIDATION_ERROR"


async def test_the_documented_listings_are_filters(service: PolicyHttpService) -> None:
    await fill(service)
    source = 'Module greetings.\n\nRule hello produce Text:\n  Return "hi".\n'
    await ask(service, "POST", "/api/v1/policies/evaluate-source", {"source": source})
    records = await read(service, "")
    first, last, kind, module, rule = records[-1], records[0], "POLICY_EVALUATED", "greetings", "hello"
    assert len(await read(service, f"/policy/{module}/{rule}")) == 1
    assert await read(service, f"/type/{kind}") == await read(service, f"?eventType={kind}")
    assert await read(service, "/type/NOTHING") == []
    assert await read(service, f"/policy/{module}/{rule}") == await read(service, f"?module={module}&function={rule}")
    assert await read(service, f"/policy/{module}/nothing") == []
    span = f"/range?startTime={first['occurredAt']}&endTime={last['occurredAt']}"
    assert await read(service, span) == await read(service, "")


@pytest.mark.parametrize("query", ["", "?startTime=2026-01-01T00:00:00Z", "?startTime=x&endTime=y"])
async def test_a_range_needs_both_ends(service: PolicyHttpService, query: str) -> None:
    answered = await ask(service, "GET", f"{AUDIT}/range{query}", role="ADMIN")
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_one_record(service: PolicyHttpService) -> None:
    await fill(service, 2)
    assert (await read(service, "/2"))["payload"]["after"]["displayName"] == "name 1"
    for missing in ("0", "3", "-1", "x", "9" * 40):
        assert (await ask(service, "GET", f"{AUDIT}/{missing}", role="ADMIN")).status == 404


async def test_the_head_is_an_anchor(service: PolicyHttpService, database: Database) -> None:
    await fill(service)
    head = await read(service, "/head")
    anchor = f"?anchorSequence={head['lastSequence']}&anchorHash={head['lastHash']}"
    assert (await read(service, f"/verify-chain{anchor}"))["valid"]
    rewrite(database, cut_tail)
    assert not (await read(service, f"/verify-chain{anchor}"))["valid"]


def rewrite(database: Database, tamper: Callable[[Connection], Any]) -> None:
    database.write_now(lambda connection: (tamper(connection), None)[1])


def change_field(connection: Connection) -> None:
    for number, body in connection.execute("SELECT id, body FROM audit_records WHERE sequence = 2").fetchall():
        changed = body.replace(b"user1", b"user9")
        connection.execute("UPDATE audit_records SET body = ? WHERE id = ?", (changed, number))


def change_hash(connection: Connection) -> None:
    connection.execute("UPDATE audit_records SET hash = ? WHERE sequence = 2", (bytes(32),))


def remove_middle(connection: Connection) -> None:
    connection.execute("DELETE FROM audit_records WHERE sequence = 2")


def remove_tail(connection: Connection) -> None:
    connection.execute("DELETE FROM audit_records WHERE sequence = 5")


def insert(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO audit_records (chain, sequence, body, hash) SELECT chain, 6, body, hash FROM audit_records LIMIT 1"
    )


def swap(connection: Connection) -> None:
    for sequence, other in ((2, 99), (3, 2), (99, 3)):
        connection.execute("UPDATE audit_records SET sequence = ? WHERE sequence = ?", (other, sequence))


def exchange_tenants(connection: Connection) -> None:
    for name, other in (("acme-corp", "nobody"), ("globex", "acme-corp"), ("nobody", "globex")):
        connection.execute("UPDATE audit_chains SET name = ? WHERE name = ?", (f"policy:{other}", f"policy:{name}"))


def cut_tail(connection: Connection) -> None:
    """What somebody does who knows how the chain is kept: cut the tail and correct the head."""
    connection.execute("DELETE FROM audit_records WHERE sequence = 5")
    connection.execute(
        "UPDATE audit_chains SET sequence = 4, hash = (SELECT hash FROM audit_records WHERE sequence = 4)"
    )


@pytest.mark.parametrize(
    "tamper", [change_field, change_hash, remove_middle, remove_tail, insert, swap, exchange_tenants]
)
async def test_tampering_is_found(
    service: PolicyHttpService, database: Database, tamper: Callable[[Connection], Any]
) -> None:
    await fill(service)
    await fill(service, tenant="globex")
    assert (await read(service, "/verify-chain"))["valid"]
    rewrite(database, tamper)
    verified = await read(service, "/verify-chain")
    assert not verified["valid"]
    assert verified["brokenAt"]
    assert verified["reason"]


async def test_an_export_verifies_elsewhere(service: PolicyHttpService) -> None:
    await fill(service)
    whole = (await ask(service, "GET", f"{AUDIT}/export", role="ADMIN")).body
    first = (await ask(service, "GET", f"{AUDIT}/export?limit=2", role="ADMIN")).body
    rest = (await ask(service, "GET", f"{AUDIT}/export?after=2", role="ADMIN")).body
    for text in (whole, first + rest):
        found = verify_export(text.splitlines())
        assert (found.valid, found.records) == (True, 5)
        assert found.head == (await read(service, "/head"))["lastHash"]
    assert not verify_export(rest.splitlines()).valid


async def test_tampering_with_an_export_is_found(service: PolicyHttpService) -> None:
    await fill(service)
    lines = (await ask(service, "GET", f"{AUDIT}/export", role="ADMIN")).body.splitlines()
    for changed in (
        [line.replace(b"user1", b"user9") for line in lines],
        lines[1:],
        [*lines[:2], *lines[3:]],
        [lines[1], lines[0], *lines[2:]],
        [*lines[:4], lines[5]],
        [lines[0].replace(b"policy:acme-corp", b"policy:other"), *lines[1:]],
        [lines[0].replace(b'"previousHash":"0', b'"previousHash":"1'), *lines[1:]],
    ):
        assert changed != lines
        assert not verify_export(changed).valid
    for broken in ([], [b"\n"], [b"nonsense"], [b"{}"], [b"\xff"]):
        with pytest.raises(ExportUnreadable):
            verify_export(broken)


async def test_an_empty_chain_is_exported_and_verifies(service: PolicyHttpService) -> None:
    text = (await ask(service, "GET", f"{AUDIT}/export", role="ADMIN")).body
    assert verify_export(text.splitlines()).valid


def test_the_chain_hash_is_the_documented_one() -> None:
    assert chain_hash(bytes(32), b"{}") == hashlib.sha256(b"aster-audit-v1\n" + bytes(32) + b"{}").digest()
