import subprocess
import sys
from typing import Any

import msgspec
import pytest
from tests.rpc.messages import Answer, Ask, Greeter

from aster.rpc import CallContext, ServiceDefinitionError, rpc, service
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


def no_request() -> None:
    @service
    class Mistaken:
        @rpc  # type: ignore[arg-type]  # the mistake under test
        async def call(self) -> Answer:
            return Answer("")


def two_requests() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: Ask, other: Ask) -> Answer:
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
        async def call(self, ask: Ask) -> None:
            return None


def plain_request() -> None:
    @service
    class Mistaken:
        @rpc
        async def call(self, ask: int) -> Answer:
            return Answer("")


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
        (no_request, "must take one request message, it takes 0"),
        (two_requests, "must take one request message, it takes 2"),
        (no_annotation, "parameter 'ask' has no annotation"),
        (no_answer, "the returned value is NoneType, not a message"),
        (plain_request, "parameter 'ask' is int, not a message"),
        (unknown_name, "names 'Nowhere', which is not defined"),
        (same_name_twice, "two methods named 'call'"),
        (two_contexts, "more than one CallContext"),
        (on_an_instance, "goes on a class"),
        (lambda: service("no name!"), ""),
        (lambda: service("x", version=0)(Greeter), "version must be a whole number"),
        (lambda: service("no name!")(Greeter), "can't be a service's name"),
        (lambda: rpc(timeout=0), "timeout must be above 0"),
        (lambda: rpc(name="a b"), "can't be a method's name"),
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
