"""``.aster/manifest.json``: the services of a deployment as they were agreed on, kept beside the code.

Keys that this version does not know are skipped; a manifest of a newer format is refused by its number. What is read is
bounded in every way before anything is made of it: a manifest may come from anywhere.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from aster.foundation.errors import AsterError
from aster.rpc.contract.canonical import contract_id
from aster.rpc.contract.description import Enumeration, Record, Ref, ServiceDescription, Type, parts

FORMAT = 1
DEFAULT_PATH = Path(".aster") / "manifest.json"

MAX_BYTES = 8 * 1024 * 1024
MAX_SERVICES = 256
MAX_METHODS = 1024
MAX_TYPES = 512
MAX_FIELDS = 1024
MAX_DEPTH = 32

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f"\\]')


class ManifestInvalid(AsterError):
    """A manifest can't be read, is of a newer format, above a limit, or does not fit its own ids."""

    code = "MANIFEST_INVALID"


class Manifest(Struct, frozen=True):
    """Several services; ``aster_manifest`` is the number of the format."""

    aster_manifest: int
    services: tuple[ServiceDescription, ...]

    def service(self, name: str, version: int) -> ServiceDescription | None:
        """The service of that name and version, if it is here."""
        return next((s for s in self.services if (s.name, s.version) == (name, version)), None)


class _Head(Struct):
    aster_manifest: int


def manifest_of(services: Iterable[ServiceDescription]) -> Manifest:
    """A manifest in the order of names and versions."""
    return Manifest(FORMAT, tuple(sorted(services, key=lambda service: (service.name, service.version))))


def manifest_json(manifest: Manifest) -> bytes:
    """The file's text: the same for the same services, one fact a line, as version control likes it."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest; raises `ManifestInvalid` with what is wrong."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestInvalid(f"{path} can't be read: {error.strerror or error}") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: bytes, source: str) -> Manifest:
    """A manifest from its text; ``source`` is named in errors."""
    if len(text) > MAX_BYTES:
        raise ManifestInvalid(f"{source} is above the limit of {MAX_BYTES} bytes")
    try:
        if (found := msgspec.json.decode(text, type=_Head).aster_manifest) != FORMAT:
            raise ManifestInvalid(
                f"{source} has format {found}, this version reads {FORMAT}", hint="use a newer version of aster"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"{source} is no manifest: {error}", hint="write one with 'aster contract gen'") from None
    if len(manifest.services) > MAX_SERVICES:
        raise ManifestInvalid(f"{source} has more than {MAX_SERVICES} services")
    for service in manifest.services:
        check_description(service, source)
    return manifest


def check_description(service: ServiceDescription, source: str) -> None:
    """Is a description within the limits, complete, and what its id says? Raises `ManifestInvalid`."""
    where = f"{source}: {service.name:.128}"
    if len(service.methods) > MAX_METHODS:
        raise ManifestInvalid(f"{where} has more than {MAX_METHODS} methods")
    if len({method.name for method in service.methods}) < len(service.methods):
        raise ManifestInvalid(f"{where} has two methods of one name")
    if len(service.types) > MAX_TYPES:
        raise ManifestInvalid(f"{where} has more than {MAX_TYPES} types")
    for method in service.methods:
        for described in (method.request, method.reply):
            _check_type(described, service, f"{where}.{method.name:.128}")
    for name, named in service.types.items():
        _check_named(named, service, f"{where}: type {name:.128}")
    if not service.partial and contract_id(service) != service.contract_id:
        raise ManifestInvalid(
            f"{where} has types that don't belong to its contract id", hint="write it again with 'aster contract gen'"
        )


def _check_named(named: Record | Enumeration, service: ServiceDescription, where: str) -> None:
    if isinstance(named, Enumeration):
        values = list(named.members.values())
        if not values or len({type(value) for value in values}) > 1 or len(set(values)) < len(values):
            raise ManifestInvalid(f"{where} needs values of one type, all different")
        return
    if len(named.fields) > MAX_FIELDS:
        raise ManifestInvalid(f"{where} has more than {MAX_FIELDS} fields")
    if len({field.name for field in named.fields}) < len(named.fields):
        raise ManifestInvalid(f"{where} has two fields of one name")
    for name in (*(field.name for field in named.fields), named.tag_field or "tag"):
        if _NOT_IN_NAMES.search(name):
            raise ManifestInvalid(f"{where} has the field {name!r:.128}, which can't be a field's name")
    for field in named.fields:
        _check_type(field.type, service, f"{where}.{field.name:.128}")


def _check_type(described: Type, service: ServiceDescription, where: str) -> None:
    level, depth = [described], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ManifestInvalid(f"{where} has types nested deeper than {MAX_DEPTH}")
        for item in level:
            if isinstance(item, Ref) and item.name not in service.types:
                raise ManifestInvalid(f"{where} names the type '{item.name:.128}', which is not described")
        level = [part for item in level for part in parts(item)]
