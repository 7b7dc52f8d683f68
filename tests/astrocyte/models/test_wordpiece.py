"""Our WordPiece says what the library says that the model was published with."""

import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from astrocyte.models import wordpiece
from astrocyte.models.minilm_graph import read_vocabulary
from astrocyte.models.wordpiece import MARKS, WordPiece

MOST = 256


class Both:
    """The two, over the published vocabulary."""

    def __init__(self, tokenizer: bytes) -> None:
        self.ours = WordPiece(read_vocabulary(tokenizer))
        self.theirs = tokenizers.Tokenizer.from_str(tokenizer.decode())
        self.theirs.no_padding()
        self.theirs.enable_truncation(MOST)

    def agree(self, text: str) -> bool:
        expected: list[int] = self.theirs.encode(text).ids
        return self.ours.encode(text, MOST) == expected

    def are_alike(self, letter: str) -> bool:
        """Whether both take it for the same kind of letter, wherever it stands."""
        return all(self.agree(text) for text in (letter, f"a{letter}b", f"a {letter}"))


@pytest.fixture(scope="session")
def both(weights: Path) -> Both:
    return Both((weights / "tokenizer.json").read_bytes())


@pytest.fixture(scope="session")
def strangers(both: Both) -> frozenset[str]:
    """Letters that the two take for different things."""
    letters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    candidates = (one for one in letters if unicodedata.category(one) not in ("Cn", "Co", "Lo"))
    return frozenset(one for one in candidates if not both.are_alike(one))


TEXTS = [
    "Caroline: I went to a support group yesterday and it was so powerful.",
    "What's $3.50 + 4% of <that>? `code`, ^caret^ | pipe ~ tilde = equal",
    "Crème brûlée, naïve façade, Ångström, İstanbul, ΣΊΣΥΦΟΣ, Straße",
    "e\u0301 is é, and \u1112\u1161\u11ab is 한; q\u0307\u0323 has two marks",
    "我喜欢猫。日本語のテキスト、한국어 문장",
    "豈 and 你 are compatibility characters, 𠀀 and 𫠠 and 𫤠 are rare ones",
    "thumbs 👍🏽 family 👨‍👩‍👧 new 🥲🫠 flag 🇩🇪",
    "tab\tnew\nline\rreturn\x0bvertical\x0cform\x00nul\x1fcontrol\x7fdelete\x85next",
    "zero\u200bwidth soft\u00adhyphen byte\ufefforder bad\ufffdletter no\u00a0break em\u2003space line\u2028end",
    "a [SEP] b[MASK]c [CLS][UNK] [PAD] [sep] [ SEP] [SEP",
    "مرحبا بالعالم שלום עולם नमस्ते ไทย",
    "x" * 100 + " " + "y" * 101 + " " + "ab" * 400,
    "word " * 5000,
    "",
    " \t\n ",
    "unaffable antidisestablishmentarianism qwrtzpsdfg",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_become_the_same_tokens(both: Both, text: str) -> None:
    assert both.agree(text)


OFTEN = st.sampled_from("[]#'\u0301\u0323\u200d\u3000İΣςß你한😀") | st.characters(max_codepoint=0x17F)
PARTS = st.characters(codec="utf-8") | OFTEN | st.sampled_from([*MARKS, " ", "##", "ing", "un"])


@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=40).map("".join))
def test_any_text_becomes_the_same_tokens(both: Both, strangers: frozenset[str], text: str) -> None:
    plain = "".join(letter for letter in text if letter not in strangers)
    assert both.agree(plain)


def test_they_differ_only_in_marks_that_unicode_got_or_changed_after_the_library_s_tables(
    strangers: frozenset[str],
) -> None:
    """Those are of Unicode 8; Python knows 3.2 beside its own, which is older."""
    for letter in strangers:
        assert unicodedata.category(letter)[0] in "MPC" or letter == "\u166d"
        assert unicodedata.ucd_3_2_0.category(letter) != unicodedata.category(letter)
    assert len(strangers) < 1000


def test_what_is_remembered_is_bounded(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "KEPT_WORDS", 10)
    monkeypatch.setattr(wordpiece, "KEPT_LETTERS", 10)
    ours = WordPiece(both.ours.vocabulary)
    for number in range(1000):
        ours.encode(f"{chr(0x4E00 + number)} word{number}", MOST)
    assert len(ours._known) <= 10
    assert len(ours._cleaned) <= 10
