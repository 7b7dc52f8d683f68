"""A keyring for tests, in the file that ``TEST_KEYRING`` names: a real backend of the keyring package's own kind."""

import json
import os
from pathlib import Path

import keyring.backend
import keyring.errors


class FileKeyring(keyring.backend.KeyringBackend):
    priority = 5.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file().write_text(json.dumps({**self._read(), f"{service}/{username}": password}))

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._file().read_text()) if self._file().exists() else {}
        return found

    @staticmethod
    def _file() -> Path:
        return Path(os.environ["TEST_KEYRING"])


class PlainKeyring(FileKeyring):
    """As the backends that keep secrets as they are: ranked below what is recommended."""

    priority = 0.5


class ForgetfulKeyring(FileKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        """Says yes and keeps nothing."""


class LockedKeyring(FileKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.KeyringLocked(f"can't open {service}/{username}")
