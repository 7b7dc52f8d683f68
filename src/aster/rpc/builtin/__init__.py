"""Services that every server offers: ``aster.`` and one word, names that no other service may have."""


def is_reserved(name: str) -> bool:
    """Is it the name of a built-in service, or of one to come?"""
    prefix, _, word = name.partition(".")
    return prefix == "aster" and "." not in word
