"""Types guessed from names (specification §7.4): hints for forms and introspection, never enforced."""

import re

from aster.policy.language.tree import Parameter
from aster.policy.language.types import BOOL, DATETIME, FLOAT, INT, TEXT, Type

_RULES: tuple[tuple[re.Pattern[str], Type], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"^(is|has|can|should|was|will|did|does|allow|enable|disable|require)(?=[A-Z_]|$)", BOOL),
        (r"^(是否|有无|能否|可否|允许|启用|禁用)", BOOL),
        (r"(message|dosage)$", TEXT),
        (r"(Id|ID|_id|identifier|Identifier)$|^id$", TEXT),
        (r"(?i:amount|price|cost|fee|total|balance|salary|income|payment|percentage|ratio)$", FLOAT),
        (r"(?i:count|number|qty|quantity|score|level|rank|index|size|length|width|height)$|^age$|Age$|_age$", INT),
        (r"(评分|年龄|数量|次数|额度|金额|保费|免赔额|账龄|卡数)$", INT),
        (r"(?:Date|Time|At|Timestamp|Birthday|Anniversary)$|^(date|timestamp|birthday)$", DATETIME),
        (r"(?i:rate|interest)$|(利率|费率|比率|百分比)$", FLOAT),
        (r"(?i:years|months|weeks|days|hours|minutes|seconds)$", INT),
        (r"(?i:code|key|token|uuid|guid|vin)$", TEXT),
        (
            r"(?i:flag|enabled|disabled|active|valid|approved|rejected|completed|confirmed|sufficient|passed|verified)$",
            BOOL,
        ),
        (r"(批准|通过|有效|合格|可疑|确认|验证)$", BOOL),
        (r"(?i:genehmigt|berechtigt|aktiv|aktiviert|gueltig|gültig|bestanden|erforderlich|abgelehnt)$", BOOL),
    )
)


def guess(node: Parameter) -> Type:
    """The type a name without a declared type suggests."""
    for constraint in node.constraints:
        if constraint.kind == "range":
            return FLOAT if isinstance(constraint.low, float) or isinstance(constraint.high, float) else INT
        if constraint.kind == "pattern":
            return TEXT
    return next((kind for pattern, kind in _RULES if pattern.search(node.name)), TEXT)
