"""How long an admission lasts."""

from collections.abc import Collection, Mapping

from aster.trust.admission import INSTANCE_PROOF_SECONDS, CredentialGate
from aster.trust.credential import credential_json, issue
from aster.trust.keys import SigningKey
from aster.trust.presentation import Presentation, encode_presentation

ROOT = SigningKey.from_seed(bytes(range(32)))
PEER = "ab" * 32
NOW = 1_700_000_000


class Everywhere:
    """Believes every token."""

    async def verify(
        self, attributes: Mapping[str, str], token: str | None, *, peer: str, roots: Collection[bytes], now: float
    ) -> None:
        """Nothing to say against it."""


async def lasts(attributes: dict[str, str], seconds: int) -> float | None:
    credential = issue(ROOT, role="consumer", issued_at=NOW, expires_at=NOW + seconds, attributes=attributes)
    gate = CredentialGate([ROOT.public], instances=Everywhere(), clock=lambda: float(NOW))
    assert await gate.present(PEER, encode_presentation(Presentation(credential_json(credential), "token")))
    admission = gate.admit(PEER)
    assert admission is not None
    assert admission.expires_at is not None
    return admission.expires_at - NOW


async def test_a_machine_is_proven_anew_every_day_however_long_its_credential_lasts() -> None:
    month = 30 * 86400
    assert await lasts({"aster.role": "reader"}, month) == month
    assert await lasts({"aster.iid_provider": "aws"}, month) == INSTANCE_PROOF_SECONDS
    assert await lasts({"aster.iid_provider": "aws"}, 60) == 60
