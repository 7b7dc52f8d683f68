"""What a caller may know of: the services and methods that it may call, and nothing else."""

from aster.rpc.context import CallContext
from aster.rpc.definition import ServiceDefinition


def visible_methods(service: ServiceDefinition, context: CallContext) -> frozenset[str]:
    """The names of the methods that this caller may call."""
    roles = context.roles
    if roles is None:
        return frozenset(service.methods)
    return frozenset(
        name
        for name, method in service.methods.items()
        if all(requirement.is_met_by(roles) for requirement in service.requirements(method))
    )
