"""Gate 3: what a caller must be to use a service or a method."""

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.rpc import LocalClient, PermissionDeniedError, all_of, any_of, rpc, service
from aster.rpc.requirements import Requirement, requirement, roles_of


class Role(enum.StrEnum):
    OPS = "ops"


@service(requires="staff")
class Guarded:
    @rpc
    async def open_to_staff(self) -> str:
        return "staff"

    @rpc(requires=Role.OPS)
    async def one(self) -> str:
        return "one"

    @rpc(requires=any_of("ops", "admin"))
    async def any(self) -> str:
        return "any"

    @rpc(requires=all_of("ops", "admin"))
    async def all(self) -> str:
        return "all"


METHODS = ("open_to_staff", "one", "any", "all")

ALLOWED: dict[str, set[str]] = {
    "": set(),
    "staff": {"open_to_staff"},
    "ops,admin": set(),
    "staff,ops": {"open_to_staff", "one", "any"},
    " staff , admin ": {"open_to_staff", "any"},
    "admin,ops,staff": set(METHODS),
    "Staff,OPS": set(),
}


@pytest.mark.parametrize("attribute", ["aster.role", "aster.capabilities"])
@pytest.mark.parametrize("roles", ALLOWED)
async def test_service_and_method_must_both_be_satisfied(roles: str, attribute: str) -> None:
    allowed = set()
    async with LocalClient([Guarded()], peer="ab" * 32, attributes={attribute: roles}) as client:
        stub = await client.client(Guarded)
        for name in METHODS:
            try:
                await getattr(stub, name)()
            except PermissionDeniedError as error:
                assert f"'Guarded.{name}' needs " in error.message  # noqa: PT017  # the other outcome is no error
            else:
                allowed.add(name)
    assert allowed == ALLOWED[roles]


async def test_roles_come_from_both_attributes() -> None:
    attributes = {"aster.role": "staff", "aster.capabilities": "ops,admin"}
    async with LocalClient([Guarded()], attributes=attributes) as client:
        assert await (await client.client(Guarded)).all() == "all"


async def test_a_peer_without_attributes_is_refused_and_code_of_the_process_is_not() -> None:
    async with LocalClient([Guarded()], peer="ab" * 32) as client:
        with pytest.raises(PermissionDeniedError, match="needs the role staff"):
            await (await client.client(Guarded)).open_to_staff()
    async with LocalClient([Guarded()]) as client:
        assert await (await client.client(Guarded)).all() == "all"


def test_an_unknown_kind_and_an_empty_list_are_never_met() -> None:
    everything = frozenset({"a", "b"})
    assert not Requirement("none_of", ("c",)).is_met_by(everything)
    for kind in ("role", "any_of", "all_of"):
        assert not Requirement(kind, ()).is_met_by(everything)


@given(st.frozensets(st.sampled_from("abcd")), st.frozensets(st.sampled_from("abcd"), min_size=1))
def test_any_and_all_mean_what_they_say(had: frozenset[str], asked: frozenset[str]) -> None:
    assert any_of(*asked).is_met_by(had) == any(role in had for role in asked)
    assert all_of(*asked).is_met_by(had) == all(role in had for role in asked)


def test_a_requirement_says_what_it_needs() -> None:
    assert str(requirement("ops")) == "the role ops"
    assert str(any_of("a", "b")) == "any of the roles a, b"
    assert str(all_of("a", "b")) == "all of the roles a, b"
    assert roles_of({"aster.role": " a,,b ", "other": "c"}) == {"a", "b"}
