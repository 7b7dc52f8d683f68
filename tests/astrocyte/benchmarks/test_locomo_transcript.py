"""The converter, run as a program on a conversation in LoCoMo's shape."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

PROGRAM = Path(__file__).parents[3] / "benchmarks" / "memory" / "locomo_transcript.py"
SAMPLE = {
    "sample_id": "talk-1",
    "conversation": {
        "speaker_a": "Ann",
        "session_2_date_time": "12:05 am on 1 June, 2024",
        "session_2": [{"speaker": "Ann", "dia_id": "D2:1", "text": "Look!", "blip_caption": "a red boat"}],
        "session_1_date_time": "1:56 pm on 8 May, 2024",
        "session_1": [{"speaker": "Ben", "dia_id": "D1:1", "text": "I bought a boat."}],
    },
    "qa": [
        {"question": "What did Ben buy?", "answer": "a boat", "evidence": ["D1:01; D2:1"], "category": 1},
        {"question": "What was not said?", "evidence": ["D9:9"], "category": 5},
    ],
}


def test_turns_and_questions_become_json_lines(tmp_path: Path) -> None:
    source = tmp_path / "locomo.json"
    source.write_text(json.dumps([SAMPLE]))
    turns, questions = tmp_path / "turns.jsonl", tmp_path / "questions.jsonl"
    subprocess.run([sys.executable, PROGRAM, source, turns, questions], check=True, capture_output=True)
    lines = [json.loads(line) for line in turns.read_text().splitlines()]
    assert [line["text"] for line in lines] == ["I bought a boat.", "Look! [shares a red boat]"]
    assert {line["conversation"] for line in lines} == {"talk-1"}
    assert [line["session"] for line in lines] == ["session_1", "session_2"]
    assert [datetime.fromisoformat(line["time"]).hour for line in lines] == [13, 0]
    (question,) = [json.loads(line) for line in questions.read_text().splitlines()]
    assert question["question"] == "What did Ben buy?"
    assert question["evidence"] == ["I bought a boat.", "Look! [shares a red boat]"]
