"""Places and findings in the protocol's own types."""

from lsprotocol import types as lsp

from aster.policy.language.diagnostics import Diagnostic
from aster.policy.lsp.document import Document

SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "info": lsp.DiagnosticSeverity.Information,
    "hint": lsp.DiagnosticSeverity.Hint,
}


def position_of(place: tuple[int, int]) -> lsp.Position:
    """A place as the protocol has it."""
    return lsp.Position(line=place[0], character=place[1])


def range_of(document: Document, start: int, end: int) -> lsp.Range:
    """What stands between two offsets."""
    lines = document.lines
    return lsp.Range(start=position_of(lines.place(start)), end=position_of(lines.place(end)))


def diagnostic_of(document: Document, finding: Diagnostic) -> lsp.Diagnostic:
    """A finding."""
    lines = document.lines
    start = position_of(lines.of_column(finding.start_line, finding.start_column))
    end = position_of(lines.of_column(finding.end_line, finding.end_column))
    message = f"{finding.message}\n{finding.help}" if finding.help else finding.message
    return lsp.Diagnostic(
        range=lsp.Range(start=start, end=end),
        message=message,
        severity=SEVERITIES[finding.severity],
        code=finding.code,
        source="aster",
    )
