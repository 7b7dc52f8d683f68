"""Analysis of policies with an SMT solver (z3, extra `analysis`): what can't happen, and where two versions differ."""

from aster.policy.analysis.coverage import analyze_program
from aster.policy.analysis.difference import Comparison, Difference, Unmodelled, compare_programs
from aster.policy.analysis.findings import Finding, NotAnalysed, RuleAnalysis, Witness
from aster.policy.analysis.logic import AnalysisTooLarge
from aster.policy.analysis.replay import Answer
from aster.policy.analysis.signatures import Change, Input

__all__ = [
    "AnalysisTooLarge",
    "Answer",
    "Change",
    "Comparison",
    "Difference",
    "Finding",
    "Input",
    "NotAnalysed",
    "RuleAnalysis",
    "Unmodelled",
    "Witness",
    "analyze_program",
    "compare_programs",
]
