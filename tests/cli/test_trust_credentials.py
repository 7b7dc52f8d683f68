"""Signing, looking at and revoking credentials from the command line, in one process."""

import base64
import json
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aster.cli.main import app
from aster.foundation.errors import AsterError
from aster.trust.credential import credential_id, credential_json, issue, read_credential_file
from aster.trust.identity_file import read_identity
from aster.trust.keys import SigningKey

Aster = Callable[..., Result]
ENDPOINT = "ab" * 32


@pytest.fixture
def aster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aster:
    """`aster` in a folder with a root key, for a user without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result

    run("trust", "keygen", "root", "--out", "root.key")
    return run


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_every_file_with_a_credential_is_its_owners_alone(aster: Aster) -> None:
    aster("trust", "sign", "consumer", "--root-key", "root.key", "--out", "ada.json")
    aster("enroll", "node", "ada", "--root-key", "root.key")
    assert [mode(name) for name in ("root.key", "ada.json", ".aster-identity")] == [0o600] * 3


def test_a_credential_is_never_written_over_another(aster: Aster) -> None:
    aster("trust", "sign", "consumer", "--root-key", "root.key", "--out", "ada.json")
    before = Path("ada.json").read_bytes()
    assert "exists already" in str(
        aster("trust", "sign", "consumer", "--root-key", "root.key", "--out", "ada.json", code=1).exception
    )
    assert Path("ada.json").read_bytes() == before


def test_signing_answers_json(aster: Aster) -> None:
    arguments = ("trust", "sign", "producer", "--root-key", "root.key", "--endpoint-id", ENDPOINT, "--json")
    printed = json.loads(aster(*arguments).stdout)
    assert (printed["role"], printed["endpoint_id"], len(printed["signature"])) == ("producer", ENDPOINT, 128)
    written = json.loads(aster(*arguments, "--out", "p.json").stdout)
    found = read_credential_file("p.json", source="test")
    assert (written["file"], written["id"]) == ("p.json", credential_id(found))
    assert "signature" not in written


def test_the_public_key_answers_json(aster: Aster) -> None:
    printed = json.loads(aster("trust", "keygen", "pubkey", "root.key", "--json").stdout)
    assert printed == {"public_key": Path("root.key.pub").read_text().strip()}


def signed(**options: object) -> SigningKey:
    """A root key; the credential that it signed is in ``c.json``."""
    root = SigningKey.generate()
    given = {"role": "consumer", "expires_at": int(time.time()) + 60, **options}
    Path("c.json").write_bytes(credential_json(issue(root, **given)))  # type: ignore[arg-type]
    return root


def verified(aster: Aster, root: SigningKey, *arguments: str) -> dict[str, object]:
    result = aster("trust", "verify", "c.json", "--root-pubkey", root.public.hex(), "--json", *arguments, code=1)
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_an_expired_credential_says_when_and_what_to_do(aster: Aster) -> None:
    answer = verified(aster, signed(issued_at=1, expires_at=1_700_000_000))
    assert answer["reason"] == "it has expired"
    assert "expired at 2023-11-14T22:13:20Z; sign a new one" in str(answer["hint"])
    shown = json.loads(aster("trust", "inspect", "c.json", "--json").stdout)
    assert "it has expired: it expired at 2023-11-14T22:13:20Z" in shown["problem"]
    assert "it has expired" in aster("trust", "inspect", "c.json").stdout


def test_a_credential_that_is_not_valid_yet_says_from_when(aster: Aster) -> None:
    later = int(time.time()) + 9000
    answer = verified(aster, signed(issued_at=later, expires_at=later + 9))
    assert answer["reason"] == "it is not valid yet"
    assert "it begins at 20" in str(answer["hint"])


def test_a_credential_of_another_root_says_which_and_which_are_trusted(aster: Aster) -> None:
    root, other = signed(), SigningKey.generate()
    answer = verified(aster, other)
    assert answer["hint"] == f"signed by {root.public.hex()}; trusted: {other.public.hex()}"


def test_a_credential_of_another_endpoint_says_whose_it_is(aster: Aster) -> None:
    answer = verified(aster, signed(endpoint_id=ENDPOINT), "--endpoint-id", "cd" * 32)
    assert answer["hint"] == f"it is bound to {ENDPOINT}, and this is {'cd' * 32}"


def test_a_credential_that_was_changed_is_seen_by_inspect_too(aster: Aster) -> None:
    signed(attributes={"aster.role": "reader"})
    Path("c.json").write_text(Path("c.json").read_text().replace("reader", "admin"))
    shown = json.loads(aster("trust", "inspect", "c.json", "--json").stdout)
    assert shown["problem"] == "its signature does not fit: it was changed after it was signed; sign a new one"


def test_a_file_of_several_root_keys_verifies_what_each_of_them_signed(aster: Aster) -> None:
    root = signed()
    Path("roots").write_text(f"# new\n{SigningKey.generate().public.hex()}\n# until May\n{root.public.hex()}\n")
    assert aster("trust", "verify", "c.json", "--root-pubkey", "roots").stdout == "valid\n"


@pytest.mark.parametrize("word", ["one-time", "ott"])
def test_a_node_can_be_enrolled_once(aster: Aster, word: str) -> None:
    aster("enroll", "node", "ada", "--root-key", "root.key", "-t", word)
    assert read_identity(".aster-identity").peer("ada").credential.type == "ott"
    aster("enroll", "node", "bob", "--root-key", "root.key", "--type", "policy")
    assert read_identity(".aster-identity").peer("bob").credential.type == "policy"
    error = aster("enroll", "node", "eve", "--root-key", "root.key", "-t", "twice", code=1).exception
    assert isinstance(error, AsterError)
    assert "is no type of credential" in str(error)


def test_enrolling_answers_json_or_nothing(aster: Aster) -> None:
    printed = json.loads(aster("enroll", "node", "ada", "--root-key", "root.key", "--json").stdout)
    identity = read_identity(".aster-identity")
    assert identity.secret_key is not None
    assert printed["endpoint_id"] == SigningKey.from_seed(identity.secret_key).public.hex()
    assert (printed["file"], printed["name"], printed["gitignore"]) == (".aster-identity", "ada", None)
    assert aster("enroll", "node", "bob", "--root-key", "root.key", "--quiet").output == ""


def test_an_identity_inside_a_git_work_tree_is_ignored_by_git(aster: Aster, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "node").mkdir()
    (tmp_path / ".gitignore").write_text("*.pyc")
    said = aster("enroll", "node", "ada", "--root-key", "root.key", "--identity", "node/.aster-identity").stdout
    assert "it holds a secret key" in said
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n.aster-identity\n"
    aster("enroll", "node", "bob", "--root-key", "root.key", "--identity", "node/.aster-identity")
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n.aster-identity\n"


def test_what_is_denied_is_listed_and_can_be_allowed_again(aster: Aster, tmp_path: Path) -> None:
    signed()
    name = credential_id(read_credential_file("c.json", source="test"))
    (tmp_path / "storage").mkdir()
    where = ("--storage", "storage")
    assert aster("trust", "denied", *where).stdout == "nothing is denied\n"
    denied = json.loads(aster("trust", "deny", ENDPOINT.upper(), *where, "--note", "lost", "--json").stdout)
    assert (denied["id"], denied["note"]) == (ENDPOINT, "lost")
    assert aster("trust", "deny", "c.json", *where).stdout == f"denied {name}\n"
    assert {entry["id"] for entry in json.loads(aster("trust", "denied", *where, "--json").stdout)} == {ENDPOINT, name}
    assert json.loads(aster("trust", "allow", name, *where, "--json").stdout) == {"id": name, "removed": True}
    assert "was not denied" in aster("trust", "allow", name, *where, code=1).stdout
    assert [line.split()[0] for line in aster("trust", "denied", *where).stdout.splitlines()] == [ENDPOINT]


def test_what_can_not_be_denied_explains_itself(aster: Aster, tmp_path: Path) -> None:
    assert "there is no storage at" in str(aster("trust", "deny", ENDPOINT, "--storage", "nowhere", code=1).exception)
    assert not (tmp_path / "nowhere").exists()
    assert "neither an endpoint nor a credential" in str(
        aster("trust", "deny", "ada", "--storage", str(tmp_path), code=1).exception
    )


def test_a_config_is_checked_with_the_files_that_it_names(aster: Aster) -> None:
    Path("aster.toml").write_text('[trust]\nroot_pubkey_file = "root.key.pub"\n')
    assert aster("config", "check", "aster.toml").stdout == "the settings are valid\n"
    assert json.loads(aster("config", "check", "--file", "aster.toml", "--json").stdout)["valid"] is True
    Path("aster.toml").write_text(
        '[trust]\nroot_pubkey_file = "root.key.pub"\n[instance_identity]\naws_certificates = "nowhere.pem"\n'
    )
    assert "nowhere.pem" in str(aster("config", "check", "aster.toml", code=1).exception)
    Path("aster.toml").write_text('[trust]\nroot_pubkey_file = "root.key.pub"\n')
    Path("root.key.pub").write_text("not a key")
    wrong = json.loads(aster("config", "check", "aster.toml", "--json", code=1).stdout)
    assert wrong["valid"] is False
    assert wrong["error"].startswith("aster.toml [trust]: root.key.pub")
    assert "root.key.pub" in str(aster("config", "check", "aster.toml", code=1).exception)
    Path("aster.toml").write_text("[truts]\n")
    assert "did you mean 'trust'?" in str(aster("config", "check", "aster.toml", code=1).exception)


def test_a_config_is_shown_from_a_file(aster: Aster) -> None:
    Path("aster.toml").write_text('[storage]\npath = "/srv"\n')
    assert "path : /srv (aster.toml [storage])" in aster("config", "show", "aster.toml").stdout
    shown = json.loads(aster("config", "show", "--file", "aster.toml", "--json").stdout)
    assert shown["storage"]["path"] == {"value": "/srv", "source": "aster.toml [storage]"}


def test_an_identity_file_is_inspected_and_verified_by_enrollment(aster: Aster) -> None:
    aster("enroll", "node", "ada", "--root-key", "root.key")
    where = (".aster-identity", "--root-pubkey", "root.key.pub")
    assert aster("trust", "verify", *where).stdout == "valid\n"
    aster("enroll", "node", "bob", "--root-key", "root.key", "--as", "producer")
    error = aster("trust", "verify", *where, code=1).exception
    assert isinstance(error, AsterError)
    assert error.hint == "--peer NAME: ada, bob"
    assert (
        json.loads(aster("trust", "inspect", ".aster-identity", "--peer", "bob", "--json").stdout)["role"] == "producer"
    )


def test_what_is_no_credential_says_so(aster: Aster) -> None:
    Path("text.txt").write_text("hello")
    for file, words in (
        ("root.key", "it is no credential"),
        ("text.txt", "not valid TOML"),
        ("nowhere", "can't be read"),
    ):
        assert words in str(aster("trust", "inspect", file, code=1).exception)


def test_no_command_prints_a_secret(aster: Aster) -> None:
    said = aster("enroll", "node", "ada", "--root-key", "root.key", "-t", "one-time").output
    said += aster("enroll", "node", "bob", "--root-key", "root.key", "--json").output
    said += aster(
        "trust", "sign", "consumer", "--root-key", "root.key", "--out", "c.json", "--one-time", "--json"
    ).output
    said += aster("trust", "keygen", "root", "--out", "other.key", "--json").output
    for file in ("root.key", "other.key"):
        said += aster("trust", "keygen", "pubkey", file).output
    for extra in ((), ("--json",)):
        said += aster("trust", "inspect", "c.json", *extra).output
        said += aster("trust", "inspect", ".aster-identity", "--peer", "ada", *extra).output
        said += aster("trust", "verify", "c.json", "--root-pubkey", "other.key.pub", *extra, code=1).output
    identity = read_identity(".aster-identity")
    assert identity.secret_key is not None
    held = [read_credential_file("c.json", source="test"), *(peer.credential for peer in identity.peers)]
    secrets = [json.loads(Path(file).read_text())["private_key"] for file in ("root.key", "other.key")]
    secrets += [base64.b64encode(identity.secret_key).decode(), identity.secret_key.hex()]
    secrets += [each.signature for each in held] + [each.nonce for each in held if each.nonce]
    assert len(secrets) == 9
    assert [secret for secret in secrets if secret in said] == []
