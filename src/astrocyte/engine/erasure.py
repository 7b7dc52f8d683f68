"""Erasing a person: everything of theirs in every bank, a report, and no byte left in the files."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from astrocyte.access.decisions import own_bank
from astrocyte.access.identity import AstrocyteContext, canonical, parse_principal
from astrocyte.banks import ErasedBank, ErasureReport
from astrocyte.engine.core import Engine
from astrocyte.engine.measures import measured
from astrocyte.errors import InvalidInput, LegalHoldActive
from astrocyte.inputs import bank_name, checked_label, checked_names, checked_reason
from astrocyte.stores.persons import Person
from astrocyte.stores.store import Selection

MENTIONS = "mentions"


@dataclass(frozen=True, slots=True)
class _Share:
    """A person's share of a bank."""

    bank: str
    ids: list[str]
    because: Counter[str]
    holds: list[str]

    def told(self, *, is_removed: bool) -> ErasedBank:
        return ErasedBank(
            bank_id=self.bank,
            memories=len(self.ids),
            because=dict(self.because),
            holds=self.holds,
            is_removed=is_removed and not self.holds,
        )


class ErasureOperations(Engine):
    """The right to be forgotten."""

    @measured("erase")
    async def erase(
        self,
        principal: str,
        *,
        names: Sequence[str] = (),
        banks: Sequence[str] | None = None,
        include_mentions: bool = False,
        skip_held: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        context: AstrocyteContext | None = None,
    ) -> ErasureReport:
        """Remove everything that is a person's, with all that was derived from it, and overwrite it in the files.

        Theirs is what lies in their own bank (``user-alice`` of ``user:alice``), what they retained, what is tagged
        ``principal:user:alice``, and what somebody with one of ``names`` said (``speaker``). Memories that only name
        them are counted, and removed with ``include_mentions``. ``banks`` is every bank unless given; permission
        ``admin`` is needed on each. ``dry_run`` reports what would go. A bank under legal hold refuses the whole
        erasure before anything is removed, unless ``skip_held`` leaves it alone and says so in the report.
        """
        limits = self.settings.limits
        actor = parse_principal(checked_label("principal", principal, limits))
        person = Person(
            principal=canonical(actor),
            own_bank=own_bank(actor),
            names=frozenset(name.casefold() for name in checked_names(names, limits)),
        )
        why = checked_reason(reason, limits)
        if isinstance(banks, str):
            raise InvalidInput("banks must be a list of bank names")
        chosen = [bank_name(bank) for bank in banks] if banks is not None else await self._every_bank()
        if chosen:
            await self._authorize(context, "erase", chosen)
        shares = await asyncio.to_thread(self._shares, chosen, person, include_mentions)
        held = next((one for one in shares if one.holds and one.ids), None)
        if held is not None and not skip_held and not dry_run:
            raise LegalHoldActive(held.bank, held.holds)
        is_scrubbed = False
        if not dry_run:
            for share in shares:
                if share.ids and not share.holds:
                    event = {**self._event("erase", share.bank, context), "person": person.principal, "reason": why}
                    gone = await self._opened.store.forget(share.bank, Selection(memory_ids=share.ids), event)
                    self.measures.forgotten += len(gone)
            is_scrubbed = await self._opened.store.scrub()
        return ErasureReport(
            principal=person.principal,
            is_dry_run=dry_run,
            banks=[share.told(is_removed=not dry_run) for share in shares if share.ids],
            memories=sum(len(share.ids) for share in shares if not share.holds),
            mentions=sum(share.because.get(MENTIONS, 0) for share in shares),
            is_scrubbed=is_scrubbed,
        )

    async def _every_bank(self) -> list[str]:
        return await asyncio.to_thread(self._all_names)

    def _shares(self, banks: Sequence[str], person: Person, include_mentions: bool) -> list[_Share]:
        store = self._opened.store
        shares = []
        for bank in banks:
            belongings = store.belonging_to(bank, person)
            theirs = [one.memory_id for one in belongings if include_mentions or one.reason != MENTIONS]
            holds = [hold.hold_id for hold in store.holds(bank)]
            shares.append(_Share(bank, theirs, Counter(one.reason for one in belongings), holds))
        return shares
