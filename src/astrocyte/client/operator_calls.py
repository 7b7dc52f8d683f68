"""What those who look after memory ask of a gateway: holds, sweeps, derived knowledge, new vectors, a doctor."""

from typing import Literal
from urllib.parse import quote, urlencode

from astrocyte.banks import LegalHold, LifecycleResult, ReembedResult
from astrocyte.client.calls import Call, bank_path
from astrocyte.memories import MemoryPage, MemoryRecord
from astrocyte.requests import (
    AdminHolds,
    AdminStorage,
    HoldRequest,
    LifecycleRequest,
    LiftedHold,
    Provenance,
    ReembedRequest,
    RefreshRequested,
    WaitingList,
)

DerivedLayer = Literal["observation", "model", "page"]
DERIVED_PATHS = {"observation": "observations", "model": "mental-models", "page": "pages"}


def archive_memory(bank_id: str, memory_id: str) -> Call[MemoryRecord]:
    """Keep a memory and find it no more."""
    return Call("POST", f"{_memory_path(bank_id, memory_id)}/archive", MemoryRecord, repeatable=True)


def restore_memory(bank_id: str, memory_id: str) -> Call[MemoryRecord]:
    """Find an archived memory again."""
    return Call("POST", f"{_memory_path(bank_id, memory_id)}/restore", MemoryRecord, repeatable=True)


def list_derived(bank_id: str, layer: DerivedLayer, *, cursor: str | None = None, limit: int = 100) -> Call[MemoryPage]:
    """Observations, mental models or pages, page by page."""
    query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    path = f"{bank_path(bank_id)}/{DERIVED_PATHS[layer]}?{urlencode(query)}"
    return Call("GET", path, MemoryPage, repeatable=True)


def provenance(bank_id: str, memory_id: str) -> Call[Provenance]:
    """What a derived memory was made from."""
    return Call("GET", f"{_memory_path(bank_id, memory_id)}/provenance", Provenance, repeatable=True)


def refresh_derived(bank_id: str) -> Call[RefreshRequested]:
    """Have everything derived in a bank made anew, in the background."""
    return Call("POST", f"{bank_path(bank_id)}/derived/refresh", RefreshRequested, repeatable=True)


def waiting(bank_id: str) -> Call[WaitingList]:
    """What is still to be derived."""
    return Call("GET", f"{bank_path(bank_id)}/derived/waiting", WaitingList, repeatable=True)


def place_hold(bank_id: str, hold_id: str, reason: str) -> Call[LegalHold]:
    """From now on nothing in the bank can be forgotten, changed or archived; for the admin token."""
    return Call("POST", _hold_path(bank_id), LegalHold, HoldRequest(hold_id=hold_id, reason=reason))


def lift_hold(bank_id: str, hold_id: str) -> Call[LiftedHold]:
    return Call("DELETE", f"{_hold_path(bank_id)}/{quote(hold_id, safe='')}", LiftedHold, repeatable=True)


def legal_holds(bank_id: str) -> Call[AdminHolds]:
    return Call("GET", _hold_path(bank_id), AdminHolds, repeatable=True)


def run_lifecycle(bank_id: str, *, dry_run: bool = False) -> Call[LifecycleResult]:
    """Put away and forget what is old enough by the bank's rules; for the admin token."""
    body = LifecycleRequest(bank_id=bank_id, dry_run=dry_run)
    return Call("POST", "/v1/admin/lifecycle", LifecycleResult, body, repeatable=True)


def reembed(bank_id: str, *, limit: int = 512, dry_run: bool = False) -> Call[ReembedResult]:
    """Make ``limit`` passages' vectors anew; call again until it is finished. For the admin token."""
    body = ReembedRequest(limit=limit, dry_run=dry_run)
    return Call("POST", f"{_admin_path(bank_id)}/reembed", ReembedResult, body, repeatable=True)


def doctor() -> Call[AdminStorage]:
    """What is found when the store is examined; for the admin token."""
    return Call("GET", "/v1/admin/storage", AdminStorage, repeatable=True)


def _memory_path(bank_id: str, memory_id: str) -> str:
    return f"{bank_path(bank_id)}/memories/{quote(memory_id, safe='')}"


def _admin_path(bank_id: str) -> str:
    return f"/v1/admin/banks/{quote(bank_id, safe='')}"


def _hold_path(bank_id: str) -> str:
    return f"{_admin_path(bank_id)}/hold"
