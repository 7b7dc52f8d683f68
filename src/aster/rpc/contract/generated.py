"""What generated clients check when they are imported."""

from aster.rpc.contract.agreement import ContractMismatchError
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import definition_of


def check_generated(service: type, contract_id: str) -> None:
    """Raise `ContractMismatchError` when a generated module is no longer the contract it was made from."""
    found = describe_service(definition_of(service)).contract_id
    if found != contract_id:
        raise ContractMismatchError(
            f"{service.__qualname__} was changed by hand: its contract is {found[:16]}…, not {contract_id[:16]}…",
            hint="make it again with 'aster gen-client'",
        )
