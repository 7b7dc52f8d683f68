import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.text.porter import stem

PAPER = """
caresses caress  ponies poni  ties ti  cats cat  feed feed  agreed agre  plastered plaster  bled bled  motoring motor
sing sing  conflated conflat  troubled troubl  sized size  hopping hop  tanned tan  falling fall  hissing hiss
fizzed fizz  failing fail  filing file  happy happi  sky sky  relational relat  conditional condit  rational ration
valenci valenc  digitizer digit  radicalli radic  differentli differ  vileli vile  analogousli analog
vietnamization vietnam  predication predic  operator oper  feudalism feudal  decisiveness decis  hopefulness hope
callousness callous  formaliti formal  sensitiviti sensit  sensibiliti sensibl  triplicate triplic  formative form
formalize formal  electriciti electr  electrical electr  hopeful hope  goodness good  revival reviv  allowance allow
inference infer  airliner airlin  gyroscopic gyroscop  adjustable adjust  defensible defens  irritant irrit
replacement replac  adjustment adjust  dependent depend  adoption adopt  homologou homolog  communism commun
activate activ  angulariti angular  homologous homolog  effective effect  bowdlerize bowdler  probate probat  rate rate
cease ceas  controll control  roll roll
""".split()  # noqa: SIM905 - pairs of words read better as words


@pytest.mark.parametrize(("word", "expected"), list(zip(PAPER[::2], PAPER[1::2], strict=True)))
def test_the_examples_of_the_paper(word: str, expected: str) -> None:
    assert stem(word) == expected


@pytest.mark.parametrize(
    "group", [("possible", "possibly"), ("psychology", "psychologies"), ("run", "runs", "running")]
)
def test_forms_of_a_word_share_a_stem(group: tuple[str, ...]) -> None:
    assert len({stem(word) for word in group}) == 1


@pytest.mark.parametrize("word", ["a", "is", "2023", "schläft", "b2b", ""])
def test_what_is_not_an_english_word_stays_as_it_is(word: str) -> None:
    assert stem(word) == word


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=20))
def test_a_stem_is_never_empty_nor_longer(word: str) -> None:
    assert len(stem(word)) <= len(word) + 1
    assert bool(stem(word)) is bool(word)
