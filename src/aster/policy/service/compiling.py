"""Compiling for a tenant: what a source uses is looked up among the tenant's own policies, and pinned.

The pins are a lock file: `Use risk.core.` means the version that is active when the policy is deployed, for that policy
and for whatever the modules it uses use themselves. They are stored with the version, so that it decides the same
whatever is deployed later; a newer version of a module counts once the policy that uses it is deployed again.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from aster.foundation.errors import StorageCorrupt
from aster.foundation.sql import Connection, Database
from aster.policy.engine import CORE_IR, CompiledSource, PolicyEngine
from aster.policy.language import ModuleSource
from aster.policy.language.modules import MAX_MODULES
from aster.policy.language.vocabulary import Vocabulary
from aster.policy.service.envelope import problem
from aster.policy.service.errors import SourceTooLarge, UnsupportedLocale
from aster.policy.service.messages import SOURCE_CHARACTERS
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_rows import Deployed, Imports, Pin, Version, encode_pins, read_pins
from aster.policy.service.tenant_cache import TenantCache
from aster.policy.words import NO_WORDS, read_words

NO_VOCABULARY = Vocabulary("", MappingProxyType({}))


class TenantCompiler:
    """Compiles sources and stored versions; never with another tenant's modules."""

    def __init__(
        self,
        database: Database,
        engine: PolicyEngine,
        tenants: TenantCache,
        *,
        most_characters: int = SOURCE_CHARACTERS,
        with_modules: bool = True,
    ) -> None:
        """Without modules whatever a source uses is unknown."""
        self._most_characters = most_characters
        self._with_modules = with_modules
        self._tenants = tenants
        self._database = database
        self._engine = engine

    async def source(self, tenant: str, source: str, locale: str | None, *, words: str = NO_WORDS) -> CompiledSource:
        """A source with the versions that are active now of what it uses; raises `SourceTooLarge`, `EngineBusy`.

        Without a locale it is the tenant's; a tenant that wants it gets no program for a source with errors of types.
        """
        if len(source) > self._most_characters and locale != CORE_IR:
            raise SourceTooLarge(
                f"a source has at most {self._most_characters} characters", problems=problem("source", "is too long")
            )
        settings = await self._tenants.settings(tenant)
        compiled = await self._linked(tenant, source, locale or settings.default_locale, words)
        return compiled.strictly() if settings.strict_types else compiled

    async def _linked(self, tenant: str, source: str, locale: str, words: str) -> CompiledSource:
        alone = await self._engine.compile(source, locale=locale, words=words)
        if not alone.imports:
            return alone
        imports = alone.imports if self._with_modules else []
        pins = await self._database.look_up(lambda connection: _pinned(TenantPolicies(connection, tenant), imports))
        return await self._with_pins(tenant, source, locale, pins, words)

    async def recorded(
        self, tenant: str, source: str, locale: str | None, pins: Sequence[Pin] | None, words: str
    ) -> CompiledSource:
        """A source with the modules it was once evaluated with; None when it used none."""
        locale = locale or (await self._tenants.settings(tenant)).default_locale
        if pins is None:
            return await self._engine.compile(source, locale=locale, words=words)
        return await self._with_pins(tenant, source, locale, pins, words)

    async def version(self, tenant: str, version: Version) -> CompiledSource:
        """A stored version with the modules that were pinned when it was deployed."""
        found = self._engine.cached(version.source_hash, version.locale, version.pins, version.words)
        if found is not None:
            return found
        if not version.pins:
            return await self._engine.compile(version.source, locale=version.locale, words=version.words)
        return await self._with_pins(tenant, version.source, version.locale, read_pins(version.pins), version.words)

    def cached(self, deployed: Deployed) -> CompiledSource | None:
        """The program, if it is in the cache."""
        return self._engine.cached(deployed.source_hash, deployed.locale, deployed.pins, deployed.words)

    async def deployed(self, tenant: str, deployed: Deployed) -> CompiledSource:
        """`version` for when the program is not in the cache: only then is its source read."""
        version = await self._database.look_up(
            lambda connection: TenantPolicies(connection, tenant).version(deployed.policy_id, deployed.version)
        )
        return await self.version(tenant, version)

    async def _with_pins(
        self, tenant: str, source: str, locale: str, pins: Sequence[Pin], words: str
    ) -> CompiledSource:
        modules = await self._database.look_up(lambda connection: _sources(connection, tenant, pins))
        return await self._engine.compile(source, locale=locale, pins=encode_pins(pins), words=words, modules=modules)


def _pinned(policies: TenantPolicies, imports: Imports) -> list[Pin]:
    """What `imports` mean now, and what those use in turn; what is not there is left out. One look-up a module."""
    pins: dict[str, Pin] = {}
    waiting = list(imports)
    while waiting and len(pins) <= MAX_MODULES:
        name, version = waiting.pop(0)
        if name not in pins and (found := policies.usable(name, version)) is not None:
            pins[name], inner = found
            waiting += inner
    return sorted(pins.values())


def _sources(connection: Connection, tenant: str, pins: Sequence[Pin]) -> Mapping[str, ModuleSource]:
    """The pinned sources, by module; raises `StorageCorrupt` for one that is not what was pinned."""
    policies = TenantPolicies(connection, tenant)
    sources: dict[str, ModuleSource] = {}
    for pin in pins:
        version = policies.version(pin.policy_id, pin.version)
        if version.envelope_hash != pin.envelope_hash or not policies.is_whole(pin.module, version):
            raise StorageCorrupt(f"version {pin.version} of module '{pin.module}' is not the one that was pinned")
        vocabulary, aliases = read_words(version.words, version.locale)
        # Its own words or none: a stored module means the same whoever uses it.
        sources[pin.module] = ModuleSource(
            version.source, version.version, version.locale, vocabulary or NO_VOCABULARY, aliases
        )
    return sources


def require_locale(compiled: CompiledSource) -> CompiledSource:
    """What was compiled; raises `UnsupportedLocale`: that there is no such language is no fault of the source."""
    if compiled.fault is not None and compiled.fault.code == UnsupportedLocale.code:
        raise UnsupportedLocale(compiled.fault.message, problems=problem("locale", "is not supported"))
    return compiled


def pins_of(compiled: CompiledSource) -> list[Pin]:
    """What a program was compiled with, for the record."""
    return read_pins(compiled.pins)
