"""Commands as processes of their own."""

import json
import subprocess
from collections.abc import Callable

Start = Callable[..., "subprocess.Popen[str]"]


def addresses(process: "subprocess.Popen[str]") -> dict[str, str]:
    """The JSON object that `aster up --json` prints once it is ready."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            found: dict[str, str] = json.loads(text)
            return found
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())
