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
from tests.stack.browser import ELSEWHERE, ENTER, TAB, Browser, browser, chromium_is_missing

from aster.policy.service.signing import sign_request

MISSING = chromium_is_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

EVALUATE = "/api/v1/policies/evaluate"
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
    environ = {**os.environ, "ASTER_SECURITY_KEYS_MASTER_KEY": "00" * 32}
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


def sign_in(
    page: Browser,
    server: Server,
    role: str = "OWNER",
    secret: str | None = None,
    at: tuple[str, str] = ("/access", "Sign out"),
) -> None:
    """Sign in on a page, and wait for the words that are only there for those who are."""
    path, words = at
    visit(page, path)
    page.type(page.labelled("Tenant"), "acme-corp")
    page.type(page.labelled("Secret"), server.secret if secret is None else secret)
    page.type(page.labelled("User"), "dana")
    page.choose(page.labelled("Role"), role)
    page.press("Sign in", within="main")
    if secret is None:
        page.see(words)


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
    sign_in(page, server, at=("/policies", "Write a policy"))
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


VECTORS = [
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
    ("GET", "/api/v1/policies", "", "", "124bca40a1b1e019e02aee3e889a2a3f47a08ef420acb2aba126ef5e573e313a"),
]


def test_the_browser_signs_as_the_contract_does(page: Browser) -> None:
    script = (
        "const { importSecret, canonicalMessage, sign } = await import('/console/signing.js');"
        "const [method, path, query, body] = args; const bytes = new TextEncoder().encode(body);"
        "const key = await importSecret('your-api-secret-here');"
        "const nonce = 'c3ab8ff13720e8ad9047dd39466b3c89';"
        "return sign(key, await canonicalMessage(method, path, query, '1708776000000', nonce, bytes));"
    )
    for *request, signature in VECTORS:
        assert page.run(script, *request) == signature


LOAN = """Module finance.loan.

Define Applicant has
  name as Text,
  age as Int,
  score as Int between 300 and 850.

Rule decide given applicant as Applicant, amount as Float, produce Text:
  If applicant.age less than 18
    Return "too young".
  If applicant.score at least 740 or amount less than 100
    Return "yes".
  Return "no: <b>ask</b> again".
"""


def ask(page: Browser, method: str, path: str, body: Any = None) -> Any:
    """The policy API's answer to who is signed in, by the page's own means."""
    script = (
        "const { askPolicy } = await import('/console/api.js');"
        "return (await askPolicy(args[0], args[1], { body: args[2] ?? undefined })).value;"
    )
    return page.run(script, method, path, body)


def deployed(page: Browser, source: str = LOAN, **more: Any) -> str:
    """The id of a policy that was stored."""
    return str(ask(page, "POST", "/api/v1/policies", {"source": source, **more})["policyId"])


def test_what_is_retained_in_the_browser_is_recalled(page: Browser, server: Server) -> None:
    visit(page, "/memory/shelf/retain")
    page.type(page.labelled("What to remember"), "The spare key is under the blue pot.")
    page.type(page.labelled("Tags"), "key, home")
    page.press("Retain", within="form")
    page.see("Kept:")
    found = server.http.post("/v1/recall", json={"query": "Where is the key?", "bank_id": "shelf"}).json()["hits"]
    assert [(hit["text"], hit["tags"]) for hit in found] == [("The spare key is under the blue pot.", ["key", "home"])]
    page.press(f"memory {found[0]['memory_id']}", "a")
    page.see("under the blue pot", "blockquote")
    page.see("retained", ".timeline")


def test_nothing_typed_is_lost_when_the_server_can_t_be_reached(page: Browser, server: Server) -> None:
    visit(page, "/memory/offline/retain")
    page.type(page.labelled("What to remember"), "The kiln is hot.")
    page.devtools("Network.enable")
    lost: dict[str, Any] = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.devtools("Network.emulateNetworkConditions", offline=True, **lost)
    try:
        page.press("Retain", within="form")
        page.see("UNREACHABLE")
    finally:
        page.devtools("Network.emulateNetworkConditions", offline=False, **lost)
    assert page.run("return document.querySelector('textarea').value") == "The kiln is hot."
    page.press("Retain", within="form")
    page.see("Kept:")


def test_a_memory_is_changed_and_its_history_says_so(page: Browser, server: Server) -> None:
    (memory,) = server.retain("edits", {"content": "The oven is gas."})
    visit(page, f"/memory/edits/memories/{memory}")
    page.type(page.labelled("Content"), "The oven is electric.")
    page.press("Change it")
    page.see("The oven is electric.", "blockquote")
    page.see("changed", ".timeline")


def test_forgetting_shows_first_what_would_go_and_forgets_exactly_that(page: Browser, server: Server) -> None:
    server.retain("attic", {"content": "Nora lives in Lisbon", "tags": ["nora"]}, {"content": "The roof is new"})
    visit(page, "/memory/attic/forget")
    page.type(page.labelled("Tagged"), "nora")
    page.press("Show what would go")
    page.see("1 would be forgotten")
    page.see("Nora lives in Lisbon", ".preview")
    assert server.http.get("/v1/banks/attic").json()["memories"] == 2, "nothing is gone yet"
    server.retain("attic", {"content": "Nora moved to Porto", "tags": ["nora"]})
    page.press("Forget 1 for good")
    page.see("1 forgotten")
    left = server.http.get("/v1/banks/attic/memories").json()["memories"]
    assert [each["content"] for each in left] == ["The roof is new", "Nora moved to Porto"]


def test_a_whole_bank_goes_only_once_its_name_was_typed(page: Browser, server: Server) -> None:
    server.retain("old-shop", {"content": "The till is broken"}, {"content": "The roof leaks"})
    visit(page, "/memory/old-shop/forget")
    page.click(page.labelled("The whole bank"))
    page.press("Show what would go")
    page.see("2 would be forgotten")
    page.type(page.labelled("Type old-shop to forget the whole bank"), "old-shed")
    page.press("Forget the whole bank for good")
    page.see("nothing was done")
    assert server.http.get("/v1/banks/old-shop").json()["memories"] == 2
    page.type(page.labelled("Type old-shop to forget the whole bank"), "old-shop")
    page.press("Forget the whole bank for good")
    page.see("2 forgotten")


def test_an_answer_leads_to_the_memories_it_rests_on(page: Browser) -> None:
    visit(page, "/memory/bakery/reflect?q=" + "What did we decide about the oven%3F")
    page.see("confidence")
    page.press("[1]")
    assert page.run("return document.activeElement.className") == "source"


HOSTILE = [
    "<img src=x onerror=\"window.ran = 'image'\">",
    "<script>window.ran = 'script'</script>",
    "<svg/onload=\"window.ran = 'svg'\">",
    "javascript:window.ran='link'",
]


def test_what_memories_say_is_shown_and_never_run(page: Browser, server: Server) -> None:
    said = [{"content": each, "tags": [each[:60]], "speaker": each[:60]} for each in HOSTILE]
    (first, *_) = server.retain("hostile", *said)
    paths = ["memories", f"memories/{first}", "about", "?q=image", "reflect?q=image"]
    for path in paths:
        visit(page, f"/memory/hostile{path}" if path.startswith("?") else f"/memory/hostile/{path}")
        page.see("onerror", "main")
        assert page.run("return document.querySelectorAll('main img, main script, main svg').length") == 0
    assert page.run("return window.ran ?? null") is None


def test_what_policies_say_is_shown_and_never_run(page: Browser, server: Server) -> None:
    sign_in(page, server)
    source = "Module hostile.page.\n\nRule say produce Text:\n  Return \"<img src=x onerror='window.ran=1'>\".\n"
    policy = deployed(page, source, name="<img src=x onerror=window.ran=1>", notes="<script>window.ran=1</script>")
    for path in ("", "/versions", "/evaluate", "/edit"):
        visit(page, f"/policies/{policy}{path}")
        page.see("<img src=x", "main")
        assert page.run("return document.querySelectorAll('main img, main script').length") == 0
    assert page.run("return window.ran ?? null") is None


def test_a_decision_is_signed_and_its_trace_tells_why(page: Browser, server: Server) -> None:
    sign_in(page, server, "MEMBER")
    policy = deployed(page)
    visit(page, f"/policies/{policy}/evaluate")
    page.see("Int, 300 to 850")
    for label, value in (("name", "Mia"), ("age", "30"), ("score", "700"), ("amount", "250.0")):
        page.type(page.labelled(label), value)
    page.press("Evaluate", within="form")
    page.see("no: <b>ask</b> again", ".decision")
    steps = page.run("return [...document.querySelectorAll('.trace .asked')].map((e) => e.innerText)")
    assert [("no" if " no" in step else "") for step in steps] == ["no", "no", ""]
    page.see("applicant.score = 700", ".trace")
    page.type(page.labelled("age"), "thirty")
    page.press("Evaluate", within="form")
    page.see("must be a number")
    assert page.run("return document.querySelector('[name=\"applicant.score\"]').value") == "700"
    page.type(page.labelled("age"), "7")
    page.type(page.labelled("score"), "900")
    page.press("Evaluate", within="form")
    page.see("INPUT_INVALID")


BASKET = """Module shop.basket.

Define Band as one of Low, Middle or High.
Define Line has sku as Text, cents as Int.
Define Buyer has name as Text, vip as Bool, discount as maybe Int.

Rule quote given buyer as Buyer, lines as list of Line, codes as list of Text, band as Band, produce Text:
  Let sum be List.sum(List.map(lines, (line) => line.cents)).
  If buyer.vip
    Return "free".
  Match band:
    When Low, Return Text.concat(sum, " low ", List.length(codes)).
    When Middle, Return "middle".
    When High, Return "high".
"""


def test_a_form_is_made_of_whatever_a_rule_takes(page: Browser, server: Server) -> None:
    sign_in(page, server, "MEMBER")
    policy = deployed(page, BASKET)
    visit(page, f"/policies/{policy}/evaluate")
    for words in ("Add to lines", "Add to lines", "Add to codes", "Add to codes"):
        page.press(words)
    page.click(page.element("[aria-label='Remove codes 1']"))
    named = "document.querySelector(`[name='${args[0]}']`)"
    for name, value in (("buyer.name", "Mia"), ("lines.1.cents", "250"), ("lines.2.cents", "90071992547409930")):
        page.run(f"{named}.value = args[1]", name, value)
    page.choose(page.labelled("vip"), "false")
    page.choose(page.labelled("band"), "Low")
    page.press("Evaluate", within="form")
    page.see("90071992547410180 low 1", ".decision")
    page.click(page.labelled("Write it as JSON"))
    written = page.until(lambda: page.run("return document.querySelector('[name=json]').value"), "the context as JSON")
    assert json.loads(written) == {
        "buyer": {"name": "Mia", "vip": False},
        "lines": [{"sku": "", "cents": 250}, {"sku": "", "cents": 90071992547409930}],
        "codes": [""],
        "band": "Low",
    }
    page.click(page.labelled("Write it as JSON"))
    page.press("line 12", "a")
    page.see("When Low", ".marked")


def test_an_editor_tells_while_one_types(page: Browser, server: Server) -> None:
    sign_in(page, server, "MEMBER")
    visit(page, "/policies/new")
    page.see("It can be evaluated: greet in demo.greeting.")
    area = page.element("textarea.code")
    page.type(area, "Module a.b.\n\nRule go produce Text:\n  Retrun 1.")
    page.see("line 4", ".checked")
    page.see("P005", ".checked")
    visit(page, "/policies")
    page.see("Write a policy")
    visit(page, "/policies/new")
    page.until(lambda: "Retrun" in page.run("return document.querySelector('textarea.code')?.value ?? ''"), "the draft")
    page.type(page.element("textarea.code"), 'Module a.b.\n\nRule go produce Text:\n  Return "done".')
    page.see("It can be evaluated: go in a.b.")
    page.press("Deploy", within="form")
    page.see("About this version")
    keywords = page.run("return [...document.querySelectorAll('.lines .keyword')].map((e) => e.innerText)")
    assert keywords[:2] == ["Module", "Rule"]


def test_versions_are_compared_rolled_back_and_approved(page: Browser, server: Server) -> None:
    sign_in(page, server)
    source = LOAN.replace("finance.loan", "finance.rent")
    policy = deployed(page, source)
    deployed(page, source.replace("740", "760"), notes="Raise the bar")
    visit(page, f"/policies/{policy}/diff/1/2")
    page.see("760", ".diff .added")
    page.see("740", ".diff .removed")
    visit(page, f"/policies/{policy}")
    page.type(page.labelled("Reason", "form[aria-label='Roll back']"), "too strict")
    page.press("Roll back")
    page.see("at least 740", ".lines")
    visit(page, f"/policies/{policy}/versions")
    page.see("too strict")
    ask(page, "PATCH", "/api/v1/tenant/settings", {"approvalRequired": True, "allowSelfApproval": True})
    try:
        deployed(page, source.replace("740", "780"))
        visit(page, f"/policies/{policy}/versions/3")
        for step, state in (("Submit for approval", "submitted"), ("Approve", "approved")):
            page.press(step, within="main")
            page.see(state, ".facts-list")
        page.press("Make it active")
        page.see("It decides.")
    finally:
        ask(page, "PATCH", "/api/v1/tenant/settings", {"approvalRequired": False, "allowSelfApproval": False})


def test_whoever_deploys_meanwhile_is_not_passed_over_and_no_text_is_lost(page: Browser, server: Server) -> None:
    sign_in(page, server)
    source = LOAN.replace("finance.loan", "finance.shared")
    policy = deployed(page, source)
    visit(page, f"/policies/{policy}/edit")
    page.see("It can be evaluated")
    deployed(page, source.replace("740", "760"))
    page.type(page.element("textarea.code"), source.replace("740", "780"))
    page.press("Deploy the next version")
    page.see("PRECONDITION_FAILED")
    visit(page, f"/policies/{policy}")
    page.see("at least 760", ".lines")
    visit(page, f"/policies/{policy}/edit")
    page.until(lambda: "780" in page.run("return document.querySelector('textarea.code')?.value ?? ''"), "the draft")
    page.press("Deploy the next version")
    page.see("at least 780", ".lines")


def test_an_editor_shows_what_is_typed_wherever_it_is_changed(page: Browser, server: Server) -> None:
    sign_in(page, server, "MEMBER")
    visit(page, "/policies/new")
    page.see("It can be evaluated")
    script = r"""
      const area = document.querySelector("textarea.code");
      const textsOf = (column) => [...document.querySelectorAll(`${column} > div`)].map((each) => each.textContent);
      const shown = () => textsOf(".shown").map((each) => each.replace("\u200b", ""));
      const texts = ["", "a", "a\nb", "b\na\nb", "a\nb", "x\ny\nz\n", "x\nz", "x\nx\nz", "x\n\n\nz", "z", "If\nIf\n"];
      const wrong = [];
      for (const text of texts) {
        area.value = text;
        area.dispatchEvent(new Event("input", { bubbles: true }));
        const count = textsOf(".numbers").length;
        if (shown().join("\n") !== text || count !== text.split("\n").length) wrong.push([text, shown(), count]);
      }
      return wrong;
    """
    assert page.run(script) == []


def test_keywords_are_told_apart_in_every_language(page: Browser, server: Server) -> None:
    sign_in(page, server)
    script = """
      const { highlighter, lexicons } = await import("/console/highlight.js");
      const all = await lexicons("acme-corp");
      const words = (id, line, aliases) => highlighter(all.find((each) => each.id === id), aliases)(line)
        .filter((each) => each.className === "keyword").map((each) => each.textContent);
      return [
        words("en-US", 'If rate is not equal to "If" or ratio at least 7'),
        words("de-DE", "Modul finanz.Kredit."),
        words("en-US", "Re-ject rate", { RETURN: ["Re-ject"] }),
        words("zh-CN", "模块 财务。").length,
      ];
    """
    english, german, own, chinese = page.run(script)
    assert "or" in english
    assert "at least" in english
    assert german == ["Modul"]
    assert own == ["Re-ject"]
    assert chinese == 1


def test_the_chain_is_verified_and_a_decision_proved_again(page: Browser, server: Server) -> None:
    sign_in(page, server)
    deployed(page, LOAN.replace("finance.loan", "finance.proof"))
    context = '{"applicant": {"name": "Mia", "age": 30, "score": 700}, "amount": 9000.0}'
    visit(page, "/decisions")
    page.press("Verify the chain")
    page.see("the chain is whole")
    body = {"policyModule": "finance.proof", "policyFunction": "decide", "context": json.loads(context)}
    raw = json.dumps(body).encode()
    signed = sign_request("POST", EVALUATE, raw, tenant="acme-corp", secret=server.secret, user="dana")
    decided = server.http.post(EVALUATE, content=raw, headers={**signed, "Content-Type": "application/json"})
    assert decided.json()["error"] is None
    visit(page, "/decisions?eventType=POLICY_EVALUATED&module=finance.proof")
    page.see("finance.proof.decide")
    page.click(page.element("tbody a"))
    page.type(page.labelled("Context as JSON"), context)
    page.press("Evaluate again and compare")
    page.see("proved")
    page.see("the same")
    assert "not proved" not in page.text("main"), "9000.0 is sent as it was typed"


def test_an_export_of_the_chain_is_downloaded_whole(page: Browser, server: Server, tmp_path: Path) -> None:
    sign_in(page, server)
    page.devtools("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    visit(page, "/decisions")
    page.press("Download")
    file = page.until(lambda: next(tmp_path.glob("audit.ndjson"), None), "a download")
    page.see("Downloaded.")
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(records) > 1


def test_a_key_s_secret_is_shown_once(page: Browser, server: Server) -> None:
    sign_in(page, server)
    visit(page, "/access/keys")
    page.type(page.labelled("What it is for"), "nightly batch")
    page.press("Make a key", within="form")
    page.see("This secret is shown once.")
    secret = page.text(".secret")
    assert len(secret) >= 32
    visit(page, "/access/tenant")
    page.see("A version needs approval")
    visit(page, "/access/keys")
    page.see("nightly batch", "table")
    assert secret not in page.run("return document.documentElement.outerHTML")


def test_callers_of_memory_send_what_the_auth_mode_asks_and_the_admin_token_nowhere_else(page: Browser) -> None:
    script = """
      const { callMemoryAs, memoryHeaders } = await import("/console/session.js");
      const headers = (caller, path) => { callMemoryAs(caller); return memoryHeaders(new URL(path, location.origin)); };
      return [
        headers({}, "/v1/recall"),
        headers({ principal: "user:alice", onBehalfOf: "user:bob" }, "/v1/recall"),
        headers({ apiKey: "k", principal: "agent:a", adminToken: "t" }, "/v1/recall"),
        headers({ token: "x.y.z", adminToken: "t" }, "/v1/admin/banks"),
        headers({ adminToken: "t" }, "/v1/administrators"),
      ];
    """
    assert page.run(script) == [
        {},
        {"X-Astrocyte-Principal": "user:alice", "X-Astrocyte-On-Behalf-Of": "user:bob"},
        {"X-Api-Key": "k", "X-Astrocyte-Principal": "agent:a"},
        {"Authorization": "Bearer x.y.z", "X-Admin-Token": "t"},
        {},
    ]


def test_who_one_is_counts_from_the_next_request_on(page: Browser) -> None:
    visit(page, "/access")
    page.type(page.labelled("Principal"), "user:carol")
    page.press("Use these")
    page.see("The gateway takes you for:")
    page.see("user:carol", ".done")
    page.see("user:carol", "#callers")
    page.type(page.labelled("Operation"), "forget")
    page.type(page.labelled("Banks"), "bakery")
    page.press("Would it be allowed?")
    page.see("access control is disabled")


def test_where_a_browser_does_not_sign_the_page_says_so(page: Browser, server: Server) -> None:
    page.open(f"{server.url.replace('127.0.0.1', ELSEWHERE)}/console#/policies")
    page.see("Requests can't be signed on this page.")
    page.see("HTTPS or from this very machine")
    told = page.complaints()
    assert all("Cross-Origin-Opener-Policy" in each for each in told), "which such a page can't have either"


def test_a_role_that_is_too_low_is_refused_in_the_api_s_own_words(page: Browser, server: Server) -> None:
    sign_in(page, server, "VIEWER")
    visit(page, "/decisions")
    page.see("HTTP 403")
    page.see("ROLE_INSUFFICIENT")
    assert page.run("return document.querySelector('.problem .facts').innerText").count("request ") == 1


def test_it_can_be_used_with_the_keyboard_alone(page: Browser) -> None:
    page.keys(TAB)
    assert page.focused() == "Skip to the page"
    page.keys(ENTER)
    assert page.run("return document.activeElement.id") == "main"
    visit(page, "/memory/bakery")
    page.until(lambda: page.focused() == "Question", "the question to have the focus")
    page.keys("What about the oven?" + ENTER)
    page.see("the best first")
    for _ in range(30):
        if page.focused() == "open":
            break
        page.keys(TAB)
    page.keys(ENTER)
    page.see("History")
    assert page.run("return document.activeElement.tagName") == "H1", "a new page is begun at its heading"
    assert "Memories" in page.run("return document.title")


def test_it_fits_a_narrow_screen_and_every_control_has_a_name(page: Browser, server: Server) -> None:
    sign_in(page, server)
    nameless = (
        "const isNamed = (e) => e.labels?.length || e.getAttribute('aria-label') || e.innerText.trim();"
        "const controls = [...document.querySelectorAll('input, select, textarea, button, a')];"
        "return controls.filter((e) => !isNamed(e)).map((e) => e.outerHTML);"
    )
    shown = {
        "/": "Last decisions",
        "/memory": "Make a bank",
        "/memory/bakery?q=oven": "the best first",
        "/memory/bakery/about": "Download the bank",
        "/memory/bakery/forget": "Show what would go",
        "/policies/new": "It can be evaluated",
        "/decisions": "Take it along",
        "/access": "Would it be allowed?",
        "/access/tenant": "Save",
    }
    page.devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    try:
        for path, words in shown.items():
            visit(page, path)
            page.see(words, "main")
            assert page.run("return document.documentElement.scrollWidth <= innerWidth"), path
            assert page.run(nameless) == [], path
            assert page.run("return document.querySelectorAll('main, h1').length") == 2
    finally:
        page.devtools("Emulation.clearDeviceMetricsOverride")


def test_dark_and_light_both_have_contrast(page: Browser) -> None:
    script = """
      const rgb = (text) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      const light = (text) => rgb(text).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const style = getComputedStyle(document.documentElement);
      const of = (name) => light(style.getPropertyValue(name).trim());
      const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      return [["--ink", "--paper"], ["--quiet", "--paper"], ["--accent", "--paper"], ["--accent", "--accent-soft"],
        ["--on-accent", "--accent"], ["--good", "--good-soft"], ["--bad", "--bad-soft"], ["--quiet", "--sunken"]]
        .map(([a, b]) => [a, b, ratio(of(a), of(b))]);
    """
    for scheme in ("light", "dark"):
        page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        low = [each for each in page.run(script) if each[2] < 4.5]
        assert low == [], scheme
    page.devtools("Emulation.setEmulatedMedia", features=[])
