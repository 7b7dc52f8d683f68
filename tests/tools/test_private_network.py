"""Running a command in a network of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "private_network.py"

LOOPBACK = """
import socket
print(*(name for _, name in socket.if_nameindex()))
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
"""

INDOORS = """
import errno, socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    try:
        sender.sendto(b"x", ("192.0.2.1", 9))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""


def run(*command: str, private: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "ASTER_PRIVATE_NETWORK"}
    if private is not None:
        environ["ASTER_PRIVATE_NETWORK"] = private
    return subprocess.run(
        [sys.executable, str(TOOL), *command], env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def allowed() -> None:
    if "no private network here" in run(sys.executable, "-c", "").stderr:
        pytest.skip("this kernel does not let this user make a network namespace")


@pytest.mark.usefixtures("allowed")
def test_there_is_a_working_loopback_and_nothing_else() -> None:
    found = run(sys.executable, "-c", LOOPBACK)
    assert (found.returncode, found.stderr) == (0, "")
    assert "lo" in found.stdout.split()
    assert not {name for name in found.stdout.split() if name.startswith(("eth", "en", "wl"))}


@pytest.mark.usefixtures("allowed")
def test_no_packet_leaves() -> None:
    assert run(sys.executable, "-c", INDOORS).stdout == "ENETUNREACH\n"


@pytest.mark.usefixtures("allowed")
def test_the_user_stays_the_same_and_the_command_knows_where_it_is() -> None:
    found = run(sys.executable, "-c", "import os; print(os.getuid(), os.environ['ASTER_PRIVATE_NETWORK'])")
    assert found.stdout == f"{os.getuid()} 1\n"


@pytest.mark.usefixtures("allowed")
def test_inside_a_private_network_no_second_one_is_made() -> None:
    link = "import os; print(os.readlink('/proc/self/ns/net'))"
    again = [sys.executable, str(TOOL), sys.executable, "-c", link]
    inside = f"{link}; import subprocess; subprocess.run({again!r})"
    first, second = run(sys.executable, "-u", "-c", inside).stdout.split()
    assert first == second
    assert first != str(Path("/proc/self/ns/net").readlink())


def test_the_exit_status_is_the_commands() -> None:
    assert run(sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_arguments_pass_unchanged() -> None:
    found = run(sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "--c", "", private="1")
    assert found.stdout == "['a b', '--c', '']\n"


def test_without_a_command_it_says_how_to_use_it() -> None:
    found = run()
    assert found.returncode == 1
    assert "COMMAND" in found.stderr
