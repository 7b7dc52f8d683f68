"""Fragments of messages that stand for things of the language, and so are translated as well."""


class Term(str):
    """A fragment of a message, in English; a locale's data file has it in its own words (see `TERMS`)."""

    __slots__ = ()


TERMS = (
    *("the end of the line", "an indented line", "the end of the block", "the end"),
    *("a number", "numbers", "a whole number", "a literal", "a version number", "the name of a step, as text"),
    *("L1, L2 or L3", "set to", "the parser's", "the compiler's"),
    *("branches", "operands", "calls or fields", "fields", "items", "rules", "modules"),
    *("a Text", "an Int", "a List", "a Map", "a Decimal", "a Bool", "a Result", "a function", "a record", "a value"),
    *("none", "both", "List", "text", "list", "value", "list of combinations", "the function", "the result", "plain"),
    *("no mix of Decimal and Float", "no Decimal (use Decimal.divide)", "no Decimal", "days (Date.fromISO)"),
    *("it is too long", "a quote is not closed", "it has unknown or repeated letters", "it names no part of a date"),
    *("a date needs year, month and day",),
    *("there are no loops; use List.map, List.filter or List.reduce",),
    *("every variant", "names have no hyphens; write discountedPrice or discounted_price"),
)
"""Every fragment; each locale's data file translates all of them."""
