"""`aster contract`: what services promise, written down, compared, and carried around."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.connecting import ConfigOption, ConnectionOptions, CredentialOption, IdentityOption, PeerOption
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.rpc.contract.changes import Change
    from aster.rpc.contract.description import ServiceDescription

app = typer.Typer(
    name="contract", help="What services promise: write down, compare, carry around.", no_args_is_help=True
)

MANIFEST = Path(".aster") / "manifest.json"

ServiceOption = Annotated[
    list[str], typer.Option("--service", metavar="MODULE:CLASS", help="A service class; repeatable.")
]
ManifestOption = Annotated[Path, typer.Option("--manifest", help="The manifest.")]


@app.command()
def gen(
    service: ServiceOption,
    out: Annotated[Path, typer.Option("--out", help="Where to write it.")] = MANIFEST,
    as_json: JsonOption = False,
) -> None:
    """Write the manifest of the services in your code: what a server checks itself against when it starts."""
    from aster.cli.contract_sources import service_of_class, write_text
    from aster.cli.terminal import print_json
    from aster.rpc.contract.manifest import manifest_json, manifest_of

    services = [service_of_class(each) for each in service]
    if len({(each.name, each.version) for each in services}) < len(services):
        raise ConfigError("two of these services have one name and version")
    written = write_text(out.expanduser(), manifest_json(manifest_of(services)))
    if as_json:
        print_json({"manifest": str(written), "services": [_short(each) for each in services]})
        return
    typer.echo(f"wrote {written}")
    for each in services:
        typer.echo(f"  {each.name} version {each.version}  {each.contract_id[:16]}…  {_count(each)}")


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="A file, MODULE:CLASS, an imported name, or an address.")] = str(
        MANIFEST
    ),
    as_json: JsonOption = False,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what services promise: methods, types, fields, roles."""
    from aster.cli.contract_sources import services_from
    from aster.cli.contract_text import described_lines
    from aster.cli.terminal import print_json

    services = services_from(source, ConnectionOptions(source, config, credential, identity, peer))
    if as_json:
        print_json({"services": services})
        return
    for number, each in enumerate(services):
        typer.echo(("\n" if number else "") + "\n".join(described_lines(each)))


@app.command()
def verify(
    service: Annotated[
        list[str] | None, typer.Option("--service", metavar="MODULE:CLASS", help="Hold this class to it; repeatable.")
    ] = None,
    manifest: ManifestOption = MANIFEST,
    as_json: JsonOption = False,
) -> None:
    """Is the manifest whole, and is the code what it says? Exit code 1, and what changed, when not."""
    from aster.cli.contract_sources import service_of_class
    from aster.rpc.contract.changes import changes_between
    from aster.rpc.contract.manifest import read_manifest

    agreed = read_manifest(manifest.expanduser())
    found: list[Change] = []
    for each in map(service_of_class, service or []):
        known = agreed.service(each.name, each.version)
        if known is None:
            raise ConfigError(f"{manifest} has no {each.name} version {each.version}", hint="aster contract gen")
        found += changes_between(known, each)
    held = len(service or []) or len(agreed.services)
    _tell(found, as_json=as_json, same=f"valid: {held} service{'' if held == 1 else 's'}")
    if found:
        raise typer.Exit(1)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A file, MODULE:CLASS, an imported name, or an address.")],
    new: Annotated[str, typer.Argument(help="The same, for the newer side.")] = str(MANIFEST),
    as_json: JsonOption = False,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """What changed, and who breaks: old clients that call new servers, or old servers that new clients call.

    Exit code 1 when something breaks; compatible changes and policies (timeouts, roles, defaults) exit with 0.
    """
    from aster.cli.contract_sources import services_from
    from aster.rpc.contract.changes import Weight, changes_of_services

    sides = [services_from(each, ConnectionOptions(each, config, credential, identity, peer)) for each in (old, new)]
    found = changes_of_services(*sides)
    _tell(found, as_json=as_json, same="no changes")
    if any(change.weight is Weight.BREAKING for change in found):
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path(),
    manifest: ManifestOption = MANIFEST,
) -> None:
    """Write each service of the manifest to a file of its own, to hand on."""
    from aster.cli.contract_sources import write_export
    from aster.rpc.contract.manifest import read_manifest

    for each in read_manifest(manifest.expanduser()).services:
        typer.echo(f"wrote {write_export(out.expanduser(), each)}")


@app.command("import")
def import_file(
    files: Annotated[list[Path], typer.Argument(help="What `aster contract export` wrote.")],
) -> None:
    """Keep contracts of others under ~/.aster/contracts, where every command finds them by name."""
    from aster.cli.contract_sources import imports_folder, write_export
    from aster.rpc.contract.manifest import read_manifest

    for file in files:
        for each in read_manifest(file.expanduser()).services:
            written = write_export(imports_folder(), each)
            typer.echo(f"imported {each.name} version {each.version} to {written}")


def _tell(changes: "list[Change]", *, as_json: bool, same: str) -> None:
    from aster.cli.terminal import print_json

    if as_json:
        print_json({"changes": changes})
    elif not changes:
        typer.echo(same)
    for change in () if as_json else changes:
        colour = {"breaking": typer.colors.RED, "compatible": typer.colors.GREEN}.get(
            change.weight, typer.colors.YELLOW
        )
        typer.echo(typer.style(f"{change.weight:<11}", fg=colour) + change.sentence)


def _short(service: "ServiceDescription") -> dict[str, Any]:
    names = ("name", "version", "contract_id", "policy_id")
    return {name: getattr(service, name) for name in names} | {"methods": len(service.methods)}


def _count(service: "ServiceDescription") -> str:
    return f"{len(service.methods)} method{'' if len(service.methods) == 1 else 's'}"
