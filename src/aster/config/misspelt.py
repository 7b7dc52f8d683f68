"""Environment variables that look like a setting and are none: a slip that would otherwise pass in silence."""

import difflib
import os
from collections.abc import Iterator, Mapping

from aster.foundation.logs import get_logger

logger = get_logger("aster.config")

PREFIX = "ASTER_"
OF_OTHERS = frozenset(
    {
        "ASTER_CACHE_DIR",
        "ASTER_DATA",
        "ASTER_DATABASE",
        "ASTER_DEBUG",
        "ASTER_HOST",
        "ASTER_KEY",
        "ASTER_PORT",
        "ASTER_PRIVATE_NETWORK",
        "ASTER_PROFILE",
        "ASTER_REDIS",
        "ASTER_RELAY_TOKEN",
        "ASTER_TRANSPORT_DRIVER",
    }
)
"""Variables that the command line and other parts read, besides the settings."""

PREFIXES_OF_OTHERS = ("ASTER_HMAC_", "ASTER_SECURITY_")
"""The policy service's own settings, and its tenants' secrets."""

CLOSE = 0.85
"""How alike two names are (difflib's ratio, without the prefix) of which one is taken for a slip of the other."""

_told: set[str] = set()


def misspelt(environ: Mapping[str, str], spellings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each variable that is none of ours but close to one, and the one that is meant.

    ``spellings`` leads from what people write, a setting's name among it, to its variable.
    """
    ours = {*spellings.values(), *OF_OTHERS}
    meant = {name.removeprefix(PREFIX): name for name in ours} | {
        written.removeprefix(PREFIX): name for written, name in spellings.items()
    }
    for name in sorted(environ):
        if name in ours or name.startswith(PREFIXES_OF_OTHERS) or not name.upper().startswith(PREFIX):
            continue
        close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), meant, n=1, cutoff=CLOSE)
        if close:
            yield name, meant[close[0]]


def warn_of_misspelt(spellings: Mapping[str, str]) -> None:
    """Say it in the log, once a name and process."""
    for name, meant in misspelt(os.environ, spellings):
        if name not in _told:
            _told.add(name)
            logger.warning(f"the environment variable {name:.100} is no setting: did you mean {meant}?")
