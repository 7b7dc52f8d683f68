"""Which names suggest personal data or a person's consent, in every locale (specification §9, E401 and E403)."""

import re
from collections.abc import Mapping

from aster.policy.language import tree
from aster.policy.language.check_effects import walk

PERSONAL: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "mail", "邮箱", "电子邮件", "ईमेल"),
    "phone": ("phone", "mobile", "telephone", "telefon", "handy", "mobilnummer", "电话", "手机号", "फोन", "मोबाइल"),
    "address": ("address", "street", "anschrift", "adresse", "strasse", "straße", "住址", "地址", "पता"),
    "birth": ("birth", "birthday", "birthdate", "dob", "geburtsdatum", "geburtstag", "出生日期", "生日", "जन्मतिथि"),
    "identity": ("ssn", "passport", "ausweis", "ausweisnummer", "steuernummer", "身份证", "身份证号", "护照", "आधार"),
    "account": ("iban", "kontonummer", "银行账号", "银行卡号", "खाता"),
    "health": ("diagnosis", "diagnose", "诊断", "निदान"),
}
"""Words of names by the category they suggest, in lower case."""

CONSENT = ("consent", "optin", "einwilligung", "zustimmung", "同意", "授权", "सहमति")
_PARTS = re.compile(r"[A-ZÄÖÜ]?[^\W\dA-ZÄÖÜ_]+|[A-ZÄÖÜ]+(?![^\W\dA-ZÄÖÜ_])")
_KINDS = {word: kind for kind, words in PERSONAL.items() for word in words}


def personal_kind(name: str) -> str | None:
    """The category a name suggests: its last word, or the whole of it."""
    parts = _PARTS.findall(name)
    last = parts[-1].lower() if parts else ""
    return _KINDS.get(name.lower()) or _KINDS.get(last) or ("birth" if name.lower().endswith("dateofbirth") else None)


def asks_for_consent(condition: tree.Expression) -> bool:
    """Whether a condition mentions a name that speaks of consent."""
    for node in walk(condition):
        names = (node.name,) if isinstance(node, tree.Name) else node.names if isinstance(node, tree.Field) else ()
        if any(word in name.lower() for name in names for word in CONSENT):
            return True
    return False
