from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.rpc.contract import generated
from tests.rpc.contract.test_canonical import service_of

from aster.rpc.contract.changes import Party, Weight, changes_between, changes_of_services, problems_of_client
from aster.rpc.contract.compatibility import TypeComparison
from aster.rpc.contract.description import ServiceDescription
from aster.rpc.contract.synthesize import TypeMaker


class Old(msgspec.Struct):
    name: str
    age: int = 0


class WithOptional(msgspec.Struct):
    name: str
    age: int = 0
    city: str = ""


class WithRequired(msgspec.Struct):
    name: str
    city: str
    age: int = 0


class Without(msgspec.Struct):
    age: int = 0


class Retyped(msgspec.Struct):
    name: bytes
    age: int = 0


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    age: int = 0


CLIENTS, SERVERS = Party.OLD_CLIENTS, Party.OLD_SERVERS


@pytest.mark.parametrize(
    ("old", "new", "in_request", "in_answer"),
    [
        (Old, WithOptional, (), ()),
        (Old, WithRequired, (CLIENTS,), (SERVERS,)),
        (Old, Without, (SERVERS,), (CLIENTS,)),
        (Strict, WithOptional, (SERVERS,), (CLIENTS,)),
        (Old, Strict, (), ()),
        (Old, Retyped, (CLIENTS, SERVERS), (CLIENTS, SERVERS)),
        (int, float, (SERVERS,), (CLIENTS,)),
        (int, int | None, (SERVERS,), (CLIENTS,)),
        (Literal["a"], Literal["a", "b"], (SERVERS,), (CLIENTS,)),
        (Literal["a", "b"], Literal["a"], (CLIENTS,), (SERVERS,)),
        (int, Annotated[int, msgspec.Meta(ge=3)], (CLIENTS,), (SERVERS,)),
        (Annotated[int, msgspec.Meta(ge=3)], Annotated[int, msgspec.Meta(ge=1)], (SERVERS,), (CLIENTS,)),
        (str, Any, (SERVERS,), (CLIENTS,)),
    ],
)
def test_who_breaks_depends_on_who_writes(
    old: Any, new: Any, in_request: tuple[Party, ...], in_answer: tuple[Party, ...]
) -> None:
    def broken(one: ServiceDescription, other: ServiceDescription) -> set[Party]:
        found = changes_between(one, other)
        assert found
        assert all((change.weight is Weight.BREAKING) == bool(change.breaks) for change in found)
        return {party for change in found for party in change.breaks}

    assert broken(service_of(old), service_of(new)) == set(in_request)
    assert broken(service_of(None, old), service_of(None, new)) == set(in_answer)


def test_a_sentence_names_the_field_the_reason_and_who_breaks() -> None:
    (change,) = changes_between(service_of(Old), service_of(WithRequired))
    assert str(change) == (
        "breaking: request of S.m: city is a new required field: breaks old clients "
        "(they call new servers: it is not sent)"
    )


def test_a_field_deep_inside_is_named_by_its_path() -> None:
    (change,) = changes_between(service_of(dict[str, list[Old]]), service_of(dict[str, list[WithRequired]]))
    assert change.where == "S.m request $[...][...].city"


def test_methods_and_services_come_and_go() -> None:
    full = service_of(Old)
    empty = ServiceDescription("S", 1, "", "", ())
    assert [change.weight for change in changes_between(empty, full)] == [Weight.COMPATIBLE]
    assert [change.breaks for change in changes_between(full, empty)] == [(Party.OLD_CLIENTS,)]
    assert [change.weight for change in changes_of_services([], [full])] == [Weight.COMPATIBLE]
    assert [change.breaks for change in changes_of_services([full], [])] == [(Party.OLD_CLIENTS,)]


def test_a_client_is_stopped_by_what_it_would_misread_and_by_nothing_else() -> None:
    assert problems_of_client(service_of(Old), service_of(WithOptional)) == {}
    assert problems_of_client(service_of(Old), service_of(WithRequired)).keys() == {"m"}
    assert problems_of_client(service_of(WithRequired), service_of(Old)) == {}
    assert problems_of_client(service_of(None, Old), service_of(None, Without)) != {}


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data(), generated.services())
def test_what_is_said_to_fit_does_fit(data: st.DataObject, old: ServiceDescription) -> None:
    """Random values of one type are read by the other whenever the comparison says that they can be."""
    described, new = data.draw(generated.edited(old))
    differences = list(TypeComparison(old.types, new.types).compare(described, described))
    assume(all(difference.old_problem is None for difference in differences))
    value = data.draw(generated.values(described, old))
    written = msgspec.msgpack.encode(msgspec.convert(value, TypeMaker(old.types).make(described)))
    msgspec.msgpack.decode(written, type=TypeMaker(new.types, for_reading=True).make(described))
