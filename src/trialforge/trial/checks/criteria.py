"""Do the criteria of a record say who may take part, each once, on one side, and as its fields do?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.checks.form import FIELDS_COLUMN
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.text import plain_text

_INCLUSION, _EXCLUSION = (
    rf"(?im:^\W*(?:key |main |major )?{part}(?: criteria)?[^\w\n]*$|\b{part} criteria[^\w\n]*:)"
    for part in ("inclusion", "exclusion")
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
_SENTENCE = 4  # words of a criterion that says who may or may not take part, and is no heading
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
_YOUNGEST = re.compile(  # years: a score may be "60 or above"
    r"(?i)\b(\d{1,2}) years?(?: of age| old)?,? (?:or|and) (?:older|over|above)\b|"
    r"^(?:ages? |aged )?(\d{1,2}),? (?:or|and) (?:older|over)\b|"
    r"(?:\bat least|≥|>=) ?(\d{1,2}) years (?:of age|old)\b"
)


def criteria_checks(params: CheckParams) -> list[Check]:
    """Return the checks of eligibility criteria."""

    def is_short(record: Record) -> bool:
        return 0 < len((record["criteria"] or "").split()) < params.min_criteria_words

    return [
        Check("short_criteria", "its criteria are too short", is_short),
        Check("one_sided_criteria", "it heads criteria of one kind and has none of the other", _is_one_sided),
        Check("repeated_criteria", "half of its criteria of a kind are repeats", _repeats_criteria),
        Check(
            "opposed_criteria",
            "a criterion both includes and excludes",
            lambda record: bool(_on_both_sides(record)),
        ),
        Check(
            "misplaced_criteria",
            "an exclusion criterion says what participants must do",
            lambda record: bool(_demands(record)),
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
    lists = split_criteria(record["criteria"])
    left = distinct_items(*lists)
    return any(
        len(items) > 1
        and (len(new) < 2 or 2 * len(new) <= len(items) or 2 * _count_alike(items) >= len(items))
        for items, new in zip(lists, left, strict=True)
    )


def _count_alike(items: Sequence[str]) -> int:
    """Return how many items begin with the same words as another one, of three or more."""
    starts = Counter(
        tuple(words[:_ALIKE]) for item in items if len(words := plain_text(item).split()) >= _ALIKE
    )
    alike = sum(count for count in starts.values() if count > 1)
    return alike if alike > 2 else 0


def unfit_criteria(record: Record) -> list[str]:
    """Return the criteria that can't stand in a record as they are, whatever else it has."""
    found = (_on_both_sides, _demands, _prompt_lines, _of_another_age)
    return [item for find in found for item in find(record)]


def _demands(record: Record) -> list[str]:
    _, excluded = split_criteria(record["criteria"])
    return [item for item in excluded if _DEMAND.search(item) and not _DENIAL.search(item)]


def _on_both_sides(record: Record) -> list[str]:
    included, excluded = split_criteria(record["criteria"])
    statements = {_plain(item) for item in included if len(item.split()) >= _SENTENCE}
    return [item for item in excluded if _plain(item) in statements]


def _plain(item: str) -> str:
    return " ".join(item.casefold().split()).rstrip(".;,")


def _prompt_lines(record: Record) -> list[str]:
    return [
        item for items in split_criteria(record["criteria"]) for item in items if _PROMPT_LINE.match(item)
    ]


def _of_another_age(record: Record) -> list[str]:
    """Inclusion criteria with a youngest age, where none has that of the record's field."""
    included, _ = split_criteria(record["criteria"])
    told = {item: [int(one[one.lastindex or 0]) for one in _YOUNGEST.finditer(item)] for item in included}
    ages = {age for found in told.values() for age in found}
    if record["minimum_age"] is None or record["minimum_age"] in ages:
        return []
    return [item for item, found in told.items() if found]


def distinct_items(*lists: Sequence[str]) -> list[list[str]]:
    """Return lists of criteria without repeated items, and without those that stand in several lists."""
    keyed = [{plain_text(item): item for item in items} for items in lists]
    seen = Counter(key for items in keyed for key in items)
    return [[item for key, item in items.items() if seen[key] == 1] for items in keyed]
