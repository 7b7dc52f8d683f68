"""`aster enroll token`: what proves to others on which cloud machine a node runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.signing import checked_endpoint_id
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.instance.metadata import Metadata

PROVIDERS = ("aws", "gcp", "azure")


def token(
    provider: Annotated[str, typer.Argument(help="The cloud of this machine: aws, gcp or azure.")],
    identity: Annotated[Path, typer.Option("--identity", help="The identity file of the node.")] = Path(
        ".aster-identity"
    ),
    endpoint_id: Annotated[
        str | None, typer.Option("--endpoint-id", help="The node's EndpointId, instead of an identity file.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Azure: also get the managed identity's token, of this tenant.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it there (0600, replaced at once); standard output otherwise.")
    ] = None,
    metadata: Annotated[
        str, typer.Option("--metadata", help="Address of the metadata service.")
    ] = "http://169.254.169.254",
    as_json: JsonOption = False,
) -> None:
    """Get this machine's instance identity token, bound to the node's key. Asks the machine's metadata service.

    Run it on a timer with --out, and set ASTER_ENROLLMENT_CREDENTIAL_IID=@FILE: an AWS token lasts 15 minutes, a GCP
    one an hour, an Azure one six hours.
    """
    import asyncio

    from aster.cli.terminal import print_json
    from aster.foundation.extras import load_extra
    from aster.foundation.private_file import write_private_file

    if provider not in PROVIDERS:
        raise ConfigError(f"'{provider}' is not a cloud that is known here", hint=", ".join(PROVIDERS))
    if tenant is not None and provider != "azure":
        raise ConfigError(f"--tenant means nothing to {provider}")
    peer = _endpoint_id(identity) if endpoint_id is None else checked_endpoint_id(endpoint_id)
    for package in ("asn1crypto", "httpx", "jwt"):
        load_extra(package, extra="cloud")
    from aster.trust.instance.metadata import Metadata

    text = asyncio.run(_token(Metadata(metadata), provider, peer, tenant))
    if out is not None:
        write_private_file(out.expanduser(), text)
    if as_json:
        shown = {"token": text} if out is None else {"file": str(out)}
        print_json({"provider": provider, "endpoint_id": peer, **shown})
    else:
        typer.echo(text if out is None else f"wrote {out}")


async def _token(service: "Metadata", provider: str, peer: str, tenant: str | None) -> str:
    if provider == "aws":
        return await service.aws(peer)
    return await (service.gcp(peer) if provider == "gcp" else service.azure(peer, tenant))


def _endpoint_id(identity: Path) -> str:
    from aster.trust.identity_file import read_identity
    from aster.trust.keys import SigningKey

    secret = read_identity(identity).secret_key
    if secret is None:
        raise ConfigError(f"{identity} has no secret key", hint="--endpoint-id HEX")
    return SigningKey.from_seed(secret).public.hex()
