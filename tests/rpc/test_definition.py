import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.rpc.messages import Answer, Ask, Greeter

from aster.rpc import CallContext, ServiceDefinitionError, all_of, any_of, client_stream, rpc, service
from aster.rpc.definition import definition_of


def test_a_service_is_known_by_name_version_and_methods() -> None:
    definition = definition_of(Greeter)
    assert (definition.name, definition.version) == ("Greeter", 2)
    assert definition.description == "Says hello."
    hello = definition.methods["hello"]
    assert (hello.request.name, hello.reply.name) == ("Ask", "Answer")
    assert hello.context_parameter == "context"
    assert hello.options.idempotent
    assert hello.description == "Greet by name."


def test_a_bare_service_has_its_classes_name_and_version_one() -> None:
    @service
    class Bare:
        @rpc(name="shout", timeout=2.5)
        async def call(self, ask: Ask) -> Answer:
            return Answer("")

    definition = definition_of(Bare())
    assert (definition.name, definition.version) == ("Bare", 1)
    assert definition.methods["shout"].attribute == "call"
    assert definition.methods["shout"].options.timeout == 2.5


def test_annotations_may_be_text_and_name_local_classes() -> None:
    class Local(msgspec.Struct):
        value: int

    @service
    class Quoted:
        @rpc
        async def call(self, request: "Local", context: "CallContext") -> "Local":
            return request

    assert definition_of(Quoted).methods["call"].request.annotation is Local


def test_methods_of_a_base_class_are_inherited() -> None:
    class Base:
        @rpc
        async def ping(self, ask: Ask) -> Answer:
            return Answer("")

    @service
    class Derived(Base):
        pass

    assert list(definition_of(Derived).methods) == ["ping"]


def test_a_subclass_of_a_service_is_no_service_until_it_says_so() -> None:
    class Sub(Greeter):
        pass

    with pytest.raises(ServiceDefinitionError, match="is no service"):
        definition_of(Sub)


def no_methods() -> None:
    @service
    class Empty:
        pass


def not_a_coroutine() -> None:
    @rpc  # type: ignore[arg-type]  # the mistake under test
    def call(self: Any, ask: Ask) -> Answer:
        return Answer("")


def any_number_of_requests() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, *asks: Ask) -> Answer:
            return Answer("")


def a_parameter_named_like_an_option() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, key: str, timeout: int) -> Answer:
            return Answer("")


def a_stream_where_there_is_none() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, asks: AsyncIterator[Ask]) -> Answer:
            return Answer("")


def a_stream_and_more() -> None:
    @service
    class Mistaken:
        @client_stream  # type: ignore[arg-type]  # the mistake under test
        async def call(self, name: str, asks: AsyncIterator[Ask]) -> Answer:
            return Answer("")


class Handle:
    """A class without a wire form."""


class Holder(msgspec.Struct):
    handles: list[Handle]


def what_can_not_travel() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: Ask) -> Holder:
            return Holder([])


def what_can_not_travel_by_itself() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, handle: Handle) -> Answer:
            return Answer("")


class Untagged(msgspec.Struct):
    pass


def a_union_that_can_not_be_told_apart() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: Ask | Untagged) -> Answer:
            return Answer("")


def no_annotation() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask) -> Answer:  # type: ignore[no-untyped-def]  # the mistake under test
            return Answer("")


def no_answer() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: Ask):  # type: ignore[no-untyped-def]  # the mistake under test
            return None


def unknown_name() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: "Nowhere") -> Answer:  # type: ignore[name-defined]  # noqa: F821  # the mistake
            return Answer("")


def same_name_twice() -> None:
    @service
    class Mistaken:
        @rpc(name="call")
        async def one(self, ask: Ask) -> Answer:
            return Answer("")

        @rpc(name="call")
        async def two(self, ask: Ask) -> Answer:
            return Answer("")


def two_contexts() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: Ask, a: CallContext, b: CallContext) -> Answer:
            return Answer("")


def on_an_instance() -> None:
    service(3)  # type: ignore[call-overload]  # the mistake under test


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (no_methods, "has no methods"),
        (not_a_coroutine, "must be an 'async def'"),
        (any_number_of_requests, r"call takes \*asks"),
        (a_parameter_named_like_an_option, "'timeout' has the name of a call's option"),
        (a_stream_where_there_is_none, "'asks' is a stream"),
        (a_stream_and_more, "must take one stream of requests and nothing else"),
        (what_can_not_travel, r"'\$.handles\[...\]' of Holder is of class Handle, which has no wire form"),
        (what_can_not_travel_by_itself, "parameter 'handle' can't be sent: Handle is of class Handle"),
        (a_union_that_can_not_be_told_apart, "must be tagged"),
        (no_annotation, "parameter 'ask' has no annotation"),
        (no_answer, "the returned value has no annotation"),
        (unknown_name, "names 'Nowhere', which is not defined"),
        (same_name_twice, "two methods named 'call'"),
        (two_contexts, "more than one CallContext"),
        (on_an_instance, "goes on a class"),
        (lambda: service("no name!"), ""),
        (lambda: service("x", version=0)(Greeter), "version must be a whole number"),
        (lambda: service("no name!")(Greeter), "can't be a service's name"),
        (lambda: rpc(timeout=0), "timeout must be above 0"),
        (lambda: rpc(name="a b"), "can't be a method's name"),
        (lambda: rpc(requires=any_of()), r"any_of\(\) names no role"),
        (lambda: rpc(requires=all_of()), r"all_of\(\) names no role"),
        (lambda: rpc(requires=""), "can't be a role"),
        (lambda: rpc(requires="a,b"), "can't be a role"),
        (lambda: rpc(requires=7), "is no requirement"),  # type: ignore[call-overload]  # the mistake under test
        (lambda: rpc(tags="billing"), "is no list of texts"),
        (lambda: service(scoped="stream")(Greeter), "scoped='stream' is no scope"),
        (lambda: service(public=True, requires="ops")(Greeter), "is public and requires something"),
    ],
)
def test_a_mistake_is_an_error_when_the_class_is_defined(mistake: Any, message: str) -> None:
    if not message:
        mistake()
        return
    with pytest.raises(ServiceDefinitionError, match=message) as caught:
        mistake()
    assert isinstance(caught.value, TypeError)


def test_importing_the_package_loads_neither_bindings_nor_cryptography() -> None:
    program = (
        "import sys, aster.rpc; from aster.rpc import AsterServer, AsterClient, rpc, service, CallContext\n"
        "import aster; from aster import rpc as package; assert callable(package)\n"
        "print([name for name in ('iroh', 'cryptography') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
