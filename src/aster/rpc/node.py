"""From settings to an endpoint: what servers and clients share when they start."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.foundation.logs import ROOTS, configure_logging, get_logger
from aster.transport.endpoint import EndpointSettings
from aster.transport.errors import BindFailed
from aster.transport.proxy import ProxyChoice, one_proxy, proxy_from_environment
from aster.transport.relays import DISABLED
from aster.trust.credential import credential_json, read_credential_file
from aster.trust.identity_file import DEFAULT_NAME, Identity, Peer, read_identity
from aster.trust.presentation import MAX_TOKEN_BYTES, Presentation

logger = get_logger("aster.trust")

ALPN = b"aster/2"

LOG_SETTINGS = ("log_format", "log_level", "log_mask")


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What an identity file gives to one server or client: a key, an enrollment, root keys."""

    secret_key: bytes | None = field(default=None, repr=False)
    peer: Peer | None = None
    roots: tuple[bytes, ...] = ()


def find_identity(config: AsterConfig, role: str, peer: str | None) -> NodeIdentity:
    """Read ``identity_file``, else ``./.aster-identity`` when it is there, and select an enrollment.

    ``peer`` names it; without a name the first one for ``role`` is taken. A named file or peer that is not there is a
    `ConfigError`.
    """
    path = config.identity_file
    if path is None:
        if not Path(DEFAULT_NAME).exists():
            if peer is not None:
                raise ConfigError(
                    f"no identity file to find peer '{peer}' in", hint=f"./{DEFAULT_NAME} or ASTER_IDENTITY_FILE"
                )
            return NodeIdentity()
        path = DEFAULT_NAME
    identity = read_identity(path)
    selected = identity.first(role) if peer is None else identity.peer(peer)
    return NodeIdentity(identity.secret_key, selected, _roots(identity, selected))


def own_presentation(config: AsterConfig, identity: NodeIdentity) -> Presentation | None:
    """What this node shows of itself: the configured file's credential, else the identity's, and the instance token."""
    path = config.enrollment_credential_file
    if path is not None:
        credential = read_credential_file(path, source=config.source("enrollment_credential_file"))
    elif identity.peer is not None:
        credential = identity.peer.credential
    else:
        return None
    return Presentation(credential_json(credential), _instance_token(config))


def current_presentation(config: AsterConfig, identity: NodeIdentity) -> Presentation | None:
    """The same for a server that runs: what can't be read any more is told in the log, and nothing is shown."""
    try:
        return own_presentation(config, identity)
    except ConfigError as error:
        logger.error("this server can't show its credential", reason=str(error))
        return None


def _instance_token(config: AsterConfig) -> str | None:
    """The token itself, or what is in a file now when it is written as ``@`` and a path: tokens are short-lived."""
    token, source = config.enrollment_credential_iid, config.source("enrollment_credential_iid")
    if token is None:
        return None
    if token.startswith("@"):
        file = Path(token[1:]).expanduser()
        try:
            with file.open("rb") as stream:
                token = stream.read(MAX_TOKEN_BYTES + 1).decode("utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{source}: {file} can't be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{source}: {file} holds no token") from None
    if len(token.encode()) > MAX_TOKEN_BYTES:
        raise ConfigError(f"{source}: expected a token of at most {MAX_TOKEN_BYTES} bytes")
    return token


def endpoint_settings(config: AsterConfig, identity: NodeIdentity, alpns: tuple[bytes, ...] = ()) -> EndpointSettings:
    """The network settings as the transport takes them; `ConfigError` for one that no endpoint can follow."""
    return EndpointSettings(
        alpns,
        config.secret_key or identity.secret_key,
        config.bind_addr,
        DISABLED if config.clear_relay_transports else config.relay_mode or DISABLED,
        relay_only=config.clear_ip_transports,
        proxy=_proxy(config),
        local_discovery=config.local_discovery,
    )


def _proxy(config: AsterConfig) -> ProxyChoice | None:
    """``proxy_url``, else the environment's when ``proxy_from_env`` asks for it."""
    try:
        if config.proxy_url is not None:
            return one_proxy(config.proxy_url)
        return proxy_from_environment() if config.proxy_from_env else None
    except BindFailed as error:
        name = "proxy_from_env" if config.proxy_url is None else "proxy_url"
        raise ConfigError(f"{config.source(name)}: {error.message}", hint=error.hint) from None


def apply_log_settings(config: AsterConfig) -> None:
    """Configure logging when a setting asks for it, or when nobody else has: a host application's choice stands."""
    asked = any(config.source(name) != "default" for name in LOG_SETTINGS)
    nobody = not any(logging.getLogger(name).handlers for name in (ROOTS[0], "root"))
    if asked or nobody:
        configure_logging(format=config.log_format, level=config.log_level, mask=config.log_mask)


def _roots(identity: Identity, selected: Peer | None) -> tuple[bytes, ...]:
    """Any enrollment names a deployment: with one in the file, a server is never in dev mode."""
    peers = identity.peers if selected is None else (selected,)
    return tuple(dict.fromkeys(peer.root_public_key for peer in peers))
