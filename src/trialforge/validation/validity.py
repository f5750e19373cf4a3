"""Is a record a possible trial, and the one that was asked for? Each check is a name and an expression."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl

from trialforge.trial.record import REGISTRATION_FIELDS, SYNTHETIC_PREFIX, field_info
from trialforge.validation.params import ValidationParams

MAX_AGE_YEARS = 120.0
REQUIRED_TEXT = ("title", "summary", "criteria")
REQUIRED_LISTS = ("conditions", "interventions")

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
_AMOUNT = r"(\d[\d,]*(?:\.\d+)?)"
# A time frame names a time: a number, a unit, or an event that bounds it.
_TIME_WORD = (
    r"(?i)\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|time)\b|"
    r"\b(?:minute|min|hour|hr|day|week|wk|month|mth|mo|year|yr)s?\b|"
    r"\b(?:baseline|visits?|cycles?|daily|weekly|monthly|yearly|annual\w*|contin\w*|ongoing|immediate\w*|once|"
    r"during|until|till|after|before|at|to|up|from|through\w*|end|follow|post\w*|pre\w*|prior|per|while|when|"
    r"randomi[sz]ation|assessments?|enrolment|enrollment|screening|surgery|course|last|first|between|"
    r"duration|perioperative|intraoperative|period|overall|surviv\w*|death|progress\w*|discharge|admission|"
    r"hospitali[sz]\w*|treatment|therapy|study|intermittent\w*|interventional|every|each|within|term)\b"
)
_EXCLUDING = (
    r"(?i)exclu|ineligible|\b(?:no|not|never|none|without|unless|cannot|absence|negative|free of|less than|"
    r"contraindicat\w*)\b"
)
_INCLUSION, _EXCLUSION = (
    rf"(?im:^\W*(?:key |main |major )?{part}(?: criteria)?[^\w\n]*$|\b{part} criteria[^\w\n]*:)"
    for part in ("inclusion", "exclusion")
)
_INCLUDING = (
    r"(?i)inclu|eligib|characteristics|\b(?:must|require[sd]?|diagnos\w*|confirmed|with|who|aged?|ages|adults?|"
    r"healthy|willing|able|presence|history|positive|allowed|years?|males?|females?|patients?|subjects?)\b"
)


@dataclass(frozen=True, slots=True)
class Check:
    """A way to be invalid: `bad` is true for the rows that are to be rejected under `name`."""

    name: str
    bad: pl.Expr


def is_true(expr: pl.Expr) -> pl.Expr:
    """Return `expr` with null read as false."""
    return expr.fill_null(value=False)


def _literal_values(annotation: Any) -> tuple[Any, ...] | None:
    origin = get_origin(annotation)
    if origin is Literal:
        return get_args(annotation)
    if origin in (Union, types.UnionType, Annotated):
        found = (
            _literal_values(arg) for arg in get_args(annotation)[: None if origin is not Annotated else 1]
        )
        return next((values for values in found if values), None)
    return None


def _unknown_values() -> pl.Expr:
    """True where a field of closed vocabulary has a value outside it."""
    faults = [
        is_true(~pl.col(name).is_in(list(values)))
        for name in REGISTRATION_FIELDS
        if (values := _literal_values(field_info(name).annotation))
    ]
    return pl.any_horizontal(faults)


def _blank(expr: pl.Expr) -> pl.Expr:
    return expr.str.strip_chars().str.len_chars().fill_null(0) == 0


def schema_checks() -> list[Check]:
    """Return the checks of identity, vocabulary and presence of the fields that a trial can't lack."""
    identity = ~pl.col("nct_id").str.starts_with(SYNTHETIC_PREFIX) | (pl.col("source") != "synthetic")
    nameless = pl.col("interventions").list.eval(_blank(pl.element().struct.field("name"))).list.any()
    measureless = (
        pl.col("primary_outcomes").list.eval(_blank(pl.element().struct.field("measure"))).list.any()
    )
    return [
        Check("identity", identity.fill_null(value=True)),
        Check("vocabulary", _unknown_values()),
        *(Check(f"no_{name}", _blank(pl.col(name))) for name in REQUIRED_TEXT),
        *(Check(f"no_{name}", pl.col(name).list.len().fill_null(0) == 0) for name in REQUIRED_LISTS),
        Check("nameless_intervention", is_true(nameless)),
        Check("nameless_endpoint", is_true(measureless)),
    ]


def _folded(expr: pl.Expr) -> pl.Expr:
    return expr.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def target_checks() -> list[Check]:
    """Return the checks against the plan, whose columns stand beside the record's as `target_*`.

    A condition is met when one of the asked names and one of the record's are equal or one holds the
    other, after case and punctuation are folded; an intervention likewise.
    """
    asked = _folded(pl.col("target_intervention"))
    given = pl.concat_list(
        pl.col("normalized_interventions").fill_null([]),
        pl.col("interventions").list.eval(pl.element().struct.field("name")).fill_null([]),
    ).list.eval(_folded(pl.element()))
    named = given.list.join("\n")
    conditions = pl.col("conditions").list.eval(_folded(pl.element())).list.join("\n")
    wanted = pl.col("target_conditions").list.eval(_folded(pl.element()))
    either_way = pl.any_horizontal(
        _any_inside(wanted, conditions),
        _any_inside(pl.col("conditions").list.eval(_folded(pl.element())), wanted.list.join("\n")),
    )
    return [
        Check("off_intervention", is_true(~named.str.contains(asked, literal=True))),
        Check("off_condition", is_true(~either_way) & (pl.col("target_conditions").list.len() > 0)),
        Check("off_phase", ~pl.col("phase").eq_missing(pl.col("target_phase"))),
        Check("off_label", ~pl.col("label").eq_missing(pl.col("target_label"))),
    ]


def _any_inside(names: pl.Expr, text: pl.Expr, most: int = 8) -> pl.Expr:
    """True where one of the first `most` names stands in the text."""
    return pl.any_horizontal(
        is_true(text.str.contains(names.list.get(place, null_on_oob=True), literal=True))
        for place in range(most)
    )


def number_checks(params: ValidationParams) -> list[Check]:
    """Return the checks of ages (years), enrolment and time frames."""
    low, high = pl.col("minimum_age"), pl.col("maximum_age")
    outside = [is_true(age < 0) | is_true(age > MAX_AGE_YEARS) for age in (low, high)]
    ages = pl.any_horizontal(*outside, is_true(low >= high), is_true(high <= 0))
    enrolment = pl.col("enrolment_planned")
    frames = pl.concat_list("primary_outcomes", "secondary_outcomes").list.eval(
        pl.element().struct.field("time_frame")
    )
    return [
        Check("impossible_age", ages),
        Check("impossible_enrolment", is_true((enrolment <= 0) | (enrolment > params.max_enrolment))),
        Check("unreadable_time_frame", is_true(frames.list.eval(_unreadable_time(pl.element())).list.any())),
        Check(
            "impossible_time_frame",
            is_true(frames.list.eval(_impossible_time(pl.element(), params.max_time_frame_years)).list.any()),
        ),
    ]


def _unreadable_time(frame: pl.Expr) -> pl.Expr:
    return frame.is_not_null() & ~frame.str.contains(_TIME_WORD)


def _impossible_time(frame: pl.Expr, max_years: float) -> pl.Expr:
    """True where a time frame has a negative, zero or unbelievably long duration."""
    faults = [
        is_true(
            frame.str.contains(r"(?i)(?:^|\b(?:in|within|after|for|over|up to|until)\s+)-\s?\d+\s*" + _UNIT)
        )
    ]
    for unit, days in _UNITS.items():
        amounts = frame.str.extract_all(rf"(?i){_AMOUNT}[\s-]*(?:{unit})\b").list.eval(
            pl.element().str.extract(_AMOUNT).str.replace_all(",", "").cast(pl.Float64)
        )
        faults.append(is_true(amounts.list.max() * days > max_years * _DAYS_OF_YEAR))
    only_zero = frame.str.contains(r"(?i)^\s*0+(?:\.0+)?\s*" + _UNIT + r"\s*$")
    return pl.any_horizontal(*faults, is_true(only_zero))


def criteria_checks(params: ValidationParams) -> list[Check]:
    """Return the checks of eligibility criteria: long enough, and both parts where one is headed.

    Criteria in running text, as a tenth of registered trials have them, need no second part.
    """
    criteria = pl.col("criteria")
    words = criteria.str.count_matches(r"\S+")
    including, excluding = criteria.str.contains(_INCLUSION), criteria.str.contains(_EXCLUSION)
    no_exclusion = including & ~criteria.str.contains(_EXCLUDING)
    no_inclusion = excluding & ~criteria.str.contains(_INCLUDING)
    empty_part = criteria.str.contains(rf"(?:{_INCLUSION}\W*{_EXCLUSION})|(?:{_EXCLUSION}\W*\z)")
    return [
        Check("short_criteria", is_true(words < params.min_criteria_words)),
        Check("one_sided_criteria", is_true(no_exclusion | no_inclusion | empty_part)),
    ]
