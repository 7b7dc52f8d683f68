"""Random well-typed programs for properties: every construct that can be made sensibly, and contexts for them."""

from typing import Any

from hypothesis import strategies as st

HEAD = """
Module random.typed.

Define Kind as one of Small, Large, Odd.

Define Item has name as Text, count as Int, price as Decimal, kind as Kind, note as maybe Text.

type Money as Decimal.

Rule double given n as Int, produce Int:
  Return n times 2.

Rule check given n as Int, produce result of Int or Text:
  If n under 0
    Return err of "negative".
  Return ok of n.

Rule pick of T given first as T, second as T, useFirst as Bool, produce T:
  If useFirst
    Return first.
  Return second.

Rule kindOf given item as Item, produce Text:
  Match item.kind:
    When Small, Return "s".
    When Large, Return "l".
    When Odd, Return "o".
"""

_INT = st.sampled_from(["n", "m", "item.count", "0", "1", "7", "-3", "40", "List.length(names)", "Text.length(t)"])
_DECIMAL = st.sampled_from(["item.price", "1.25m", "0m", "100m"])
_TEXT = st.sampled_from(["t", "item.name", '""', '"x"', '"a b"', '"Zeile „q“"', "kindOf(item)"])
_BOOL = st.sampled_from(["flag", "true", "false", "item.note is null", "List.isEmpty(names)"])
_KIND = st.sampled_from(["Small", "Kind.Large", "item.kind"])


def _ints(inner: st.SearchStrategy[str], depth: int) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, st.sampled_from(["plus", "minus", "times", "+", "-", "*", "modulo"]), inner)
    return st.one_of(
        pairs.map(lambda found: f"({' '.join(found)})"),
        inner.map(lambda text: f"double({text})"),
        inner.map(lambda text: f"(minus {text})"),
        st.tuples(_bools(depth - 1), inner, inner).map(lambda found: "(if {} then {} else {})".format(*found)),
        st.lists(inner, max_size=3).map(lambda items: f"List.sum(List.map([{', '.join(items)}], (q) => q plus 1))"),
        st.tuples(inner, inner).map(lambda found: f"pick({found[0]}, {found[1]}, flag)"),
        inner.map(lambda text: f"Maybe.withDefault(some of {text}, 4)"),
        inner.map(lambda text: f"(Item with name set to t, count set to {text}, price = 1m, kind = Odd).count"),
        st.just("(apply double to n)"),
    )


def ints(depth: int = 2) -> st.SearchStrategy[str]:
    return st.recursive(_INT, lambda inner: _ints(inner, depth), max_leaves=5) if depth > 0 else _INT


def decimals(depth: int = 2) -> st.SearchStrategy[str]:
    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.tuples(inner, st.sampled_from(["plus", "minus", "times"]), st.one_of(inner, ints(depth - 1)))
        return st.one_of(
            pairs.map(lambda found: f"({' '.join(found)})"),
            inner.map(lambda text: f'Decimal.round({text}, 2, "HALF_EVEN")'),
        )

    return st.recursive(_DECIMAL, more, max_leaves=4)


def texts(depth: int = 2) -> st.SearchStrategy[str]:
    if depth <= 0:
        return _TEXT
    parts = st.one_of(_TEXT, ints(depth - 1), decimals(depth - 1))
    return st.one_of(
        _TEXT,
        st.tuples(_TEXT, parts).map(lambda found: f"({found[0]} plus {found[1]})"),
        st.lists(parts, min_size=1, max_size=3).map(lambda items: f"Text.concat({', '.join(items)})"),
        st.tuples(_bools(depth - 1), _TEXT, _TEXT).map(lambda found: "(if {} then {} else {})".format(*found)),
    )


def _bools(depth: int) -> st.SearchStrategy[str]:
    if depth <= 0:
        return _BOOL
    words = ["less than", "under", "greater than", "over", "at most", "is at least", "equals to"]
    words += ["is not", "<", ">=", "!="]
    compared = st.tuples(ints(depth - 1), st.sampled_from(words), ints(depth - 1)).map(" ".join)
    kinds = st.tuples(_KIND, st.sampled_from(["is", "is not", "="]), _KIND).map(" ".join)
    members = st.tuples(_TEXT, st.sampled_from(["is one of names", "is not one of names"])).map(" ".join)
    atoms = st.one_of(_BOOL, compared, kinds, members)

    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda found: f"({' '.join(found)})"),
            inner.map(lambda text: f"(not {text})"),
        )

    return st.recursive(atoms, more, max_leaves=4)


bools = _bools


@st.composite
def blocks(draw: st.DrawFn, indent: int = 1, names: int = 0) -> str:
    """Statements of a rule that yields a Text; the last one returns."""
    blank = "  " * indent
    lines: list[str] = []
    for index in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["let", "set", "if", "chain", "match", "result", "scope", "discard"]))
        if kind == "let":
            lines.append(f"{blank}Let v{indent}{names + index} be {draw(st.one_of(ints(), texts(), decimals()))}.")
        elif kind == "set":
            lines.append(f"{blank}Set total to {draw(ints())}.")
        elif kind == "discard":
            lines.append(f"{blank}double({draw(ints(1))}).")
        elif indent > 3:
            continue
        elif kind == "scope":
            lines += [f"{blank}Within scope:", f"{blank}  Set total to total plus 1."]
        elif kind == "if":
            lines += [f"{blank}If {draw(_bools(2))}", draw(blocks(indent + 1))]
        elif kind == "chain":
            lines += [f"{blank}If {draw(_bools(1))},", f"{blank}  Set total to {draw(ints(1))}."]
            lines += [f"{blank}Otherwise If {draw(_bools(1))}:", draw(blocks(indent + 1))]
            lines += [f"{blank}Otherwise", f"{blank}  Set total to {draw(ints(1))}."]
        elif kind == "match":
            lines.append(f"{blank}Match {draw(ints(1))}:")
            lines += [f"{blank}  When -3, Return {draw(texts(1))}.", f"{blank}  When 0:", draw(blocks(indent + 2))]
            lines += [f"{blank}  When other, Set total to other."]
        else:
            lines.append(f"{blank}Match check({draw(ints(1))}):")
            lines += [f"{blank}  When Ok(v), Set total to v.", f"{blank}  When Err(_), Return {draw(texts(1))}."]
    lines.append(f"{blank}Return {draw(texts())}.")
    return "\n".join(lines)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A whole source whose rule `main` yields a Text."""
    main = (
        "\n@entry\nRule main given n as Int, m as Int, t as Text, flag as Bool, item as Item, "
        "names as list of Text, produce Text:\n  Let total be 0.\n"
    )
    return f"{HEAD}{main}{draw(blocks())}\n"


CONTEXTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "n": st.one_of(st.integers(-4, 9), st.just(2**62)),
        "m": st.integers(-4, 9),
        "t": st.sampled_from(["", "x", "long 文"]),
        "flag": st.booleans(),
        "item": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["", "x"]),
                "count": st.integers(-3, 5),
                "price": st.sampled_from(["0", "1.25", "99.995"]),
                "kind": st.sampled_from(["Small", "Large", "Odd"]),
                "note": st.sampled_from([None, "n"]),
            }
        ),
        "names": st.lists(st.sampled_from(["x", "", "y"]), max_size=3),
    }
)
