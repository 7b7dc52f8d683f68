"""`aster call`: one call of a service, by name."""

import sys
from typing import Annotated, cast, get_args

import typer

from aster.cli.connecting import (
    AddressArgument,
    ConfigOption,
    ConnectionOptions,
    CredentialOption,
    IdentityOption,
    MetadataOption,
    PeerOption,
    TimeoutOption,
    metadata_of,
)

LinesOption = Annotated[
    bool, typer.Option("--json", help="One JSON value a line, as in a pipe; without it JSON that people read.")
]


def call(
    address: AddressArgument,
    target: Annotated[str, typer.Argument(metavar="SERVICE.METHOD", help="Such as Greeter.hello.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="key=value …, JSON, @file, or - for standard input (a JSON value a line for streams)."),
    ] = None,
    as_json: LinesOption = False,
    timeout: TimeoutOption = None,
    metadata: MetadataOption = None,
    encoding: Annotated[
        str,
        typer.Option("--encoding", metavar="msgpack|json", help="How messages travel; the output is the same."),
    ] = "msgpack",
    version: Annotated[int | None, typer.Option("--service-version", help="The newest when left out.")] = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """Call a method and print its answer; answers of a stream as they come. Nothing is generated or imported.

    Exit codes of a call that failed: 64 + its status, so 67 INVALID_ARGUMENT, 68 DEADLINE_EXCEEDED, 69 NOT_FOUND,
    71 PERMISSION_DENIED, 76 UNIMPLEMENTED, 77 INTERNAL, 78 UNAVAILABLE, 81 CONTRACT_VIOLATION.
    """
    from aster.cli.calling import call_and_print, exit_code, split_target
    from aster.cli.running import run_async
    from aster.cli.terminal import print_error
    from aster.rpc.codec import EncodingName
    from aster.rpc.status import RpcError

    if encoding not in get_args(EncodingName):
        raise typer.BadParameter(f"expected one of {', '.join(get_args(EncodingName))}", param_hint="--encoding")
    wire = cast("EncodingName", encoding)
    service, method = split_target(target)
    sent = metadata_of(metadata)
    options = ConnectionOptions(address, config, credential, identity, peer)

    async def work() -> None:
        async with options.client() as client:
            await call_and_print(
                client.proxy(service, version, encoding=wire),
                method,
                arguments or [],
                as_lines=as_json or not sys.stdout.isatty(),
                seconds=timeout,
                metadata=sent,
            )

    try:
        run_async(work())
    except RpcError as error:
        print_error(error)
        raise typer.Exit(exit_code(error)) from None
