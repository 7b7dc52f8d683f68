"""Audit over HTTP: reading, filtering, exporting, verifying; every tampering is found."""

import csv
import hashlib
import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, ask

from aster.foundation.audit import AuditLog
from aster.foundation.audit_verify import chain_hash
from aster.foundation.sql import Connection, Database
from aster.policy.audit_export import ExportUnreadable, verify_export
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

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
    assert verified["brokenSequence"]
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


@pytest.mark.parametrize(
    "tamper", [change_field, change_hash, remove_middle, remove_tail, insert, swap, exchange_tenants]
)
async def test_tampering_is_found_within_a_window(
    service: PolicyHttpService, database: Database, tamper: Callable[[Connection], Any]
) -> None:
    await fill(service)
    await fill(service, tenant="globex")
    whole = await read(service, f"/verify-chain{window(await read(service, ''))}")
    assert (whole["valid"], whole["recordsVerified"]) == (True, 5)
    assert (whole["firstSequence"], whole["lastSequence"]) == (1, 5)
    span = window(await read(service, ""))
    rewrite(database, tamper)
    verified = await read(service, f"/verify-chain{span}")
    assert not verified["valid"]
    assert verified["brokenId"] == str(verified["brokenSequence"])
    assert verified["reason"]


def window(records: list[Any]) -> str:
    """From the oldest to the newest of a listing."""
    return f"?start={records[-1]['occurredAt']}&end={records[0]['occurredAt']}"


async def test_a_broken_record_tells_its_time_and_its_place(service: PolicyHttpService, database: Database) -> None:
    await fill(service)
    broken = await read(service, "/2")
    rewrite(database, change_field)
    verified = await read(service, "/verify-chain")
    assert (verified["brokenAt"], verified["brokenId"]) == (broken["occurredAt"], broken["id"])
    assert (verified["brokenSequence"], verified["recordsVerified"]) == (2, 1)


@pytest.mark.parametrize(
    "query",
    [
        "start=2026-01-01T00:00:00Z",
        "end=2026-01-01T00:00:00Z",
        "start=2026-01-01T00:00:00Z&end=2026-01-31T00:00:00.001Z",
        "start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z&full=true",
        "start=2026-01-01&end=2026-01-02",
        "full=yes",
    ],
)
async def test_a_window_has_two_ends_and_30_days(service: PolicyHttpService, query: str) -> None:
    answered = await ask(service, "GET", f"{AUDIT}/verify-chain?{query}", role="ADMIN")
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_a_longer_window_is_verified_when_asked_for(service: PolicyHttpService) -> None:
    await fill(service)
    for span in ("?start=2020-01-01T00:00:00Z&end=9000-01-01T00:00:00Z&full=true", "?full=true"):
        assert (await read(service, f"/verify-chain{span}"))["recordsVerified"] == 5
    thirty = await read(service, "/verify-chain?start=2020-01-01T00:00:00Z&end=2020-01-31T00:00:00Z")
    assert (thirty["valid"], thirty["recordsVerified"]) == (True, 0)


async def table(service: PolicyHttpService, query: str = "") -> tuple[list[dict[str, str]], dict[str, str]]:
    """The rows of a CSV export, and the answer's headers."""
    answered = await ask(service, "GET", f"{AUDIT}/export?format=csv{query}", role="ADMIN")
    assert answered.status == 200, answered.body
    assert answered.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answered.body.decode()))), answered.headers


async def test_a_table_has_every_record_its_hashes_and_the_head(service: PolicyHttpService) -> None:
    await fill(service)
    rows, headers = await table(service)
    records = (await read(service, ""))[::-1]
    for row, record in zip(rows, records, strict=False):
        assert (row["sequence"], row["hash"]) == (str(record["sequence"]), record["hash"])
        assert row["previousHash"] == record["previousHash"]
        assert msgspec.json.decode(row["payload"]) == record["payload"]
    head = await read(service, "/head")
    assert (rows[-1]["eventType"], rows[-1]["hash"]) == ("CHAIN_HEAD", head["lastHash"])
    assert len(rows) == 6
    assert "x-next-after" not in headers


async def test_a_table_is_filtered_and_paged(service: PolicyHttpService) -> None:
    await fill(service)
    assert [row["sequence"] for row in (await table(service, "&user=user1"))[0]] == ["2", "4", "5"]
    times = [record["occurredAt"] for record in await read(service, "")]
    assert [row["sequence"] for row in (await table(service, f"&to={times[0]}"))[0]] == ["1", "2", "3", "4", "5", "5"]
    assert [row["sequence"] for row in (await table(service, "&from=9000-01-01T00:00:00Z"))[0]] == ["5"]
    rows, headers = await table(service, "&user=user0&limit=2")
    assert ([row["sequence"] for row in rows[:-1]], headers["x-next-after"]) == (["1", "3"], "3")
    rows, headers = await table(service, f"&user=user0&after={headers['x-next-after']}")
    assert [row["sequence"] for row in rows[:-1]] == ["5"]


@pytest.mark.parametrize("user", ["=1+1", "+1", "-1", "@SUM(A1)"])
async def test_a_cell_is_never_a_formula(service: PolicyHttpService, user: str) -> None:
    await ask(service, "PUT", SETTINGS, {}, role="OWNER", user=user)
    (row, _), _ = await table(service)
    assert row["actorId"] == f"'{user}"


@pytest.mark.parametrize("query", ["?format=xml", "?user=ada", "?format=ndjson&success=true"])
async def test_json_lines_have_every_record_or_none(service: PolicyHttpService, query: str) -> None:
    answered = await ask(service, "GET", f"{AUDIT}/export{query}", role="ADMIN")
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_pages_of_an_export_tell_where_to_go_on(service: PolicyHttpService) -> None:
    await fill(service)
    first = await ask(service, "GET", f"{AUDIT}/export?limit=2", role="ADMIN")
    assert first.headers["x-next-after"] == "2"
    assert "x-next-after" not in (await ask(service, "GET", f"{AUDIT}/export?after=2", role="ADMIN")).headers


async def test_records_of_one_version_are_found(service: PolicyHttpService) -> None:
    for answer in ("one", "two"):
        source = f'Module m.\n\nRule r produce Text:\n  Return "{answer}".\n'
        made = await ask(service, "POST", "/api/v1/policies", {"source": source})
        await ask(service, "POST", "/api/v1/policies/evaluate", {"policyModule": "m"})
    target = f"/api/v1/audit?policyId={made.json['policyId']}&version="
    for version in (1, 2):
        found = (await ask(service, "GET", f"{target}{version}", role="ADMIN")).json
        assert [(record["eventType"], record["version"]) for record in found] == [
            ("POLICY_EVALUATED", version),
            ("POLICY_DEPLOYED", version),
        ]
    assert (await ask(service, "GET", f"{target}x", role="ADMIN")).code == "VALIDATION_ERROR"


async def test_logs_take_the_documented_limit(service: PolicyHttpService) -> None:
    for _ in range(3):
        await ask(service, "POST", "/api/v1/policies/evaluate-source", {"source": "Module m."})
    logs = await ask(service, "GET", "/api/v1/audit/logs?limit=2", role="ADMIN")
    assert [record["sequence"] for record in logs.json] == [3, 2]
    assert "x-aster-warnings" not in logs.headers
    assert (await ask(service, "GET", "/api/v1/audit/logs?limit=201", role="ADMIN")).code == "VALIDATION_ERROR"


async def test_a_chain_under_a_key_is_proved_with_it_and_by_nobody_else(database: Database) -> None:
    key = "a key that the database has not got"
    keyed = create_policy_service(database, PolicySettings(secret_key=SECRET, audit_key=key), environ={})
    for _ in range(3):
        await ask(keyed, "POST", "/api/v1/policies/evaluate-source", {"source": "Module m."})
    assert (await ask(keyed, "GET", "/api/v1/audit/verify-chain", role="ADMIN")).json["valid"]
    lines = (await ask(keyed, "GET", "/api/v1/audit/export", role="ADMIN")).body.splitlines()
    assert verify_export(lines, key=key.encode()).valid
    assert not verify_export(lines).valid
    assert not verify_export(lines, key=b"another").valid
    forger = create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})
    await ask(forger, "POST", "/api/v1/policies/evaluate-source", {"source": "Module m."})
    found = (await ask(keyed, "GET", "/api/v1/audit/verify-chain", role="ADMIN")).json
    assert (found["valid"], found["brokenSequence"]) == (False, 4)


async def test_a_chain_under_a_key_can_be_cut_and_verified_in_part(database: Database) -> None:
    audit = AuditLog(database, key=b"k")
    for number in range(6):
        await audit.record("policy:acme-corp", {"eventType": "X", "number": number})
    await database.write(
        lambda link: audit.cut(link, "policy:acme-corp", before="2999", limit=3, event={"eventType": "AUDIT_CUT"})
    )
    assert audit.verify("policy:acme-corp").valid
    assert audit.verify("policy:acme-corp", since="2000-01-01T00:00:00.000Z", until="2999-01-01T00:00:00.000Z").valid
    assert not AuditLog(database).verify("policy:acme-corp").valid


async def test_records_have_the_names_that_earlier_clients_know_them_by(service: PolicyHttpService) -> None:
    await ask(service, "POST", "/api/v1/policies/evaluate-source", {"source": "Module m."})
    (record,) = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    assert record["timestamp"] == record["occurredAt"]
    assert (record["currentHash"], record["prevHash"]) == (record["hash"], record["previousHash"])


async def test_the_head_tells_when_the_last_record_was_written(service: PolicyHttpService) -> None:
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN")).json["lastTimestamp"] is None
    await ask(service, "POST", "/api/v1/policies/evaluate-source", {"source": "Module m."})
    head = (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN")).json
    (record,) = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    assert (head["lastSequence"], head["lastTimestamp"]) == (1, record["occurredAt"])
