"""Whose secret may sign for a tenant: the environment first, then the configuration property (contract, layer 2).

Tenants may also make named keys (``X-Aster-Key-Id``, ours, optional), each with a ceiling on the role it may act in.

The variable's name folds case and dashes (``acme-corp`` and ``ACME_CORP`` share ``ASTER_HMAC_SECRET_ACME_CORP``): give
such tenants different names, or one secret signs for both.
"""

import hmac
import secrets
from collections.abc import Mapping

from aster.foundation.logs import get_logger
from aster.policy.service.settings import PolicySettings

MOST_TENANTS = 10_000

logger = get_logger("aster.policy.service")


class SigningKeys:
    """Looks secrets up at every request, so that a changed environment mapping counts at once."""

    def __init__(self, settings: PolicySettings, environ: Mapping[str, str]) -> None:
        self._environ = environ if settings.use_env_secrets else {}
        self._shared = _present(settings.secret_key, settings.previous_secret_key)
        self._master = settings.master_key.encode() if settings.master_key else None
        self._decoy = (secrets.token_bytes(32),)
        self._owner: dict[str, str] = {}
        self._variables: dict[str, tuple[str, str]] = {}
        if self._shared:
            logger.warning("one signing secret is shared: its holder can sign for every tenant without its own")

    def of(self, tenant: str) -> tuple[bytes, ...]:
        """The current secret and the previous one; a random one that nobody holds when the tenant has none."""
        variables = self._variables.get(tenant)
        if variables is None:
            variables = self._variables_of(tenant)
        current = self._environ.get(variables[0])
        if not current:
            return self._shared or self._decoy
        self._warn_of_sharing(variables[0], tenant)
        return _present(current, self._environ.get(variables[1]))

    def derived(self, tenant: str, key_id: str) -> bytes | None:
        """The secret of a named key, which is stored nowhere: HMAC-SHA256 of its name under the master key, in hex."""
        if self._master is None:
            return None
        name = f"aster-named-key-v1|{tenant}|{key_id}".encode()
        return hmac.digest(self._master, name, "sha256").hex().encode()

    def named(self, tenant: str, key_id: str) -> tuple[bytes, ...]:
        """`derived` as a list of secrets that may have signed; the random one when there is no master key."""
        secret = self.derived(tenant, key_id)
        return (secret,) if secret is not None else self._decoy

    def nobodys(self) -> tuple[bytes, ...]:
        """The random one: checked against when there is no key, so that the time of a refusal tells nothing."""
        return self._decoy

    def _variables_of(self, tenant: str) -> tuple[str, str]:
        """What the tenant's secrets are called; kept, within bounds, for strangers may ask in any name."""
        name = variable_part(tenant)
        if len(self._variables) >= MOST_TENANTS:
            self._variables.clear()
        variables = self._variables[tenant] = (f"ASTER_HMAC_SECRET_{name}", f"ASTER_HMAC_PREV_SECRET_{name}")
        return variables

    def _warn_of_sharing(self, variable: str, tenant: str) -> None:
        if self._owner.setdefault(variable, tenant) != tenant:
            logger.warning("two tenants share a signing secret", variable=variable, tenant=tenant)
            self._owner[variable] = tenant


def variable_part(tenant: str) -> str:
    return tenant.upper().replace("-", "_")


def _present(current: str | None, previous: str | None) -> tuple[bytes, ...]:
    """Previous secrets count only beside a current one: a removed secret must not leave its predecessor in force."""
    if not current:
        return ()
    return tuple(secret.encode() for secret in (current, previous) if secret)
