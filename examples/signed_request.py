"""A signed request: python examples/signed_request.py http://127.0.0.1:8080 "$(cat aster-data/policy.secret)"."""

import sys

from aster.policy.client import PolicyClient


def main(url: str, secret: str) -> None:
    source = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".'
    with PolicyClient(url, tenant="acme-corp", secret=secret, user="ada@acme.com") as client:
        answer = client.evaluate_source(source, rule="ping")
    print(answer.result)


if __name__ == "__main__":
    main(*sys.argv[1:])
