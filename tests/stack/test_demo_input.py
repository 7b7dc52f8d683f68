from pathlib import Path

import pytest

from aster.stack.demo_input import DemoInput
from aster.stack.transcript import TranscriptError


def test_the_sample_is_one_conversation_of_several_sessions_with_questions() -> None:
    given = DemoInput.read(transcript=None, questions=None, asked=[])
    (turns,) = given.conversations.values()
    assert len({turn.session for turn in turns}) == 4
    assert given.size == len(turns)
    assert given.questions


def test_a_file_without_questions_is_asked_what_its_speakers_asked(tmp_path: Path) -> None:
    file = tmp_path / "talk.txt"
    file.write_text("A: Where is the key?\nB: Under the mat.\n")
    given = DemoInput.read(transcript=file, questions=None, asked=[])
    assert [question.question for question in given.questions] == ["Where is the key?"]


def test_conversations_of_one_file_stay_apart(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text('{"text": "one", "conversation": "a"}\n{"text": "two", "conversation": "b"}\n')
    assert list(DemoInput.read(transcript=file, questions=None, asked=["?"]).conversations) == ["a", "b"]


def test_a_bad_question_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "fine?"}\n{"ask": "?"}\n')
    with pytest.raises(TranscriptError, match="line 2"):
        DemoInput.read(transcript=None, questions=file, asked=[])
