"""How commands reach a server: the options they share, and the client that comes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.rpc.client import AsterClient

AddressArgument = Annotated[str, typer.Argument(help="An aster1… ticket, a NodeAddr, or an EndpointId.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A TOML file of settings; the environment goes before it.")
]
CredentialOption = Annotated[
    Path | None, typer.Option("--credential", help="The enrollment credential to present, a JSON file.")
]
IdentityOption = Annotated[
    Path | None, typer.Option("--identity", help="An identity file; ./.aster-identity when it is there.")
]
PeerOption = Annotated[str | None, typer.Option("--peer", help="The enrollment of the identity file to use.")]
MetadataOption = Annotated[
    list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Sent along with the call; repeatable.")
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds to wait for the end of a call.")
]


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What the shared options say; without an address the settings must have one."""

    address: str | None
    config: Path | None = None
    credential: Path | None = None
    identity: Path | None = None
    peer: str | None = None
    storage: str | None = None

    def client(self) -> "AsterClient":
        """A client that is not connected yet."""
        from aster.config import AsterConfig
        from aster.rpc.client import AsterClient

        found = AsterConfig.from_file(self.config) if self.config else AsterConfig.from_env()
        if found.source("log_level") == "default":
            found = found.with_inline(log_level="error")  # what a command says is its output
        settings = found.with_inline(
            enrollment_credential_file=self.credential, identity_file=self.identity, storage_path=self.storage
        )
        return AsterClient(address=self.address, config=settings, peer=self.peer)


def metadata_of(pairs: list[str] | None) -> dict[str, str]:
    """The pairs of ``--metadata``."""
    found: dict[str, str] = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"'{pair}' is no metadata", hint="--metadata key=value")
        found[key] = value
    return found
