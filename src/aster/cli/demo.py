"""`aster demo`: the main job, from a conversation to a proof, in front of the reader."""

from pathlib import Path
from typing import Annotated

import typer

from aster.cli.up import JsonOption


def demo(
    transcript: Annotated[
        Path | None,
        typer.Option("--from", help="Your transcript: JSON Lines (speaker, text, time), Markdown, or plain text."),
    ] = None,
    questions: Annotated[
        Path | None, typer.Option("--questions", help='JSON Lines with {"question": …} to ask of the transcript.')
    ] = None,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="A question to ask; may be given several times.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep everything in this directory (default: a temporary one).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Retain a conversation, recall it over HTTP and P2P, decide with a policy, and prove it all."""
    from aster.cli.running import run_async
    from aster.cli.terminal import narrator
    from aster.foundation.logs import configure_logging
    from aster.stack.demo import run_demo
    from aster.stack.demo_input import DemoInput

    configure_logging(level="error")
    given = DemoInput.read(transcript=transcript, questions=questions, asked=ask or [])
    run_async(run_demo(given, data=data, narrator=narrator(as_json=as_json)))
