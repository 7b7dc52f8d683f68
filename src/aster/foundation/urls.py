"""URLs that may carry a secret before the ``@``: taken apart for use, masked for people."""

from urllib.parse import unquote, urlsplit, urlunsplit

MASK = "****"


def split_userinfo(url: str) -> tuple[str, str | None, str | None]:
    """The URL without its user part, the user name, and the password; both percent-decoded, None when absent."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, _decoded(parts.username), _decoded(parts.password)


def masked_url(url: str) -> str:
    """The same URL with ``****`` in place of its user part."""
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{MASK}@{host}")) if at else url


def origin_of(url: str) -> str:
    """``scheme://host:port/``, lower case, without a default port: what tells one server from another."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in (None, DEFAULT_PORTS.get(parts.scheme)) else ""
    return f"{parts.scheme}://{place}{port}/"


DEFAULT_PORTS = {"http": 80, "https": 443}


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)
