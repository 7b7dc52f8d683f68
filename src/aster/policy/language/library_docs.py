"""What every library function does, in a line with an example: for editors, the reference and its tests.

A line is the function with the names of its parameters, what it does, and examples as `expression → JSON value`, or
`expression → ! CODE` for one that fails.
"""

from collections.abc import Mapping

import msgspec


class Example(msgspec.Struct, frozen=True):
    """An expression and the JSON text of its value, or ``! CODE`` of its fault."""

    expression: str
    value: str


class FunctionDoc(msgspec.Struct, frozen=True):
    """``signature`` names the parameters as they are written in a call."""

    signature: str
    meaning: str
    examples: tuple[Example, ...]


def _read(text: str) -> Mapping[str, FunctionDoc]:
    found: dict[str, FunctionDoc] = {}
    for line in text.strip().splitlines():
        signature, meaning, *examples = (part.strip() for part in line.split(" | "))
        pairs = (example.split(" → ") for example in examples)
        name = signature.partition("(")[0]
        found[name] = FunctionDoc(signature, meaning, tuple(Example(left, right) for left, right in pairs))
    return found


FUNCTIONS: Mapping[str, FunctionDoc] = _read("""
Text.concat(value, …) | Joins the textual forms of all values. | Text.concat("n=", 1, true) → "n=1true"
Text.toUpper(text) | In capitals, the same in every country. | Text.toUpper("straße") → "STRASSE"
Text.toLower(text) | In small letters, the same in every country. | Text.toLower("ÄB") → "äb"
Text.length(text) | How many UTF-16 units the text has. | Text.length("a😀") → 3
Text.startsWith(text, part) | Whether the text begins with another. | Text.startsWith("DE-12", "DE") → true
Text.endsWith(text, part) | Whether the text ends with another. | Text.endsWith("a.pdf", ".pdf") → true
Text.contains(text, part) | Whether another text is somewhere in it. | Text.contains("a,b", ",") → true
Text.indexOf(text, part) | Where another text begins first, counted from 0; -1 if it does not. | Text.indexOf("abc", "c") → 2 | Text.indexOf("abc", "z") → -1
Text.equals(a, b) | Whether the textual forms of two values are the same. | Text.equals(1, "1") → true
Text.split(text, separator) | The parts between separators, the empty ones too. | Text.split("a,,b", ",") → ["a","","b"]
Text.trim(text) | Without white space at its ends. | Text.trim("  a b ") → "a b"
Text.substring(text, start, end?) | From a place up to another, counted from 0; the last is not included. | Text.substring("hello", 1, 3) → "el" | Text.substring("hello", 6) → ! RANGE_INVALID
Text.replace(text, old, new) | With every occurrence of one text replaced by another. | Text.replace("a.b.c", ".", "-") → "a-b-c"
Text.redact(value) | A mask instead of a value; what comes out is not personal data any more. | Text.redact("Ada") → "***"
Text.join(list, separator) | The textual forms of items with a separator between them. | Text.join([1, 2], "-") → "1-2"
Text.matches(text, pattern) | Whether a pattern is found in the text; `^` and `$` hold it to the ends. | Text.matches("AB-12", "^[A-Z]+-[0-9]+$") → true
PII.unwrap(value) | The value itself. | PII.unwrap("x") → "x"
redact(value) | The same as `Text.redact`. | redact("Ada") → "***"
tokenize(value) | The same as `Text.redact`. | tokenize("Ada") → "***"
List.empty() | A list of nothing. | List.empty() → []
List.length(list) | How many items there are. | List.length([1, 2]) → 2
List.isEmpty(list) | Whether there are none. | List.isEmpty([]) → true
List.get(list, index) | The item at a place, counted from 0. | List.get(["a", "b"], 1) → "b" | List.get([1], 1) → ! INDEX_OUT_OF_RANGE
List.contains(list, value) | Whether an item equals a value. | List.contains([[1], [2]], [2]) → true
List.append(list, value) | The list with one more item at its end. | List.append([1], 2) → [1,2]
List.concat(a, b) | The items of one list and then of another. | List.concat([1], [2]) → [1,2]
List.slice(list, start, end?) | From a place up to another, counted from 0; the last is not included. | List.slice([1, 2, 3], 1) → [2,3] | List.slice([1], 2) → ! RANGE_INVALID
List.map(list, f) | What a function makes of each item. | List.map([1, 2], (x) => x times 2) → [2,4]
List.filter(list, f) | The items for which a function says true. | List.filter([1, 2, 3], (x) => x over 1) → [2,3]
List.reduce(list, start, f) | Joins the items one by one: f(what there is, item). | List.reduce([1, 2], 10, (a, x) => a plus x) → 13
List.sum(list) | The sum of numbers, exact for Decimals; 0 of none. | List.sum([0.1m, 0.2m]) → "0.3"
List.min(list) | The smallest number. | List.min([3, 1]) → 1 | List.min([]) → ! EMPTY_LIST
List.max(list) | The largest number. | List.max([3, 1]) → 3
List.sort(list) | Numbers from the smallest to the largest. | List.sort([3, 1, 2]) → [1,2,3]
List.distinct(list) | Each value once, in the order of first occurrence. | List.distinct([1, "1", 1]) → [1,"1"]
List.range(start, end) | The whole numbers from one up to another, which is not included. | List.range(2, 5) → [2,3,4]
List.combinations(list, size) | All choices of some items, in order; at most 5,000 of at most 64. | List.combinations([1, 2, 3], 2) → [[1,2],[1,3],[2,3]]
List.count(list, f) | For how many items a function says true. | List.count([1, 2, 3], (x) => x over 1) → 2
List.sortBy(list, f) | In the order of the numbers a function gives; equals stay in place. | List.sortBy([1, 3, 2], (x) => -x) → [3,2,1]
List.minBy(list, f) | The first item with the smallest number. | List.minBy(["bb", "a", "c"], (t) => Text.length(t)) → "a"
List.maxBy(list, f) | The first item with the largest number. | List.maxBy(["a", "bb", "cc"], (t) => Text.length(t)) → "bb"
List.groupBy(list, f) | A map from what a function gives to the items it gives it for. | List.groupBy([1, 2, 3], (x) => x modulo 2) → {"1":[1,3],"0":[2]}
List.head(list) | The first item, if there is one. | List.head([1, 2]) → {"__type":"Some","value":1} | List.head([]) → null
List.last(list) | The last item, if there is one. | List.last([1, 2]) → {"__type":"Some","value":2}
List.reverse(list) | From the last to the first. | List.reverse([1, 2]) → [2,1]
List.any(list, f) | Whether a function says true for some item. | List.any([1, 2], (x) => x over 1) → true
List.all(list, f) | Whether a function says true for every item. | List.all([1, 2], (x) => x over 1) → false
List.flatten(list) | The items of all lists in a list. | List.flatten([[1], [2, 3]]) → [1,2,3]
List.take(list, count) | The first items, at most so many. | List.take([1, 2, 3], 2) → [1,2]
List.drop(list, count) | Without the first items. | List.drop([1, 2, 3], 2) → [3]
Map.empty() | A map of nothing. | Map.empty() → {}
Map.get(map, key) | The value of a key, if there is one. | Map.get(Map.put(Map.empty(), "a", 1), "a") → {"__type":"Some","value":1} | Map.get(Map.empty(), "a") → null
Map.put(map, key, value) | With a value for a key; new keys come last. | Map.put(Map.empty(), "a", 1) → {"a":1} | Map.put(Map.empty(), null, 1) → ! NULL_KEY
Map.remove(map, key) | Without a key. | Map.remove(Map.put(Map.empty(), "a", 1), "a") → {}
Map.contains(map, key) | Whether there is a key. | Map.contains(Map.empty(), "a") → false
Map.size(map) | How many keys there are. | Map.size(Map.put(Map.empty(), "a", 1)) → 1
Map.keys(map) | The keys in the order they came. | Map.keys(Map.put(Map.empty(), "a", 1)) → ["a"]
Map.values(map) | The values in the order of their keys. | Map.values(Map.put(Map.empty(), "a", 1)) → [1]
Map.entries(map) | Records of `key` and `value`. | Map.entries(Map.put(Map.empty(), "a", 1)) → [{"key":"a","value":1}]
Maybe.withDefault(maybe, value) | What there is, or else the value. | Maybe.withDefault(null, 9) → 9 | Maybe.withDefault(some of 5, 9) → 5
Maybe.unwrapOr(maybe, value) | The same as `Maybe.withDefault`. | Maybe.unwrapOr(5, 9) → 5
Maybe.isSome(maybe) | Whether there is a value. | Maybe.isSome(null) → false
Maybe.isNone(maybe) | Whether there is none. | Maybe.isNone(null) → true
Maybe.unwrap(maybe) | What there is. | Maybe.unwrap(some of 1) → 1 | Maybe.unwrap(none) → ! WRONG_VARIANT
Maybe.map(maybe, f) | What a function makes of it, if there is something. | Maybe.map(some of 1, (x) => x plus 1) → {"__type":"Some","value":2} | Maybe.map(none, (x) => x) → null
Option.withDefault(option, value) | What there is, or else the value. | Option.withDefault(none, 9) → 9
Option.unwrapOr(option, value) | The same as `Option.withDefault`. | Option.unwrapOr(some of 5, 9) → 5
Option.isSome(option) | Whether there is a value. | Option.isSome(some of 1) → true
Option.isNone(option) | Whether there is none. | Option.isNone(none) → true
Option.unwrap(option) | What there is. | Option.unwrap(some of 1) → 1 | Option.unwrap(none) → ! WRONG_VARIANT
Option.map(option, f) | What a function makes of it, if there is something. | Option.map(some of 1, (x) => x plus 1) → {"__type":"Some","value":2}
Result.isOk(result) | Whether it went well. | Result.isOk(ok of 1) → true
Result.isErr(result) | Whether it failed. | Result.isErr(ok of 1) → false
Result.unwrap(result) | The value of `ok`. | Result.unwrap(ok of 1) → 1 | Result.unwrap(err of "no") → ! WRONG_VARIANT
Result.unwrapErr(result) | The value of `err`. | Result.unwrapErr(err of "no") → "no"
Result.unwrapOr(result, value) | The value of `ok`, or else another. | Result.unwrapOr(err of "no", 2) → 2
Result.mapOk(result, f) | With what a function makes of the value of `ok`. | Result.mapOk(ok of 1, (x) => x plus 1) → {"__type":"Ok","value":2}
Result.mapErr(result, f) | With what a function makes of the value of `err`. | Result.mapErr(err of 1, (x) => x plus 1) → {"__type":"Err","value":2}
Result.tapError(result, f) | The result itself, after a function looked at the value of `err`. | Result.tapError(err of 1, (x) => x plus 1) → {"__type":"Err","value":1}
Date.fromISO(text) | The days since 1970-01-01 of a date written YYYY-MM-DD. | Date.fromISO("1970-02-01") → 31 | Date.fromISO("2024-02-30") → ! DATE_INVALID
Date.toISO(days) | The date as YYYY-MM-DD. | Date.toISO(31) → "1970-02-01"
Date.format(date, pattern) | Days or a DateTime as a pattern says. | Date.format(31, "D.M.YYYY") → "1.2.1970" | Date.format("2024-02-09T07:05:00Z", "HH:mm") → "07:05"
Date.parse(text, pattern) | The days of a date written as a pattern says. | Date.parse("1.2.1970", "D.M.YYYY") → 31 | Date.parse("1.13.1970", "D.M.YYYY") → ! DATE_MISMATCH
Date.daysBetween(from, to) | How many days one date is after another. | Date.daysBetween(1, 5) → 4
Date.addDays(days, count) | A date some days later; before, if the count is negative. | Date.toISO(Date.addDays(0, -1)) → "1969-12-31"
Date.year(days) | The year of a date. | Date.year(0) → 1970
Date.month(days) | Its month, 1 to 12. | Date.month(59) → 3
Date.day(days) | Its day of the month. | Date.day(59) → 1
Decimal.round(number, scale, mode) | Rounded to some digits after the point, 0 to 18; the mode is "HALF_UP", "HALF_EVEN" or "DOWN". | Decimal.round(2.345m, 2, "HALF_UP") → "2.35" | Decimal.round(1m, 19, "DOWN") → ! DECIMAL_SCALE
Decimal.divide(a, b, scale, mode) | Divided and rounded once. | Decimal.divide(1m, 3m, 4, "HALF_EVEN") → "0.3333" | Decimal.divide(1m, 0m, 2, "DOWN") → ! DIVISION_BY_ZERO
Decimal.fromText(text) | The Decimal that is written. | Decimal.fromText("12.50") → "12.5" | Decimal.fromText("1e3") → ! NUMBER_INVALID
Math.abs(number) | Without its sign. | Math.abs(-3) → 3
Math.floor(number) | The whole number below. | Math.floor(-2.5) → -3
Math.ceil(number) | The whole number above. | Math.ceil(-2.5) → -2
Math.round(number) | The nearest whole number, halves away from zero. | Math.round(2.5) → 3
Math.min(a, b) | The smaller of two numbers. | Math.min(1, 2.5) → 1
Math.max(a, b) | The larger of two numbers. | Math.max(1, 2.5) → 2.5
Math.pow(base, exponent) | A number to the power of a whole number; exact unless a Float or a negative exponent is in it. | Math.pow(1.5m, 2) → "2.25" | Math.pow(2, 64) → ! INTEGER_OVERFLOW
Int.toString(number) | The number as text. | Int.toString(-5) → "-5"
Int.parse(text) | The whole number that is written. | Int.parse("-42") → -42 | Int.parse("4.2") → ! NUMBER_INVALID
Bool.toString(value) | "true" or "false". | Bool.toString(true) → "true"
""")  # fmt: skip  # noqa: E501
