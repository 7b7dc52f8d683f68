from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.stack.transcript import TranscriptError, Turn, read_transcript


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines_keep_speaker_time_session_and_conversation(tmp_path: Path) -> None:
    file = write(
        tmp_path / "talk.jsonl",
        '{"speaker": "Mara", "text": "Hello", "time": "2026-03-02T09:10:00Z", "session": 1, "conversation": "a"}\n\n'
        '{"speaker": "Jonas", "text": "Hi"}\n',
    )
    first, second = read_transcript(file)
    assert (first.speaker, first.session, first.conversation) == ("Mara", "1", "a")
    assert first.time is not None
    assert first.time.isoformat() == "2026-03-02T09:10:00+00:00"
    assert second == Turn("Hi", "Jonas")


def test_markdown_headings_become_sessions_and_blocks_become_turns(tmp_path: Path) -> None:
    file = write(
        tmp_path / "notes.md", "# Monday\nMara: The oven came.\n\nJonas: Good.\n\n## Tuesday\n\nJust a note.\n"
    )
    assert read_transcript(file) == [
        Turn("The oven came.", "Mara", session="Monday"),
        Turn("Good.", "Jonas", session="Monday"),
        Turn("Just a note.", session="Tuesday"),
    ]


def test_plain_text_with_a_speaker_on_every_line_is_a_dialogue(tmp_path: Path) -> None:
    file = write(tmp_path / "talk.txt", "Mara: Hello there\nJonas: Hi\n\nA passage\nover two lines")
    assert read_transcript(file) == [
        Turn("Hello there", "Mara"),
        Turn("Hi", "Jonas"),
        Turn("A passage\nover two lines"),
    ]


def test_a_bad_line_stops_the_whole_file_and_names_its_number(tmp_path: Path) -> None:
    file = write(tmp_path / "talk.jsonl", '{"text": "fine"}\n{"text": 7}\n')
    with pytest.raises(TranscriptError, match="line 2"):
        read_transcript(file)


@pytest.mark.parametrize("content", ["", "\n \n", '{"text": "  "}'])
def test_a_file_without_text_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(TranscriptError, match="holds no text"):
        read_transcript(write(tmp_path / "empty.jsonl", content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"nowhere\.txt"):
        read_transcript(tmp_path / "nowhere.txt")


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"caf\xe9")
    with pytest.raises(TranscriptError, match="UTF-8"):
        read_transcript(file)


@given(st.text())
def test_any_plain_text_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.md"
    file.write_bytes(text.encode("utf-8", "ignore"))
    try:
        turns = read_transcript(file)
    except TranscriptError:
        return
    assert all(turn.text.strip() for turn in turns)


def test_a_line_of_json_ends_where_its_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_bytes('{"text": "one\u2028two"}\r\n{"text": "three"}\n'.encode())
    assert [turn.text for turn in read_transcript(file)] == ["one\u2028two", "three"]
