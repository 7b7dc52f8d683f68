"""Signatures of the standard library: how many arguments each function takes, which are functions, what it yields."""

import msgspec

from aster.policy.language.types import BOOL, DECIMAL, FLOAT, INT, TEXT, UNKNOWN, Type, list_of


class Signature(msgspec.Struct, frozen=True):
    """``parameters`` are kinds: Text, Int, List, Map, Decimal, Any, or Function1/Function2 for callbacks."""

    parameters: tuple[str, ...]
    returns: Type
    optional: int = 0
    variadic: bool = False


_LIST = list_of(UNKNOWN)
_MAP = Type("Map", "", (TEXT, UNKNOWN))


def _table(text: str) -> dict[str, Signature]:
    returns = {
        "Text": TEXT, "Int": INT, "Bool": BOOL, "Decimal": DECIMAL, "Float": FLOAT, "Any": UNKNOWN, "List": _LIST,
        "Ints": list_of(INT), "Texts": list_of(TEXT), "Map": _MAP,
    }  # fmt: skip
    table = {}
    for line in text.split("\n"):
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        parameters = rest.split()
        result = returns[parameters.pop()]
        variadic = bool(parameters) and parameters[-1].endswith("*")
        optional = sum(parameter.endswith("?") for parameter in parameters)
        table[name] = Signature(tuple(parameter.rstrip("?*") for parameter in parameters), result, optional, variadic)
    return table


SIGNATURES = _table("""
    Text.concat Any* Text
    Text.toUpper Text Text
    Text.toLower Text Text
    Text.length Text Int
    Text.startsWith Text Text Bool
    Text.endsWith Text Text Bool
    Text.contains Text Text Bool
    Text.indexOf Text Text Int
    Text.equals Any Any Bool
    Text.split Text Text Texts
    Text.trim Text Text
    Text.substring Text Int Int? Text
    Text.replace Text Text Text Text
    Text.redact Any Text
    Text.join List Text Text
    Text.matches Text Text Bool
    PII.unwrap Any Any
    redact Any Text
    tokenize Any Text
    List.empty List
    List.length List Int
    List.isEmpty List Bool
    List.get List Int Any
    List.contains List Any Bool
    List.append List Any List
    List.concat List List List
    List.slice List Int Int? List
    List.map List Function1 List
    List.filter List Function1 List
    List.reduce List Any Function2 Any
    List.sum List Any
    List.min List Any
    List.max List Any
    List.sort List List
    List.distinct List List
    List.range Int Int Ints
    List.combinations List Int List
    List.count List Function1 Int
    List.sortBy List Function1 List
    List.minBy List Function1 Any
    List.maxBy List Function1 Any
    List.groupBy List Function1 Map
    List.head List Any
    List.last List Any
    List.reverse List List
    List.any List Function1 Bool
    List.all List Function1 Bool
    List.flatten List List
    List.take List Int List
    List.drop List Int List
    Map.empty Map
    Map.get Map Any Any
    Map.put Map Any Any Map
    Map.remove Map Any Map
    Map.contains Map Any Bool
    Map.size Map Int
    Map.keys Map Texts
    Map.values Map List
    Map.entries Map List
    Maybe.withDefault Any Any Any
    Maybe.unwrapOr Any Any Any
    Maybe.isSome Any Bool
    Maybe.isNone Any Bool
    Maybe.unwrap Any Any
    Maybe.map Any Function1 Any
    Option.withDefault Any Any Any
    Option.unwrapOr Any Any Any
    Option.isSome Any Bool
    Option.isNone Any Bool
    Option.unwrap Any Any
    Option.map Any Function1 Any
    Result.isOk Any Bool
    Result.isErr Any Bool
    Result.unwrap Any Any
    Result.unwrapErr Any Any
    Result.unwrapOr Any Any Any
    Result.mapOk Any Function1 Any
    Result.mapErr Any Function1 Any
    Result.tapError Any Function1 Any
    Date.fromISO Text Int
    Date.toISO Int Text
    Date.format Any Text Text
    Date.parse Text Text Int
    Date.daysBetween Int Int Int
    Date.addDays Int Int Int
    Date.year Int Int
    Date.month Int Int
    Date.day Int Int
    Decimal.round Any Int Text Decimal
    Decimal.divide Any Any Int Text Decimal
    Decimal.fromText Text Decimal
    Math.abs Any Any
    Math.floor Any Int
    Math.ceil Any Int
    Math.round Any Int
    Math.min Any Any Any
    Math.max Any Any Any
    Math.pow Any Int Any
    Int.toString Any Text
    Int.parse Text Int
    Bool.toString Any Text
""")
