"""What each finding means for whoever gets it: the way out, and the shortest source that has it.

Told by `aster policy finding CODE` and in the reference; tests hold every example to its code.
"""

from collections.abc import Mapping

import msgspec


class FindingDoc(msgspec.Struct, frozen=True):
    """``example`` is None where no short source of its own has the finding."""

    way_out: str
    example: str | None = None


def _read(text: str) -> Mapping[str, FindingDoc]:
    found: dict[str, FindingDoc] = {}
    for block in text.strip().split("\n\n"):
        head, _, example = block.partition("\n")
        code, way_out = head.split(" ", 1)
        found[code] = FindingDoc(way_out, f"{example}\n" if example else None)
    return found


FINDINGS: Mapping[str, FindingDoc] = _read("""
L001 The language has no such sign; texts take the escapes `\\\\n \\\\t \\\\r \\\\" \\\\\\\\ \\\\u0041` and no others. Write words (`and`, `not`) or put it into a text. Signs that turn the direction of reading are not allowed anywhere; in a text, write `\\u202e`.
Rule f given n as Int, produce Int:
  Return n & 1.

L002 Close the text with the quote that it began with; a quote inside is written `\\\\"`.
Rule f, produce Text:
  Return "open.

L003 Indent by two spaces, four, six, and so on.
Rule f, produce Int:
   Return 1.

L004 Go back to an indentation that a line above has.
Rule f given n as Int, produce Int:
  If n over 1
      Return 1.
    Return 2.

L005 Decimals are exact up to 38 digits; round the constant.
Rule f, produce Decimal:
  Return 1234567890123456789012345678901234567890m.

L006 Whole numbers beyond 2,147,483,647 are written with an L.
Rule f, produce Long:
  Return 3000000000.

L007 Whole numbers have 64 bits at most; use a Decimal (`…m`).
Rule f, produce Long:
  Return 99999999999999999999L.

L008 The number is too large for a Float; use a Decimal.

L009 A name is of one alphabet. Somebody may have put a letter there that only looks like yours.
Rule f given pаy as Int, produce Int:
  Return 1.

L010 Divide the policy into modules, or let the caller allow more (`max_source`).

L011 Divide the policy into modules, or let the caller allow more (`max_tokens`).

P001 A name begins with a letter of any alphabet and goes on with letters, digits and `_`.
Rule 5 given n as Int, produce Int:
  Return n.

P002 A type's name begins with a letter of any alphabet.
Define 5 has a as Int.
Rule f, produce: Return 1.

P003 Something is missing here, or stands where something else belongs.
Define P has a as Int at least 1 between 1 and x.
Rule f given p as P, produce: Return p.a.

P004 A keyword is missing here.
Rule f given n as Int, produce Int:
  Let x 5.
  Return x.

P005 No statement or declaration begins like this.
Rule f given n as Int, produce Int:
  n plus 1.
  Return n.

P006 A sign is missing here; statements end with a full stop, heads of rules with a colon.
Rule f given n as Int, produce Int
  Return n.

P007 A value is missing here: a number, a text, a name, a call, or something in brackets.
Rule f given n as Int, produce Int:
  Return n plus .

P008 A type is missing here, such as `Int`, `list of Text` or the name of a record.
Rule f given n as , produce Int:
  Return 1.

P009 A pattern is `null`, a number, a text, `true`, `false`, a name, `Name(parts)` or `_`.
Rule f given n as Int, produce Int:
  Match n:
    When +, Return 1.

P010 Indent what belongs to the line above by two spaces more.
Rule f given n as Int, produce Int:
  If n over 1
  Return 1.

P011 Only what follows a head (`If`, `Otherwise`, `When`, …) is indented deeper.
Rule f, produce Int:
  Let x be 1.
    Return x.

P012 Records are constructed by the names of their fields.
Define P has a as Int.
Rule f, produce P:
  Return P(1).

P013 Indent the rule's statements below its head; a rule without any ends with a full stop.
Rule f given n as Int, produce Int:
Rule g, produce: Return 1.

P014 Effects are `io` and `cpu`; capabilities are Http, Network, Sql, Time, Files, Secrets, Process, AiModel, Cpu, Payment, Inventory and Crypto.
Rule f, produce Int. It performs io [Magic]:
  Return 1.

P015 Give parts of it names with `Let`, or make rules of them.

P016 Write `1 < n and n < 5`.
Rule f given n as Int, produce Bool:
  Return 1 < n < 5.

P017 There is more of something than anybody reads; divide it.

P018 Write a rule, a record or an enum.

T001 Rename it, or translate to another language.

M101 Put the module beside the policy (`risk/core.aster`), name its folder with `--modules`, or mend the name or version.

M102 Modules use one another in one direction; move what both need into a third.

M103 Use one version of a module throughout.

M104 Mend the module first; the message tells its first error.

E001 An operation on this type has no answer, so it would fail.
Rule f given t as Text, produce:
  Return t minus 1.

E002 A variable keeps its type; use another name.
Rule f given n as Int, produce:
  Let x be 1.
  Set x to "one".
  Return x.

E003 Return what the rule says it produces, or say what it does produce.
Rule f given n as Int, produce Text:
  Return n.

E005 Use it for a parameter or the result, or leave it out.
Rule f of T given n as Int, produce Int:
  Return n.

E006 Mend the name, or declare the type with `Define`.
Rule f given p as Parsel, produce Int:
  Return 1.

E007 One type parameter stands for one type in a call.
Rule same of T given a as T, b as T, produce T:
  Return a.
Rule f, produce:
  Return same(1, "x").

E008 Let both branches yield one type.
Rule f given b as Bool, produce:
  Return if b then 1 else "no".

E009 Let all arms yield one type.
Rule f given n as Int, produce:
  Match n:
    When 1, Return 1.
    When _, Return "many".

E010 Only whole numbers match a number pattern; compare with `is` instead.
Rule f given t as Text, produce Int:
  Match t:
    When 1, Return 1.
    When _, Return 2.

E011 Mend the name, or add the field to the record.
Define P has weight as Int.
Rule f given p as P, produce Int:
  Return p.wieght.

E012 Give the field a value of its type.
Define P has a as Int.
Rule f, produce P:
  Return P with a set to "x".

E013 Set every field; those of a `maybe` type may be left out.
Define P has a as Int, b as Int.
Rule f, produce P:
  Return P with a set to 1.

E015 `await` looks into a `maybe` value or a result.
Rule f given n as Int, produce:
  Return await(n).

E016 The first arm takes it; leave the second out.
Define A as one of X, Y.
Rule f given a as A, produce Int:
  Match a:
    When X, Return 1.
    When X, Return 2.
    When Y, Return 3.

E017 Add an arm, or `When _`.
Rule f given n as maybe Int, produce Int:
  Match n:
    When null, Return 0.
    When 5, Return 1.
  Return 2.

E018 Add an arm for each, or `When _`.
Define A as one of X, Y.
Rule f given a as A, produce Int:
  Match a:
    When X, Return 1.
  Return 2.

E019 What is outside of the library may not know how they mix; pass numbers of one kind.
Rule f given a as Int, b as Decimal, produce. It performs io with Payment:
  Return Payment.charge(a, b).

E020 A list holds values of one type.
Rule f, produce:
  Return [1, "x"].

E021 Look first: `If x is null`, `Match`, or `Maybe.withDefault(x, 0)`.
Rule f given n as maybe Int, produce Int:
  Return n plus 1.

E022 What undoes a step says whether it could: return `ok of …` or `err of …`.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return Http.get("/a").
    compensate:
      Return 1.

E023 Say with `compensate:` how to undo it.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return Http.get("/a").

E024 Try once or more.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return 1.
    retry:
      max attempts: 0.
      backoff: linear.

E025 Wait a second or more.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return 1.
    timeout: 0 seconds.

E026 Declare it: `It performs io`.
Rule f, produce:
  workflow:
    step one:
      Return 1.

E027 Add it to the rule's capabilities.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return Db.query("x").
    compensate:
      Return ok of 1.

E028 Undo a step with what the step itself uses.
Rule f, produce. It performs io [Http, Sql]:
  workflow:
    step one:
      Return Http.get("/a").
    compensate:
      Let x be Db.query("x").
      Return ok of x.

E029 Name a step of this workflow.
Rule f, produce. It performs io [Http]:
  workflow:
    step one depends on ["zero"]:
      Return 1.

E030 Steps wait for one another in one direction.
Rule f, produce. It performs io [Http]:
  workflow:
    step one depends on ["one"]:
      Return 1.

E031 Decide for one: Decimals are exact, Floats are not.
Rule f given a as Decimal, b as Float, produce:
  Return a plus b.

E032 `Decimal.divide(a, b, 2, "HALF_UP")` says how many digits are kept and how.
Rule f given a as Decimal, produce:
  Return a / 3.

E070 Mark the place with at least the same level, or pass `redact(x)`.
Rule f given name as @pii(L2, name) Text, produce Text:
  Return name.

W071 Mark both with one level, so that it is clear which is meant.
Rule keep given t as @pii(L3, id) Text, produce @pii(L3, id) Text:
  Return t.
Rule f given name as @pii(L1, name) Text, produce @pii(L3, id) Text:
  Return keep(name).

E072 Pass `redact(x)` instead.
Rule f given ssn as @pii(L3, id) Text, produce. It performs io [Http]:
  Return Http.post("/x", ssn).

E073 Mark the parameter with at least the same level, or pass `redact(x)`.
Rule keep given t as Text, produce Text:
  Return t.
Rule f given name as @pii(L2, name) Text, produce Text:
  Return keep(name).

W074 Nothing says what this function does with it; pass `redact(x)`.
Rule f given name as @pii(L2, name) Text, produce @pii(L2, name) Text:
  Return Vendor.send(name).

E100 Leave one out, or give it another name with `as`.
Use risk.core as Risk.
Use loan.core as Risk.
Rule f, produce: Return 1.

E101 Mend the name, or define it with `Let` or as a parameter.
Rule f given amount as Int, produce Int:
  Return ammount.

E102 Mark the one rule that decides.
@entry
Rule f, produce: Return 1.
@entry
Rule g, produce: Return 2.

E103 Give the import another name with `as`.
Use risk.core as Risk.
Define Risk has a as Int.
Rule f, produce: Return 1.

E104 Give one of the two another name.
Rule f given a as Int, a as Int, produce Int:
  Return a.

E105 Pass as many values as there are parameters.
Rule f, produce:
  Return Text.length("a", "b").

E106 Write the enum before it.
Define A as one of X, Y.
Define B as one of X, Z.
Rule f, produce:
  Return X.

E107 Mend the name, or add the variant.
Define A as one of X, Y.
Rule f, produce:
  Return A.Z.

E200 Declare it: `It performs io with Http`.
Rule f, produce:
  Return Http.get("/a").

E201 Declare it: `It performs cpu`.
Rule f, produce:
  Return Crypto.hash("a").

E202 Leave it out.
Rule f, produce. It performs io:
  Return 1.

E203 Leave it out.
Rule f, produce. It performs cpu:
  Return 1.

E204 Declare `io` alone.
Rule f, produce. It performs io and cpu:
  Return Http.get("/a").

E205 Declare it here as well.
Rule f, produce:
  Return g().
Rule g, produce. It performs io with Http:
  Return Http.get("/a").

E206 Declare it here as well.
Rule f, produce:
  Return g().
Rule g, produce. It performs cpu with Crypto:
  Return Crypto.hash("a").

E210 Declare it after the rule's name: `Rule f<E>`.
Rule f given act, produce. It performs E:
  Return act(1).

E211 An effect parameter stands for what a function that is passed in does; call one, or leave the parameter out.
Rule f<E> given n as Int, produce. It performs E:
  Return n.

E212 Mend the name; what the library does not have can't be called.
Rule f, produce:
  Return Text.lenght("x").

E300 Ask whoever keeps the manifest, or do without.

E301 Add it: `It performs io with Http and Sql`.
Rule f, produce. It performs io with Http:
  Return Db.query("x").

E302 Leave it out.
Rule f, produce. It performs io with Http and Sql:
  Return Http.get("/a").

E303 Declare `It performs io`.
Rule f, produce. It performs cpu with Http:
  Return 1.

E304 Declare `It performs cpu`.
Rule f<E> given act, produce. It performs E with Crypto:
  Return act(1).

E400 Pass `redact(x)`; personal data does not leave through the network.
Rule f given name as @pii(L1, name) Text, produce. It performs io [Http]:
  Return Http.post("/x", name).

E401 Mark it: `@pii(L2, email) Text`.
Rule f given workEmail as Text, name as @pii(L1, name) Text, produce Int:
  Return 1.

E402 Mark it with one level everywhere.
Define P has name as @pii(L1, name) Text.
Rule f given p as P, name as @pii(L2, name) Text, produce Int:
  Return 1.

E403 Ask first: `If not applicant.consent` and a Return.
Rule f given name as @pii(L1, name) Text, produce. It performs io [Sql]:
  Return Db.insert(name).

E404 Call a rule by its name, so that it can be followed, or pass `redact(x)`.
Rule f given act, name as @pii(L1, name) Text, produce:
  Return act(name).

E500 Wait for it: `Wait for a.`
Rule f, produce:
  Start a as async g().
  Return 1.
Rule g, produce: Return 1.

E501 Start it first: `Start a as async g().`
Rule f, produce:
  Wait for a.
  Return 1.

E502 Give the second another name.
Rule f, produce:
  Start a as async g().
  Start a as async g().
  Wait for a.
  Return 1.
Rule g, produce: Return 1.

E503 Once is enough.
Rule f, produce:
  Start a as async g().
  Wait for a.
  Wait for a.
  Return 1.
Rule g, produce: Return 1.

E504 Start it before you wait for it.
Rule f, produce:
  Wait for a.
  Start a as async g().
  Return 1.
Rule g, produce: Return 1.

W001 Leave it out, or use it.
Rule f, produce:
  Let x be 1.
  Return 2.

W003 Say it in fewer words.
Rule f given large as Bool, produce Bool:
  Return large is true.

W101 A Return above ends the rule; leave this out.
Rule f, produce Int:
  Return 1.
  Return 2.

W102 Return something in every case, or say `maybe` if nothing is an answer.
Rule f given n as Int, produce Int:
  If n over 1
    Return 1.

W103 If the outer variable is meant, write `Set`; else use another name.
Rule f given n as Int, produce Int:
  If n over 1
    Let n be 1.
    Return n.
  Return n.

W104 Write the comparison that is meant, such as `n is not 0`.
Rule f given n as Int, produce Int:
  If n
    Return 1.
  Return 2.

W105 Try less often, or with a linear wait.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return 1.
    retry:
      max attempts: 40.
      backoff: exponential.

W106 Allow between two seconds and an hour.
Rule f, produce. It performs io [Http]:
  workflow:
    step one:
      Return 1.
    timeout: 9000 seconds.

W107 Give the rule a name of its own, so that readers know which is meant.
Define Price has cents as Int.
Rule Price given n as Int, produce Int:
  Return n.

W600 An evaluation that gets here ends with a fault; do this outside of the policy.
Rule f, produce:
  Start a as async g().
  Wait for a.
  Return 1.
Rule g, produce: Return 1.
""")  # fmt: skip  # noqa: E501
