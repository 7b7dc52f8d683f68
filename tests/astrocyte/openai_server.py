"""A local HTTP server that speaks the OpenAI chat protocol, with answers that a test writes beforehand."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Mapping[str, Any] | int | Callable[[Mapping[str, Any]], Mapping[str, Any] | int]
"""A message, a status that is an error, or a function of the request that gives one of these."""

HANG = 0
"""Instead of an answer: none until the server ends."""


class OpenAiServer:
    """``requests`` are what was asked, in order; the last answer is repeated."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.ended = threading.Event()
        self.url = ""

    def answer(self, request: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
        with self._lock:
            chosen = self._answers[min(len(self.requests), len(self._answers) - 1)]
            self.requests.append(request)
            self.keys.append(key)
        message = chosen(request) if callable(chosen) else chosen
        if message == HANG:
            self.ended.wait()
            return 500, {}
        if isinstance(message, int):
            return message, {"error": {"message": f"no, and your key is {key}", "type": "t", "code": None}}
        choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        told = {"id": "c", "object": "chat.completion", "created": 1, "model": request["model"]}
        return 200, {**told, "choices": [choice], "usage": usage}


def calls(*made: tuple[str, Any]) -> dict[str, Any]:
    """A message that calls tools; arguments may be text that is no JSON."""
    return {
        "tool_calls": [
            {
                "id": f"call{number}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for number, (name, arguments) in enumerate(made)
        ]
    }


def answered(text: str, *citations: tuple[str, str]) -> dict[str, Any]:
    cited = [{"memory": memory, "quote": quote} for memory, quote in citations]
    return calls(("answer", {"text": text, "citations": cited}))


@contextmanager
def openai_server(*answers: Answer) -> Iterator[OpenAiServer]:
    server = OpenAiServer(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = server.answer(request, self.headers.get("Authorization"))
            raw = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                if status in (429, 500):
                    self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(raw)
            except OSError:
                self.close_connection = True  # the caller did not wait

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on standard error."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        server.ended.set()
        http.shutdown()
        thread.join()
        http.server_close()
