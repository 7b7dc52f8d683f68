"""Questions to the solver, within a time and a memory that are bounded."""

import time
from typing import Any

from aster.policy.analysis.logic import Condition, World, both, z3

MAX_MEGABYTES = 1_500
QUESTION_SECONDS = 10.0
SETTINGS = {"max_memory": MAX_MEGABYTES, "random_seed": 0}


class OutOfTime(Exception):
    """The time for the analysis is over."""


class Solver:
    """Asks whether conditions of a world can hold together."""

    def __init__(self, world: World, seconds: float) -> None:
        self.world = world
        self.until = time.monotonic() + seconds
        self._solver = z3.SimpleSolver()
        self._solver.set(**SETTINGS)
        self._told = 0

    def tell(self, condition: Condition) -> None:
        """Something that holds from now on."""
        if condition is not True:
            self._solver.add(condition)

    def model(self, *conditions: Condition, exact: bool = False) -> Any | None:
        """A model in which all conditions hold; None when there is none.

        Raises `Undecided` when the solver can't tell, `OutOfTime` when the time of the analysis is over.
        """
        for definition in self.world.definitions[self._told :]:
            self._solver.add(definition)
        self._told = len(self.world.definitions)
        wanted = both(*conditions)
        if wanted is False:
            return None
        left = self.until - time.monotonic()
        if left <= 0:
            raise OutOfTime
        self._solver.set("timeout", int(1000 * min(left, QUESTION_SECONDS)) + 1)
        assumptions = [] if wanted is True else [self._literal(wanted)]
        if exact:
            assumptions.append(self.world.exact)
        try:
            answer = self._solver.check(*assumptions)
        except z3.Z3Exception as error:
            raise Undecided(str(error)) from None
        if answer == z3.sat:
            return self._solver.model()
        if answer == z3.unsat:
            return None
        raise Undecided(self._solver.reason_unknown())

    def _literal(self, wanted: Any) -> Any:
        literal = self.world.named(wanted)
        for definition in self.world.definitions[self._told :]:
            self._solver.add(definition)
        self._told = len(self.world.definitions)
        return literal

    def possible(self, *conditions: Condition) -> Any | None:
        """A model, preferably one in which numbers do not round; None when the conditions exclude each other."""
        try:
            found = self.model(*conditions, exact=True)
        except Undecided:
            found = None
        return found if found is not None else self.model(*conditions)

    def may_hold(self, condition: Condition) -> bool:
        """Whether a condition can hold, for all the solver can tell."""
        try:
            return self.model(condition) is not None
        except Undecided:
            return True


class Undecided(Exception):
    """The solver can't tell, for a reason."""


def holds(model: Any, condition: Condition) -> bool:
    """Whether a condition holds in a model."""
    if isinstance(condition, bool):
        return condition
    return bool(z3.is_true(model.eval(condition, model_completion=True)))
