"""What an installation takes on disk: fresh environments, with local embeddings and without.

    python benchmarks/memory/installed.py [--extras memory memory-lite gateway]

For each extra a new environment gets this checkout by ``pip install '.[extra]'``, and where the model's runtime is
among it, ``astrocyte model prepare --in-environment``. Sizes are those of ``du``: blocks on the disk, byte code with
them. What the environment had before anything was installed (Python's links, pip, setuptools) is told apart.
"""

import argparse
import subprocess
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BARS = {"memory": 230, "memory-lite": 80}
SHOWN_FROM = 1.0
BLOCK = 512


def megabytes(path: Path) -> float:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_blocks * BLOCK for file in files) / 2**20


def parts(environment: Path) -> Mapping[str, float]:
    """The largest things in an environment, packages and what they put beside themselves."""
    (packages,) = environment.glob("lib/python*/site-packages")
    sizes = {one.name: megabytes(one) for one in packages.iterdir()}
    sizes["the model"] = megabytes(environment / "share") if (environment / "share").exists() else 0.0
    return dict(sorted(sizes.items(), key=lambda one: -one[1]))


def install(environment: Path, extra: str) -> None:
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, f"{ROOT}[{extra}]"], check=True)
    probe = subprocess.run([str(python), "-c", "import onnxruntime"], capture_output=True, check=False)
    if probe.returncode == 0:
        command = ["-c", "from aster.cli.astrocyte import run; run()", "model", "prepare", "--in-environment"]
        subprocess.run([str(python), *command], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="+", default=["memory", "memory-lite"])
    for extra in parser.parse_args().extras:
        with tempfile.TemporaryDirectory(prefix="aster-installed-") as folder:
            environment = Path(folder, "environment")
            venv.create(environment, with_pip=True)
            bare = megabytes(environment)
            before = set(parts(environment))
            install(environment, extra)
            whole = megabytes(environment)
            print(
                f"\n{extra}: {whole - bare:.0f} MB installed, {whole:.0f} with the {bare:.0f} of the bare environment"
            )
            for name, size in parts(environment).items():
                if size >= SHOWN_FROM and name not in before:
                    print(f"  {size:6.1f}  {name}")
            if extra in BARS:
                is_met = whole - bare <= BARS[extra]
                print(
                    f"  {'met    ' if is_met else 'NOT MET'} installed, MB: {whole - bare:.0f} (at most {BARS[extra]})"
                )


if __name__ == "__main__":
    main()
