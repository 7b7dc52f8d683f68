"""The peers' own interpreter: a virtual environment outside of the repository, made once by ``--prepare``."""

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path.home() / ".cache" / "aster-benchmarks"
PACKAGES = (
    "chromadb==1.5.9",
    "lancedb==0.40.0",
    "mem0ai==2.2.1",
    "astrocyte==0.22.0",
    "astrocyte-sqlite==0.22.0",
)
"""The earlier `astrocyte` is called like ours, so none of them can live beside us."""


def home(cache: Path) -> Path:
    return cache / "memory-peers"


def prepare(cache: Path) -> None:
    """Make the environment (about a gigabyte); one that is whole is left as it is."""
    python = peers_python(cache)
    if not missing(python):
        print(f"{', '.join(PACKAGES)} are in {home(cache)} already")
        return
    print(f"making a venv for {', '.join(PACKAGES)} in {home(cache)}: takes a minute or two", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home(cache))], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    if subprocess.run(install).returncode:
        raise SystemExit("the peers can't be installed; outside of the private network, where packages can be had?")
    if absent := missing(python):
        raise SystemExit(f"{', '.join(absent)} can't be found after installing")
    print("ready")


def peers_python(cache: Path) -> Path:
    return home(cache) / "bin" / "python"


def missing(python: Path) -> list[str]:
    """Those of `PACKAGES` that an interpreter has not, at these versions."""
    asked = "from importlib.metadata import distributions; print(*(f'{d.name}=={d.version}' for d in distributions()))"
    try:
        said = subprocess.run(
            [python, "-c", asked], capture_output=True, text=True, env={"PATH": os.environ.get("PATH", "")}
        )
    except OSError:
        return list(PACKAGES)
    return [package for package in PACKAGES if package not in said.stdout.split()]
