"""Do the titles and the prose of a record state the design that its fields have?"""

from __future__ import annotations

import re
from collections.abc import Callable

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.draft_fields import PROSE_FIELDS, TITLES
from trialforge.trial.leakage import OTHER_STUDY
from trialforge.trial.text import SENTENCE_END

_RANDOMIZED = re.compile(r"(?i)(?<!non[- ])(?<!not[- ])(?<!not be )\brandomi[sz]ed\b")
# What a text claims, and whether the fields deny it. Of 2,100 AACT trials 1.4% have such a title.
_CLAIMS: tuple[tuple[re.Pattern[str], Callable[[Record], bool]], ...] = (
    (_RANDOMIZED, lambda record: record["allocation"] in ("N/A", "Non-Randomized")),
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
# Prose speaks of other trials as well: a sentence counts if it speaks of this one alone.
_THIS_STUDY = re.compile(r"(?i)\b(?:this|the)(?: [\w,/-]+){0,8}? (?:study|trial)\b|^this is an? ")
_ANOTHER = re.compile(
    rf"(?i){OTHER_STUDY}|\b(?:completed|original|historical|pivotal|larger|extension|parent|no|not|without)\b"
)


def design_checks() -> list[Check]:
    """Return the checks of titles and prose against allocation, masking and intervention model."""
    return [
        Check("misnamed_design", "its titles state another design than its fields", _misnames_design, TITLES),
        Check(
            "misdescribed_design",
            "its summary or description states another design than its fields",
            lambda record: any(
                misdescribes(record, sentence)
                for name in PROSE_FIELDS
                for sentence in SENTENCE_END.split(record[name] or "")
            ),
            PROSE_FIELDS,
        ),
    ]


def misdescribes(record: Record, sentence: str) -> bool:
    """Whether a sentence claims for the trial a design that the fields of its record deny."""
    about_this = _THIS_STUDY.search(sentence) and not _ANOTHER.search(sentence)
    return bool(about_this) and _is_denied(record, sentence)


def _is_denied(record: Record, text: str) -> bool:
    return any(claim.search(text) and denied(record) for claim, denied in _CLAIMS)


def _misnames_design(record: Record) -> bool:
    titles = " ".join(filter(None, (record[name] for name in TITLES)))
    one_group = record["intervention_model"] == "Single Group"
    return _is_denied(record, titles) or bool(one_group and _RANDOMIZED.search(titles))
