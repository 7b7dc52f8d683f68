"""Services that every server offers. Their names begin with ``aster.``, which no other service's may."""

RESERVED = "aster."
