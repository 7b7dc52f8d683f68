"""What changed between two versions of a service: each change with its weight, a sentence why, and who breaks.

* **breaking**: something that one side may send is refused or misread by the other. ``breaks`` names who:
  ``old clients`` (calling a new server) or ``old servers`` (called by new clients).
* **compatible**: the wire changed, and every combination of old and new still works.
* **policy**: the wire is the same; timeouts, idempotence, required roles or defaults are not.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from aster.rpc.contract.compatibility import Difference, TypeComparison
from aster.rpc.contract.description import MethodDescription, ServiceDescription
from aster.rpc.patterns import Pattern


class Weight(StrEnum):
    """How much a change matters, the worst first."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    POLICY = "policy"


class Party(StrEnum):
    """Who no longer works."""

    OLD_CLIENTS = "old clients"
    OLD_SERVERS = "old servers"


class Change(Struct, frozen=True):
    """One change; ``where`` is a service, method or field.

    One that matters ``only_when_given`` is about an optional field that its writers leave out until they use it.
    """

    weight: Weight
    where: str
    sentence: str
    breaks: tuple[Party, ...] = ()
    only_when_given: bool = False

    def __str__(self) -> str:
        return f"{self.weight}: {self.sentence}"


def changes_between(old: ServiceDescription, new: ServiceDescription) -> list[Change]:
    """Every change from ``old`` to ``new``, the worst first."""
    found = list(_service_changes(old, new))
    for name in sorted({method.name for method in (*old.methods, *new.methods)}):
        before, after = old.method(name), new.method(name)
        if before is not None and after is not None:
            found += _method_changes(old, new, before, after)
        elif before is not None:
            found.append(_removed_method(old, before))
        else:
            found.append(_added_method(new, name))
    return sorted(dict.fromkeys(found), key=lambda change: list(Weight).index(change.weight))


def changes_of_services(old: Sequence[ServiceDescription], new: Sequence[ServiceDescription]) -> list[Change]:
    """The same for several services, by name and version."""
    olds = {(service.name, service.version): service for service in old}
    news = {(service.name, service.version): service for service in new}
    found: list[Change] = []
    for key in sorted(olds.keys() | news.keys()):
        before, after = olds.get(key), news.get(key)
        called = f"{key[0]} version {key[1]}"
        if before is not None and after is not None:
            found += changes_between(before, after)
        elif before is not None:
            words = f"{called} is gone: old clients that call it get NOT_FOUND"
            found.append(Change(Weight.BREAKING, key[0], words, (Party.OLD_CLIENTS,)))
        else:
            words = f"{called} is new: old servers answer NOT_FOUND to clients that call it"
            found.append(Change(Weight.COMPATIBLE, key[0], words))
    return sorted(found, key=lambda change: list(Weight).index(change.weight))


def problems_of_client(client: ServiceDescription, server: ServiceDescription) -> dict[str, tuple[Change, ...]]:
    """What keeps a client with one contract from calling a server with another, by method; "" is the service itself.

    A method that the server does not have is no problem here: whoever calls it gets UNIMPLEMENTED, and the rest works.
    """
    found = {"": _breaking_client(_service_changes(client, server))}
    for method in client.methods:
        answered = server.method(method.name)
        if answered is not None:
            found[method.name] = _breaking_client(_method_changes(client, server, method, answered))
    return {name: changes for name, changes in found.items() if changes}


def _breaking_client(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(each for each in changes if Party.OLD_CLIENTS in each.breaks and not each.only_when_given)


def _service_changes(old: ServiceDescription, new: ServiceDescription) -> Iterator[Change]:
    if (old.name, old.version) != (new.name, new.version):
        words = (
            f"{old.name} version {old.version} is {new.name} version {new.version} now: "
            "old clients get NOT_FOUND, and so do new clients from old servers"
        )
        yield Change(Weight.BREAKING, old.name, words, tuple(Party))
    if old.scoped != new.scoped:
        words = f"{old.name} is {new.scoped} instead of {old.scoped}: both sides must agree on sessions"
        yield Change(Weight.BREAKING, old.name, words, tuple(Party))
    if old.requires != new.requires:
        yield _requirement_change(old.name, old.requires, new.requires)


def _added_method(new: ServiceDescription, name: str) -> Change:
    where = f"{new.name}.{name}"
    return Change(Weight.COMPATIBLE, where, f"{where} is new: old servers answer UNIMPLEMENTED to clients that call it")


def _removed_method(old: ServiceDescription, method: MethodDescription) -> Change:
    where = f"{old.name}.{method.name}"
    words = f"{where} is gone: old clients that call it get UNIMPLEMENTED"
    return Change(Weight.BREAKING, where, words, (Party.OLD_CLIENTS,))


def _method_changes(
    old: ServiceDescription, new: ServiceDescription, before: MethodDescription, after: MethodDescription
) -> Iterator[Change]:
    where = f"{old.name}.{before.name}"
    if before.pattern != after.pattern:
        words = f"{where} is {after.pattern} instead of {before.pattern}: neither side understands the other's calls"
        yield Change(Weight.BREAKING, where, words, tuple(Party))
        return
    pattern = Pattern(before.pattern)
    asked = "each item sent to" if pattern.streams_input else "request of"
    answered = "each item from" if pattern.streams_output else "answer of"
    for difference in TypeComparison(old.types, new.types).compare(before.request, after.request):
        yield _message_change(f"{asked} {where}", where, difference, is_request=True)
    for difference in TypeComparison(old.types, new.types).compare(before.reply, after.reply):
        yield _message_change(f"{answered} {where}", where, difference, is_request=False)
    yield from _policy_changes(where, before, after)


def _message_change(message: str, where: str, difference: Difference, *, is_request: bool) -> Change:
    place = message if difference.path == "$" else f"{message}: {difference.path.removeprefix('$').removeprefix('.')}"
    told = f"{place} {difference.what}"
    where = f"{where} {'request' if is_request else 'answer'} {difference.path}"
    if difference.default_only:
        return Change(Weight.POLICY, where, f"{told}; nothing on the wire changes")
    problems = _problems(difference, is_request=is_request)
    if not problems:
        return Change(Weight.COMPATIBLE, where, f"{told}: old and new sides understand each other")
    if difference.only_when_given and difference.old_problem is None:
        party = "old servers" if is_request else "old clients"
        words = f"{told}: {party} understand messages without it, and refuse those that give it"
        return Change(Weight.COMPATIBLE, where, words, only_when_given=True)
    reasons = "; ".join(f"breaks {party} ({reason})" for party, reason in problems)
    breaks = tuple(party for party, _ in problems)
    return Change(Weight.BREAKING, where, f"{told}: {reasons}", breaks, difference.only_when_given)


def _problems(difference: Difference, *, is_request: bool) -> list[tuple[Party, str]]:
    """Requests are written by clients and read by servers; answers the other way round."""
    old, new = difference.old_problem, difference.new_problem
    clients = old if is_request else new
    servers = new if is_request else old
    client_words, server_words = (
        ("they call new servers: {}", "new clients call them: {}")
        if is_request
        else ("new servers answer them: {}", "they answer new clients: {}")
    )
    found = []
    if clients is not None:
        found.append((Party.OLD_CLIENTS, client_words.format(clients)))
    if servers is not None:
        found.append((Party.OLD_SERVERS, server_words.format(servers)))
    return found


def _policy_changes(where: str, old: MethodDescription, new: MethodDescription) -> Iterator[Change]:
    if old.timeout != new.timeout:
        words = f"{where} has a default timeout of {_seconds(new.timeout)} instead of {_seconds(old.timeout)}"
        yield Change(Weight.POLICY, where, f"{words}: clients made from the new version wait differently")
    if old.idempotent != new.idempotent:
        words = "may be repeated now: retries apply" if new.idempotent else "may not be repeated any more: no retries"
        yield Change(Weight.POLICY, where, f"{where} {words}")
    if old.requires != new.requires:
        yield _requirement_change(where, old.requires, new.requires)


def _requirement_change(where: str, old: object, new: object) -> Change:
    if new is None:
        words = f"{where} needs no role any more, before: {old}"
    elif old is None:
        words = f"{where} needs {new} now: callers without get PERMISSION_DENIED"
    else:
        words = f"{where} needs {new} instead of {old}: callers without get PERMISSION_DENIED"
    return Change(Weight.POLICY, where, words)


def _seconds(timeout: float | None) -> str:
    return "none" if timeout is None else f"{timeout:g} s"
