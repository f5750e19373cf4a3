"""Our words for a trial's values -> those of the registry's two shapes."""

from __future__ import annotations

import re

_API = {
    "N/A": "NA",
    "Federal": "FED",
    "Other Government": "OTHER_GOV",
    "Individual": "INDIV",
    "Ambiguous": "AMBIG",
}
_UNITS = (("Year", 1.0), ("Month", 12.0), ("Week", 365.25 / 7), ("Day", 365.25))


def api_word(word: str) -> str:
    """Return a word as API v2 writes it: `Non-Randomized` -> `NON_RANDOMIZED`."""
    return _API.get(word) or re.sub(r"[^A-Z0-9]+", "_", word.upper())


def api_phases(phase: str) -> list[str]:
    """Return a phase as API v2 lists it: `Phase 1/Phase 2` -> [`PHASE1`, `PHASE2`]."""
    words = [phase] if phase == "N/A" else phase.split("/")
    return [api_word(word).replace("PHASE_", "PHASE") for word in words]


def api_text(text: str) -> str:
    """Return text as Markdown: a backslash that is meant is written twice."""
    return text.replace("\\", "\\\\")


def age_words(age: float) -> str:
    """Return an age in years in the largest unit in which it is a whole number: 0.5 -> `6 Months`."""
    for unit, a_year in _UNITS:
        count = round(age * a_year)
        if count / a_year == age and (count or unit == "Year"):
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{age:.9f}".rstrip("0") + " Years"
