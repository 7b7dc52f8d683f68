"""Diagnostics: what is wrong with a source, where, how badly; and the catalogue of codes.

Codes and severities follow the specification §9.3; those of the form ``W1xx`` beyond it are ours. Messages are
templates; a locale's data file may translate any of them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aster.policy.language.terms import Term
from aster.policy.language.types import Type, show

if TYPE_CHECKING:
    from aster.policy.language.lexicon import Lexicon

Severity = Literal["error", "warning", "info", "hint"]


class Edit(msgspec.Struct, frozen=True):
    """A piece of the source and what to write instead; positions as in `Diagnostic`."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int
    text: str


class Fix(msgspec.Struct, frozen=True):
    """A way out of a finding, all edits or none. ``is_safe`` says that it can't change what the policy means."""

    title: str
    edits: tuple[Edit, ...]
    is_safe: bool


class Diagnostic(msgspec.Struct, frozen=True):
    """One finding. Lines and columns are 1-based and count the user's own characters; the end is exclusive.

    ``module`` names the used module it lies in, None for the source that was compiled.
    """

    severity: Severity
    code: str
    message: str
    start_line: int
    start_column: int
    end_line: int
    end_column: int
    help: str | None = None
    module: str | None = None
    fixes: tuple[Fix, ...] = ()


FIXES: Mapping[str, str] = {
    "F001": "write {text}",
    "F002": "insert {text}",
    "F003": "remove this",
}
"""How fixes are told: of what replaces something, what is added, and what goes."""

CATALOGUE: Mapping[str, tuple[Severity, str]] = {
    "L001": ("error", "character {found} is not allowed here"),
    "L002": ("error", "this text is not closed"),
    "L003": ("error", "indentation must be a multiple of two spaces"),
    "L004": ("error", "this line returns to an indentation that was never opened"),
    "L005": ("error", "a Decimal has at most 38 significant digits"),
    "L006": ("error", "{found} does not fit an Int; write {found}L for a Long"),
    "L007": ("error", "{found} does not fit a Long"),
    "L008": ("error", "{found} is not a finite number"),
    "L009": ("error", "the name {found} mixes look-alike alphabets"),
    "L010": ("error", "the source is longer than {limit} characters"),
    "L011": ("error", "the source has more than {limit} words and signs; divide it into modules"),
    "P001": ("error", "expected a name, found {found}"),
    "P002": ("error", "expected a type name, found {found}"),
    "P003": ("error", "expected {expected}, found {found}"),
    "P004": ("error", "expected the keyword '{expected}', found {found}"),
    "P005": ("error", "unexpected {found}"),
    "P006": ("error", "expected '{expected}', found {found}"),
    "P007": ("error", "expected an expression, found {found}"),
    "P008": ("error", "expected a type, found {found}"),
    "P009": ("error", "expected a pattern, found {found}"),
    "P010": ("error", "expected an indented block, found {found}"),
    "P011": ("error", "expected the end of the block, found {found}"),
    "P012": ("error", "'{name}' is constructed with named fields: {name} with field set to value"),
    "P013": ("error", "the rule has no body"),
    "P014": ("error", "{found} is not an effect or capability"),
    "P015": ("error", "nested deeper than {limit} levels"),
    "P016": ("error", "comparisons cannot be chained; join them with 'and'"),
    "P017": ("error", "more than {limit} {what}"),
    "P018": ("error", "a source needs at least one declaration"),
    "T001": ("error", "the name '{name}' would be taken for a keyword in {other}; rename it"),
    "M101": ("error", "the module {name} is not found"),
    "M102": ("error", "the module {name} uses itself: {path}"),
    "M103": ("error", "the module {name} is used in version {expected} and in version {actual}"),
    "M104": ("error", "the module {name} can't be used: {found}"),
    "E001": ("error", "type mismatch: expected {expected}, got {actual}"),
    "E002": ("error", "'{name}' was {expected} and is set to {actual}"),
    "E003": ("error", "the rule produces {expected}, but this returns {actual}"),
    "E005": ("warning", "type parameter '{name}' is never used"),
    "E006": ("error", "unknown type '{name}'"),
    "E007": ("error", "the type parameter '{name}' would be both {expected} and {actual}"),
    "E008": ("error", "the branches of this 'if' disagree: {expected} and {actual}"),
    "E009": ("error", "the arms of this match disagree: {expected} and {actual}"),
    "E010": ("error", "a number pattern never matches {actual}"),
    "E011": ("error", "{record} has no field '{name}'"),
    "E012": ("error", "field '{name}' of {record} is {expected}, got {actual}"),
    "E013": ("error", "{record} needs the field '{name}'"),
    "E015": ("warning", "only an optional value or a result can be waited for, not {actual}"),
    "E016": ("warning", "'{name}' is matched twice"),
    "E017": ("warning", "this match does not cover {missing}"),
    "E018": ("warning", "this match does not cover {missing}"),
    "E019": ("warning", "'{name}' is given {expected} and {actual}, numbers of different kinds"),
    "E020": ("error", "the list mixes {expected} and {actual}"),
    "E021": ("error", "{actual} may be null; {expected} is needed here (match it, or give a default)"),
    "E022": ("error", "the compensation of step '{name}' must yield a result, not {actual}"),
    "E023": ("warning", "step '{name}' has effects and no compensation"),
    "E024": ("error", "the number of attempts must be positive"),
    "E025": ("error", "the timeout must be positive"),
    "E026": ("error", "a workflow needs 'It performs io'"),
    "E027": ("error", "step '{name}' uses the capability {other} without the rule declaring it"),
    "E028": ("error", "the compensation of step '{name}' uses the capability {other}, which the step does not"),
    "E029": ("error", "step '{name}' depends on the unknown step '{other}'"),
    "E030": ("error", "step '{name}' depends on itself through '{other}'"),
    "E031": ("error", "Decimal and Float cannot be mixed"),
    "E032": ("error", "a Decimal is divided by Decimal.divide, which is told how to round"),
    "E070": ("error", "'{name}' is declared {expected} but holds {actual} data"),
    "W071": ("warning", "'{name}' is declared {expected}, which is more than the {actual} it holds"),
    "E072": ("error", "{actual} data reaches '{name}' without redaction"),
    "E073": ("error", "'{name}' is declared {expected} but is given {actual} data"),
    "W074": ("warning", "{actual} data goes to '{name}', of which nothing is known"),
    "E100": ("warning", "import '{name}' is declared twice"),
    "E101": ("error", "'{name}' is not defined"),
    "E102": ("error", "more than one rule is marked @entry"),
    "E103": ("warning", "import '{name}' has the name of a declaration"),
    "E104": ("error", "'{name}' is already defined here"),
    "E105": ("error", "'{name}' takes {expected} arguments, got {actual}"),
    "E106": ("error", "'{name}' is a variant of several enums; write {hint}"),
    "E107": ("error", "'{name}' has no variant '{other}'"),
    "E200": ("error", "'{name}' performs io without declaring it"),
    "E201": ("error", "'{name}' performs cpu without declaring it"),
    "E202": ("info", "'{name}' declares io but performs none"),
    "E203": ("info", "'{name}' declares cpu but performs none"),
    "E204": ("info", "'{name}' declares cpu beside io, which includes it"),
    "E205": ("error", "'{name}' performs io through '{other}' without declaring it"),
    "E206": ("error", "'{name}' performs cpu through '{other}' without declaring it"),
    "E210": ("error", "the effect parameter '{name}' is not declared"),
    "E211": ("error", "nothing that is passed to '{name}' can stand for its effect parameter '{other}'"),
    "E212": ("warning", "'{name}' is not a library function; it is not assumed to be pure"),
    "E300": ("error", "the manifest does not allow '{name}' the capability {other}"),
    "E301": ("error", "'{name}' uses the capability {other} without declaring it"),
    "E302": ("info", "'{name}' declares the capability {other} but never uses it"),
    "E303": ("error", "the capability {other} needs 'It performs io'"),
    "E304": ("error", "the capability {other} needs 'It performs cpu'"),
    "E400": ("error", "{actual} data is sent over the network by '{name}'"),
    "E401": ("warning", "'{name}' looks like personal data ({other}) and is not marked as such"),
    "E402": ("warning", "'{name}' is {actual} here and {expected} elsewhere"),
    "E403": ("warning", "{actual} data is kept by '{name}' and no condition asks for consent"),
    "E404": ("warning", "{actual} data goes into a function that can't be followed"),
    "E500": ("error", "'{name}' is started but never waited for"),
    "E501": ("error", "'{name}' is waited for but never started"),
    "E502": ("error", "'{name}' is started twice"),
    "E503": ("warning", "'{name}' is waited for twice"),
    "E504": ("error", "'{name}' is waited for before it is started"),
    "W001": ("warning", "'{name}' is never used"),
    "W003": ("hint", "this says no more than {text}"),
    "W101": ("warning", "this can never be reached"),
    "W102": ("warning", "'{name}' may end without a Return and then yields nothing"),
    "W103": ("warning", "this 'Let' hides the outer '{name}'; write 'Set' to change it"),
    "W104": ("warning", "a condition of type {actual} is judged by its truth; compare it instead"),
    "W105": ("warning", "waiting for these retries would take {found} seconds"),
    "W106": ("warning", "a timeout of {found} seconds is unreasonable"),
    "W107": ("warning", "capitalise 'Rule' names as you like, but '{name}' is also a type"),
    "W600": ("info", "{name} is experimental: it is checked, never executed"),
}


def describe(code: str, lexicon: "Lexicon", values: Mapping[str, Any]) -> tuple[Severity, str]:
    """The severity and the filled-in message of a code, in the locale's words where it has them."""
    severity, template = CATALOGUE[code]
    return severity, lexicon.messages.get(code, template).format_map(localized(values, lexicon))


def localized(values: Mapping[str, Any], lexicon: "Lexicon") -> dict[str, Any]:
    """What fills the places of a message: types and terms in the locale's words."""
    return {name: _in_words(value, lexicon) for name, value in values.items()}


def _in_words(value: Any, lexicon: "Lexicon") -> Any:
    if isinstance(value, Type):
        return show(value, lexicon.type_words)
    if type(value) is Term:
        return lexicon.terms.get(value, value)
    if type(value) is tuple:
        return f" {lexicon.keywords['AND']} ".join(str(_in_words(part, lexicon)) for part in value)
    return value
