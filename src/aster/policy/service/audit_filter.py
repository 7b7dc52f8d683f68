"""Which audit records a listing wants, from the query string."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aster.foundation.audit import AuditRecord
from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.policy.service.envelope import problem, timestamp
from aster.policy.service.queries import query_flag, query_integer, query_values

_FIELDS = {
    "eventType": "eventType",
    "module": "policyModule",
    "policyModule": "policyModule",
    "function": "policyFunction",
    "policyId": "policyId",
    "user": "actorId",
    "requestId": "requestId",
}
FILTERS = (*_FIELDS, "version", "success", "from", "to")
LARGEST_VERSION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Fields that must be equal, and the time between, both ends included (as the records write it)."""

    fields: Mapping[str, object]
    since: str | None = None
    until: str | None = None

    @property
    def is_of_a_time(self) -> bool:
        return self.since is not None or self.until is not None

    @property
    def is_empty(self) -> bool:
        return not self.fields and self.since is None and self.until is None

    def matches(self, record: AuditRecord) -> bool:
        if any(record.event.get(name) != value for name, value in self.fields.items()):
            return False
        after = self.since is None or record.occurred_at >= self.since
        return after and (self.until is None or record.occurred_at <= self.until)


def filter_of(request: Request) -> AuditFilter:
    values = query_values(request)
    fields: dict[str, object] = {_FIELDS[name]: value for name, value in values.items() if name in _FIELDS}
    if "version" in values:
        fields["version"] = query_integer(request, "version", 0, minimum=1, maximum=LARGEST_VERSION)
    if "success" in values:
        fields["success"] = query_flag(request, "success")
    return AuditFilter(fields, moment_of(values, "from"), moment_of(values, "to"))


def moment_of(values: Mapping[str, str], name: str) -> str | None:
    """A parameter's time as the records write it; raises `ValidationFailed` for what is not a time with a zone."""
    text = values.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return timestamp(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        pass
    raise ValidationFailed(
        f"'{name}' must be an ISO-8601 time with its zone", problems=problem(f"?{name}", "is not a time")
    )
