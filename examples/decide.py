"""A policy as a library: compiled once, then decided in microseconds, with the reasons."""

from aster.policy import PolicySyntaxError, compile_source

LOAN = """\
Module loan.

Define Applicant has
  age as Int required between 0 and 150,
  income as Int required at least 0.

Rule decide given applicant as Applicant, amount as Int, produce Text:
  If applicant.age less than 18
    Return "declined: too young".
  If amount greater than applicant.income times 4
    Return "declined: too much for this income".
  Return "approved".
"""


def main() -> None:
    program = compile_source(LOAN)
    for age, amount in ((17, 1000), (34, 90_000), (34, 500_000)):
        outcome = program.evaluate("decide", context={"applicant": {"age": age, "income": 42_000}, "amount": amount})
        print(f"{age}, {amount}: {outcome.value}")
    try:
        compile_source("Module broken.\n\nRule f produce Int:\n  Return 1 plus .")
    except PolicySyntaxError as error:
        print(f"refused: {error.diagnostics[0].message}")


if __name__ == "__main__":
    main()
