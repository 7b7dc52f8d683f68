"""What `aster up` was told: its own options, and the settings each system resolves from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.foundation.settings import Resolved
from aster.policy.rpc_service import OPEN_TENANT
from aster.policy.service.settings import resolve_settings as resolve_policy_settings
from astrocyte.gateway.settings import GatewaySettings
from astrocyte.gateway.settings import resolve_settings as resolve_gateway_settings

System = Literal["memory", "policy", "p2p"]
EVERYTHING: frozenset[System] = frozenset({"memory", "policy", "p2p"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Everything checked before anything is opened."""

    data: Path
    host: str
    port: int
    rpc: AsterConfig
    policy: Resolved
    memory: GatewaySettings
    environ: Mapping[str, str]
    systems: frozenset[System] = EVERYTHING
    database: str | None = None
    redis: str | None = None
    console: bool = False

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        data: Path,
        host: str,
        port: int,
        systems: frozenset[System] = EVERYTHING,
        database: str | None = None,
        redis: str | None = None,
        console: bool | None = False,
    ) -> Self:
        """Resolve every system's settings; raises `ConfigError` naming the first bad one.

        ``database`` (a URL) keeps memories and policies instead of files in ``data``; ``redis`` is for the replicas.
        ``console`` None is on where only this machine can connect.

        Unless told otherwise the P2P node listens beside the HTTP server, on a port of its own, without relays.
        """
        rpc = AsterConfig.from_env()
        if rpc.bind_addr is None:
            rpc = rpc.with_value("bind_addr", _beside(host), "aster up")
        if rpc.relay_mode is None:
            rpc = rpc.with_value("relay_mode", "disabled", "aster up")
        options = cls(
            data=data.expanduser(),
            host=host,
            port=port,
            rpc=rpc,
            policy=resolve_policy_settings(environ=environ),
            memory=resolve_gateway_settings(inline={"host": host}, environ=environ),
            environ=dict(environ),  # looked up at each request, which the environment itself is slow at
            systems=systems,
            database=database,
            redis=redis,
            console=host in LOOPBACK if console is None else console,
        )
        options._refuse_strangers_who_are_believed()
        return options

    @property
    def open_tenant(self) -> str | None:
        """The one tenant in which peers without a credential act; None where strangers could be such peers."""
        return OPEN_TENANT if self._admits_everybody and self._is_node_loopback else None

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK

    def _refuse_strangers_who_are_believed(self) -> None:
        """What auth mode dev is refused over HTTP, an open P2P gate must not give."""
        is_open = self._admits_everybody and self.systems >= {"memory", "p2p"}
        is_believing = self.memory.auth_mode == "dev" and not self.memory.allow_dev_auth
        if not is_open or not is_believing or self._is_node_loopback or not self.is_loopback:
            return  # not on loopback, the HTTP server's own refusal says it more plainly
        raise ConfigError(
            "auth mode 'dev' trusts every caller, the P2P gate admits everybody, and the node can be reached from other"
            " machines",
            hint="close the gate with ASTER_ROOT_PUBKEY_FILE, or set ASTROCYTE_ALLOW_DEV_AUTH=true if only trusted"
            " callers can connect",
        )

    @property
    def _admits_everybody(self) -> bool:
        is_gated = self.rpc.root_pubkey is not None or self.rpc.root_pubkey_file is not None
        return self.rpc.allow_all_consumers or not is_gated

    @property
    def _is_node_loopback(self) -> bool:
        is_relayed = self.rpc.relay_mode != "disabled" and not self.rpc.clear_relay_transports
        address = (self.rpc.bind_addr or "").rpartition(":")[0].strip("[]")
        return not is_relayed and address in LOOPBACK


def _beside(host: str) -> str:
    if not host:
        raise ConfigError("the host to listen on is empty", hint="--host 127.0.0.1")
    if host == "localhost":
        return "127.0.0.1:0"
    return f"[{host}]:0" if ":" in host else f"{host}:0"
