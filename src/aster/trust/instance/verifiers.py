"""The table of providers, and the one question that admission asks. Whatever goes wrong is a refusal."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Protocol

from aster.foundation.errors import AsterError, ConfigError
from aster.foundation.extras import load_extra
from aster.foundation.logs import get_logger
from aster.trust.credential import CredentialRefused
from aster.trust.instance.facts import Proven, Wanted, require_match
from aster.trust.instance.settings import InstanceSettings
from aster.trust.presentation import MAX_TOKEN_BYTES

SECONDS = 8.0

logger = get_logger("aster.trust")


class ProviderVerifier(Protocol):
    """Verifies the tokens of one cloud."""

    async def prove(self, wanted: Wanted, token: str, *, peer: str, now: float) -> Proven:
        """What ``token`` proves of the machine whose node key is ``peer`` (hex EndpointId), at ``now``.

        Raises `CredentialRefused` for a token that is not genuine, not current, or not bound to ``peer``.
        """


Factory = Callable[[InstanceSettings], ProviderVerifier]


def _built_in(module: str) -> Factory:
    """The verifier of one of our own modules; `MissingExtra` without the packages that they need."""

    def make(settings: InstanceSettings) -> ProviderVerifier:
        for package in ("asn1crypto", "httpx", "jwt"):
            load_extra(package, extra="cloud")
        made: ProviderVerifier = import_module(f"aster.trust.instance.{module}").create(settings)
        return made

    return make


PROVIDERS: dict[str, Factory] = {name: _built_in(name) for name in ("aws", "gcp", "azure")}


def register_provider(name: str, factory: Factory) -> None:
    """Verify credentials with ``aster.iid_provider`` = ``name`` by what ``factory`` makes; before a server starts.

    Raises `ConfigError` for a name that is taken: nobody replaces a verifier unseen.
    """
    if name in PROVIDERS:
        raise ConfigError(f"there is a verifier for instance identities of '{name}' already")
    PROVIDERS[name] = factory


class InstanceVerifiers:
    """Answers admission. Providers that something is configured for are made at once, the others when first asked.

    Raises `ConfigError` or `MissingExtra` for a configured provider that can't work.
    """

    def __init__(self, settings: InstanceSettings | None = None, *, seconds: float = SECONDS) -> None:
        self._settings = settings or InstanceSettings()
        self._seconds = seconds
        self._made: dict[str, ProviderVerifier] = {}
        for provider in self._settings.configured:
            self._verifier(provider)

    async def verify(
        self, attributes: Mapping[str, str], token: str | None, *, peer: str, roots: Collection[bytes], now: float
    ) -> None:
        """Raise `CredentialRefused` unless ``token`` proves every ``aster.iid_*`` attribute for ``peer``."""
        wanted = Wanted.of(attributes)
        if not token:
            raise CredentialRefused("its instance identity is not proven: no token was presented")
        if len(token.encode("utf-8", "surrogatepass")) > MAX_TOKEN_BYTES:
            raise CredentialRefused(f"its instance identity token has more than {MAX_TOKEN_BYTES} bytes")
        require_match(wanted, await self._proven(wanted, token, peer.lower(), now))

    async def _proven(self, wanted: Wanted, token: str, peer: str, now: float) -> Proven:
        try:
            verifier = self._verifier(wanted.provider)
            async with asyncio.timeout(self._seconds):
                return await verifier.prove(wanted, token, peer=peer, now=now)
        except CredentialRefused:
            raise
        except TimeoutError:
            raise CredentialRefused(f"its instance identity was not proven within {self._seconds:g} s") from None
        except AsterError as error:
            logger.error("instance identities can't be verified", provider=wanted.provider, reason=str(error))
            raise CredentialRefused(f"its instance identity can't be verified here: {error.message}") from None
        except Exception as error:  # a registered verifier may raise anything; none of it admits
            logger.error("an instance identity verifier failed", exc_info=error, provider=wanted.provider)
            raise CredentialRefused("the verifier of its instance identity failed") from error

    def _verifier(self, provider: str) -> ProviderVerifier:
        made = self._made.get(provider)
        if made is None:
            factory = PROVIDERS.get(provider)
            if factory is None:
                raise CredentialRefused(f"nobody here verifies instance identities of {provider[:80]!r}")
            made = self._made[provider] = factory(self._settings)
        return made
