"""What a credential asks of a machine, what a token proves of it, and whether that is the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from aster.trust.credential import INSTANCE_PREFIX, CredentialRefused

CLOCK_SKEW_SECONDS = 60.0
"""How far our clock and a cloud's may differ."""

PROVIDER = f"{INSTANCE_PREFIX}provider"
ACCOUNT = f"{INSTANCE_PREFIX}account"
REGION = f"{INSTANCE_PREFIX}region"
ROLE = f"{INSTANCE_PREFIX}role_arn"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ``aster.iid_*`` attributes of a credential; None where it asks nothing."""

    provider: str
    account: str | None = None
    region: str | None = None
    role: str | None = None

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "Wanted":
        """Read them; `CredentialRefused` for one that nobody here can prove."""
        asked = {name: value for name, value in attributes.items() if name.startswith(INSTANCE_PREFIX)}
        unknown = min(set(asked) - {PROVIDER, ACCOUNT, REGION, ROLE}, default=None)
        if unknown is not None:
            raise CredentialRefused(f"its attribute {unknown[:80]!r} is none that a token can prove")
        if PROVIDER not in asked:
            raise CredentialRefused(f"it asks for an instance identity without {PROVIDER}")
        return cls(asked[PROVIDER], asked.get(ACCOUNT), asked.get(REGION), asked.get(ROLE))


@dataclass(frozen=True, slots=True)
class Proven:
    """What a verified token says of the machine that shows it; None where it says nothing."""

    account: str | None = None
    region: str | None = None
    role: str | None = None


def require_match(wanted: Wanted, proven: Proven) -> None:
    """Raise `CredentialRefused` unless everything that is wanted was proven, to the letter."""
    for name, asked, found in (
        (ACCOUNT, wanted.account, proven.account),
        (REGION, wanted.region, proven.region),
        (ROLE, wanted.role, proven.role),
    ):
        if asked is not None and found is None:
            raise CredentialRefused(f"its instance identity token says nothing of {name}")
        if asked is not None and found != asked:
            raise CredentialRefused(f"its instance identity token is of another {name}")
