"""Which names suggest personal data or a person's consent (specification §9: E401, E403); a locale has the words."""

import re

from aster.policy.language import tree
from aster.policy.language.check_effects import walk
from aster.policy.language.lexicon import Lexicon

_PARTS = re.compile(r"[A-ZÄÖÜ]?[^\W\dA-ZÄÖÜ_]+|[A-ZÄÖÜ]+(?![^\W\dA-ZÄÖÜ_])")


def personal_kind(name: str, lexicon: Lexicon) -> str | None:
    """The category a name suggests: the whole of it, its last word, or its last words (`dateOfBirth`)."""
    parts = [part.lower() for part in _PARTS.findall(name)]
    return lexicon.personal.get(name.lower()) or lexicon.personal.get(parts[-1] if parts else "")


def asks_for_consent(condition: tree.Expression, lexicon: Lexicon) -> bool:
    """Whether a condition mentions a name that speaks of consent."""
    for node in walk(condition):
        names = (node.name,) if isinstance(node, tree.Name) else node.names if isinstance(node, tree.Field) else ()
        if any(word in name.lower() for name in names for word in lexicon.consent):
            return True
    return False
