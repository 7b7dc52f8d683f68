"""Kinds of values that only Aster RPC's settings have: where to bind, which relay to use."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from aster.foundation.kinds import Text
from aster.foundation.settings import describe_value
from aster.foundation.urls import masked_url

LOOPBACK = ("127.0.0.1", "localhost", "::1")
RELAY_WORDS = ("default", "disabled")

_SIZE = re.compile(r"([0-9]{1,19}) ?([A-Za-z]*)")
_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}ib": 1 << 10 * power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}


@dataclass(frozen=True, slots=True)
class SocketAddress(Text):
    """A local IP address and port, ``0.0.0.0:9000`` or ``[::1]:0``."""

    label: str = "an IP address and port such as 0.0.0.0:9000 or [::1]:9000"

    def from_text(self, text: str) -> str:
        host, colon, port = text.strip().rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError:
            raise self._refused(text) from None
        if not colon or bracketed != (address.version == 6):
            raise self._refused(text)
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
            raise self._refused(text)
        return f"{host}:{int(port)}"

    def _refused(self, text: str) -> ValueError:
        return ValueError(f"expected {self.label}, got '{text[:60]}'")


@dataclass(frozen=True, slots=True)
class RelayChoice(Text):
    """``default``, ``disabled``, or the URL of a relay of one's own, with its access token before an ``@``."""

    label: str = "'default', 'disabled', or the URL of a relay"

    def show(self, value: str) -> str:
        return masked_url(value)

    def from_text(self, text: str) -> str:
        word = text.strip()
        if word.lower() in RELAY_WORDS:
            return word.lower()
        try:
            url = urlsplit(word)
            known = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
            known = known and not (url.username and url.password)
        except ValueError:
            known = False
        if not known or not word.isprintable() or " " in word:
            got = "a malformed URL" if "@" in word else f"'{text[:60]}'"  # before an @ there may be a secret
            raise ValueError(f"expected {self.label}, got {got}")
        return word


@dataclass(frozen=True, slots=True)
class KeysAddress(Text):
    """Where an issuer publishes its keys: https, or http on this machine alone."""

    label: str = "an https:// address such as https://example.com/keys"

    def from_text(self, text: str) -> str:
        word = text.strip()
        try:
            url = urlsplit(word)
            host, has_login, _ = url.hostname, url.username is not None or url.password is not None, url.port
        except ValueError:
            host, has_login, url = None, False, urlsplit("")
        is_safe = url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK)
        if not host or has_login or not is_safe or not word.isprintable() or " " in word:
            raise ValueError(f"expected {self.label}, got '{text[:60]}'")
        return word


@dataclass(frozen=True, slots=True)
class ByteSize:
    """A number of bytes, ``1048576`` or ``10 GiB``; KiB, MiB, GiB and TiB count in 1024; KB, MB, GB and TB in 1000."""

    maximum: int = 1 << 62

    @property
    def label(self) -> str:
        return "a number of bytes such as 1048576 or 10 GiB"

    def from_text(self, text: str) -> int:
        found = _SIZE.fullmatch(text.strip())
        unit = _UNITS.get(found[2].lower()) if found else None
        if found is None or unit is None:
            raise ValueError(f"expected {self.label}, got '{text[:40]}'")
        return self.from_document(int(found[1]) * unit)

    def from_document(self, value: object) -> int:
        if isinstance(value, str):
            return self.from_text(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        if not 0 <= value <= self.maximum:
            raise ValueError(f"expected {self.label} from 0 to {self.maximum}, got {value}")
        return value

    def show(self, value: int) -> int:
        return value

    def mask(self, value: int) -> str:
        return "****"


BYTES = ByteSize()
BIND_ADDRESS = SocketAddress()
RELAY_MODE = RelayChoice()
KEYS_ADDRESS = KeysAddress()
