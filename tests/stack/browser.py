"""A headless Chromium, driven over W3C WebDriver by nothing but the standard library.

``chromedriver`` speaks plain JSON over HTTP (https://www.w3.org/TR/webdriver2/), so a client is short. Nothing here
sleeps for the sake of it: whoever needs a state asks `Browser.until` for it.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0
PAUSE = 0.05
ELSEWHERE = "elsewhere.test"
"""This machine by a name that a browser does not trust as this machine."""
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB = "\ue007", "\ue004"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_is_missing() -> str | None:
    """Why there can be no browser here; None where there can."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed (Debian: chromium, chromium-driver)" if missing else None


class WebDriverError(Exception):
    """What the driver refused, by its own name: ``no such element``, ``stale element reference``."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Browser:
    """One window of one session."""

    def __init__(self, driver: str, profile: Path) -> None:
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._driver = driver
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        opened = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{opened['sessionId']}"
        patience_ms = int(2000 * PATIENCE)
        self.command("POST", "/timeouts", {"script": patience_ms, "pageLoad": patience_ms})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            f"{self._driver}{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=2 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            told = json.load(error)["value"]
            raise WebDriverError(told["error"], told["message"]) from None

    def command(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, f"{self._session}{path}", body)

    def close(self) -> None:
        self._ask("DELETE", self._session)

    def open(self, url: str) -> None:
        self.command("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of an async function's body; a promise is waited for. Not bound by the page's own policy."""
        wrapped = (
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
            f"const asked = async (args) => {{ {script} }};"
            "asked(given).then((value) => done({ value }), (error) => done({ error: String(error) }));"
        )
        told = self.command("POST", "/execute/async", {"script": wrapped, "args": list(arguments)})
        if "error" in told:
            raise WebDriverError("javascript error", told["error"])
        return told.get("value")

    def until(self, found: Callable[[], Any], what: str) -> Any:
        """What ``found`` gives once it gives something; raises with what the page shows after `PATIENCE` seconds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(WebDriverError):
                value = found()
                if value:
                    return value
            time.sleep(PAUSE)
        raise AssertionError(f"{what} did not come; the page says:\n{self.text()}")

    def text(self, selector: str = "body") -> str:
        return str(self.run("return document.querySelector(args[0])?.innerText ?? ''", selector))

    def see(self, words: str, selector: str = "body") -> None:
        """Wait until the words are there to be read."""
        self.until(lambda: words in self.text(selector), f"{words!r} in {selector}")

    def element(self, selector: str) -> str:
        """The driver's name of the first element that fits, once there is one."""
        found = self.until(
            lambda: self.command("POST", "/element", {"using": "css selector", "value": selector}), selector
        )
        return str(found[ELEMENT])

    def labelled(self, label: str, within: str = "main") -> str:
        """The control with this label: what a person who reads or hears the page goes by."""
        script = (
            "const scope = document.querySelector(args[1]); if (!scope) return null;"
            "const label = [...scope.querySelectorAll('label')].find((each) => each.textContent === args[0]);"
            "return label && document.getElementById(label.htmlFor);"
        )
        found = self.until(lambda: self.run(script, label, within), f"a control labelled {label!r}")
        return str(found[ELEMENT])

    def named(self, tag: str, words: str, within: str = "body") -> str:
        """The link or button that says exactly this."""
        script = (
            "const scope = document.querySelector(args[2]); if (!scope) return null;"
            "return [...scope.querySelectorAll(args[0])].find((each) => each.innerText.trim() === args[1]) ?? null;"
        )
        found = self.until(lambda: self.run(script, tag, words, within), f"a {tag} that says {words!r}")
        return str(found[ELEMENT])

    def click(self, element: str) -> None:
        self.run("args[0].scrollIntoView({ block: 'center' })", {ELEMENT: element})
        self.command("POST", f"/element/{element}/click")

    def press(self, words: str, tag: str = "button", within: str = "body") -> None:
        self.click(self.named(tag, words, within))

    def type(self, element: str, text: str) -> None:
        """Replace what a control holds."""
        self.command("POST", f"/element/{element}/clear")
        self.command("POST", f"/element/{element}/value", {"text": text})

    def choose(self, element: str, value: str) -> None:
        script = (
            "args[0].value = args[1]; args[0].dispatchEvent(new Event('input', { bubbles: true }));"
            "args[0].dispatchEvent(new Event('change', { bubbles: true }));"
        )
        self.run(script, {ELEMENT: element}, value)

    def keys(self, text: str) -> None:
        """Keys for whatever has the focus."""
        pressed = [
            step for key in text for step in ({"type": "keyDown", "value": key}, {"type": "keyUp", "value": key})
        ]
        self.command("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": pressed}]})

    def focused(self) -> str:
        """The words of what has the focus, or its label's."""
        return str(self.run("const e = document.activeElement; return (e.labels?.[0] ?? e).innerText.trim()"))

    def complaints(self) -> list[str]:
        """What the browser's console has said since it was last asked: script errors, refusals of the page's policy."""
        return [str(each["message"]) for each in self.command("POST", "/se/log", {"type": "browser"})]

    def devtools(self, method: str, **params: Any) -> Any:
        return self.command("POST", "/goog/cdp/execute", {"cmd": method, "params": params})

    def picture(self) -> bytes:
        """The whole page as PNG."""
        found = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(found["data"])


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile; ends with its driver."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
        start_new_session=True,
    )
    try:
        assert driver.stdout is not None
        port = next(
            line.rpartition("port ")[2].strip(" .\n") for line in driver.stdout if "started successfully" in line
        )
        opened = Browser(f"http://127.0.0.1:{port}", folder)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGTERM)
        driver.communicate()
