"""Which services anybody can call where the gate is open: those that ask for nothing and don't say that it is meant."""

from collections.abc import Iterable, Sequence

from aster.config import AsterConfig
from aster.foundation.logs import get_logger
from aster.rpc.definition import ServiceDefinition
from aster.rpc.gate import DEV_MODE
from aster.rpc.interception import Interceptor
from aster.rpc.interceptors.auth_token import CheckToken

logger = get_logger("aster.trust")


def exposed_services(services: Iterable[ServiceDefinition], interceptors: Sequence[Interceptor]) -> list[str]:
    """The names of services with a method that strangers can call, though the service is not ``public``."""
    return [
        service.name
        for service in services
        if not service.public
        and not any(isinstance(each, CheckToken) for each in (*interceptors, *service.interceptors))
        and not all(service.requirements(method) for method in service.methods.values())
    ]


def warn_of_exposed(
    services: Iterable[ServiceDefinition], interceptors: Sequence[Interceptor], config: AsterConfig
) -> None:
    """Warn at the start of a server whose gate was opened on purpose; in dev mode another warning says it already."""
    if not config.allow_all_consumers or config.source("allow_all_consumers") == DEV_MODE:
        return
    if names := exposed_services(services, interceptors):
        logger.warning(
            "the gate is open: anybody may call these services",
            services=", ".join(names),
            hint="requires='role' for callers with credentials, CheckToken for callers with tokens, or public=True",
        )
