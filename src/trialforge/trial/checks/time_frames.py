"""Does each endpoint say when it is measured, and is that a possible time?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.draft_fields import ENDPOINT_FIELDS

_DAYS_OF_YEAR = 365.25
# How units are written, and how many days they are. 90Y is yttrium.
_UNITS = {
    "(?:minute|min)s?": 1 / 1440,
    "(?:hour|hr)s?|h": 1 / 24,
    "days?|d": 1,
    "(?:week|wk)s?|w": 7,
    "(?:month|mth|mo)s?": 30.44,
    "(?:year|yr)s?|(?-i:y)": _DAYS_OF_YEAR,
}
_UNIT = rf"(?:{'|'.join(_UNITS)})\b"
_AMOUNTS = {re.compile(rf"(?i)(\d[\d,]*(?:\.\d+)?)[\s-]*(?:{unit})\b"): days for unit, days in _UNITS.items()}
_NEGATIVE = re.compile(rf"(?i)(?:^|\b(?:in|within|after|for|over|up to|until)\s+)-\s?\d+\s*{_UNIT}")
_ZERO = re.compile(rf"(?i)\s*0+(?:\.0+)?\s*{_UNIT}\s*")
# A time frame names a time: a number, a unit, or an event that bounds it.
_TIME_WORD = re.compile(
    r"(?i)\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|time)\b|"
    r"\b(?:minute|min|hour|hr|day|week|wk|month|mth|mo|year|yr)s?\b|"
    r"\b(?:baseline|visits?|cycles?|daily|weekly|monthly|yearly|annual\w*|contin\w*|ongoing|immediate\w*|once|"
    r"during|until|till|after|before|at|to|up|from|through\w*|end|follow|post\w*|pre\w*|prior|per|while|when|"
    r"randomi[sz]ation|assessments?|enrolment|enrollment|screening|surgery|course|last|first|between|"
    r"duration|perioperative|intraoperative|period|overall|surviv\w*|death|progress\w*|discharge|admission|"
    r"hospitali[sz]\w*|treatment|therapy|study|intermittent\w*|interventional|every|each|within|term)\b"
)


def time_frame_checks(params: CheckParams) -> list[Check]:
    """Return the checks of the time frames of all endpoints."""
    most_days = params.max_time_frame_years * _DAYS_OF_YEAR

    def is_impossible(frame: str) -> bool:
        amounts = [
            float(amount.replace(",", "")) * days
            for pattern, days in _AMOUNTS.items()
            for amount in pattern.findall(frame)
        ]
        return max(amounts, default=0) > most_days or bool(_NEGATIVE.search(frame) or _ZERO.fullmatch(frame))

    def find_any(bad: Callable[[str], bool]) -> Callable[[Record], bool]:
        return lambda record: any(map(bad, _time_frames(record)))

    unreadable = find_any(lambda frame: not _TIME_WORD.search(frame))
    return [
        Check("unreadable_time_frame", "a time frame names no time", unreadable, ENDPOINT_FIELDS),
        Check(
            "impossible_time_frame", "a time frame is impossible", find_any(is_impossible), ENDPOINT_FIELDS
        ),
    ]


def _time_frames(record: Record) -> Iterator[str]:
    for name in ENDPOINT_FIELDS:
        yield from (one["time_frame"] for one in record[name] or [] if one["time_frame"] is not None)
