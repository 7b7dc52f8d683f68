"""A typed service over QUIC: the server is dialled by its public key, and a bad request never reaches the handler."""

import asyncio

import msgspec

from aster import AsterClient, AsterConfig, AsterServer, CallContext, InvalidArgumentError, rpc, service


class Hello(msgspec.Struct):
    name: str


class Greeting(msgspec.Struct):
    text: str
    caller: str


@service
class Greeter:
    """Greets whoever calls."""

    @rpc
    async def greet(self, request: Hello, context: CallContext) -> Greeting:
        """A greeting, and the caller's own key: the connection proved it."""
        if not request.name:
            raise InvalidArgumentError("a name is needed")
        return Greeting(f"Hello, {request.name}!", (context.peer or "")[:8])


async def main() -> None:
    local = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", log_level="error")
    async with AsterServer(services=[Greeter()], config=local) as server:
        print(f"listening as {server.endpoint_id[:8]}…")
        async with AsterClient(address=server.address, config=local) as client:
            greeter = await client.client(Greeter)
            print((await greeter.greet(Hello("Ada"))).text)
            try:
                await greeter.greet(Hello(""))
            except InvalidArgumentError as error:
                print(f"refused: {error.message}")


if __name__ == "__main__":
    asyncio.run(main())
