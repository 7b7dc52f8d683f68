"""The language a file says it is in: by a comment near its top, or by its name."""

import re

from aster.policy.language.errors import UnsupportedLocale
from aster.policy.language.lexicon import ENGLISH, LOCALES, locale_id

_TAG = r"[A-Za-z]{2}[-_][A-Za-z]{2}"
LOCALE_COMMENT = re.compile(rf"^([ \t]*(?:#|//)[ \t]*locale:[ \t]*)({_TAG})[ \t]*$", re.MULTILINE)
_SUFFIX = re.compile(rf"\.({_TAG})\.aster$")
_HEAD = 400


def locale_of(name: str, text: str, default: str = ENGLISH) -> str:
    """A file's locale: of a comment `# locale: zh-CN` near its top, of its name (`x.zh-CN.aster`), or the default."""
    comment, suffix = LOCALE_COMMENT.search(text[:_HEAD]), _SUFFIX.search(name)
    for tag in (comment and comment[2], suffix and suffix[1]):
        if tag:
            try:
                return locale_id(tag)
            except UnsupportedLocale:
                continue
    return default if default in LOCALES else ENGLISH


def relabelled(text: str, locale: str) -> str:
    """A text whose comment about its locale, if it has one, tells another."""
    head, rest = text[:_HEAD], text[_HEAD:]
    return LOCALE_COMMENT.sub(lambda found: f"{found[1]}{locale}", head, count=1) + rest
