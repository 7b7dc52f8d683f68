"""An issuer of tokens on loopback that rotates its keys, fails, delays and lies."""

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def jwk(key: RSAPrivateKey, kid: str | None, **fields: Any) -> dict[str, Any]:
    """The public half as a provider publishes it."""
    numbers = key.public_key().public_numbers()

    def text(value: int) -> str:
        return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()

    named = {} if kid is None else {"kid": kid}
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "n": text(numbers.n), "e": text(numbers.e), **named, **fields}


class Server(uvicorn.Server):
    """Says when it is ready; uvicorn itself can only be asked."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Provider:
    """Serves ``document`` with ``status``, once ``gate`` is open; counts what it was asked. Lives in another thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.gate = threading.Event()
        self.asked = threading.Event()
        self.reset()

    def reset(self) -> None:
        self.document: bytes = b"{}"
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.requests = 0
        self.asked.clear()
        self.gate.set()

    def publish(self, *keys: Mapping[str, Any]) -> None:
        self.document = json.dumps({"keys": keys}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        self.asked.set()
        await asyncio.to_thread(self.gate.wait)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.document})


App = TypeVar("App", bound=Callable[..., Awaitable[None]])


@contextmanager
def running(make: Callable[[str], App]) -> Iterator[App]:
    """What ``make`` makes of its own address, answering HTTP on loopback until the context ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = make(f"http://127.0.0.1:{listener.getsockname()[1]}")
    server = Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    server.ready.wait()
    yield app
    server.should_exit = True
    thread.join()
    listener.close()


def running_key_server() -> AbstractContextManager[Provider]:
    """A `Provider` that answers until the context ends."""
    return running(lambda address: Provider(f"{address}/jwks.json"))
