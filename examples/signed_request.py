"""A signed request: python examples/signed_request.py http://127.0.0.1:8080 "$(cat aster-data/policy.secret)"."""

import sys

from aster.policy.service.signing import SigningClient


def main(url: str, secret: str) -> None:
    source = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".'
    body = {"source": source, "functionName": "ping", "context": {}, "locale": "en-US"}
    with SigningClient(url, tenant="acme-corp", secret=secret, user="ada@acme.com") as client:
        answer = client.request("POST", "/api/v1/policies/evaluate-source", body)
    print(answer.status, answer.body["result"])


if __name__ == "__main__":
    main(*sys.argv[1:])
