"""``python -m aster`` is the `aster` command."""

from aster.cli.main import run

run()
