"""``grpc.aio`` with the same messages and the same codec as ours; ``ASTER_BENCHMARK_TLS=DIR`` puts it on TLS."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import msgspec
from measuring import MIB, TEXT, announce, run  # type: ignore[import-not-found]  # beside this file, where it runs

NAME = "bench.Echo"
SIZES = [("grpc.max_receive_message_length", 17 * MIB), ("grpc.max_send_message_length", 17 * MIB)]


class Ping(msgspec.Struct, array_like=True):
    number: int
    text: str


class Blob(msgspec.Struct, array_like=True):
    data: bytes


LARGE = Blob(bytes(MIB))


encode = msgspec.msgpack.Encoder().encode
decode_ping = msgspec.msgpack.Decoder(Ping).decode
decode_blob = msgspec.msgpack.Decoder(Blob).decode


async def ping(request: Ping, context: Any) -> Ping:
    return request


async def blob(request: Blob, context: Any) -> Blob:
    return request


async def down(request: Ping, context: Any) -> AsyncIterator[Ping]:
    for number in range(request.number):
        yield Ping(number, request.text)


async def up(requests: AsyncIterator[Ping], context: Any) -> Ping:
    count = 0
    async for _ in requests:
        count += 1
    return Ping(count, "")


async def take(requests: AsyncIterator[Blob], context: Any) -> Ping:
    size = 0
    async for each in requests:
        size += len(each.data)
    return Ping(size, "")


def certificate(name: str) -> bytes:
    return (Path(os.environ["ASTER_BENCHMARK_TLS"]) / name).read_bytes()


def is_tls() -> bool:
    return "ASTER_BENCHMARK_TLS" in os.environ


async def serve() -> None:
    server = grpc.aio.server(options=SIZES)
    handlers = {
        "ping": grpc.unary_unary_rpc_method_handler(ping, decode_ping, encode),
        "blob": grpc.unary_unary_rpc_method_handler(blob, decode_blob, encode),
        "down": grpc.unary_stream_rpc_method_handler(down, decode_ping, encode),
        "up": grpc.stream_unary_rpc_method_handler(up, decode_ping, encode),
        "take": grpc.stream_unary_rpc_method_handler(take, decode_blob, encode),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))
    if is_tls():
        credentials = grpc.ssl_server_credentials([(certificate("key.pem"), certificate("cert.pem"))])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(f"127.0.0.1:{port}")
    await server.wait_for_termination()


class Client:
    def __init__(self, address: str) -> None:
        # A pool of its own, else a second channel to the same address would be the first one's connection.
        options = [*SIZES, ("grpc.use_local_subchannel_pool", 1)]
        self._address = address
        if is_tls():
            credentials = grpc.ssl_channel_credentials(certificate("cert.pem"))
            self._channel = grpc.aio.secure_channel(address, credentials, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(address, options=options)
        self._ping = self._channel.unary_unary(f"/{NAME}/ping", encode, decode_ping)
        self._blob = self._channel.unary_unary(f"/{NAME}/blob", encode, decode_blob)
        self._down = self._channel.unary_stream(f"/{NAME}/down", encode, decode_ping)
        self._up = self._channel.stream_unary(f"/{NAME}/up", encode, decode_ping)
        self._take = self._channel.stream_unary(f"/{NAME}/take", encode, decode_ping)
        self._one = Ping(1234567, TEXT)

    async def unary(self) -> None:
        await self._ping(self._one)

    async def large(self) -> None:
        assert len((await self._blob(LARGE)).data) == MIB

    async def down(self, messages: int) -> None:
        count = 0
        async for _ in self._down(Ping(messages, TEXT)):
            count += 1
        assert count == messages

    async def up(self, messages: int) -> None:
        async def pings() -> AsyncIterator[Ping]:
            for number in range(messages):
                yield Ping(number, TEXT)

        assert (await self._up(pings())).number == messages

    async def bulk(self, mib: int) -> None:
        async def blobs() -> AsyncIterator[Blob]:
            for _ in range(mib):
                yield LARGE

        assert (await self._take(blobs())).number == mib * MIB

    async def another(self) -> "Client":
        return Client(self._address)

    async def close(self) -> None:
        await self._channel.close()


async def client(address: str) -> Client:
    return Client(address)


if __name__ == "__main__":
    run(serve, client)
