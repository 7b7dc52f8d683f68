import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aster.foundation.errors import StorageBusy, StorageCorrupt, StorageUnwritable
from aster.stack.data import DataDirectory


def test_the_directory_is_private(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "data") as data:
        assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from aster.stack.data import DataDirectory\n"
        "DataDirectory(Path(sys.argv[1])).open(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StorageBusy, match=str(holder.pid)):
        DataDirectory(tmp_path).open()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    holder.stdin.close()
    with DataDirectory(tmp_path):
        pass


def test_a_path_below_a_file_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageUnwritable, match="--data"):
        DataDirectory(tmp_path / "file" / "data").open()


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    secret = data.secret("policy.secret")
    assert len(secret) == 64
    assert data.secret("policy.secret") == secret
    assert stat.S_IMODE((tmp_path / "policy.secret").stat().st_mode) == 0o600


def test_a_damaged_secret_is_an_error_and_not_a_new_secret(tmp_path: Path) -> None:
    (tmp_path / "policy.secret").write_text("short")
    with pytest.raises(StorageCorrupt):
        DataDirectory(tmp_path).secret("policy.secret")
    assert (tmp_path / "policy.secret").read_text() == "short"
