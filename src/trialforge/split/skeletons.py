"""Skeletons: what a record to be written looks like, drawn block by block from different real trials.

Which fields are filled, how many items they have and how long texts are says nothing of the label: these
are drawn from the trials of a stratum whatever their label. Design, eligibility and size may depend on it:
they are drawn from those of the target's label. No block but the subject comes from the trial that another
block comes from, as far as the stratum has enough trials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.trial.checks.target import names_intervention
from trialforge.trial.controls import CONTROLS
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.record import Row
from trialforge.trial.skeleton import ArmShape, Donors, EndpointShape, InterventionShape, Skeleton
from trialforge.trial.text import plain_text

if TYPE_CHECKING:
    import polars as pl

MIN_STRATUM = 5  # trials; below, the stratum is widened
_TEXTS = ("title", "official_title", "summary", "detailed_description")
_DESIGN = ("allocation", "intervention_model", "masking", "primary_purpose")
_NEIGHBOURS = 2  # places in the sorted enrolments of a stratum that a drawn one may be moved by


class Donorhood:
    """The trials that skeletons are drawn from, with what each of them could give.

    Args:
        train: labelled registration views with `normalized_interventions`.
        max_words: what is written in one answer has no more words; a trial with more gives no lengths.
    """

    def __init__(self, train: pl.DataFrame, max_words: int) -> None:
        self.rows = [_measure(row) for row in train.sort("nct_id").iter_rows(named=True)]
        self.short = [row for row in self.rows if row["longest"] <= max_words] or self.rows
        self.max_words = max_words

    def draw(self, target: Row, subject: Row, stream: np.random.Generator) -> Skeleton:
        """Return a skeleton for a target.

        Args:
            target: `intervention`, `phase` and `label`; None asks for what trials of any label have.
            subject: the trial that the target's conditions and phase come from.
            stream: of all draws.
        """
        name, label = target["intervention"], target["label"]
        taken = {subject["nct_id"]}

        def pick(rows: Sequence[Row], fits: Callable[[Row], bool] = lambda _row: True) -> Row:
            fitting = [row for row in rows if fits(row)] or list(rows)
            free = [row for row in fitting if row["nct_id"] not in taken] or fitting
            stratum = _stratum(free, target)
            donor = stratum[int(stream.integers(len(stratum)))]
            taken.add(donor["nct_id"])
            return donor

        own = [row for row in self.rows if label is None or row["label"] == label]
        texts, endpoints, criteria = pick(self.short), pick(self.short), pick(self.short)
        room = self.max_words - endpoints["endpoint_words"]
        form = pick(self.short, lambda row: row["arms_fit"] and row["arm_words"] <= room)
        # Of this intervention always: what a record lists beside it must have been given with it.
        alike = [row for row in own if name in (row["normalized_interventions"] or [])] or own
        design = pick(alike, _designs_like(alike, form, name))
        eligibility, size = pick(own), pick(own)
        oldest = pick(own, lambda row: _above(row["maximum_age"], eligibility["minimum_age"]))
        interventions = _interventions(design, form, name, self.rows)
        return Skeleton(
            **{field: texts["words"][field] for field in _TEXTS},
            keywords=len(texts["keywords"] or []),
            interventions=interventions,
            arms=_arms(design, form, name, interventions[0].name),
            primary_outcomes=_endpoints(endpoints["primary_outcomes"]),
            secondary_outcomes=_endpoints(endpoints["secondary_outcomes"]),
            inclusion=criteria["inclusion"],
            exclusion=criteria["exclusion"],
            **{field: design[field] for field in _DESIGN},
            minimum_age=eligibility["minimum_age"],
            maximum_age=oldest["maximum_age"]
            if _above(oldest["maximum_age"], eligibility["minimum_age"])
            else eligibility["maximum_age"],
            sex=eligibility["sex"],
            healthy_volunteers=eligibility["healthy_volunteers"],
            enrolment_planned=_near_enrolment(size, _stratum(own, target), stream),
            sponsor_class=size["sponsor_class"],
            condition_mesh=subject["condition_mesh"] or [],
            intervention_mesh=_mesh(design, subject, name),
            donors=Donors(
                subject=subject["nct_id"],
                texts=texts["nct_id"],
                endpoints=endpoints["nct_id"],
                criteria=criteria["nct_id"],
                design=design["nct_id"],
                eligibility=eligibility["nct_id"],
                size=size["nct_id"],
            ),
        )


def _measure(row: dict[str, Any]) -> dict[str, Any]:
    """A trial with the lengths of its texts and of its criteria's items, in words, in place of these."""
    lists = split_criteria(row["criteria"])
    words = {name: count_words(row[name]) for name in _TEXTS}
    criteria = [[count_words(item) or 1 for item in items] for items in lists]
    endpoints = [*(row["primary_outcomes"] or []), *(row["secondary_outcomes"] or [])]
    arms = [*(row["arms"] or []), *(row["interventions"] or [])]
    endpoint_words = _sum_words(endpoints, ("measure", "time_frame", "description"))
    arm_words = _sum_words(arms, ("label", "description"))
    header = sum(count or 0 for count in words.values())
    return {name: value for name, value in row.items() if name not in (*_TEXTS, "criteria")} | {
        "plain_conditions": _plain(row["conditions"]),
        "words": words,
        "inclusion": criteria[0],
        "exclusion": criteria[1],
        "endpoint_words": endpoint_words,
        "arm_words": arm_words,
        "longest": max(header, endpoint_words, arm_words, *map(sum, criteria)),
        "arms_fit": not row["arms"] or _are_sound(row["arms"]),
    }


def _plain(conditions: Iterable[str] | None) -> frozenset[str]:
    return frozenset(plain_text(one) for one in conditions or [])


def _sum_words(items: Sequence[Row], parts: Sequence[str]) -> int:
    return sum(count_words(item.get(part)) or 0 for item in items for part in parts)


def count_words(text: str | None) -> int | None:
    """Return the number of words between spaces; None of no text."""
    return len(text.split()) or None if text else None


def _are_sound(arms: Sequence[Row]) -> bool:
    """Tell whether every arm says what it gets, and no two get the same under the same type."""
    given = [(arm["type"], tuple(sorted(arm["interventions"] or []))) for arm in arms]
    filled = all(arm["interventions"] or arm["type"] == "No Intervention" for arm in arms)
    return filled and len({names for _, names in given}) == len(given)


def _stratum(rows: Sequence[Row], target: Row) -> Sequence[Row]:
    """The narrowest set of trials like the target that has MIN_STRATUM of them."""
    name, phase = target["intervention"], target["phase"]
    like = [row for row in rows if name in (row["normalized_interventions"] or [])]
    conditions = _plain(target["conditions"])
    area = [row for row in rows if conditions & row["plain_conditions"]]
    ladder = (
        [row for row in area if name in (row["normalized_interventions"] or [])],
        [row for row in like if row["phase"] == phase],
        like,
        [row for row in area if row["phase"] == phase],
        area,
        [row for row in rows if row["phase"] == phase],
    )
    return next((step for step in ladder if len(step) >= MIN_STRATUM), rows)


def _above(oldest: float | None, youngest: float | None) -> bool:
    return oldest is None or youngest is None or oldest > youngest


def _designs_like(rows: Sequence[Row], form: Row, name: str) -> Callable[[Row], bool]:
    """A design that has as many arms as the form, and gives the intervention in one of them."""
    count = len(form["arms"] or [])

    def fits(row: Row, arms: int) -> bool:
        if not row["arms_fit"] or len(row["arms"] or []) != arms:
            return False
        main = _main_name(row, name)
        return not arms or any(main in (arm["interventions"] or []) for arm in row["arms"])

    counts = {len(row["arms"] or []) for row in rows if fits(row, len(row["arms"] or []))}
    nearest = min(counts, key=lambda other: (abs(other - count), other), default=count)
    return lambda row: fits(row, nearest)


def _main_name(row: Row, name: str) -> str | None:
    """The intervention of a trial that is, or stands for, the one of that name."""
    names = [one["name"] for one in row["interventions"] or []]
    own = [one for one in names if names_intervention(one, name)]
    others = [one for one in names if plain_text(one) not in CONTROLS]
    return next(iter([*own, *others, *names]), None)


def _interventions(design: Row, form: Row, name: str, rows: Iterable[Row]) -> list[InterventionShape]:
    """The interventions of the design, the target's in the place of the main one and first."""
    main = _main_name(design, name)
    given = design["interventions"] or [{"type": None, "name": name, "other_names": []}]
    described = [one["description"] for one in form["interventions"] or []]
    shapes = []
    for place, one in enumerate(sorted(given, key=lambda one: one["name"] != main)):
        is_main = one["name"] == main and not names_intervention(one["name"], name)
        shown = described[min(place, len(described) - 1)] if described else None
        shapes.append(
            InterventionShape(
                type=one["type"],
                name=_surface_name(name, rows) if is_main else one["name"],
                other_names=[] if is_main else one["other_names"] or [],
                description=count_words(shown),
            )
        )
    unique: dict[str, InterventionShape] = {}
    for shape in shapes:
        unique.setdefault(plain_text(shape.name), shape)
    return list(unique.values())


def _surface_name(name: str, rows: Iterable[Row]) -> str:
    """An intervention as most trials write it."""
    names = (one["name"] for row in rows for one in row["interventions"] or [])
    found = Counter(one for one in names if names_intervention(one, name))
    return min(found, key=lambda one: (-found[one], one)) if found else name


def _arms(design: Row, form: Row, name: str, shown: str) -> list[ArmShape]:
    main = _main_name(design, name)
    told = form["arms"] or []
    shapes = []
    for place, arm in enumerate(design["arms"] or []):
        like = told[min(place, len(told) - 1)] if told else arm
        given = [shown if one == main else one for one in arm["interventions"] or []]
        shapes.append(
            ArmShape(
                type=arm["type"],
                interventions=given,
                label=count_words(like["label"]) or 1,
                description=count_words(like["description"]),
            )
        )
    return shapes


def _endpoints(endpoints: Sequence[Row] | None) -> list[EndpointShape]:
    return [
        EndpointShape(
            measure=count_words(one["measure"]) or 1,
            time_frame=count_words(one["time_frame"]),
            description=count_words(one["description"]),
        )
        for one in endpoints or []
    ]


def _mesh(design: Row, subject: Row, name: str) -> list[str]:
    """The terms of the trial whose interventions the record has, or of one that has the target's."""
    has_name = name in (design["normalized_interventions"] or [])
    return (design if has_name else subject)["intervention_mesh"] or []


def _near_enrolment(size: Row, rows: Sequence[Row], stream: np.random.Generator) -> int | None:
    """A planned enrolment near the donor's, as some trial of the stratum has it."""
    drawn = size["enrolment_planned"]
    known = sorted({row["enrolment_planned"] for row in rows if row["enrolment_planned"]})
    if drawn is None or not known:
        return None
    place = int(np.searchsorted(known, drawn)) + int(stream.integers(-_NEIGHBOURS, _NEIGHBOURS + 1))
    return int(known[min(max(place, 0), len(known) - 1)])
