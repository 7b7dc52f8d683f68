"""The demo's client of the memory API: what any HTTP client would send."""

import http.client
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aster.foundation.errors import AsterError

SECONDS = 60.0


class MemoryRequestFailed(AsterError):
    """The memory API refused; the message is its own."""

    code = "MEMORY_REQUEST_FAILED"


class MemoryClient:
    """One kept-alive connection; blocking, for one thread at a time."""

    def __init__(self, url: str, *, principal: str) -> None:
        self._principal = principal
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)

    def retain(self, bank: str, memories: Sequence[dict[str, Any]]) -> list[str]:
        """The ids of what is durable now."""
        answer = self._post("/v1/retain/batch", {"bank_id": bank, "memories": memories})
        return [result["memory_id"] for result in answer["results"]]

    def recall(self, bank: str, query: str, *, max_results: int = 10) -> list[dict[str, Any]]:
        hits = self._post("/v1/recall", {"bank_id": bank, "query": query, "max_results": max_results})["hits"]
        return [{name: hit[name] for name in ("text", "speaker", "score", "occurred_at")} for hit in hits]

    def close(self) -> None:
        self._connection.close()

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json", "X-Astrocyte-Principal": self._principal}
        self._connection.request("POST", path, msgspec.json.encode(body), headers)
        response = self._connection.getresponse()
        answer = msgspec.json.decode(response.read())
        if response.status != 200:
            raise MemoryRequestFailed(f"{path} answered {response.status}: {answer.get('detail')}")
        return answer
