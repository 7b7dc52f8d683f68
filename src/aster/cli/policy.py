"""`aster policy`: work with files, serve, sign requests, verify exports."""

import enum
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import typer

from aster.cli import (
    policy_analysis,
    policy_cases,
    policy_editor,
    policy_files,
    policy_finding,
    policy_format,
    policy_repl,
    policy_tell,
)
from aster.cli.up import DatabaseOption, DataOption, HostOption, JsonOption, PortOption, RedisOption
from aster.foundation.errors import ConfigError


class Shape(enum.StrEnum):
    """How `sign` prints a request."""

    CONFIG = "curl-config"
    COMMAND = "curl"
    HEADERS = "headers"


app = typer.Typer(name="policy", help="Work with policies and the policy service.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """Work with policies and the policy service."""


app.command("check")(policy_files.check)
app.command("finding")(policy_finding.finding)
app.command("eval")(policy_files.evaluate)
app.command("analyze")(policy_analysis.analyze)
app.command("diff")(policy_analysis.diff)
app.command("explain")(policy_tell.explain)
app.command("schema")(policy_tell.schema)
app.command("ir")(policy_tell.core_ir)
app.command("test")(policy_cases.run_all)
app.command("fmt")(policy_format.fmt)
app.command("translate")(policy_format.translate)
app.command("repl")(policy_repl.repl)
app.command("lsp")(policy_editor.lsp)


@app.command()
def serve(
    data: DataOption = Path("aster-data"),
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    redis: RedisOption = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            envvar="ASTER_WORKERS",
            min=1,
            max=256,
            help="Processes that serve the port together; more than one needs --database and --redis.",
        ),
    ] = 1,
) -> None:
    """Serve the policy API alone, until Ctrl-C.

    Several workers behave as one: a nonce counts once, limits are everybody's, a new version is seen by all at once. A
    worker that dies is replaced.
    """
    from aster.cli.running import run_async
    from aster.cli.serving import serve

    if workers > 1:
        from aster.cli.policy_workers import serve_together

        serve_together(workers, data=data, host=host, port=port, as_json=as_json, database=database, redis=redis)
        return

    run_async(
        serve(
            data=data,
            host=host,
            port=port,
            as_json=as_json,
            systems=frozenset({"policy"}),
            database=database,
            redis=redis,
        )
    )


audit_app = typer.Typer(name="audit", help="Prove what the service recorded.", no_args_is_help=True)
app.add_typer(audit_app)


@audit_app.callback()
def audit() -> None:
    """Prove what the service recorded."""


@audit_app.command("verify")
def verify_export(
    file: Annotated[Path, typer.Argument(help="What GET /api/v1/audit/export answered, or - for standard input.")],
    as_json: JsonOption = False,
) -> None:
    """Verify an exported audit chain, far from the service; exit code 1 when it is broken.

    A service that has a key for its chains (ASTER_AUDIT_HMAC_KEY) is verified with that key in the environment.
    """
    from aster.cli.audit import audit_key, told
    from aster.cli.terminal import print_json
    from aster.policy.audit_export import verify_export

    result = verify_export(_payload("-" if str(file) == "-" else f"@{file}").splitlines(), key=audit_key())
    if as_json:
        print_json(result)
    else:
        typer.echo(told(result))
    if not result.valid:
        raise typer.Exit(1)


@app.command()
def sign(
    method: Annotated[str, typer.Argument(help="GET, POST, …")],
    url: Annotated[str, typer.Argument(help="The whole URL, as it will be sent.")],
    body: Annotated[str, typer.Argument(help="The body: JSON text, @FILE, or - for standard input.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose request this is.")] = "local",
    role: Annotated[str, typer.Option("--role", help="OWNER, ADMIN, MEMBER or VIEWER.")] = "MEMBER",
    user: Annotated[str | None, typer.Option("--user", help="Recorded in the audit chain.")] = None,
    key_id: Annotated[str | None, typer.Option("--key-id", help="The named key that the secret is of.")] = None,
    version: Annotated[
        int, typer.Option("--signature-version", min=1, max=2, help="2 also signs tenant, role and user.")
    ] = 1,
    shape: Annotated[
        Shape, typer.Option("--as", help="A curl configuration, a curl command line, or header lines.")
    ] = Shape.CONFIG,
    data: DataOption = Path("aster-data"),
) -> None:
    """Print a signed request for curl: `aster policy sign POST URL BODY | curl --config -`.

    --as curl prints a command line to paste, --as headers the header lines alone. The secret is
    ASTER_HMAC_SECRET_{TENANT}, else ASTER_SECURITY_HMAC_SECRET_KEY, else the one that `aster policy serve` or
    `aster up` made in the data directory. A signed request can be sent once, within five minutes.
    """
    from aster.policy.service.signing import sign_request

    parts = _parts(url)
    payload = _payload(body)
    text = _text(payload)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = sign_request(
        method.upper(),
        target,
        payload,
        tenant=tenant,
        secret=_secret(tenant, data),
        role=role,
        user=user,
        key_id=key_id,
        version=version,
    )
    if payload:
        headers["Content-Type"] = "application/json"
    typer.echo(_SHAPES[shape](method.upper(), url, headers, text))


def _as_config(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    lines = [f"url = {_quoted(url)}", f"request = {_quoted(method)}", "silent", "show-error", "globoff", "path-as-is"]
    lines += [f"header = {_quoted(f'{name}: {value}')}" for name, value in headers.items()]
    if body:
        lines.append(f"data-raw = {_quoted(body)}")
    return "\n".join(lines)


def _as_command(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    words = ["curl", "-sS", "--globoff", "--path-as-is", "-X", method, url]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, "--data-raw", body] if body else words)


def _as_headers(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


_SHAPES = {Shape.CONFIG: _as_config, Shape.COMMAND: _as_command, Shape.HEADERS: _as_headers}


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not parts.netloc:
        raise ConfigError(f"'{url}' is not a URL", hint="e.g. http://127.0.0.1:8080/api/v1/policies/evaluate-source")
    return parts


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise ConfigError("the body is not UTF-8 text") from error


def _payload(body: str) -> bytes:
    if body == "-":
        return sys.stdin.buffer.read()
    if body.startswith("@"):
        try:
            return Path(body[1:]).read_bytes()
        except OSError as error:
            raise ConfigError(f"{body[1:]} can't be read: {error.strerror or error}") from error
    return body.encode()


def _secret(tenant: str, data: Path) -> str:
    from aster.policy.service.signing_keys import variable_part
    from aster.stack.data import POLICY_SECRET

    variable = f"ASTER_HMAC_SECRET_{variable_part(tenant)}"
    found = os.environ.get(variable) or os.environ.get("ASTER_SECURITY_HMAC_SECRET_KEY")
    if found:
        return found
    try:
        return (data.expanduser() / POLICY_SECRET).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"there is no secret to sign with for tenant '{tenant}'",
            hint=f"set {variable}, or name a running service's data directory with --data",
        ) from error


def _quoted(text: str) -> str:
    """A quoted value of a curl configuration file."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, written in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\v", "\\v")):
        escaped = escaped.replace(raw, written)
    return f'"{escaped}"'
