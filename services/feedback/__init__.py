"""What a talk was worth as a practice: scores, remarks and the lines they rest on."""

from services.feedback.analyzer import Analyzer
from services.feedback.rules import ANALYZER, RulesAnalyzer, score

__all__ = ["ANALYZER", "Analyzer", "RulesAnalyzer", "score"]
