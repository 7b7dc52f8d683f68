"""Messages of the evaluation socket: JSON texts told apart by ``type``; ``id`` is the client's own and comes back."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from aster.policy.service.messages import EvaluateRequest, EvaluateSourceRequest, Evaluation

MessageId = Annotated[str, Meta(min_length=1, max_length=128)]
Ids = MessageId | int


class EvaluateMessage(EvaluateRequest, frozen=True, rename="camel", kw_only=True, tag_field="type", tag="evaluate"):
    """A rule of a stored policy."""

    id: Ids
    trace: bool = False


class EvaluateSourceMessage(
    EvaluateSourceRequest, frozen=True, rename="camel", kw_only=True, tag_field="type", tag="evaluate-source"
):
    """A rule of a source that comes along."""

    id: Ids
    trace: bool = False


class SubscribeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """From now on tell which versions become active."""

    id: Ids


class UnsubscribeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="unsubscribe"):
    id: Ids


ClientMessage = EvaluateMessage | EvaluateSourceMessage | SubscribeMessage | UnsubscribeMessage
decode_message: Callable[[bytes], ClientMessage] = msgspec.json.Decoder(ClientMessage).decode


class Named(msgspec.Struct):
    """What can be read of a message that is otherwise wrong, so that its refusal finds its sender."""

    id: Any = None


class Connected(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="connected"):
    """The first message: the layers let the connection in. Bounds of what may be sent, in bytes and at a time."""

    request_id: str
    role: str
    message_bytes: int
    concurrent: int


class Result(Evaluation, frozen=True, rename="camel", kw_only=True, tag_field="type", tag="result"):
    """One evaluation's answer; ``status`` is ``error`` when the policy could not give a result."""

    id: Ids
    status: Literal["success", "error"]


class Refusal(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="refused"):
    """A message that was not done; ``errorCode`` as over HTTP, ``retryAfter`` in seconds."""

    id: Any
    error: str
    error_code: str
    retry_after: int | None = None
    status: Literal["error"] = "error"


class ActiveVersion(msgspec.Struct, frozen=True, rename="camel"):
    """``number`` counts the policy's activations; ``kind`` is deploy or rollback."""

    policy_id: str
    policy_module: str
    version: int
    number: int
    kind: str
    activated_at: str


class Subscribed(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="subscribed"):
    """What is active now; every change after it follows as an `Activated`."""

    id: Ids
    active: list[ActiveVersion]


class Unsubscribed(msgspec.Struct, frozen=True, tag_field="type", tag="unsubscribed"):
    id: Ids


class Activated(ActiveVersion, frozen=True, rename="camel", tag_field="type", tag="activated"):
    """A version has become the active one."""
