"""A server's services against its manifest: code that has drifted from what was agreed on is not served."""

from collections.abc import Iterable
from pathlib import Path

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from aster.rpc.contract.changes import Change, changes_between
from aster.rpc.contract.manifest import DEFAULT_PATH, read_manifest
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import ServiceDefinition

logger = get_logger("aster.rpc")


class ContractDrift(AsterError):
    """The services of this program are not those of its manifest; ``changes`` says where."""

    code = "CONTRACT_DRIFT"

    def __init__(self, message: str, *, changes: tuple[Change, ...], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.changes = changes


def check_drift(services: Iterable[ServiceDefinition], manifest: Path | None) -> None:
    """Raise `ContractDrift` when a service differs on the wire from ``manifest``, or from ``./.aster/manifest.json``.

    A manifest that is named must be there. Services that it does not hold are not checked; a policy that changed (a
    timeout, a required role) is logged, for the wire is the same.
    """
    path = DEFAULT_PATH if manifest is None else manifest.expanduser()
    if manifest is None and not path.exists():
        return
    agreed = read_manifest(path)
    found: list[Change] = []
    for definition in services:
        known = agreed.service(definition.name, definition.version)
        if known is None:
            continue
        served = describe_service(definition)
        if served.contract_id != known.contract_id:
            found += changes_between(known, served)
        elif served.policy_id != known.policy_id:
            for change in changes_between(known, served):
                logger.warning("a policy differs from the manifest", change=change.sentence, manifest=str(path))
    if found:
        sentences = "\n".join(f"  {change}" for change in found)
        raise ContractDrift(
            f"what is served is not what {path} says:\n{sentences}",
            changes=tuple(found),
            hint="'aster contract gen' writes the manifest again, once the change is meant",
        )
