"""Turn LoCoMo into what `aster demo --from` reads: a transcript and its questions, both JSON Lines.

    python benchmarks/memory/locomo_transcript.py path/to/locomo5.json turns.jsonl [questions.jsonl]

A turn's line has ``speaker``, ``text``, ``time`` (ISO 8601), ``session``, ``conversation`` and ``turn``; a picture that
was shared counts by its caption. A question's line has ``question``, ``answer``, ``conversation``, ``category`` and the
texts of its ``evidence``. LoCoMo is Maharana et al., 2024 (CC BY-NC 4.0; not part of this repository).
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CATEGORIES: Mapping[int, str] = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop", 5: "adversarial"}
_EVIDENCE = re.compile(r"D(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """``turn_id`` is LoCoMo's ``D<session>:<turn>``."""

    turn_id: str
    session: str
    speaker: str
    text: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """``evidence`` are the ids of the turns that answer it."""

    text: str
    answer: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    name: str
    turns: list[Turn]
    questions: list[Question]


def read_conversations(path: Path) -> list[Conversation]:
    """Every conversation of a LoCoMo file. Questions without usable evidence are left out."""
    found = []
    for sample in json.loads(path.read_text(encoding="utf-8")):
        turns = list(_turns(sample["conversation"]))
        questions = list(_questions(sample["qa"], {turn.turn_id for turn in turns}))
        found.append(Conversation(sample["sample_id"], turns, questions))
    return found


def _turns(talk: Mapping[str, Any]) -> Iterator[Turn]:
    sessions = (name for name in talk if re.fullmatch(r"session_\d+", name))
    for session in sorted(sessions, key=lambda name: int(name.removeprefix("session_"))):
        moment = _moment(talk[f"{session}_date_time"])
        for turn in talk[session]:
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [shares {caption}]" if caption else turn["text"]
            yield Turn(turn["dia_id"], session, turn["speaker"], text, moment)


def _moment(text: str) -> datetime:
    """``1:56 pm on 8 May, 2023``; the place is not told, so UTC stands in."""
    return datetime.strptime(text.replace(",", ""), "%I:%M %p on %d %B %Y").replace(tzinfo=UTC)


def _questions(entries: Sequence[Mapping[str, Any]], known: Iterable[str]) -> Iterator[Question]:
    ids = frozenset(known)
    for entry in entries:
        # Some ids are written together (`D8:6; D9:17`) or with zeros in front.
        named = (f"D{int(day)}:{int(turn)}" for day, turn in _EVIDENCE.findall(" ".join(entry.get("evidence", []))))
        evidence = ids.intersection(named)
        if evidence:
            answer = str(entry.get("answer", entry.get("adversarial_answer", "")))
            yield Question(entry["question"], answer, entry["category"], evidence)


def turn_lines(conversations: Sequence[Conversation]) -> Iterator[dict[str, Any]]:
    for conversation in conversations:
        for turn in conversation.turns:
            yield {
                "conversation": conversation.name,
                "session": turn.session,
                "turn": turn.turn_id,
                "time": turn.moment.isoformat(),
                "speaker": turn.speaker,
                "text": turn.text,
            }


def question_lines(conversations: Sequence[Conversation]) -> Iterator[dict[str, Any]]:
    for conversation in conversations:
        texts = {turn.turn_id: turn.text for turn in conversation.turns}
        for question in conversation.questions:
            yield {
                "conversation": conversation.name,
                "question": question.text,
                "answer": question.answer,
                "category": CATEGORIES[question.category],
                "evidence": [texts[turn_id] for turn_id in sorted(question.evidence)],
            }


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> int:
    written = [json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return len(written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locomo", type=Path)
    parser.add_argument("turns", type=Path)
    parser.add_argument("questions", type=Path, nargs="?")
    arguments = parser.parse_args()
    conversations = read_conversations(arguments.locomo)
    print(f"{arguments.turns}: {_write(arguments.turns, turn_lines(conversations))} turns")
    if arguments.questions:
        print(f"{arguments.questions}: {_write(arguments.questions, question_lines(conversations))} questions")


if __name__ == "__main__":
    main()
