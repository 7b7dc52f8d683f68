"""Presidio's recognisers beside our own rules: numbers of many countries, and names where a model is installed.

Nothing is downloaded. Without ``barriers.presidio_model`` the text runs through a blank spaCy pipeline and patterns
alone find things; with it, an installed pipeline finds persons, places and organisations as well. Recognisers that
would ask the network (for the list of public suffixes) are left out: addresses of mail and the web are our own rules'.
"""

from collections.abc import Callable
from typing import Any

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from astrocyte.retain.personal_data import Finding, find_personal_data, without_overlaps

LANGUAGE = "en"
SURE = 0.5
"""Results below this score need words around them that were not there."""

LEFT_OUT = ("EmailRecognizer", "UrlRecognizer", "DateRecognizer")
HARMLESS = frozenset({"DATE_TIME", "URL", "NRP"})
"""What is no personal data by itself: a memory without its dates would be worth little."""


def presidio_finder(model: str | None) -> Callable[[str], list[Finding]]:
    """What finds personal data in a text; raises `MissingExtra`, or `ConfigError` for a pipeline that is not there.

    Blocks for seconds while it loads.
    """
    analyzer = _analyzer(model)

    def find(text: str) -> list[Finding]:
        results = analyzer.analyze(text, language=LANGUAGE, score_threshold=SURE)
        theirs = [
            Finding(result.entity_type.lower(), result.start, result.end)
            for result in sorted(results, key=lambda one: (-one.score, one.start - one.end))
            if result.entity_type not in HARMLESS
        ]
        return without_overlaps(text, [*find_personal_data(text), *theirs])

    return find


def _analyzer(model: str | None) -> Any:
    presidio = load_extra("presidio_analyzer", extra="pii")
    engines = load_extra("presidio_analyzer.nlp_engine", extra="pii")
    engine = engines.SpacyNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": model or "blank"}])
    engine.nlp = {LANGUAGE: _pipeline(model)}
    registry = presidio.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=engine)
    for name in LEFT_OUT:
        registry.remove_recognizer(name)
    return presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])


def _pipeline(model: str | None) -> Any:
    spacy = load_extra("spacy", extra="pii")
    if model is None:
        return spacy.blank(LANGUAGE)
    try:
        return spacy.load(model)
    except OSError as error:
        raise ConfigError(
            f"barriers.presidio_model: the spaCy pipeline '{model}' is not installed", hint="pip install it first"
        ) from error
