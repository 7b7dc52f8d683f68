"""`aster demo`: the main job against a real stack, one function a part.

Retain over HTTP, recall over HTTP and over P2P, decide with a policy, verify the audit chains, tamper with a copy of
one and verify again. Everything runs as it would in production: sockets, QUIC, SQLite files, signatures.
"""

import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from aster import AsterClient, AsterConfig
from aster.foundation.errors import AsterError
from aster.policy.client import Answer, PolicyClient
from aster.policy.rpc_service import EvaluateSource, PolicyService
from aster.stack.chains import verify_directory
from aster.stack.demo_input import DemoInput, Question, sample_policy
from aster.stack.demo_memory import MemoryClient
from aster.stack.narration import Narrator
from aster.stack.options import StackOptions
from aster.stack.stack import MEMORY_FILE, Stack
from aster.stack.transcript import Turn
from astrocyte.requests import RecallRequest
from astrocyte.rpc_service import MemoryService

BATCH = 64
SHOWN = 90
SHOWN_QUESTIONS = 5
TENANT = "demo"
OWNER = "user:demo"

CALLERS: Sequence[tuple[str, dict[str, Any], dict[str, Any]]] = (
    ("the owner forgets", {"name": "Mara", "role": "owner", "trustLevel": 10}, {"operation": "forget"}),
    ("a new agent recalls", {"name": "helper", "role": "agent", "trustLevel": 3}, {"operation": "recall"}),
    ("a trusted agent recalls", {"name": "assistant", "role": "agent", "trustLevel": 8}, {"operation": "recall"}),
    ("a trusted agent forgets", {"name": "assistant", "role": "agent", "trustLevel": 8}, {"operation": "forget"}),
)


class DemoFailed(AsterError):
    """A part of the demo did not do what it must; the message tells which."""

    code = "DEMO_FAILED"


async def run_demo(given: DemoInput, *, data: Path | None, narrator: Narrator) -> None:
    """The whole demo; raises `DemoFailed` or another `AsterError` when something is not as it should be."""
    started = time.perf_counter()
    with ExitStack() as cleanup:
        directory = data or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="aster-demo-")))
        options = StackOptions.from_environment(os.environ, data=directory, host="127.0.0.1", port=0)
        options = replace(options, rpc=options.rpc.with_value("log_level", "error", "aster demo"))
        narrator.heading("Start: memory, policy and P2P in one process")
        async with Stack(options) as stack:
            narrator.say("started", f"ready after {time.perf_counter() - started:.1f} s", **_addresses(stack))
            for name, value in stack.addresses.rows():
                narrator.say("address", f"{name:<8} {value}", name=name, value=value)
            retained = await _retain(stack, given, narrator)
            recalled = await _recall(stack, given, narrator)
            decided = await _decide(stack, narrator)
        records = _prove(directory, narrator)
        _tamper(directory, narrator)
    summary = {
        "memories": given.size,
        "retained_per_second": round(given.size / retained),
        "questions": len(given.questions),
        "recall_p50_ms": recalled.median_ms,
        "decisions": decided,
        "audit_records": records,
        "seconds": round(time.perf_counter() - started, 1),
    }
    narrator.heading("Summary")
    narrator.say(
        "summary",
        f"{summary['memories']} memories kept at {summary['retained_per_second']} a second, {summary['questions']} "
        f"questions answered (median {summary['recall_p50_ms']} ms), {decided} decisions, {records} audit records "
        f"verified, one forgery found: {summary['seconds']} s in all",
        **summary,
    )


async def _retain(stack: Stack, given: DemoInput, narrator: Narrator) -> float:
    narrator.heading(f"Retain {given.name}: {given.size} turns over HTTP")
    started = time.perf_counter()
    with (
        closing(MemoryClient(stack.addresses.url, principal=OWNER)) as client,
        narrator.progress("turns", given.size) as advance,
    ):
        for bank, turns in given.banks():
            for first in range(0, len(turns), BATCH):
                part = turns[first : first + BATCH]
                ids = await asyncio.to_thread(client.retain, bank, list(map(_memory, part)))
                narrator.note("retained", bank=bank, memory_ids=ids)
                advance(len(part))
    seconds = time.perf_counter() - started
    narrator.say("retained_all", f"acknowledged, and durable, after {seconds:.1f} s", seconds=round(seconds, 2))
    return seconds


async def _recall(stack: Stack, given: DemoInput, narrator: Narrator) -> "Recalled":
    narrator.heading(f"Recall over HTTP: {len(given.questions)} questions")
    recalled = Recalled()
    with (
        closing(MemoryClient(stack.addresses.url, principal=OWNER)) as client,
        narrator.progress("questions", len(given.questions)) as advance,
    ):
        for number, question in enumerate(given.questions):
            began = time.perf_counter()
            hits = await asyncio.to_thread(client.recall, given.bank_of(question), question.question)
            recalled.add(question, hits, time.perf_counter() - began)
            if number < SHOWN_QUESTIONS:
                _show_hits(narrator, question, hits, over="http")
            else:
                narrator.note("question", question=question.question, over="http", hits=hits)
            advance(1)
    if recalled.with_evidence:
        narrator.say(
            "evidence",
            f"{recalled.found} of {recalled.with_evidence} questions have a turn that answers them among the first ten",
            found=recalled.found,
            questions=recalled.with_evidence,
        )
    narrator.heading("Recall over P2P: dial the node's public key")
    async with AsterClient(address=stack.addresses.p2p, config=_peer_config()) as peer:
        memory = await peer.client(MemoryService)
        question = given.questions[0]
        request = RecallRequest(query=question.question, bank_id=given.bank_of(question), max_results=1)
        answer = await memory.recall(request)
        hits = [{"text": hit.text, "speaker": hit.speaker, "score": hit.score} for hit in answer.hits]
        _show_hits(narrator, question, hits, over="p2p")
    return recalled


@dataclass(slots=True)
class Recalled:
    """What asking came to: seconds a question, and how often the evidence was among the hits."""

    seconds: list[float] = field(default_factory=list)
    with_evidence: int = 0
    found: int = 0

    def add(self, question: Question, hits: Sequence[dict[str, Any]], seconds: float) -> None:
        self.seconds.append(seconds)
        if question.evidence:
            self.with_evidence += 1
            self.found += any(hit["text"] in question.evidence for hit in hits)

    @property
    def median_ms(self) -> float:
        return round(statistics.median(self.seconds) * 1000, 1)


async def _decide(stack: Stack, narrator: Narrator) -> int:
    narrator.heading("Decide: a policy in plain language says who may touch which memory")
    source = sample_policy()
    for line in source.splitlines():
        narrator.say("policy_line", line)
    secret = os.environ.get("ASTER_HMAC_SECRET_DEMO") or stack.policy_secret
    if secret is None:
        raise DemoFailed("there is no secret to sign policy requests with", hint="set ASTER_HMAC_SECRET_DEMO")
    with PolicyClient(stack.addresses.url, tenant=TENANT, secret=secret, user=OWNER) as client:
        for words, caller, request in CALLERS:
            context = {"caller": caller, "request": {"bank": "demo", "holdsPersonalData": True, **request}}
            body = {"source": source, "functionName": "decide", "context": context, "locale": "en-US"}
            answer = await asyncio.to_thread(client.request, "POST", "/api/v1/policies/evaluate-source", body)
            _show_decision(narrator, words, _result(answer), over="http")
    async with AsterClient(address=stack.addresses.p2p, config=_peer_config()) as peer:
        policy = await peer.client(PolicyService)
        words, caller, request = CALLERS[-1]
        context = {"caller": caller, "request": {"bank": "demo", "holdsPersonalData": True, **request}}
        outcome = await policy.evaluate_source(EvaluateSource(source=source, function_name="decide", context=context))
        _show_decision(narrator, words, outcome.result, over="p2p")
    return len(CALLERS) + 1


def _prove(directory: Path, narrator: Narrator) -> int:
    narrator.heading("Prove: recompute every hash chain")
    results = verify_directory(directory)
    for result in results:
        state = "intact" if result.valid else "BROKEN"
        narrator.say(
            "verified",
            f"{result.chain}: {result.records} record{'s'[: result.records != 1]}, {state}, head {result.head[:16]}…",
            chain=result.chain,
            records=result.records,
            valid=result.valid,
            head=result.head,
        )
    if not results or not all(result.valid for result in results):
        raise DemoFailed("an audit chain does not verify")
    return sum(result.records for result in results)


def _tamper(directory: Path, narrator: Narrator) -> None:
    narrator.heading("Tamper: change one record in a copy, and verify again")
    with tempfile.TemporaryDirectory(prefix="aster-tampered-") as copy:
        shutil.copy(directory / MEMORY_FILE, copy)
        with closing(sqlite3.connect(Path(copy) / MEMORY_FILE)) as database:
            number, body = database.execute("SELECT id, body FROM audit_records ORDER BY id LIMIT 1").fetchone()
            forged = msgspec.json.encode({**msgspec.json.decode(body), "principal": "user:nobody"}, order="sorted")
            database.execute("UPDATE audit_records SET body = ? WHERE id = ?", (forged, number))
            database.commit()
        broken = [result for result in verify_directory(Path(copy)) if not result.valid]
    if not broken:
        raise DemoFailed("a changed record was not noticed")
    narrator.say(
        "forgery_found",
        f"{broken[0].chain}: found at record {broken[0].broken_sequence}: {broken[0].reason}",
        chain=broken[0].chain,
        broken_sequence=broken[0].broken_sequence,
        reason=broken[0].reason,
    )


def _peer_config() -> AsterConfig:
    return AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", log_level="error")


def _memory(turn: Turn) -> dict[str, Any]:
    memory = {
        "content": turn.text,
        "speaker": turn.speaker,
        "session_id": turn.session,
        "occurred_at": turn.time.isoformat() if turn.time and turn.time.tzinfo else None,
    }
    return {name: value for name, value in memory.items() if value is not None}


def _result(answer: Answer) -> Any:
    if answer.status != 200 or answer.body["error"]:
        raise DemoFailed(f"the policy was not evaluated: {answer.body}")
    return answer.body["result"]


def _show_hits(narrator: Narrator, question: Question, hits: Sequence[dict[str, Any]], *, over: str) -> None:
    narrator.say("question", f"? {question.question}", question=question.question, over=over, hits=list(hits))
    if not hits:
        narrator.say("nothing_found", "  – nothing that fits")
    for hit in hits[:2]:
        text = f"{hit['speaker']}: {hit['text']}" if hit.get("speaker") else hit["text"]
        short = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
        narrator.say("hit", f"  {hit['score']:.2f}  {short}", hit=hit)


def _show_decision(narrator: Narrator, words: str, result: Any, *, over: str) -> None:
    narrator.say("decision", f"{words} ({over}): {result}", caller=words, over=over, result=result)


def _addresses(stack: Stack) -> dict[str, Any]:
    return dict(stack.addresses.rows())
