"""The console in a real browser, against a real `aster up`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.processes import addresses
from tests.stack.browser import Browser, browser, chromium_is_missing

MISSING = chromium_is_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

TALK = Path(__file__).resolve().parents[2] / "src/aster/stack/samples/conversation.jsonl"


class Server:
    """A running `aster up`: where it is, its policy secret, and the memory API for what a test needs to be there."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.secret = (data / "policy.secret").read_text(encoding="ascii").strip()
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    def retain(self, bank: str, *memories: dict[str, Any]) -> list[str]:
        """The ids of what was retained."""
        answer = self.http.post("/v1/retain/batch", json={"bank_id": bank, "memories": list(memories)})
        assert answer.status_code == 200, answer.text
        return [each["memory_id"] for each in answer.json()["results"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("console") / "data"
    environ = {**os.environ, "ASTER_POLICY_MASTER_KEY": "00" * 32}
    command = [sys.executable, "-m", "aster", "up", "--port", "0", "--data", str(data), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        found = Server(addresses(process)["url"], data)
        told = [json.loads(line) for line in TALK.read_text(encoding="utf-8").splitlines()]
        with found.http:
            found.retain(
                "bakery",
                *({"content": each["text"], "speaker": each["speaker"], "occurred_at": each["time"]} for each in told),
            )
            yield found
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(window: Browser, server: Server) -> Iterator[Browser]:
    """A console nobody is signed in to. Whatever the page's own policy or scripts complained of fails the test."""
    window.open("about:blank")
    window.open(f"{server.url}/console")
    window.see("Health")
    window.complaints()
    yield window
    told = [each for each in window.complaints() if "Failed to load resource" not in each]
    assert told == []


def visit(page: Browser, path: str) -> None:
    page.run("location.hash = args[0]", f"#{path}")


def sign_in(page: Browser, server: Server, role: str = "OWNER", secret: str | None = None) -> None:
    visit(page, "/access")
    page.type(page.labelled("Tenant"), "acme-corp")
    page.type(page.labelled("Secret"), server.secret if secret is None else secret)
    page.type(page.labelled("User"), "dana")
    page.choose(page.labelled("Role"), role)
    page.press("Sign in", within="main")
    if secret is None:
        page.see("Sign out")


def test_the_overview_tells_that_all_is_well(page: Browser) -> None:
    page.see("ready")
    page.see("1 bank")
    page.see("aster1")
    page.see("Policies are told to signed requests only")


def test_a_recall_shows_which_evidence_found_each_hit(page: Browser) -> None:
    visit(page, "/memory/bakery")
    page.type(page.labelled("Question"), "What did we decide about the oven?")
    page.press("Recall", within="form")
    page.see("the best first")
    assert page.run("return document.querySelectorAll('.hit').length") == 10
    page.see("three-deck oven")
    legs = page.run(
        "return [...document.querySelector('.hit .evidence').querySelectorAll('tbody th')].map((e) => e.innerText)"
    )
    assert {"keyword", "semantic"} <= set(legs)
    shares = page.run(
        "return [...document.querySelectorAll('.bar')].map((e) => Number(e.style.getPropertyValue('--share')))"
    )
    assert max(shares) == 1
    assert "q=What+did+we+decide" in page.run("return location.hash"), "can be linked to"


def test_a_secret_that_is_wrong_is_told_as_such(page: Browser, server: Server) -> None:
    sign_in(page, server, secret="not the secret")
    page.see("SIGNATURE_INVALID")
    page.see("HTTP 401")
    page.see("the signature is not valid")
    page.see("policy not signed in", "#callers")
    assert page.run("return document.querySelector('[name=tenant]').value") == "acme-corp", "what was typed is kept"


def test_a_secret_that_is_right_signs_and_can_t_be_read_again(page: Browser, server: Server) -> None:
    sign_in(page, server)
    page.see("acme-corp · OWNER", "#callers")
    kept = page.run(
        "const stored = [{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href];"
        "return JSON.stringify([...stored, document.documentElement.outerHTML]);"
    )
    assert server.secret not in kept
    script = (
        "const { importSecret } = await import('/console/signing.js'); const key = await importSecret('s');"
        "return [key.extractable, await crypto.subtle.exportKey('raw', key).then(() => 'read', (e) => e.name)];"
    )
    assert page.run(script) == [False, "InvalidAccessError"]


BODY = (
    '{"source":"Module demo.\\n\\nRule ping produce Text:\\n  Return \\"pong\\".","functionName":"ping","context":{},'
    '"locale":"en-US"}'
)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "signature"),
    [
        (
            "POST",
            "/api/v1/policies/evaluate-source",
            "",
            BODY,
            "87cf6d0b1c5c2c32acc0f5813d8fc1c78176d4e27c5d103ab5c8a908b1ce2dc6",
        ),
        (
            "POST",
            "/api/v1/policies/evaluate-source",
            "trace=true",
            BODY,
            "4e681bb9a3c3a54556afa201306022a426af57f9c2535e57fac3b23cd9a5def1",
        ),
        (
            "GET",
            "/api/v1/policies",
            "",
            "",
            "124bca40a1b1e019e02aee3e889a2a3f47a08ef420acb2aba126ef5e573e313a",
        ),
    ],
)
def test_the_browser_signs_as_the_contract_does(
    page: Browser, method: str, path: str, query: str, body: str, signature: str
) -> None:
    script = (
        "const { importSecret, canonicalMessage, sign } = await import('/console/signing.js');"
        "const [method, path, query, body] = args; const bytes = new TextEncoder().encode(body);"
        "const key = await importSecret('your-api-secret-here');"
        "const nonce = 'c3ab8ff13720e8ad9047dd39466b3c89';"
        "return sign(key, await canonicalMessage(method, path, query, '1708776000000', nonce, bytes));"
    )
    assert page.run(script, method, path, query, body) == signature
