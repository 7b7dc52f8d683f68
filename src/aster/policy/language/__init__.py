"""The policy language, one file a stage; to be read in this order.

- words: `lexicon` (a locale as data), `aliases`, `vocabulary` → `source` (positions, findings) → `tokens` (widths,
  quotes, layout)
- tree: `parse_types` → `parse_primaries` → `parse_expressions` → `parse_statements` → `parser`, making the `tree`
- meaning: `declarations` → `scopes` → `check_calls` → `check_expressions` → `check_rules` → `checker`, making the
  `core`; `check_effects`, `check_workflows` and `check_pii` only report
- running: `budget` (what it may cost) → `compile_expressions` → `compile_statements` → `compiler` (Python functions,
  let through by the `whitelist`), `tracer` (the tracing build), `interpreter` (the reference, in closures); all call
  `operations`, `comparisons` and the `library`
- telling: `trace`, `telling`, `coverage`; `schema`, `json_schema`, `samples`, `core_ir`; `concrete` → `formatter`,
  `translator`; `repairs` → `fixing`; `core_ir_nodes` → `core_ir_read`, which makes a `tree` of other tools' documents
- holding: `classes` → `conversions` → `boundary` (arguments in), `entry` (one rule), `program` (what callers hold)
"""

from aster.policy.language.aliases import AliasSet, read_aliases
from aster.policy.language.diagnostics import Diagnostic, Fix
from aster.policy.language.effects import CapabilityManifest, read_manifest
from aster.policy.language.entry import Outcome
from aster.policy.language.errors import PolicyEvaluationError, PolicySyntaxError, UnsupportedLocale
from aster.policy.language.fixing import apply_fixes, fixes_of
from aster.policy.language.formatter import format_source
from aster.policy.language.modules import ImportedModule, ModuleFolder, ModuleSource
from aster.policy.language.program import Program, compile_source
from aster.policy.language.telling import Sentence, explain
from aster.policy.language.translator import translate_source
from aster.policy.language.vocabulary import VOCABULARIES, Vocabulary, load_vocabulary, read_vocabulary

__all__ = [
    "VOCABULARIES",
    "AliasSet",
    "CapabilityManifest",
    "Diagnostic",
    "Fix",
    "ImportedModule",
    "ModuleFolder",
    "ModuleSource",
    "Outcome",
    "PolicyEvaluationError",
    "PolicySyntaxError",
    "Program",
    "Sentence",
    "UnsupportedLocale",
    "Vocabulary",
    "apply_fixes",
    "compile_source",
    "explain",
    "fixes_of",
    "format_source",
    "load_vocabulary",
    "read_aliases",
    "read_manifest",
    "read_vocabulary",
    "translate_source",
]
