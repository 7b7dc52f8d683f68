"""Where the root private key of a deployment is: a file, ``keyring:NAME``, or what a profile says."""

from pathlib import Path

from aster.foundation.errors import ConfigError
from aster.trust.keys import SigningKey, read_key_file
from aster.trust.profiles import active_profile, checked_name
from aster.trust.root_keyring import load_root_key

KEYRING = "keyring:"


def read_root_key(location: str) -> SigningKey:
    """The key at ``location``: ``keyring:NAME``, else the path of a file that `keygen root` wrote."""
    if location.startswith(KEYRING):
        return load_root_key(checked_name(location.removeprefix(KEYRING)))
    return read_key_file(location)


def located_root_key(location: str) -> str:
    """``location`` as it can be found from any working directory."""
    return location if location.startswith(KEYRING) else str(Path(location).expanduser().absolute())


def signing_root(location: str | None, profile: str | None) -> SigningKey:
    """The key to sign with: at ``location``, else where ``profile``, ``ASTER_PROFILE`` or the active one says."""
    if location is not None and profile is not None:
        raise ConfigError("--root-key and --profile each name a root key", hint="give one of them")
    if location is not None:
        return read_root_key(location)
    chosen = active_profile(profile)
    if chosen is None:
        raise ConfigError("no root key to sign with", hint="--root-key FILE or keyring:NAME, or --profile")
    if chosen.root_key is None:
        raise ConfigError(f"profile '{chosen.name}' does not say where its root private key is", hint="--root-key FILE")
    key = read_root_key(chosen.root_key)
    if key.public.hex() not in chosen.root_pubkeys:
        raise ConfigError(f"the key at {chosen.root_key} is not a root key of profile '{chosen.name}'")
    return key
