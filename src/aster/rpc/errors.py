"""Errors of the RPC room that are no statuses: mistakes in a program, found before anything is called."""

from aster.foundation.errors import AsterError


class ServiceDefinitionError(AsterError, TypeError):
    """A service class or method is not written as a service must be."""

    code = "SERVICE_DEFINITION_INVALID"
