import time
from pathlib import Path

import pytest

from aster.foundation.errors import ConfigError, StorageError
from aster.trust.admission import CredentialGate
from aster.trust.credential import credential_id, credential_json, issue
from aster.trust.denials import DenyList
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal
from aster.trust.presentation import Presentation, encode_presentation

ONE, TWO = "ab" * 32, "cd" * 32


def listed(folder: Path) -> tuple[StoredJournal, DenyList]:
    journal = StoredJournal.open(str(folder))
    return journal, DenyList(journal.database, journal.audit)


async def test_an_entry_denies_until_it_is_taken_off() -> None:
    denied = DenyList()
    assert not denied.denies(ONE)
    await denied.deny(ONE.upper(), "laptop lost")
    assert denied.denies(ONE)
    assert denied.denies(TWO, ONE, None)
    assert not denied.denies(TWO, None)
    assert [(entry.id, entry.note) for entry in denied.entries()] == [(ONE, "laptop lost")]
    assert await denied.allow(ONE)
    assert not await denied.allow(ONE)
    assert not denied.denies(ONE)


async def test_a_stored_list_survives_and_is_audited(tmp_path: Path) -> None:
    journal, denied = listed(tmp_path)
    await denied.deny(ONE, "laptop lost")
    await journal.close()
    journal, denied = listed(tmp_path)
    assert denied.denies(ONE)
    assert await denied.allow(ONE)
    events = [record.event for record in journal.audit.records(CHAIN)]
    assert events == [{"event": "denied", "id": ONE, "note": "laptop lost"}, {"event": "allowed", "id": ONE}]
    await journal.close()


async def test_what_another_process_writes_is_in_force_at_once_and_noticed(tmp_path: Path) -> None:
    (here, mine), (there, theirs) = listed(tmp_path), listed(tmp_path)
    assert mine.has_changed()
    assert not mine.has_changed()
    await theirs.deny(ONE)
    assert mine.denies(ONE)
    assert mine.has_changed()
    await theirs.allow(ONE)
    assert not mine.denies(ONE)
    await here.close()
    await there.close()


async def test_a_list_that_can_not_be_read_denies_everyone(tmp_path: Path) -> None:
    journal, denied = listed(tmp_path)
    await journal.close()
    assert denied.denies(TWO)
    with pytest.raises(StorageError):
        await denied.deny(ONE)


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 33])
async def test_only_an_endpoint_or_a_credential_can_be_denied(text: str) -> None:
    with pytest.raises(ConfigError, match="can't be denied"):
        await DenyList().deny(text)


async def test_a_revoked_credential_is_refused_before_it_is_used_up(tmp_path: Path) -> None:
    root, later = SigningKey.generate(), int(time.time()) + 60
    once = issue(root, role="consumer", expires_at=later, one_time=True)
    journal, denied = listed(tmp_path)
    gate = CredentialGate([root.public], journal, is_denied=denied.denies)
    presented = encode_presentation(Presentation(credential_json(once)))
    await denied.deny(credential_id(once))
    assert not await gate.present(ONE, presented)
    await denied.allow(credential_id(once))
    assert await gate.present(ONE, presented)
    assert gate.admit(ONE) is not None
    await denied.deny(credential_id(once))
    assert gate.admit(ONE) is None
    await journal.close()
