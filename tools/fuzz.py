"""Throw mutated bytes at every parser that strangers can reach, and say where one crashes, hoards or slows down.

    python tools/fuzz.py [TARGET ...] [--count N] [--seconds S] [--seed N] [--max-bytes N] [--save FOLDER]

Inputs grow from valid messages; one that reaches a new line of ours is kept and mutated further. Three things are held
against every input: only the errors that a parser promises leave it, the lines that run stay below a constant plus a
constant a byte, and so does the memory. The same seed gives the same run. Exit code 1 when something was found.
"""

import argparse
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import aster
from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.core import ClientProtocol, ServerProtocol
from aster.rpc.protocol.wire import Declaration, FarBody
from aster.transport.address import NodeAddress, parse_address
from aster.transport.discovery.messages import (
    Query,
    answer_message,
    answer_to_sign,
    parse_message,
    query_message,
)
from aster.transport.errors import FramingError, InvalidAddress
from aster.transport.framing import FrameSplitter, frame
from aster.transport.relay.frames import parse_client_frame
from aster.trust.credential import CredentialRefused, credential_json, issue, parse_credential
from aster.trust.keys import SigningKey
from aster.trust.presentation import Presentation, decode_presentation, encode_presentation

OURS = str(Path(aster.__file__).parent)
MAX_BODY = 4096
LIMITS = RpcLimits(max_message_bytes=MAX_BODY, max_methods=16, max_sessions=8, max_concurrent_calls=16)
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 2**64 - 1)
MAX_CORPUS = 512


@dataclass(frozen=True, slots=True)
class Target:
    """A parser: valid inputs to begin with, what it may raise, and what an input of so many bytes may cost."""

    parse: Callable[[bytes], object]
    seeds: Sequence[bytes]
    raises: tuple[type[Exception], ...]
    lines: int = 2000
    lines_a_byte: int = 60
    memory: int = 256 * 1024
    memory_a_byte: int = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a parser is not up to."""

    data: bytes
    problem: str


@dataclass(slots=True)
class Fuzzer:
    """One target's run: ``corpus`` is what led to new lines."""

    target: Target
    random: random.Random
    max_bytes: int = 16 * 1024
    corpus: list[bytes] = field(default_factory=list)
    seen: set[tuple[str, int]] = field(default_factory=set)
    runs: int = 0

    def inputs(self) -> Iterator[bytes]:
        """The seeds, then mutations of the corpus, without end."""
        yield from (seed[: self.max_bytes] for seed in self.target.seeds)
        while True:
            data = self.random.choice(self.corpus or [b""])
            for _ in range(self.random.randint(1, 4)):
                data = self.random.choice(MUTATIONS)(self.random, data, self.random.choice(self.corpus or [b""]))
            yield data[: self.max_bytes]

    def try_one(self, data: bytes) -> Finding | None:
        """Run one input, and keep it when it leads to new lines."""
        self.runs += 1
        before, problem = len(self.seen), None
        with _watched(self.seen) as cost:
            try:
                kept = self.target.parse(data)
            except self.target.raises:
                kept = None
            except Exception as error:  # noqa: BLE001 - whatever else it raises is what is looked for
                kept, problem = None, f"{type(error).__name__}: {error}"
        del kept  # it had to live until the memory was measured
        target, size = self.target, len(data)
        if problem is None and cost.lines > target.lines + target.lines_a_byte * size:
            problem = f"{cost.lines} lines for {size} bytes"
        if problem is None and cost.memory > target.memory + target.memory_a_byte * size:
            problem = f"{cost.memory} bytes of memory for {size} bytes"
        if len(self.seen) > before and len(self.corpus) < MAX_CORPUS:
            self.corpus.append(data)
        return None if problem is None else Finding(data, problem)

    def run(self, count: int, seconds: float = 0) -> Finding | None:
        """Up to ``count`` inputs, or as many as fit in ``seconds`` when that is given; the first finding ends it."""
        ends = time.monotonic() + seconds
        for number, data in enumerate(self.inputs()):
            if (time.monotonic() >= ends) if seconds else (number >= count):
                return None
            if finding := self.try_one(data):
                return finding
        return None


@dataclass(slots=True)
class _Cost:
    lines: int = 0
    memory: int = 0


@contextmanager
def _watched(seen: set[tuple[str, int]]) -> Iterator[_Cost]:
    """Count the lines of ours that run, note which, and the most memory that is held meanwhile."""
    cost = _Cost()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if event == "call":
            return trace if code.co_filename.startswith(OURS) or code.co_filename == __file__ else None
        if event == "line":
            cost.lines += 1
            seen.add((code.co_filename, frame.f_lineno))
        return trace

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        yield cost
    finally:
        sys.settrace(outer)
        cost.memory = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()


def _flip(chance: random.Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return b"\x00"
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _number(chance: random.Random, data: bytes, other: bytes) -> bytes:
    size = chance.choice((1, 2, 4, 8))
    at = chance.randrange(len(data) + 1)
    value = chance.choice(INTERESTING) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, chance.choice(("little", "big"))) + data[at + size :]


def _cut(chance: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def _insert(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.choice((1, 2, 8, 100))) + data[at:]


def _repeat(chance: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * chance.choice((1, 2, 10, 100)) + data[end:]


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


MUTATIONS = (_flip, _number, _cut, _insert, _repeat, _splice)


def _pieces(data: bytes) -> Iterator[bytes]:
    """The same data always cut in the same, uneven way."""
    chance, at = random.Random(len(data)), 0
    while at < len(data):
        size = chance.choice((1, 3, 12, 13, 14, 500, 5000))
        yield data[at : at + size]
        at += size


def _frames(data: bytes) -> object:
    splitter = FrameSplitter(MAX_BODY)
    for piece in _pieces(data):
        splitter.feed(piece)
    if len(splitter._partial) > MAX_BODY + 17:
        raise AssertionError(f"{len(splitter._partial)} bytes are kept of a frame of at most {MAX_BODY}")
    return splitter


def _served(data: bytes) -> object:
    protocol = ServerProtocol(LIMITS, body_streams=4)
    for piece in _pieces(data):
        protocol.receive(piece)
        protocol.answers()
    return protocol


def _answered(data: bytes) -> object:
    """A client with a session, and a call and a stream under way."""
    protocol = ClientProtocol(LIMITS, body_streams=4)
    protocol.ask_session()
    method, _ = protocol.declare(Declaration("Greeter", 1, "hello"))
    protocol.request(method, 1000, 0, b"", b"body")
    protocol.stream(method, 0, 0, b"")
    for piece in _pieces(data):
        protocol.receive(piece)
        protocol.answers()
    return protocol


def _client_bytes() -> list[bytes]:
    client = ClientProtocol(LIMITS, body_streams=4)
    declared = [client.declare(Declaration("Greeter", 1, "hello"))[1]]
    session, asked = client.ask_session()
    call, request = client.request(1, 250, 0, b"meta", b"body")
    stream, begun = client.stream(1, 0, 0, b"")
    far = client.far_request(1, 0, 0, b"", FarBody(3, 2000))[1]
    rest = [client.credit(stream, 10, 1000), client.item(stream, b"item"), client.end(stream), client.cancel(call)]
    return [client.hello(), *declared, asked, request, begun, far, *rest, client.leave(session), client.ping()]


def _server_bytes() -> list[bytes]:
    server = ServerProtocol(LIMITS, body_streams=4)
    server.receive(b"".join(_client_bytes()[:5]))
    call, stream = 1, 2
    answers = [server.reply(call, b"answer"), server.fail(stream, 5, "no", {"key": "value"}), server.credit(3, 5, 500)]
    frames = [frame(kind, number, b"\x01" * 8) for kind in range(24) for number in (0, 1, 2)]
    return [server.hello(), *answers, server.answers(), server.ping(), *frames]


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def _targets() -> dict[str, Target]:
    key = SigningKey.from_seed(bytes(32))
    address = NodeAddress("ab" * 32, "https://relay.example:8443/", ("192.0.2.1:4433", "[2001:db8::1]:4433"))
    credential = credential_json(issue(key, role="consumer", issued_at=1, expires_at=2, attributes={"aster.role": "a"}))
    query = Query(bytes(range(32)), bytes(16))
    answer = answer_to_sign(query, 60, ["192.0.2.1:1", "[::1]:2"])
    ours, theirs = _client_bytes(), _server_bytes()
    return {
        "frames": Target(_frames, [frame(1, 2, b"x" * 50), *theirs, bytes(20_000)], (FramingError,)),
        "server": Target(_served, [b"".join(ours[:count]) for count in range(1, len(ours) + 1)], (FramingError,)),
        "client": Target(_answered, [theirs[0], *(theirs[0] + each for each in theirs[1:])], (FramingError,)),
        "address": Target(
            _text(parse_address),
            [each.encode() for each in (address.ticket(), address.node_addr(), "ab" * 32)],
            (InvalidAddress,),
        ),
        "presentation": Target(
            decode_presentation,
            [encode_presentation(Presentation(credential, "token")), encode_presentation(Presentation())],
            (CredentialRefused,),
        ),
        "credential": Target(parse_credential, [credential], (CredentialRefused,)),
        "discovery": Target(
            parse_message, [query_message(query), answer_message(answer, key.sign(answer))], (FramingError,)
        ),
        "relay": Target(
            parse_client_frame,
            [bytes([4]) + bytes(33) + b"data", bytes([1]) + bytes(32) + b"\x40" + bytes(64), bytes([9]) + bytes(8)],
            (FramingError,),
        ),
    }


TARGETS = _targets()


def fuzz(name: str, target: Target, options: argparse.Namespace) -> Finding | None:
    """Run one target and tell how it went."""
    fuzzer = Fuzzer(target, random.Random(f"{options.seed}:{name}"), options.max_bytes)
    began = time.monotonic()
    finding = fuzzer.run(options.count, options.seconds)
    took = time.monotonic() - began
    verdict = "ok" if finding is None else finding.problem
    print(f"{name:14}{fuzzer.runs:>10,} inputs {len(fuzzer.seen):>6} lines {took:8.1f} s  {verdict}", flush=True)
    return finding


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all of: {', '.join(TARGETS)}")
    parser.add_argument("--count", type=int, default=20_000, help="inputs a target (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=0, help="seconds a target, in place of --count")
    parser.add_argument("--seed", type=int, default=0, help="another run (default %(default)s)")
    parser.add_argument("--max-bytes", type=int, default=16 * 1024, help="of an input (default %(default)s)")
    parser.add_argument("--save", type=Path, help="write what was found into this folder")
    options = parser.parse_args(words)
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"no target '{unknown[0]}'; there are: {', '.join(TARGETS)}")
    found = 0
    for name in options.targets or TARGETS:
        finding = fuzz(name, TARGETS[name], options)
        if finding is not None:
            found += 1
            print(f"  {finding.data[:200].hex()}{'…' if len(finding.data) > 200 else ''}")
            if options.save is not None:
                options.save.mkdir(parents=True, exist_ok=True)
                (options.save / f"{name}.bin").write_bytes(finding.data)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
