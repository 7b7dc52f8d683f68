"""The console's server side: a fixed table of files, a strict policy, no privilege, and a switch."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from tests.stack.test_stack import base, options

from aster.stack.console.app import HEADERS, About, console_app
from aster.stack.options import StackOptions
from aster.stack.stack import Stack

STATIC = Path(str(files("aster.stack.console"))) / "static"
NAMES = sorted(str(each.relative_to(STATIC)) for each in STATIC.rglob("*") if each.is_file())
MODULES = [name for name in NAMES if name.endswith(".js")]
ABOUT = About(version="1.2.3", systems=["memory", "policy"], memory_auth="api_key")


@pytest.fixture
def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(console_app(ABOUT)), base_url="http://stack")


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", ["", "/", "/about.json", "/nothing", *(f"/{name}" for name in NAMES)])
async def test_every_answer_is_closed_to_everything_but_this_server(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/console{path}")
    policy = answer.headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served_as_what_it_is(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/console/{name}")
    assert answer.status_code == 200
    assert answer.content == (STATIC / name).read_bytes()
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])


async def test_the_page_is_at_the_prefix_itself(http: httpx.AsyncClient) -> None:
    page = (await http.get("/console")).text
    assert (await http.get("/console/")).text == page == (STATIC / "index.html").read_text(encoding="utf-8")


async def test_a_file_a_browser_has_is_not_sent_again(http: httpx.AsyncClient) -> None:
    first = await http.get("/console/app.js")
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await http.get("/console/app.js", headers={"If-None-Match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert "content-length" not in again.headers
    changed = await http.get("/console/app.js", headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200
    assert (await http.get("/console/dom.js")).headers["etag"] != etag


async def test_head_tells_what_get_would(http: httpx.AsyncClient) -> None:
    got, head = await http.get("/console/app.js"), await http.head("/console/app.js")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))
    assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_but_reading_is_allowed(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/console/app.js")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/views/../../app.py",
        "/views/..%2f..%2fapp.py",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/app.js/",
        "/app.js%00",
        "/views",
        "/views/",
        "/APP.JS",
        "/__init__.py",
        "/app.py",
    ],
)
async def test_no_path_leads_out_of_the_table(http: httpx.AsyncClient, path: str) -> None:
    # As it is on the wire: clients resolve dots before they send.
    scope_path = httpx.URL(f"http://stack/console{path}").copy_with(raw_path=f"/console{path}".encode())
    answer = await http.send(httpx.Request("GET", scope_path))
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


async def test_what_a_server_is_is_told_and_nothing_secret(http: httpx.AsyncClient) -> None:
    told = (await http.get("/console/about.json")).json()
    assert told == {"version": "1.2.3", "systems": ["memory", "policy"], "memoryAuth": "api_key", "node": None}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_as_markup_or_run_from_text(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    ways = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "createContextualFragment",
        "DOMParser",
        "setHTML",
        "srcdoc",
    )
    for way in (*ways, "document.write", "eval(", "new Function", "javascript:"):
        assert way not in text, way
    for place in ("localStorage", "sessionStorage", "indexedDB", "document.cookie"):
        assert place not in text, place


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".svg")])
def test_nothing_of_another_server_is_named(name: str) -> None:
    found = re.findall(r"\b(?:https?|wss?)://[^\s\"'`]*", (STATIC / name).read_text(encoding="utf-8"))
    assert [each for each in found if not each.startswith("http://127.0.0.1")] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short_and_import_what_is_there(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert text.count("\n") < 300
    assert text.startswith("// "), "says in a sentence what it is"
    for imported in re.findall(r"""(?:from|import\() ?["'](\..*?)["']""", text):
        assert ((STATIC / name).parent / imported).resolve().is_file(), imported


def test_every_module_is_used() -> None:
    imported = {"app.js"}
    for name in MODULES:
        for each in re.findall(r"""from ["'](\..*?)["']""", (STATIC / name).read_text(encoding="utf-8")):
            imported.add(str(((STATIC / name).parent / each).resolve().relative_to(STATIC)))
    assert imported == set(MODULES)


async def test_the_page_loads_its_own_files_and_has_no_inline_code(http: httpx.AsyncClient) -> None:
    page = Tags()
    page.feed((await http.get("/console")).text)
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert tag != "style"
        if tag == "script":
            assert attributes["type"] == "module"
        loaded = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if loaded is not None:
            assert (await http.get(loaded)).status_code == 200, loaded
    assert {"main", "header", "nav", "noscript"} <= {tag for tag, _ in page.tags}
    assert dict(page.tags)["html"]["lang"] == "en"


async def test_a_stack_serves_it_when_it_is_on_and_not_otherwise(tmp_path: Path) -> None:
    chosen = StackOptions.from_environment({}, data=tmp_path / "on", host="127.0.0.1", port=0, console=None)
    async with Stack(chosen) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as client:
        assert stack.addresses.console == f"{base(stack)}/console"
        assert ("console", stack.addresses.console) in list(stack.addresses.rows())
        assert (await client.get("/console")).status_code == 200
        about = (await client.get("/console/about.json")).json()
        assert about["node"] == stack.addresses.p2p
        assert about["systems"] == ["memory", "policy", "p2p"]
        for name, value in HEADERS:
            assert (await client.get("/console/x")).headers[name.decode()] == value.decode()
    async with Stack(options(tmp_path / "off")) as stack, httpx.AsyncClient(base_url=base(stack)) as client:
        assert stack.addresses.console is None
        assert (await client.get("/console")).status_code == 404


async def test_it_opens_no_gate(tmp_path: Path) -> None:
    chosen = StackOptions.from_environment({}, data=tmp_path, host="127.0.0.1", port=0, console=True)
    async with Stack(chosen) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as client:
        referred = {"Referer": f"{base(stack)}/console", "Origin": base(stack), "Sec-Fetch-Site": "same-origin"}
        assert (await client.get("/api/v1/policies", headers=referred)).status_code == 400
        assert (
            await client.get("/api/v1/policies", headers={**referred, "X-Tenant-Id": "acme-corp"})
        ).status_code == 401
        assert (await client.get("/console/v1/admin/banks")).status_code == 404


@pytest.mark.parametrize(
    ("host", "asked", "is_on"),
    [("127.0.0.1", None, True), ("127.0.0.1", False, False), ("0.0.0.0", None, False), ("0.0.0.0", True, True)],
)
def test_it_is_on_by_itself_only_where_nobody_else_can_connect(
    tmp_path: Path, host: str, asked: bool | None, is_on: bool
) -> None:
    environ = {"ASTROCYTE_ALLOW_DEV_AUTH": "true"}
    chosen = StackOptions.from_environment(environ, data=tmp_path, host=host, port=0, console=asked)
    assert chosen.console is is_on
