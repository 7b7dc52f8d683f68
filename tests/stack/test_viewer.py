"""The page that shows the API: from this server alone, closed to everything else, whole without a mouse."""

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from aster.foundation.http.plain import plain_service
from aster.stack.viewer_routes import FILES, viewer_routes

DOCUMENTS = ["/openapi/policy.json", "/openapi/memory.json"]


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = plain_service("stack", viewer_routes(DOCUMENTS))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stack")


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


async def test_everything_the_page_loads_is_served_here(http: httpx.AsyncClient) -> None:
    page = Tags()
    page.feed((await http.get("/docs")).text)
    found = [attributes for tag, attributes in page.tags if tag in ("script", "link")]
    loaded = [attributes.get("src") or attributes.get("href") for attributes in found]
    assert sorted(filter(None, loaded)) == ["/docs/viewer.css", "/docs/viewer.js"]
    for path in loaded:
        assert (await http.get(path or "")).status_code == 200
    assert (await http.get("/docs/documents.json")).json() == DOCUMENTS


@pytest.mark.parametrize("path", [*FILES, "/docs/documents.json"])
async def test_the_page_may_load_nothing_from_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    answered = await http.get(path)
    policy = answered.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"https?://", answered.text), "nothing of another server is named"


async def test_nothing_is_written_as_markup(http: httpx.AsyncClient) -> None:
    page, script = (await http.get("/docs")).text, (await http.get("/docs/viewer.js")).text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in script
    assert not re.search(r"<[^>]+\s(on\w+|style)=", page), "no inline handlers or styles"


async def test_the_page_can_be_used_without_a_mouse_or_eyes(http: httpx.AsyncClient) -> None:
    page = Tags()
    page.feed((await http.get("/docs")).text)
    by_id = {attributes["id"]: (tag, attributes) for tag, attributes in page.tags if "id" in attributes}
    assert dict(page.tags)["html"]["lang"] == "en"
    labels = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
    assert {name for name, (tag, _) in by_id.items() if tag == "input"} <= labels
    skip = next(attributes for tag, attributes in page.tags if tag == "a" and attributes.get("class") == "skip")
    assert (skip["href"] or "").removeprefix("#") in by_id
    assert by_id["count"][1]["role"] == "status"
    assert {"main", "header", "nav", "noscript"} <= {tag for tag, _ in page.tags}


def test_the_guide_tells_where_the_page_is() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "policy-service.md").read_text(encoding="utf-8")
    assert "`/docs`" in guide
