"""The policy service's settings: the documented property names, environment forms and defaults, in every layer."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, ask, send, signed, without

from aster.foundation.errors import ConfigError
from aster.foundation.settings import Document
from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import SETTINGS, PolicySettings, resolve_settings
from aster.policy.service.settings_table import ROWS, SECRET_KEY

MEBI = 1024 * 1024

DOCUMENTED: list[tuple[str, str, Any, str, Any]] = [
    # property, environment form, default, what the environment says, what is read
    ("aster.security.signature.enabled", "ASTER_SECURITY_SIGNATURE_ENABLED", True, "false", False),
    ("aster.security.hmac.secret-key", "ASTER_SECURITY_HMAC_SECRET_KEY", None, "s", "s"),
    ("aster.security.hmac.previous-secret-key", "ASTER_SECURITY_HMAC_PREVIOUS_SECRET_KEY", None, "s", "s"),
    ("aster.security.hmac.use-env-secrets", "ASTER_SECURITY_USE_ENV_SECRETS", True, "no", False),
    ("aster.security.hmac.use-env-secrets", "ASTER_SECURITY_HMAC_USE_ENV_SECRETS", True, "0", False),
    ("aster.security.events.enabled", "ASTER_SECURITY_EVENTS_ENABLED", True, "false", False),
    ("aster.security.rbac.enabled", "ASTER_SECURITY_RBAC_ENABLED", True, "false", False),
    ("aster.tenant.allowed", "ASTER_TENANT_WHITELIST", "", "acme", "acme"),
    ("aster.ratelimit.enabled", "ASTER_RATELIMIT_ENABLED", True, "off", False),
    ("aster.ratelimit.rest.max-requests", "ASTER_RATELIMIT_REST_MAX", 60_000, "7", 7),
    ("aster.ratelimit.rest.max-requests", "ASTER_RATELIMIT_REST_MAX_REQUESTS", 60_000, "7", 7),
    ("aster.ratelimit.rest.window-seconds", "ASTER_RATELIMIT_REST_WINDOW", 60, "7", 7),
    ("aster.ratelimit.rest.window-seconds", "ASTER_RATELIMIT_REST_WINDOW_SECONDS", 60, "7", 7),
    ("aster.ratelimit.trust-forwarded-headers", "ASTER_RATELIMIT_TRUST_FORWARDED_HEADERS", False, "true", True),
    ("aster.ratelimit.ws.max-connections", "ASTER_RATELIMIT_WS_MAX_CONNECTIONS", 5, "7", 7),
    ("aster.ratelimit.ws.max-messages-per-second", "ASTER_RATELIMIT_WS_MAX_MESSAGES_PER_SECOND", 10, "7", 7),
    ("aster.ratelimit.ws.idle-timeout-ms", "ASTER_RATELIMIT_WS_IDLE_TIMEOUT_MS", 300_000, "7", 7),
    ("aster.pii.enforce", "ASTER_PII_ENFORCE", True, "false", False),
    ("aster.modules.enabled", "ASTER_MODULES_ENABLED", True, "false", False),
    ("aster.entry.legacy-evaluate-sentinel", "ASTER_ENTRY_LEGACY_EVALUATE_SENTINEL", True, "false", False),
    ("aster.policy.compile-cache.max-bytes", "ASTER_POLICY_COMPILE_CACHE_MAX_BYTES", 128 * MEBI, "7", 7),
    ("aster.http.max-body-size", "ASTER_HTTP_MAX_BODY_SIZE", MEBI, "2048", 2048),
    ("aster.graphql.max-depth", "GRAPHQL_MAX_DEPTH", 15, "7", 7),
    ("aster.eval.max-steps", "ASTER_EVAL_MAX_STEPS", 1_000_000, "7", 7),
    ("aster.eval.deadline-ms", "ASTER_EVAL_DEADLINE_MS", 2000, "7", 7),
    ("aster.max-source-chars", "ASTER_MAX_SOURCE_CHARS", 65_536, "7", 7),
    ("aster.audit.hmac-key", "ASTER_AUDIT_HMAC_KEY", None, "k", "k"),
    ("aster.audit.evaluations", "ASTER_AUDIT_EVALUATIONS", "all", "errors", "errors"),
]

POLICIES = "/api/v1/policies"
PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".\n'


@pytest.mark.parametrize(("name", "variable", "default", "text", "value"), DOCUMENTED)
def test_a_documented_property_has_its_environment_form_and_its_default(
    name: str, variable: str, default: Any, text: str, value: Any
) -> None:
    field = next(field for field, setting in ROWS if setting.name == name)
    resolved = resolve_settings(environ={})
    assert (resolved[name], resolved.source(name)) == (default, "default")
    assert getattr(PolicySettings(), field) == getattr(PolicySettings.of(resolved), field) == default
    told = resolve_settings(environ={variable: text})
    assert (told[name], told.source(name)) == (value, variable)
    assert getattr(PolicySettings.of(told), field) == value


def test_every_property_has_the_environment_form_of_the_rule() -> None:
    for setting in SETTINGS.settings:
        assert setting.env == setting.name.upper().replace(".", "_").replace("-", "_")


def test_the_values_of_the_table_are_the_values_of_the_service() -> None:
    assert PolicySettings.of(resolve_settings(environ={})) == PolicySettings()
    assert [field for field, _ in ROWS] == list(PolicySettings.__struct_fields__)


def test_the_rules_form_of_a_variable_counts_before_its_other_names() -> None:
    both = {"ASTER_RATELIMIT_REST_MAX_REQUESTS": "1", "ASTER_RATELIMIT_REST_MAX": "2"}
    assert resolve_settings(environ=both)["aster.ratelimit.rest.max-requests"] == 1


def test_a_property_is_read_from_the_section_its_dots_name(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[aster.security.hmac]\nsecret-key = "from the file"\n\n[aster.ratelimit.rest]\nmax-requests = 5\n')
    resolved = resolve_settings(document=Document.read(file))
    assert PolicySettings.of(resolved).secret_key == "from the file"
    assert PolicySettings.of(resolved).rate_requests == 5
    assert resolved.source(SECRET_KEY) == f"{file} [aster.security.hmac]"


def test_the_environment_wins_over_the_file_and_inline_over_both(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[aster.security.hmac]\nsecret-key = "file"\n')
    environ = {"ASTER_SECURITY_HMAC_SECRET_KEY": "environment"}
    document = Document.read(file)
    assert resolve_settings(environ=environ, document=document)[SECRET_KEY] == "environment"
    assert resolve_settings(environ=environ, document=document, inline={SECRET_KEY: "inline"})[SECRET_KEY] == "inline"


@pytest.mark.parametrize(
    "text",
    ["[aster.security.hmac]\nsecret = 1\n", "[aster.securty]\nx = 1\n", "[aster.security.hmac]\nsecret-key = 1\n"],
)
def test_unknown_or_wrong_settings_are_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        resolve_settings(document=Document.read(file))


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    resolved = resolve_settings(inline={SECRET_KEY: "a very secret secret"})
    shown = resolved.render_text() + resolved.render_json() + repr(PolicySettings.of(resolved))
    assert "a very secret" not in shown


def service(database: Database, environ: dict[str, str] | None = None, **settings: Any) -> PolicyHttpService:
    return create_policy_service(database, PolicySettings(secret_key=SECRET, **settings), environ=environ or {})


@pytest.mark.parametrize("off", ["signature_enabled", "rbac_enabled"])
def test_no_service_starts_without_one_of_its_layers(database: Database, off: str) -> None:
    for environ in ({}, {"ASTER_DEV": "0"}, {"ASTER_DEV": "true"}):
        with pytest.raises(ConfigError, match="every caller is believed"):
            service(database, environ, **{off: False})


async def test_a_developer_may_leave_a_layer_out(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    dev = {"ASTER_DEV": "1"}
    unsigned = service(database, dev, signature_enabled=False)
    headers = [(b"x-tenant-id", b"acme"), (b"x-user-role", b"VIEWER")]
    assert (await send(unsigned, "GET", POLICIES, headers=headers)).status == 200
    assert (await send(unsigned, "GET", "/api/v1/tenant", headers=headers)).status == 403
    assert (await send(unsigned, "GET", POLICIES, headers=headers[1:])).status == 400
    anybody = service(database, dev, rbac_enabled=False)
    headers = without(signed("GET", "/api/v1/tenant"), b"x-user-role")
    assert (await send(anybody, "GET", "/api/v1/tenant", headers=headers)).status == 200
    assert (await send(anybody, "GET", "/api/v1/tenant")).status == 400
    assert caplog.text.count("every caller is believed") == 2


async def test_secrets_of_the_environment_can_be_left_unread(database: Database) -> None:
    environ = {"ASTER_HMAC_SECRET_ACME_CORP": "its own"}
    for use, secret, status in (
        (True, "its own", 200),
        (True, SECRET, 401),
        (False, "its own", 401),
        (False, SECRET, 200),
    ):
        asked = await ask(service(database, environ, use_env_secrets=use), "GET", POLICIES, secret=secret)
        assert asked.status == status


async def test_security_events_can_be_left_out(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="aster")
    for enabled, denials in ((False, 0), (True, 1)):
        caplog.clear()
        one = service(database, events_enabled=enabled)
        assert (await ask(one, "GET", "/api/v1/tenant", role="VIEWER")).status == 403
        assert (await ask(one, "GET", POLICIES, secret="another")).status == 401
        assert ("unsigned request refused" in caplog.text) == enabled
        again = signed("GET", POLICIES)
        assert [(await send(one, "GET", POLICIES, headers=again)).status for _ in range(2)] == [200, 409]
        assert ("NONCE_REPLAYED" in {vars(record).get("reason") for record in caplog.records}) == enabled
        records = (await ask(one, "GET", "/api/v1/audit?eventType=ACCESS_DENIED", role="ADMIN")).json
        assert len(records) == denials


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"10.0.0.1, 203.0.113.7"], "203.0.113.7"),
        ([b"10.0.0.1", b"203.0.113.7"], "203.0.113.7"),
        ([b"2001:db8::1"], "2001:db8::1"),
        ([b"[2001:db8::1]"], "2001:db8::1"),
        ([b"not an address"], "127.0.0.1"),
        ([b"203.0.113.7,"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_behind_a_proxy_the_address_is_the_one_it_wrote(
    database: Database, told: list[bytes], address: str
) -> None:
    body = msgspec.json.encode({"source": PING})
    for trusts, expected in ((False, "127.0.0.1"), (True, address)):
        target = f"{POLICIES}/evaluate-source"
        headers = [*signed("POST", target, body), *((b"x-forwarded-for", value) for value in told)]
        one = service(database, trust_forwarded=trusts)
        assert (await send(one, "POST", target, body, headers)).status == 200
        (record, *_) = (await ask(one, "GET", "/api/v1/audit", role="ADMIN")).json
        assert record["clientIp"] == expected


async def test_an_operator_may_leave_personal_data_as_it_is(database: Database) -> None:
    for enforced, expected in ((True, "***@***"), (False, "ada@acme.com")):
        one = service(database, pii_enforced=enforced)
        made = await ask(one, "POST", POLICIES, {"source": PING})
        await ask(one, "PATCH", f"{POLICIES}/{made.json['policyId']}", {"description": "ada@acme.com"})
        (record, *_) = (await ask(one, "GET", "/api/v1/audit", role="ADMIN")).json
        assert record["payload"] == {"description": expected}


async def test_without_modules_what_a_policy_uses_is_unknown(database: Database) -> None:
    user = "Module user.\n\nUse demo.\n\nRule say produce Text:\n  Return demo.ping().\n"
    for enabled, status in ((False, 422), (True, 201)):
        one = service(database, modules_enabled=enabled)
        await ask(one, "POST", POLICIES, {"source": PING})
        assert (await ask(one, "POST", POLICIES, {"source": user})).status == status


async def test_the_documented_default_of_a_rule_s_name_means_none(database: Database) -> None:
    target, body = f"{POLICIES}/evaluate-source", {"source": PING, "functionName": "evaluate"}
    stored = {"policyModule": "demo", "policyFunction": "evaluate"}
    one, strict = service(database), service(database, legacy_entry=False)
    await ask(one, "POST", POLICIES, {"source": PING})
    assert (await ask(one, "POST", target, body)).json["result"] == "pong"
    assert (await ask(one, "POST", f"{POLICIES}/evaluate", stored)).json["result"] == "pong"
    assert (await ask(strict, "POST", target, body)).json["errorCode"] == "RULE_NOT_FOUND"
    assert (await ask(strict, "POST", f"{POLICIES}/evaluate", stored)).json["errorCode"] == "RULE_NOT_FOUND"
    named = PING.replace("ping", "other") + '\nRule evaluate produce Text:\n  Return "named".\n'
    assert (await ask(one, "POST", target, {**body, "source": named})).json["result"] == "named"


async def test_a_source_above_the_limit_is_too_large(database: Database) -> None:
    one = service(database, source_characters=len(PING))
    for path in ("evaluate-source", "compile", "validate", "schema"):
        assert (await ask(one, "POST", f"{POLICIES}/{path}", {"source": PING})).status == 200
        refused = await ask(one, "POST", f"{POLICIES}/{path}", {"source": PING + "\n"})
        assert (refused.status, refused.code) == (413, "SOURCE_TOO_LARGE")
    assert (await ask(one, "POST", POLICIES, {"source": PING + "\n"})).code == "SOURCE_TOO_LARGE"


async def test_the_operator_chooses_what_is_recorded_where_a_tenant_does_not(database: Database) -> None:
    one = service(database, audit_evaluations="errors")
    target = f"{POLICIES}/evaluate-source"
    await ask(one, "POST", target, {"source": PING})
    await ask(one, "POST", target, {"source": "Rule"})
    assert [record["success"] for record in (await ask(one, "GET", "/api/v1/audit", role="ADMIN")).json] == [False]
    await ask(one, "PATCH", "/api/v1/tenant/settings", {"auditEvaluations": "all"}, role="OWNER")
    await ask(one, "POST", target, {"source": PING})
    (record, *_) = (await ask(one, "GET", "/api/v1/audit", role="ADMIN")).json
    assert (record["eventType"], record["success"]) == ("POLICY_EVALUATED", True)


async def test_a_policy_has_so_many_versions(database: Database) -> None:
    one = service(database, most_versions=2)
    for number in (1, 2):
        assert (await ask(one, "POST", POLICIES, {"source": PING.replace("pong", str(number))})).status == 201
    refused = await ask(one, "POST", POLICIES, {"source": PING})
    assert (refused.status, refused.code) == (409, "TOO_MANY_VERSIONS")


async def test_a_graphql_document_has_so_many_levels(database: Database) -> None:
    pytest.importorskip("strawberry")
    query = {"query": 'query { versions(policy_id: "x") { dependencies { module } } }'}
    assert "levels of fields" not in (await ask(service(database), "POST", "/graphql", query)).body.decode()
    refused = await ask(service(database, graphql_depth=2), "POST", "/graphql", query)
    assert (refused.status, refused.json["error"]) == (400, "the document asks for more than 2 levels of fields")
