import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.retain.passages import KINDS, TARGET, Passage, split_passages

kinds = st.sampled_from(sorted(KINDS))
pieces = st.sampled_from(
    [
        "word ",
        "A sentence. ",
        "\n",
        "\n\n",
        "Ann: hello\n",
        "# Head\n",
        "## Sub\n",
        "```\n",
        "x" * 300,
        "  ",
        "句子。",
        "b" * 1000,
    ]
)
contents = st.lists(pieces, max_size=60).map("".join)


@given(contents, kinds)
def test_passages_keep_everything_but_white_space(content: str, kind: str) -> None:
    passages = split_passages(content, kind)
    kept = "".join(content[passage.start : passage.stop] for passage in passages)
    assert "".join(kept.split()) == "".join(content.split())


@given(contents, kinds)
def test_passages_are_short_and_in_order(content: str, kind: str) -> None:
    end = 0
    for passage in split_passages(content, kind):
        assert end <= passage.start <= passage.stop
        assert passage.stop - passage.start <= TARGET
        end = passage.stop


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_content_is_one_passage(kind: str) -> None:
    assert split_passages("# Title\n\nAnn: hello. Bye.", kind) == [Passage(0, 25)]


def test_text_is_cut_between_sentences() -> None:
    content = " ".join(f"This is sentence number {n}." for n in range(100))
    texts = [content[passage.start : passage.stop] for passage in split_passages(content, "text")]
    assert len(texts) > 2
    assert all(text.startswith("This is") and text.endswith(".") for text in texts)


def test_dialogue_is_cut_between_turns_and_keeps_the_speaker_of_a_long_one() -> None:
    content = "Ann: " + "I went on and on. " * 80 + "\nBen: ok\n" + "and one more thing. " * 20
    passages = split_passages(content, "dialogue")
    assert [passage.context for passage in passages] == ["Ann", "Ann", "Ben"]
    assert content[passages[2].start :].startswith("Ben: ok")


def test_markdown_passages_know_their_headings() -> None:
    content = (
        "# Manual\n\n" + "Intro. " * 100 + "\n\n## Brakes\n\n" + "Pull the lever. " * 40 + "\n\n# Legal\n\nNo warranty."
    )
    contexts = [passage.context for passage in split_passages(content, "markdown")]
    assert contexts == ["Manual", "Manual > Brakes", "Legal"]


def test_a_fenced_block_is_not_taken_for_headings() -> None:
    content = "# Setup\n\n```\n# not a heading\nmake\n```\n\n" + "Then wait. " * 100
    assert {passage.context for passage in split_passages(content, "markdown")} == {"Setup"}


def test_a_document_is_cut_between_paragraphs() -> None:
    content = "\n\n".join(f"Paragraph {n}. " + "More of it. " * 30 for n in range(4))
    passages = split_passages(content, "document")
    assert all(content[passage.start :].startswith("Paragraph") for passage in passages)
