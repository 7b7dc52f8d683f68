import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DEMO = (sys.executable, "-m", "aster", "demo")


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def of(told: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in told if event["event"] == name]


def test_the_demo_goes_from_a_conversation_to_a_proof() -> None:
    run = subprocess.run([*DEMO, "--json"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    told = events(run.stdout)
    (summary,) = of(told, "summary")
    assert summary["memories"] == 47
    assert {question["over"] for question in of(told, "question")} == {"http", "p2p"}
    assert of(told, "question")[0]["hits"][0]["text"].startswith("My daughter Lotte is allergic to hazelnuts")
    results = [(decision["over"], decision["result"]) for decision in of(told, "decision")]
    assert results == [
        ("http", "allow"),
        ("http", "deny: personal data needs a trust level of 7"),
        ("http", "allow"),
        ("http", "deny: only the owner may forget"),
        ("p2p", "deny: only the owner may forget"),
    ]
    assert all(chain["valid"] for chain in of(told, "verified"))
    (forgery,) = of(told, "forgery_found")
    assert forgery["broken_sequence"] == 1


def test_in_a_pipe_the_demo_prints_plain_lines(tmp_path: Path) -> None:
    transcript = tmp_path / "talk.md"
    transcript.write_text("# Monday\n\nMara: Where is the key?\n\nJonas: The key is under the mat.\n")
    run = subprocess.run([*DEMO, "--from", str(transcript)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "The key is under the mat." in run.stdout
    assert "\x1b" not in run.stdout
    assert "== Summary" in run.stdout


def test_a_transcript_that_can_not_be_read_starts_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = subprocess.run(
        [*DEMO, "--from", str(tmp_path / "nowhere.jsonl"), "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error:")
    assert "nowhere.jsonl" in run.stderr
    assert not data.exists()


@pytest.fixture
def long_transcript(tmp_path: Path) -> Path:
    file = tmp_path / "long.jsonl"
    lines = [
        json.dumps({"speaker": "A" if number % 2 else "B", "text": f"Remark number {number} about crate {number * 7}"})
        for number in range(1500)
    ]
    file.write_text("\n".join(lines))
    return file


def acknowledged(process: "subprocess.Popen[str]", batches: int) -> Iterator[str]:
    """The memory ids of the first batches that the demo reports as retained."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "retained":
            yield from event["memory_ids"]
            batches -= 1
            if batches == 0:
                return


def test_a_demo_killed_while_it_retains_loses_nothing_it_acknowledged(tmp_path: Path, long_transcript: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [*DEMO, "--json", "--from", str(long_transcript), "--data", str(data)], stdout=subprocess.PIPE, text=True
    )
    kept = list(acknowledged(process, batches=5))
    process.kill()
    process.communicate()
    assert kept

    verified = subprocess.run(
        [sys.executable, "-m", "aster", "audit", "verify", "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with sqlite3.connect(data / "memory.db") as database:
        stored = {row[0] for row in database.execute("SELECT memory_id FROM memories")}
    database.close()
    assert stored >= set(kept)

    again = subprocess.run(
        [*DEMO, "--json", "--data", str(data), "--ask", "Who talks about crate 7?"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert again.returncode == 0, again.stderr
    assert of(events(again.stdout), "summary")
