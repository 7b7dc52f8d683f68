"""Where the `astrocyte` commands find memory: a gateway at a URL, or a data directory of this machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.foundation.extras import load_extra
from aster.foundation.logs import configure_logging

if TYPE_CHECKING:
    from astrocyte.client import AsyncAstrocyteClient, Credentials
    from astrocyte.gateway.settings import GatewaySettings
    from astrocyte.memory import Astrocyte

DEFAULT_DATA = Path("astrocyte-data")

UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="ASTROCYTE_URL", help="A gateway to ask; without one the data directory is opened."),
]
DataOption = Annotated[Path, typer.Option("--data", envvar="ASTROCYTE_DATA", help="Where memory is kept.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="ASTROCYTE_CONFIG_PATH", help="The engine's astrocyte.yaml.")
]
PrincipalOption = Annotated[
    str | None,
    typer.Option("--as", envvar="ASTROCYTE_PRINCIPAL", metavar="PRINCIPAL", help="Who asks, e.g. user:alice."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where memory is, and as whom it is asked. Keys and tokens come from the environment alone."""

    url: str | None
    data: Path
    config: Path | None
    principal: str | None

    @asynccontextmanager
    async def opened(self, *, beside_server: bool = False) -> AsyncIterator["AsyncAstrocyteClient"]:
        """A client of the gateway, or of one in this process over the data directory: the same words, errors, checks.

        A directory that a server has open is an error that says so, unless ``beside_server``: for work that another
        process on the same store may do meanwhile.
        """
        from astrocyte.client import Credentials
        from astrocyte.gateway.settings import GatewaySettings

        who = Credentials.from_environment(os.environ)
        who = replace(who, principal=self.principal or who.principal)
        if self.url is None:  # nobody checks keys or tokens here: who can open the files is believed
            who = Credentials(principal=who.principal, on_behalf_of=who.on_behalf_of)
        settings = GatewaySettings(rate_limit_per_second=0)
        async with self._client(who, settings, beside_server=beside_server) as client:
            yield client

    @asynccontextmanager
    async def opened_for_others(self, host: str) -> AsyncIterator["AsyncAstrocyteClient"]:
        """A client without an identity, for passing on what callers say they are; checked as the environment sets."""
        from astrocyte.client import Credentials
        from astrocyte.gateway.settings import resolve_settings

        settings = resolve_settings(inline={"host": host}, environ=os.environ)
        async with self._client(Credentials(), settings) as client:
            yield client

    @asynccontextmanager
    async def _client(
        self, who: "Credentials", settings: "GatewaySettings", *, beside_server: bool = False
    ) -> AsyncIterator["AsyncAstrocyteClient"]:
        from astrocyte.client import AsyncAstrocyteClient
        from astrocyte.gateway.app import create_gateway

        if self.url is not None:
            async with AsyncAstrocyteClient(self.url, credentials=who) as client:
                yield client
            return
        httpx = load_extra("httpx", extra="memory")
        configure_logging(format="text", level="error", mask=True)
        async with self.engine(beside_server=beside_server) as engine:
            transport = httpx.ASGITransport(app=create_gateway(engine, settings))
            async with AsyncAstrocyteClient("http://memory", credentials=who, transport=transport) as client:
                yield client

    @property
    def storage_url(self) -> str:
        """Where memories are: what the configuration says, else a file of the data directory."""
        from astrocyte.config import read_settings

        return read_settings(self.config, storage_url=self._own_url).storage_url if self.config else self._own_url

    @property
    def _own_url(self) -> str:
        from aster.stack.stack import MEMORY_FILE

        return f"sqlite:///{(self.data.expanduser() / MEMORY_FILE).absolute()}"

    @asynccontextmanager
    async def engine(self, *, beside_server: bool = False) -> AsyncIterator["Astrocyte"]:
        """The engine of the data directory, for this process alone unless ``beside_server``."""
        from aster.stack.data import DataDirectory
        from astrocyte.memory import Astrocyte

        folder = self.data.expanduser()
        with nullcontext() if beside_server and folder.is_dir() else DataDirectory(folder):
            url = self._own_url
            if self.config is not None:
                opening = Astrocyte.from_config(self.config, storage_url=url)
            else:
                opening = Astrocyte.from_config_dict({"storage": {"url": url}})
            async with opening as engine:
                yield engine
