"""Certificates that an operator trusts: a PEM bundle, or a folder of them."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from aster.foundation.errors import ConfigError

MAX_FILES = 500
MAX_BYTES = 4 * 1024 * 1024
MIN_RSA_BITS = 2048
SUFFIXES = frozenset({".pem", ".crt", ".cer"})


def read_certificates(path: str, *, setting: str) -> tuple[x509.Certificate, ...]:
    """Every certificate of the file or folder; `ConfigError` naming ``setting`` when it has none or can't be read."""
    found = [each for file in _files(path, setting) for each in _parsed(file, setting)]
    if not found:
        raise ConfigError(f"{setting}: {path} holds no certificate", hint="PEM files named *.pem or *.crt")
    return tuple(dict.fromkeys(found))


def is_strong(certificate: x509.Certificate) -> bool:
    """Is its key RSA of at least 2048 bits?"""
    try:
        key = certificate.public_key()
    except ValueError:
        return False
    return isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS


def is_current(certificate: x509.Certificate, now: float) -> bool:
    """Is ``now`` (seconds since 1970) within its validity?"""
    return certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp()


def _files(path: str, setting: str) -> Sequence[Path]:
    place = Path(path).expanduser()
    try:
        if not place.is_dir():
            return [place]
        files = sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise ConfigError(f"{setting}: {place} can't be read: {error.strerror or error}") from None
    if len(files) > MAX_FILES:
        raise ConfigError(f"{setting}: {place} has more than {MAX_FILES} certificates")
    return files


def _parsed(file: Path, setting: str) -> Sequence[x509.Certificate]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{setting}: {file} can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{setting}: {file} has more than {MAX_BYTES} bytes")
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise ConfigError(f"{setting}: {file} is no PEM file of certificates") from None
