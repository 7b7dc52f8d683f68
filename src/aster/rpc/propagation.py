"""What a nested call inherits from the call that makes it: its deadline and its trace."""

from collections.abc import Mapping

from aster.rpc.context import CallContext
from aster.rpc.definition import MethodDefinition
from aster.rpc.metadata import NO_METADATA, Metadata

PROPAGATED = ("traceparent", "tracestate")


def call_options(
    method: MethodDefinition, timeout: float | None, metadata: Mapping[str, str] | None
) -> tuple[float | None, Metadata]:
    """The seconds and the metadata that a call goes out with."""
    seconds = method.options.timeout if timeout is None else timeout
    sent = metadata or NO_METADATA
    outer = CallContext.running.get(None)
    return (seconds, sent) if outer is None else _within(outer, seconds, sent)


def _within(outer: CallContext, seconds: float | None, metadata: Metadata) -> tuple[float | None, Metadata]:
    """A nested call ends no later than the call that makes it, and belongs to the same trace."""
    left = outer.remaining_seconds
    if left is not None and (seconds is None or left < seconds):
        seconds = left
    inherited = {key: outer.metadata[key] for key in PROPAGATED if key in outer.metadata and key not in metadata}
    return seconds, {**inherited, **metadata} if inherited else metadata
