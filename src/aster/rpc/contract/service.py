"""A service definition as a description, made once for each definition."""

from collections.abc import Collection
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from aster.rpc.contract.canonical import contract_id, policy_id
from aster.rpc.contract.describe import TypeDescriber
from aster.rpc.contract.description import MethodDescription, Requirement, ServiceDescription, reachable
from aster.rpc.definition import MethodDefinition, ServiceDefinition, Style
from aster.rpc.requirements import Requirement as AskedFor


@lru_cache(maxsize=1024)
def describe_service(service: ServiceDefinition) -> ServiceDescription:
    """What ``service`` promises; raises `TypeNotDescribable` when a type has no form on the wire."""
    describer = TypeDescriber()
    methods = tuple(_method(service.methods[name], describer) for name in sorted(service.methods))
    return identified(
        ServiceDescription(
            name=service.name,
            version=service.version,
            contract_id="",
            policy_id="",
            methods=methods,
            types=describer.types,
            scoped=service.scope.value,
            requires=_requirement(service.requires),
            description=service.description,
            tags=service.tags,
            deprecated=service.deprecated,
        )
    )


def identified(service: ServiceDescription) -> ServiceDescription:
    """The same description with the ids that belong to it."""
    return replace(service, contract_id=contract_id(service), policy_id=policy_id(service))


def visible_part(service: ServiceDescription, seen: Collection[str]) -> ServiceDescription:
    """The description with the visible methods and the types they need; the contract's id stays the whole's."""
    methods = tuple(method for method in service.methods if method.name in seen)
    if len(methods) == len(service.methods):
        return service
    roots = [described for method in methods for described in (method.request, method.reply)]
    return replace(service, methods=methods, types=reachable(roots, service.types), partial=True)


def _method(method: MethodDefinition, describer: TypeDescriber) -> MethodDescription:
    options = method.options
    return MethodDescription(
        name=method.name,
        pattern=options.pattern.value,
        request=describer.describe(method.request.annotation),
        reply=describer.describe(method.reply.annotation),
        inline=method.style is Style.INLINE,
        timeout=options.timeout,
        idempotent=options.idempotent,
        requires=_requirement(options.requires),
        description=method.description,
        tags=options.tags,
        deprecated=options.deprecated,
    )


def _requirement(asked: AskedFor | None) -> Requirement | None:
    return None if asked is None else msgspec.convert({"kind": asked.kind, "roles": asked.roles}, Requirement)
