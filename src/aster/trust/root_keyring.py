"""Root private keys in the operating system's keyring: service ``aster``, user ``root_privkey:{name}``.

A keyring that would keep the key in plain text, or not at all, is refused; nothing falls back to a file.
"""

from typing import Any

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from aster.trust.keys import KEY_BYTES, SigningKey

SERVICE = "aster"
LEAST_PRIORITY = 1.0
"""What the keyring package recommends; its null, failing and plain-text backends rank below."""


def store_root_key(name: str, key: SigningKey) -> None:
    """Keep a root key as ``name``; `ConfigError` when there is one by that name, or nowhere safe to keep it."""
    backend = _backend()
    if _get(backend, name) is not None:
        raise ConfigError(
            f"the keyring has a root key named '{name}' already", hint="keys are never overwritten; choose another name"
        )
    _ask(backend.set_password, SERVICE, _user(name), key.seed.hex())
    if _get(backend, name) != key.seed.hex():
        raise ConfigError(f"the keyring {_label(backend)} did not keep the root key")


def load_root_key(name: str) -> SigningKey:
    """The root key that was stored as ``name``; `ConfigError` without one."""
    text = _get(_backend(), name)
    if text is None:
        raise ConfigError(
            f"the keyring has no root key named '{name}'", hint=f"aster trust keygen root --keyring {name}"
        )
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != KEY_BYTES:
        raise ConfigError(f"what the keyring keeps as '{name}' is no root key")
    return SigningKey.from_seed(seed)


def _backend() -> Any:
    """The best backend that is fit to keep a secret; of a chain, the first that is."""
    chosen = load_extra("keyring", extra="keyring").get_keyring()
    for backend in getattr(chosen, "backends", [chosen]):
        if backend.priority >= LEAST_PRIORITY:
            return backend
    raise ConfigError(
        f"there is no keyring on this machine that keeps secrets (found {_label(chosen)})",
        hint="unlock or install one (Secret Service, KWallet, macOS Keychain), or keep the key in a file with --out",
    )


def _get(backend: Any, name: str) -> Any:
    return _ask(backend.get_password, SERVICE, _user(name))


def _ask(question: Any, *arguments: str) -> Any:
    """Backends speak to other programs; what they raise becomes an error that repeats no argument."""
    failed = load_extra("keyring.errors", extra="keyring").KeyringError
    try:
        return question(*arguments)
    except (failed, OSError, RuntimeError) as error:
        raise ConfigError(
            f"the keyring could not be used: {type(error).__name__}", hint="is it unlocked, and is its service running?"
        ) from None


def _user(name: str) -> str:
    return f"root_privkey:{name}"


def _label(backend: Any) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"
