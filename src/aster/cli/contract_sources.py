"""Where commands take contracts from: a manifest or export file, a class, a running server, or what was imported."""

import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError
from aster.rpc.contract.description import ServiceDescription
from aster.rpc.contract.manifest import manifest_json, manifest_of, read_manifest

if TYPE_CHECKING:
    from aster.cli.connecting import ConnectionOptions
    from aster.rpc.stub import Caller

SUFFIX = ".aster.json"

_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")
_IMPORTED = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)(?:@([0-9]+))?\Z")


def services_from(source: str, options: "ConnectionOptions | None" = None) -> tuple[ServiceDescription, ...]:
    """The services of a source; `ConfigError` tells which forms there are."""
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / ".aster" / "manifest.json"
    if path.is_file():
        return read_manifest(path).services
    if _CLASS.match(source):
        return (service_of_class(source),)
    if found := _imported(source):
        return (found,)
    if options is not None and _is_address(source):
        return _ask(options)
    if source.endswith(".json"):
        return read_manifest(path).services
    raise ConfigError(
        f"'{source}' is no contract",
        hint="a manifest or export file, MODULE:CLASS, the name of an imported contract, or a server's address",
    )


def service_of_class(source: str) -> ServiceDescription:
    """The service that ``MODULE:CLASS`` names; modules of the working directory are found."""
    from aster.rpc.contract.service import describe_service
    from aster.rpc.definition import definition_of

    module_name, _, names = source.partition(":")
    if not _CLASS.match(source):
        raise ConfigError(f"'{source}' is no service", hint="MODULE:CLASS, such as shop.services:Orders")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise ConfigError(f"there is no module '{module_name}'", hint="run it where the module is") from None
    for name in names.split("."):
        found = getattr(found, name, None)
    if found is None:
        raise ConfigError(f"'{module_name}' has no '{names}'")
    return describe_service(definition_of(found))


def imports_folder() -> Path:
    """Where imported contracts are kept."""
    return Path("~/.aster/contracts").expanduser()


def export_name(service: ServiceDescription) -> str:
    """``Greeter.v2.aster.json``."""
    return f"{service.name}.v{service.version}{SUFFIX}"


def write_export(folder: Path, service: ServiceDescription) -> Path:
    """A file with one service."""
    return write_text(folder / export_name(service), manifest_json(manifest_of([service])))


def write_text(path: Path, text: bytes) -> Path:
    """Write a file whole or not at all; its folders are made."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(text)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from error
    return path


async def remote_services(caller: "Caller") -> Sequence[ServiceDescription]:
    """What a server shows this caller, each service in full."""
    from aster.rpc.builtin.asking import list_remote
    from aster.rpc.proxy import described

    connection = await caller.connection()
    offered = (await list_remote(connection, caller.interceptors)).services
    return [(await described(caller.proxy(each.name, each.version))).description for each in offered]


def _imported(source: str) -> ServiceDescription | None:
    named = _IMPORTED.match(source)
    if named is None:
        return None
    found = [
        service
        for file in sorted(imports_folder().glob(f"{named[1]}.v*{SUFFIX}"))
        for service in read_manifest(file).services
        if service.name == named[1] and named[2] in (None, str(service.version))
    ]
    return max(found, key=lambda service: service.version, default=None)


def _is_address(source: str) -> bool:
    from aster.transport.address import parse_address
    from aster.transport.errors import InvalidAddress

    try:
        parse_address(source)
    except InvalidAddress:
        return False
    return True


def _ask(options: "ConnectionOptions") -> tuple[ServiceDescription, ...]:
    from aster.cli.running import run_async

    async def work() -> tuple[ServiceDescription, ...]:
        async with options.client() as client:
            return tuple(await remote_services(client))

    return run_async(work())
