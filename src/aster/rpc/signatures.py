"""From an annotated method to its definition: which parameter is the request, which the context, which types travel."""

import copy
import functools
import inspect
from collections import ChainMap
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from aster.rpc.codec import MessageType
from aster.rpc.context import CallContext
from aster.rpc.definition import MethodDefinition, Parameter, RpcOptions, Style
from aster.rpc.descriptions import description_of, first_paragraph
from aster.rpc.errors import ServiceDefinitionError
from aster.rpc.wire_types import is_message_type, type_name, unsupported_part

OPTIONS = "__aster_rpc__"
STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)
CALL_OPTIONS = ("timeout", "metadata")
"""Keywords of every stub's methods, so no parameter can have their names."""

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def defined_methods(cls: type, local_names: Mapping[str, Any]) -> dict[str, MethodDefinition]:
    """The marked methods of a class by wire name, those of its bases included."""
    methods: dict[str, MethodDefinition] = {}
    for attribute in dir(cls):
        function = inspect.getattr_static(cls, attribute)
        options = getattr(function, OPTIONS, None)
        if options is None:
            continue
        method = _Signature(cls, attribute, function, local_names).method(options)
        if method.name in methods:
            raise ServiceDefinitionError(f"{cls.__qualname__} has two methods named '{method.name}'")
        methods[method.name] = method
    if not methods:
        raise ServiceDefinitionError(f"{cls.__qualname__} has no methods", hint="put @rpc on its methods")
    return methods


class _Signature:
    """One method's parameters, told apart."""

    def __init__(self, cls: type, attribute: str, function: Callable[..., Any], local_names: Mapping[str, Any]) -> None:
        self._cls = cls
        self._attribute = attribute
        self._function = function
        self._where = f"{cls.__qualname__}.{attribute}"
        self._hints = self._annotations(local_names)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        context = [p for p in parameters if _is_context(self._hints.get(p.name))]
        if len(context) > 1:
            raise self._error("takes more than one CallContext")
        if context and context[0].kind is inspect.Parameter.POSITIONAL_ONLY:
            raise self._error("takes its CallContext by position only", "move the '/' before it")
        self._context = context[0].name if context else None
        self._data = [p for p in parameters if p not in context]
        # The context is passed by name, so what follows it can't be passed by position.
        before = parameters.index(context[0]) if context else len(parameters)
        self._positional = len([p for p in parameters[:before] if p.kind in _BY_POSITION])

    def method(self, options: RpcOptions) -> MethodDefinition:
        answered = self._hints.get("return", inspect.Parameter.empty)
        if options.pattern.streams_output:
            answered = self._streamed("the returned value", answered)
        self._check_parameters(options)
        request, parameters = self._request(options)
        return MethodDefinition(
            name=options.name or self._attribute,
            attribute=self._attribute,
            request=request,
            reply=self._travels("the returned value", answered),
            context_parameter=self._context,
            options=options,
            description=first_paragraph(self._function.__doc__) if options.description is None else options.description,
            style=Style.EXPLICIT if parameters is None else Style.INLINE,
            parameters=parameters or (),
            positional=self._positional,
        )

    def _annotations(self, local_names: Mapping[str, Any]) -> dict[str, Any]:
        names = ChainMap(dict(local_names), self._function.__globals__, {"CallContext": CallContext})
        try:
            return get_type_hints(self._function, localns=names, include_extras=True)
        except NameError as error:
            raise self._error(
                f"an annotation names '{error.name}', which is not defined", "import it outside of TYPE_CHECKING"
            ) from None

    def _check_parameters(self, options: RpcOptions) -> None:
        for parameter in self._data:
            if parameter.kind in _VARIADIC:
                raise self._error(f"takes *{parameter.name}", "name every parameter; a list or dict can hold many")
            if parameter.annotation is parameter.empty:
                raise self._error(f"parameter '{parameter.name}' has no annotation", "every parameter needs its type")
        streams = [p.name for p in self._data if _is_stream(self._hints[p.name])]
        if options.pattern.streams_input and (len(self._data) != 1 or len(streams) != 1):
            raise self._error(
                "must take one stream of requests and nothing else",
                "annotate its parameter as AsyncIterator[T]; metadata or the first item can carry the rest",
            )
        if streams and not options.pattern.streams_input:
            raise self._error(f"parameter '{streams[0]}' is a stream", "use @client_stream or @bidi_stream")

    def _request(self, options: RpcOptions) -> tuple[MessageType, tuple[Parameter, ...] | None]:
        annotations = [self._hints[p.name] for p in self._data]
        if options.pattern.streams_input:
            what = f"parameter '{self._data[0].name}'"
            return self._travels(what, self._streamed(what, annotations[0])), None
        alone = len(self._data) == 1 and self._data[0].kind in _BY_POSITION
        if alone and is_message_type(annotations[0]):
            return self._travels(f"parameter '{self._data[0].name}'", annotations[0]), None
        for parameter in self._data:
            self._travels(f"parameter '{parameter.name}'", self._hints[parameter.name])
            if parameter.name in CALL_OPTIONS:
                raise self._error(
                    f"parameter '{parameter.name}' has the name of a call's option", "give it another name"
                )
        parameters = tuple(
            Parameter(p.name, annotation, p.default is p.empty, _default(p), description_of(annotation))
            for p, annotation in zip(self._data, annotations, strict=True)
        )
        return MessageType(self._struct(parameters)), parameters

    def _struct(self, parameters: tuple[Parameter, ...]) -> type[msgspec.Struct]:
        """Unknown fields are refused, as a function refuses unknown arguments; defaults stay at home."""
        make = functools.partial(
            msgspec.defstruct,
            f"{''.join(word.capitalize() for word in self._attribute.split('_'))}Request",
            module=self._cls.__module__,
            forbid_unknown_fields=True,
            omit_defaults=True,
        )
        named = {p.name for p in self._data if p.kind is inspect.Parameter.KEYWORD_ONLY}
        positional = make([_field(each) for each in parameters if each.name not in named])
        if not named:
            return positional
        return make([_field(each) for each in parameters if each.name in named], bases=(positional,), kw_only=True)

    def _streamed(self, what: str, annotation: Any) -> Any:
        """The item type in ``AsyncIterator[T]``."""
        if not _is_stream(annotation) or not get_args(annotation):
            raise self._error(f"{what} must be annotated as AsyncIterator[Message]", "AsyncIterator[T] for any type T")
        return get_args(annotation)[0]

    def _travels(self, what: str, annotation: Any) -> MessageType:
        if annotation is inspect.Parameter.empty:
            raise self._error(f"{what} has no annotation", "say what it returns; '-> None' for nothing")
        try:
            part = unsupported_part(annotation)
            kind = MessageType(annotation)
        except (TypeError, NameError) as error:
            raise self._error(f"{what} can't be sent: {error}") from None
        if part is not None:
            path, cls = part
            place = type_name(annotation) if path == "$" else f"'{path}' of {type_name(annotation)}"
            raise self._error(
                f"{what} can't be sent: {place} is of class {cls.__qualname__}, which has no wire form",
                "make it a msgspec.Struct or a dataclass",
            )
        return kind

    def _error(self, words: str, hint: str | None = None) -> ServiceDefinitionError:
        verb = words.startswith(("takes", "must"))
        return ServiceDefinitionError(f"{self._where}{' ' if verb else ': '}{words}", hint=hint)


def _is_context(annotation: Any) -> bool:
    """`CallContext`, or ``CallContext | None`` for handlers that are also called directly."""
    return annotation is CallContext or (
        CallContext in get_args(annotation) and set(get_args(annotation)) <= {CallContext, type(None)}
    )


def _is_stream(annotation: Any) -> bool:
    return get_origin(annotation) in STREAMS or annotation in STREAMS


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is parameter.empty else parameter.default


def _field(parameter: Parameter) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.required:
        return parameter.name, parameter.annotation
    if isinstance(parameter.default, list | dict | set | bytearray) and parameter.default:
        fresh = functools.partial(copy.deepcopy, parameter.default)
        return parameter.name, parameter.annotation, msgspec.field(default_factory=fresh)
    return parameter.name, parameter.annotation, parameter.default
