"""OPA's REST server as a rival: the same policy, neither authenticated nor audited; its program must be at hand.

No package of a registry carries it, so `run` measures it only where `opa` is on the path or is named with ``--opa``.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

PATH = "/v1/data/loans/decide"
POLICY = """package loans

default decide := "granted"

decide := "refused: score" if {
    input.applicant.score < 500
} else := "refused: debt" if {
    input.applicant.debt * 2 > input.applicant.income
} else := "review" if {
    input.applicant.years < 1
}
"""


def body_of(context: object) -> bytes:
    return msgspec.json.encode({"input": context})


@contextmanager
def serving(program: str, port: int, folder: Path, *, logs: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """OPA's server on one port, with decision logs on its console if wanted."""
    file = folder / "loans.rego"
    file.write_text(POLICY)
    command = [program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", str(file)]
    if logs:
        command[3:3] = ["--set", "decision_logs.console=true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
