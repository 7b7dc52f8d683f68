"""How one endpoint reaches relays: which one is its own, with which token, through which proxy."""

from typing import Any

from aster.foundation.urls import origin_of, split_userinfo
from aster.transport.binding import called, load_binding
from aster.transport.errors import BindFailed, ConnectFailed
from aster.transport.proxy import ProxyChoice
from aster.transport.relay_tunnel import RelayTunnel

DISABLED = "disabled"
DEFAULT_RELAYS = "default"
MAX_TUNNELS = 32


class Relays:
    """``choice`` is ``disabled``, ``default`` or a URL, in which ``TOKEN@`` may precede the host.

    With a proxy, the bindings see the URLs of tunnels; peers and users only ever see the relays' own.
    """

    def __init__(self, choice: str, proxy: ProxyChoice | None) -> None:
        self.own_url: str | None = None
        self._token: str | None = None
        self._choice = choice
        self._proxy = proxy
        self._tunnels: dict[str, RelayTunnel] = {}
        if choice not in (DISABLED, DEFAULT_RELAYS):
            bare, user, password = split_userinfo(choice)
            self.own_url = origin_of(bare)
            self._token = password or user or None

    @property
    def are_disabled(self) -> bool:
        return self._choice == DISABLED

    @property
    def look_up_keys(self) -> bool:
        """Peers can be found by their key alone, through the default relays' discovery service."""
        return self._choice == DEFAULT_RELAYS and self._proxy is None

    async def configure(self, builder: Any) -> None:
        """Set the bindings' preset and relay mode; raises `BindFailed` for a relay that can't be."""
        iroh = load_binding()
        if self.look_up_keys:
            builder.apply_n0()
            builder.relay_mode(iroh.RelayMode.default_mode())
            return
        builder.apply_minimal()
        if self.are_disabled:
            builder.relay_mode(iroh.RelayMode.disabled())
            return
        urls = [self.own_url] if self.own_url else iroh.RelayMode.default_mode().relay_map().urls()
        relay_map = iroh.RelayMap.empty()
        for url in urls:
            local, token = await self._dialled(str(url))
            _insert(relay_map, iroh.RelayConfig(url=local, auth_token=token), str(url))
        builder.relay_mode(iroh.RelayMode.custom(relay_map))

    async def dialled_url(self, relay_url: str | None) -> str | None:
        """What the bindings dial for a peer's relay."""
        return None if relay_url is None else (await self._dialled(relay_url))[0]

    def public_url(self, dialled: str | None) -> str | None:
        """The relay behind a URL that the bindings name; our own one while they know of none."""
        if dialled is None:
            return self.own_url
        for tunnel in self._tunnels.values():
            if tunnel.url == dialled:
                return tunnel.relay_url
        return dialled

    async def close(self) -> None:
        """Close every tunnel."""
        for tunnel in self._tunnels.values():
            await tunnel.close()

    async def _dialled(self, relay_url: str) -> tuple[str, str | None]:
        """The URL to dial, and the token to present there."""
        origin = origin_of(relay_url)
        token = self._token if origin == self.own_url else None
        proxy = None if self._proxy is None else self._proxy(origin)
        if proxy is None:
            return relay_url, token
        if origin not in self._tunnels:
            if len(self._tunnels) >= MAX_TUNNELS:
                raise ConnectFailed(f"more than {MAX_TUNNELS} relays through a proxy")
            tunnel = self._tunnels[origin] = RelayTunnel(origin, proxy, token)
            await tunnel.start()
        return self._tunnels[origin].url, None


def _insert(relay_map: Any, config: Any, url: str) -> None:
    called(lambda: relay_map.insert(config), lambda words: BindFailed(f"relay {url}: {words}"))
