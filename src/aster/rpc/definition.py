"""What a service is once it is written: frozen values that servers, stubs, contracts and tools read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from aster.rpc.codec import Encoding, MessageType
from aster.rpc.errors import ServiceDefinitionError as ServiceDefinitionError
from aster.rpc.patterns import Pattern
from aster.rpc.requirements import Requirement

DEFINITION = "__aster_service__"


class Scope(StrEnum):
    """Whom one instance of a service answers: every caller, or one session."""

    SHARED = "shared"
    SESSION = "session"


class Style(StrEnum):
    """How a method takes its request: one message, or parameters of its own that a message is made of."""

    EXPLICIT = "explicit"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """What a method's decorator says.

    ``timeout`` is the default of its callers in seconds, ``idempotent`` says that repeating a call does no harm.
    """

    pattern: Pattern
    name: str | None = None
    timeout: float | None = None
    idempotent: bool = False
    requires: Requirement | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    deprecated: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an inline method, and the field of its request; ``default`` counts if not ``required``."""

    name: str
    annotation: Any
    required: bool
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class MethodDefinition:
    """One method of a service: its wire name, attribute, types and options.

    ``request`` and ``reply`` are the types of one message, also where many are streamed. An inline method has
    ``parameters``, and its ``request`` is a Struct made of them.
    """

    name: str
    attribute: str
    request: MessageType
    reply: MessageType
    context_parameter: str | None
    options: RpcOptions
    description: str
    style: Style = Style.EXPLICIT
    parameters: tuple[Parameter, ...] = ()
    positional: int = 1
    """So many data parameters are passed by position, the others by name."""
    encoding: Encoding = Encoding.MSGPACK
    """How a client writes its messages; the server answers likewise."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceDefinition:
    """A service as the wire knows it. ``requires`` must be met for every method, besides the method's own.

    ``public`` says that anybody may call it on purpose. ``interceptors`` stand around its methods, inside the server's.
    """

    name: str
    version: int
    methods: Mapping[str, MethodDefinition]
    description: str
    scope: Scope = Scope.SHARED
    requires: Requirement | None = None
    public: bool = False
    tags: tuple[str, ...] = ()
    deprecated: str | None = None
    interceptors: tuple[Any, ...] = ()

    def requirements(self, method: MethodDefinition) -> tuple[Requirement, ...]:
        """What a caller of ``method`` must meet, all of it."""
        return tuple(each for each in (self.requires, method.options.requires) if each is not None)


def definition_of(target: object) -> ServiceDefinition:
    """The definition of a service class or instance; `ServiceDefinitionError` for anything else."""
    cls = target if isinstance(target, type) else type(target)
    definition = vars(cls).get(DEFINITION)
    if definition is None:
        raise ServiceDefinitionError(f"{cls.__qualname__} is no service", hint="put @service on the class")
    return cast("ServiceDefinition", definition)
