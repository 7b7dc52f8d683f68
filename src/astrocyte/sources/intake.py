"""From an item to a memory: taken once for each version, changed when it changes, forgotten when it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass

from aster.foundation.logs import get_logger
from astrocyte.access.identity import AstrocyteContext, parse_principal
from astrocyte.errors import InvalidInput, MemoryNotFound, PersonalDataRefused
from astrocyte.memories import RetainResult
from astrocyte.memory import Astrocyte
from astrocyte.sources.config import SourceSettings
from astrocyte.sources.ledger import Ledger
from astrocyte.sources.model import Document, Item, ItemRefused

logger = get_logger("astrocyte.sources")

FINAL = (InvalidInput, PersonalDataRefused, ItemRefused)
"""What is wrong with an item itself: trying again would not help."""


@dataclass(frozen=True, slots=True)
class Intake:
    """One source's way into its bank."""

    name: str
    settings: SourceSettings
    engine: Astrocyte
    ledger: Ledger

    @property
    def context(self) -> AstrocyteContext:
        """Who retains: access is decided as for any other caller."""
        principal = self.settings.principal or f"service:{self.name}"
        return AstrocyteContext(principal, actor=parse_principal(principal))

    async def take(self, item: Item) -> bool:
        """Whether the item is new, or changed. Raises what may pass by itself: storage, access, holds."""
        known = await self.ledger.item(self.name, item.key)
        if known is not None and known[0] == item.fingerprint:
            return False
        try:
            memory_id = await self._remember(await item.load(), item.key, known[1] if known else None)
        except FINAL as error:
            logger.warning("an item was refused", source=self.name, item=item.key, code=error.code)
            memory_id = None
        await self.ledger.take(self.name, item.key, item.fingerprint, memory_id)
        return True

    async def retain(self, document: Document, key: str) -> RetainResult:
        """Remember what was delivered once and does not change."""
        return await self.engine.retain(
            document.content,
            self.settings.target_bank,
            metadata=document.metadata,
            tags=[*document.tags, *self.settings.tags],
            occurred_at=document.occurred_at,
            speaker=document.speaker,
            session_id=document.session_id,
            source=f"{self.name}:{key}"[:256],
            content_type=document.content_type,
            context=self.context,
        )

    async def forget_missing(self, present: Mapping[str, object]) -> int:
        """Forget what a complete listing no longer has; returns how many."""
        gone = [key for key in await self.ledger.keys(self.name) if key not in present]
        found = [await self.ledger.item(self.name, key) for key in gone]
        ids = [known[1] for known in found if known is not None and known[1] is not None]
        if ids:
            reason = f"gone from source {self.name}"
            bank = self.settings.target_bank
            await self.engine.forget(bank, memory_ids=ids, reason=reason, context=self.context)
        if gone:
            await self.ledger.drop(self.name, gone)
        return len(gone)

    async def _remember(self, document: Document, key: str, former: str | None) -> str | None:
        if former is not None:
            try:
                changed = await self.engine.update_memory(
                    self.settings.target_bank,
                    former,
                    content=document.content,
                    metadata=document.metadata,
                    tags=[*document.tags, *self.settings.tags],
                    context=self.context,
                )
                return changed.memory_id
            except MemoryNotFound:
                pass  # somebody forgot it: what changed since is a new memory
        return (await self.retain(document, key)).memory_id
