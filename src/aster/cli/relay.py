"""`aster relay`: carry encrypted traffic for endpoints that can't reach each other directly."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aster.transport.relay.server import RelayOptions

TOKEN_VARIABLE = "ASTER_RELAY_TOKEN"  # noqa: S105 - a variable's name
MOST = 1 << 40


def relay(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 3340,
    access_token_file: Annotated[
        Path | None,
        typer.Option("--access-token-file", help="Tokens, one a line, of which a client needs one (for rotation)."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="PEM certificate chain; read again on SIGHUP.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="PEM private key of the certificate.")] = None,
    max_clients: Annotated[int, typer.Option("--max-clients", min=1, max=MOST, help="Connected clients.")] = 1024,
    max_bytes_per_second: Annotated[
        int, typer.Option("--max-bytes-per-second", min=1024, max=MOST, help="From one client; above it, it waits.")
    ] = 8 << 20,
    max_total_bytes_per_second: Annotated[
        int, typer.Option("--max-total-bytes-per-second", min=1024, max=MOST, help="From all clients together.")
    ] = 64 << 20,
    max_connections_of_address: Annotated[
        int, typer.Option("--max-connections-of-address", min=1, max=MOST, help="At once, from one source address.")
    ] = 256,
    max_new_per_second_of_address: Annotated[
        int,
        typer.Option("--max-new-per-second-of-address", min=1, max=MOST, help="New connections of one source address."),
    ] = 20,
    max_bytes_per_second_of_address: Annotated[
        int,
        typer.Option(
            "--max-bytes-per-second-of-address", min=1024, max=MOST, help="From one source address; above it, it waits."
        ),
    ] = 32 << 20,
    max_queue_bytes: Annotated[
        int, typer.Option("--max-queue-bytes", min=1024, max=MOST, help="Waiting for one slow client; more is dropped.")
    ] = 1 << 20,
    max_total_queue_bytes: Annotated[
        int, typer.Option("--max-total-queue-bytes", min=1024, max=MOST, help="Waiting for all clients together.")
    ] = 64 << 20,
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="Address for metrics.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=0, max=65535, help="Serve /metrics and /healthz there.")
    ] = None,
    log_format: Annotated[str, typer.Option("--log-format", envvar="ASTER_LOG_FORMAT", help="text or json.")] = "text",
    log_level: Annotated[
        str, typer.Option("--log-level", envvar="ASTER_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Relay encrypted datagrams between endpoints whose relay_mode is this relay's URL, until Ctrl-C.

    The access token comes from ASTER_RELAY_TOKEN or --access-token-file; clients put it into their URL:
    relay_mode = "https://TOKEN@relay.example/". A relay sees who talks to whom and how much, never what.
    """
    from aster.cli.running import run_async
    from aster.foundation.extras import load_extra
    from aster.foundation.logs import configure_logging

    for package in ("websockets", "blake3"):
        load_extra(package, extra="relay")
    from aster.transport.relay.limits import RelayLimits
    from aster.transport.relay.server import RelayOptions

    _check_words(log_format, log_level)
    configure_logging(format=log_format, level=log_level)
    options = RelayOptions(
        host=host,
        port=port,
        tokens=_tokens(access_token_file),
        tls_certificate=None if tls_cert is None else str(tls_cert),
        tls_key=None if tls_key is None else str(tls_key),
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        limits=RelayLimits(
            max_clients=max_clients,
            max_bytes_per_second=max_bytes_per_second,
            max_total_bytes_per_second=max_total_bytes_per_second,
            max_connections_of_address=max_connections_of_address,
            max_new_per_second_of_address=max_new_per_second_of_address,
            max_bytes_per_second_of_address=max_bytes_per_second_of_address,
            max_queue_bytes=max_queue_bytes,
            max_total_queue_bytes=max_total_queue_bytes,
        ),
    )
    run_async(_serve(options, as_json=as_json))


async def _serve(options: "RelayOptions", *, as_json: bool) -> None:
    import asyncio

    from aster.cli.running import stop_on_signals
    from aster.cli.terminal import print_json
    from aster.foundation.errors import ConfigError
    from aster.foundation.logs import get_logger
    from aster.transport.relay.server import RelayServer

    logger = get_logger("aster.relay")
    stop = stop_on_signals()
    async with RelayServer(options) as server:

        def reload() -> None:
            try:
                server.reload_certificate()
                logger.info("the TLS certificate was read again")
            except ConfigError as error:
                logger.error("the old TLS certificate stays in use", error=error.message)

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        if not options.tokens:
            logger.warning("no access token: whoever reaches this relay may use it", hint=f"set {TOKEN_VARIABLE}")
        if as_json:
            print_json({"relay": server.url, "metrics": server.metrics_url})
        else:
            typer.echo("The relay is ready; Ctrl-C ends it")
            typer.echo(f"  relay    {server.url}")
            if server.metrics_url:
                typer.echo(f"  metrics  {server.metrics_url}")
        await stop.wait()


def _tokens(file: Path | None) -> tuple[bytes, ...]:
    """From the environment and the file; fails rather than serve without a token that was asked for."""
    from aster.foundation.errors import ConfigError
    from aster.foundation.private_file import warn_if_readable_by_others

    found = [os.environ.get(TOKEN_VARIABLE, "").strip()]
    if file is not None:
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: the access tokens can't be read") from error
        if not any(lines):
            raise ConfigError(f"{file}: holds no access token", hint="one a line")
        warn_if_readable_by_others(file)
        found += lines
    for token in found:
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ConfigError("an access token is printable ASCII without spaces")
    return tuple(token.encode() for token in found if token)


def _check_words(log_format: str, log_level: str) -> None:
    for option, word, known in (
        ("--log-format", log_format, ("text", "json")),
        ("--log-level", log_level, ("debug", "info", "warning", "error")),
    ):
        if word not in known:
            raise typer.BadParameter(f"expected one of {', '.join(known)}", param_hint=option)
