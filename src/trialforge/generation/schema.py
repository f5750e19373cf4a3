"""The JSON schema of a draft: the fields that the model writes, in order, with bounds.

Types and allowed words come from the definition of Trial; the bounds are the one table below.
What the plan decides is no choice of the model: it repeats intervention, condition and phase, and
never says the label. There is no `pattern` in it: engines treat regular expressions differently.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, field_validator

from trialforge.core.params import Section
from trialforge.trial.record import Trial


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a field may hold: characters of a text, items of a list, or the range of a number."""

    low: int
    high: int


# Long enough for most registry entries, short enough that a small model stays on its subject. A text that
# runs into its bound ends in odd tokens: close to it only short ones fit, Chinese characters among them.
TEXT_BOUNDS: dict[str, Bound] = {
    "title": Bound(15, 200),
    "official_title": Bound(20, 220),
    "summary": Bound(40, 300),
    "detailed_description": Bound(80, 900),
    "arms.label": Bound(3, 60),
    "primary_outcomes.measure": Bound(8, 120),
    "primary_outcomes.time_frame": Bound(3, 40),
    "secondary_outcomes.measure": Bound(8, 120),
    "secondary_outcomes.time_frame": Bound(3, 40),
    "inclusion": Bound(8, 100),
    "exclusion": Bound(8, 100),
    "keywords": Bound(3, 40),
}
LIST_BOUNDS: dict[str, Bound] = {
    "primary_outcomes": Bound(1, 1),
    "secondary_outcomes": Bound(1, 2),
    "inclusion": Bound(2, 3),
    "exclusion": Bound(2, 3),
    "keywords": Bound(2, 3),
}
NUMBER_BOUNDS: dict[str, Bound] = {"enrolment_planned": Bound(8, 5000)}
# Years: a minimum age from `low` to `high` goes with a maximum above `high`, or with none. So no minimum
# lies above its maximum, and all but the narrowest groups can be said.
AGE_STEPS = (0, 1, 3, 6, 12, 18, 21, 30, 40, 50, 60, 70, 81)
OLDEST = 110
CUT_MARK = "[...]"  # ends a text of an exemplar that was cut; a draft that repeats it loses it
# The two halves of the registry's one criteria text.
CRITERIA_FIELDS = ("inclusion", "exclusion")
# In the order in which a registrant thinks: the design decides the arms, the arms the endpoints.
DRAFT_FIELDS = (
    "title", "official_title", "summary", "detailed_description", "primary_purpose", "design",
    "primary_outcomes", "secondary_outcomes", "inclusion", "exclusion",
    "ages", "sex", "healthy_volunteers", "enrolment_planned", "keywords",
)  # fmt: skip
DEFAULT_FIELDS = (
    "title", "summary", "primary_purpose", "design", "primary_outcomes", "inclusion", "exclusion",
    "ages", "sex", "healthy_volunteers", "enrolment_planned",
)  # fmt: skip
# What no check of a record lets be absent.
NEEDED_FIELDS = ("title", "summary", "inclusion", "exclusion")
_PARTS: dict[str, tuple[str, ...]] = {
    "arms": ("label", "type"),
    "primary_outcomes": ("measure", "time_frame"),
    "secondary_outcomes": ("measure", "time_frame"),
}
# A trial of one group has one arm and no allocation; a comparison has two or more arms and an
# allocation. Said in the schema, so that no draft contradicts itself.
DESIGN_FIELDS = ("allocation", "intervention_model", "masking", "arms")
AGE_FIELDS = ("minimum_age", "maximum_age")


class DraftFields(Section):
    """Which fields a draft holds: all that the form of a draft needs of section `generation`."""

    model_config = ConfigDict(extra="ignore")

    fields: tuple[str, ...] = DEFAULT_FIELDS

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in fields if name not in DRAFT_FIELDS]
        if unknown or len(set(fields)) < len(fields):
            raise ValueError(f"each at most once of {', '.join(DRAFT_FIELDS)}; not {', '.join(unknown)}")
        lacking = [name for name in NEEDED_FIELDS if name not in fields]
        if lacking:
            raise ValueError(f"no record is valid without {', '.join(lacking)}")
        return tuple(name for name in DRAFT_FIELDS if name in fields)


def draft_schema(
    fields: tuple[str, ...] = DEFAULT_FIELDS, given: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the JSON schema of a draft that holds `fields`, after what is `given` and only repeated.

    A small model that has just written the target's condition stays with it.
    """
    composed = {"design": _design, "ages": _ages}
    repeated = {name: _only(text) for name, text in given.items()}
    return closed_object(
        repeated | {name: composed[name]() if name in composed else field_schema(name) for name in fields}
    )


def field_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of field `name` of Trial, or of one half of its criteria."""
    if name in CRITERIA_FIELDS:
        return _array(name, bounded_string(name))
    return _schema(Trial.model_fields[name].annotation, name)


def _ages() -> dict[str, Any]:
    bounds = [Bound(low, after - 1) for low, after in pairwise(AGE_STEPS)]
    return {
        "anyOf": [_age_range(_integer(bound), _integer(Bound(bound.high + 1, OLDEST))) for bound in bounds]
        + [_age_range({"type": "null"}, _integer(Bound(1, OLDEST)))]
    }


def _age_range(lowest: dict[str, Any], highest: dict[str, Any]) -> dict[str, Any]:
    ages = (lowest, {"anyOf": [highest, {"type": "null"}]})
    return closed_object(dict(zip(AGE_FIELDS, ages, strict=True)))


def _integer(bound: Bound) -> dict[str, Any]:
    return {"type": "integer", "minimum": bound.low, "maximum": bound.high}


def _design() -> dict[str, Any]:
    arm = field_schema("arms")["items"]["properties"]
    single = {
        "allocation": _only("N/A"),
        "intervention_model": _only("Single Group"),
        "masking": _only("None"),
        "arms": {"type": "array", "minItems": 1, "maxItems": 1, "items": closed_object(
            arm | {"type": _only("Experimental")}
        )},
    }  # fmt: skip
    compared = {
        "allocation": _without(field_schema("allocation"), "N/A"),
        "intervention_model": _without(field_schema("intervention_model"), "Single Group"),
        "masking": field_schema("masking"),
        "arms": {"type": "array", "minItems": 2, "maxItems": 2, "items": closed_object(
            arm | {"type": _without(arm["type"], "Other")}
        )},
    }  # fmt: skip
    return {"anyOf": [closed_object(single), closed_object(compared)]}


def _without(schema: dict[str, Any], word: str) -> dict[str, Any]:
    return schema | {"enum": [value for value in schema["enum"] if value != word]}


def _only(word: str) -> dict[str, Any]:
    return {"type": "string", "enum": [word]}


def _schema(annotation: Any, name: str) -> dict[str, Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _schema(get_args(annotation)[0], name)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return _schema(inner, name)
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if origin is list:
        return _array(name, _schema(get_args(annotation)[0], name))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return closed_object(
            {
                part: _schema(annotation.model_fields[part].annotation, f"{name}.{part}")
                for part in _PARTS[name]
            }
        )
    if annotation is bool:
        return {"type": "boolean"}
    if annotation in (int, float):
        return _integer(NUMBER_BOUNDS[name])
    if annotation is str:
        return bounded_string(name)
    raise TypeError(f"no JSON schema for {annotation!r} of {name}")


def bounded_string(name: str) -> dict[str, Any]:
    """Return the JSON schema of a text with its bounds."""
    return {"type": "string", "minLength": TEXT_BOUNDS[name].low, "maxLength": TEXT_BOUNDS[name].high}


def _array(name: str, items: dict[str, Any]) -> dict[str, Any]:
    bound = LIST_BOUNDS.get(name, Bound(1, 3))
    return {"type": "array", "minItems": bound.low, "maxItems": bound.high, "items": items}


def closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object that has all of `properties` and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
