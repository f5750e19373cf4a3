"""Do the criteria of a record say who may take part, each once, on one side, and as its fields do?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.checks.form import FIELDS_COLUMN
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.criteria_lists import SIDES, split_criteria
from trialforge.trial.criteria_repeats import find_loops, find_opposed, find_repeats, find_shared
from trialforge.trial.criterion_kinds import CriterionKinds
from trialforge.trial.text import plain_text

_INCLUSION, _EXCLUSION = (
    rf"(?im:^\W*(?:key |main |major )?{part}(?: criteria)?[^\w\n]*$|\b{part} criteria[^\w\n]*:)"
    for part in SIDES
)
_EXCLUDING = re.compile(
    r"(?i)exclu|ineligible|\b(?:no|not|never|none|without|unless|cannot|absence|negative|free of|less than|"
    r"contraindicat\w*)\b"
)
_INCLUDING = re.compile(
    r"(?i)inclu|eligib|characteristics|\b(?:must|require[sd]?|diagnos\w*|confirmed|with|who|aged?|ages|adults?|"
    r"healthy|willing|able|presence|history|positive|allowed|years?|males?|females?|patients?|subjects?)\b"
)
_EMPTY_PART = re.compile(rf"(?:{_INCLUSION}\W*{_EXCLUSION})|(?:{_EXCLUSION}\W*\Z)")

_ALIKE = 8  # words at their start: criteria that have them in common say the same with another end
# Lines of the prompt; criteria of 4,100 registered trials begin with none of them.
_PROMPT_LINE = re.compile(
    r"(?i)(?:sponsor|purpose|design|summary|(?:official )?title|phase|enrolment|interventions?|arms?|outcome|"
    r"healthy volunteers|conditions?|keywords?): |ages: \d|n/a, "
)
# What participants must do or sign is no ground for exclusion; .2% of 2,100 AACT trials have such an item.
_DEMAND = re.compile(
    r"(?i)^(?:all |the |each )?"
    r"(?:patients?|participants?|subjects?|individuals?|women|men|females?|males?)? ?"
    r"(?:must|should|(?:are|will be) required to) |"
    r"^(?:signed|written|provision of|able to|willing(?:ness)? to|ability to) .{0,40}\bconsent"
)
_DENIAL = re.compile(
    r"(?i)\b(?:un|in)(?:able|ability|willing)|refus|exclu|\b(?:not?|never|without|lack|free|off)\b"
)
# Words that only say that somebody has a disease, not since when.
_HAVING = frozenset(
    (
        "a", "an", "and", "any", "are", "as", "being", "by", "confirmed", "diagnosed", "diagnosis", "disease",
        "disorder", "documented", "established", "for", "has", "have", "having", "in", "individuals", "is",
        "known", "of", "or", "participants", "patient", "patients", "people", "presence", "s", "subjects",
        "the", "to", "who", "with",
    )
)  # fmt: skip
_FOR_PATIENTS = (None, "Treatment", "Supportive Care")  # purposes of trials in people who have the disease
# Unlikely criteria that a record may not have: so many, and more than this share of all.
_UNLIKELY, _UNLIKELY_SHARE = 2, 0.1
_YOUNGEST = re.compile(  # years: a score may be "60 or above"
    r"(?i)\b(\d{1,2}) years?(?: of age| old)?,? (?:or|and) (?:older|over|above)\b|"
    r"^(?:ages? |aged )?(\d{1,2}),? (?:or|and) (?:older|over)\b|"
    r"(?:\bat least|≥|>=) ?(\d{1,2}) years (?:of age|old)\b"
)


# Cached, since every check splits the same text.
_lists = lru_cache(maxsize=8)(split_criteria)


def criteria_checks(params: CheckParams, kinds: CriterionKinds | None) -> list[Check]:
    """Return the checks of eligibility criteria; without `kinds` none is unlikely."""

    def is_short(record: Record) -> bool:
        return 0 < len((record["criteria"] or "").split()) < params.min_criteria_words

    return [
        Check("short_criteria", "its criteria are too short", is_short),
        Check("one_sided_criteria", "it heads criteria of one kind and has none of the other", _is_one_sided),
        Check("repeated_criteria", "half of its criteria of a kind are repeats", _repeats_criteria),
        Check(
            "opposed_criteria",
            "a criterion both includes and excludes",
            _opposes_itself,
        ),
        Check(
            "misplaced_criteria",
            "an exclusion criterion says what participants must do",
            lambda record: bool(_demands(record)),
        ),
        Check(
            "excluded_condition",
            "an exclusion criterion is the condition that is studied",
            lambda record: bool(_of_its_condition(record)),
        ),
        Check(
            "unlikely_criteria",
            "its criteria read like those of the other side, or like none",
            lambda record: _has_unlikely(record, kinds),
        ),
        Check(
            "criteria_of_prompt",
            "a criterion is a line of the prompt",
            lambda record: bool(_prompt_lines(record)),
        ),
        Check(
            "opposed_age",
            "its criteria give another minimum age than its fields",
            lambda record: bool(_of_another_age(record)),
        ),
    ]


def _is_one_sided(record: Record) -> bool:
    """Criteria in running text, as a tenth of registered trials have them, need no second part."""
    asked = record[FIELDS_COLUMN]
    if asked is not None and not {"inclusion", "exclusion"} <= {*asked}:
        return False
    criteria = record["criteria"] or ""
    no_exclusion = re.search(_INCLUSION, criteria) and not _EXCLUDING.search(criteria)
    no_inclusion = re.search(_EXCLUSION, criteria) and not _INCLUDING.search(criteria)
    return bool(no_exclusion or no_inclusion or _EMPTY_PART.search(criteria))


def _repeats_criteria(record: Record) -> bool:
    lists = _lists(record["criteria"])
    both = len(find_shared(*lists))
    return any(len(items) > 1 and 2 * (both + _count_alike(items)) >= len(items) for items in lists)


def _count_alike(items: Sequence[str]) -> int:
    """Return how many items nearly repeat an earlier one, or begin alike, if three or more do."""
    starts = Counter(
        tuple(words[:_ALIKE]) for item in items if len(words := plain_text(item).split()) >= _ALIKE
    )
    alike = sum(count for count in starts.values() if count > 1)
    return max(alike if alike > 2 else 0, len(find_repeats(items)))


def unfit_criteria(record: Record, kinds: CriterionKinds | None) -> list[str]:
    """Return the criteria that can't stand in a record as they are, whatever else it has."""
    lists = _lists(record["criteria"])
    found = (_demands, _of_its_condition, _prompt_lines, _of_another_age)
    unfit = [item for find in found for item in find(record)] + _unlikely(record, kinds)
    return [*unfit, *find_opposed(*lists), *(item for items in lists for item in find_loops(items))]


def _unlikely(record: Record, kinds: CriterionKinds | None) -> list[str]:
    if kinds is None:
        return []
    lists = zip(SIDES, _lists(record["criteria"]), strict=True)
    return [item for side, items in lists for item in kinds.find_unlikely(side, items)]


def _has_unlikely(record: Record, kinds: CriterionKinds | None) -> bool:
    """Whether so many criteria are unlikely that it can't be chance: in 1.3% of later AACT trials."""
    unlikely = len({*_unlikely(record, kinds)})
    return unlikely >= _UNLIKELY and unlikely > _UNLIKELY_SHARE * sum(map(len, _lists(record["criteria"])))


def _demands(record: Record) -> list[str]:
    _, excluded = _lists(record["criteria"])
    return [item for item in excluded if _DEMAND.search(item) and not _DENIAL.search(item)]


def _of_its_condition(record: Record) -> list[str]:
    """Exclusion criteria that name the disease that patients must have, and no more."""
    if record["healthy_volunteers"] or record["primary_purpose"] not in _FOR_PATIENTS:
        return []
    conditions = [words for name in record["conditions"] or [] if (words := _content(name))]
    _, excluded = _lists(record["criteria"])
    return [item for item in excluded if _content(item) in conditions]


def _content(text: str) -> set[str]:
    return {*plain_text(text).split()} - _HAVING


def _opposes_itself(record: Record) -> bool:
    """Whether a criterion that says enough is on both sides, or two nearly are."""
    lists = _lists(record["criteria"])
    opposed = find_opposed(*lists)
    return len(opposed) > 1 or bool({*opposed} & {*find_shared(*lists)})


def _prompt_lines(record: Record) -> list[str]:
    return [item for items in _lists(record["criteria"]) for item in items if _PROMPT_LINE.match(item)]


def _of_another_age(record: Record) -> list[str]:
    """Inclusion criteria with a youngest age, where none has that of the record's field."""
    included, _ = _lists(record["criteria"])
    told = {item: [int(one[one.lastindex or 0]) for one in _YOUNGEST.finditer(item)] for item in included}
    ages = {age for found in told.values() for age in found}
    if record["minimum_age"] is None or record["minimum_age"] in ages:
        return []
    return [item for item, found in told.items() if found]
