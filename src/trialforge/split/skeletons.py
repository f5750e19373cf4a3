"""Skeletons: what a record to be written looks like, drawn block by block from different real trials.

Which fields are filled, how many items they have and how long texts are says nothing of the label: these
are drawn from the trials nearest to the subject, the trial that conditions and phase come from, whatever
their label. Design, ages and size may depend on it: they are drawn from the nearest of the target's label.
No block but the subject comes from the trial that another block comes from, as far as there are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.split.nearness import Nearness
from trialforge.trial.checks.target import names_intervention
from trialforge.trial.controls import CONTROLS
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.draft_fields import with_spares
from trialforge.trial.record import Row
from trialforge.trial.skeleton import ArmShape, Donors, EndpointShape, InterventionShape, Skeleton
from trialforge.trial.text import plain_text

if TYPE_CHECKING:
    import polars as pl

NEAREST = 5  # trials that a block is drawn from, and all that are as near as the last of them
ALIKE = 0.5  # cosine of the words of two trials' conditions, from which they count as the same disease
ADULT, GROWN = 18, 21  # years: trials of adults start at the first, those of children end at the second
_TEXTS = ("title", "official_title", "summary", "detailed_description")
_DESIGN = ("allocation", "intervention_model", "masking", "primary_purpose")
_NEIGHBOURS = 2  # places in the sorted enrolments of a label that a drawn one may be moved by


class Donorhood:
    """The trials that skeletons are drawn from, with what each of them could give.

    Args:
        train: labelled registration views with `normalized_interventions`.
        max_words: what is written in one answer, spare criteria included, has no more words; a trial with
            more gives no lengths.
    """

    def __init__(self, train: pl.DataFrame, max_words: int) -> None:
        train = train.sort("nct_id")
        measured = map(_measure, train.iter_rows(named=True))
        self.rows = [row | {"place": place} for place, row in enumerate(measured)]
        self.short = [row for row in self.rows if row["longest"] <= max_words] or self.rows
        self.max_words = max_words
        self._nearness = Nearness(train)
        self._places = {row["nct_id"]: row["place"] for row in self.rows}
        self._surface_names: dict[str, str] = {}

    def draw(self, target: Row, subject: Row, stream: np.random.Generator) -> Skeleton:
        """Return a skeleton for a target.

        Args:
            target: `intervention` and `label`; None asks for what trials of any label have.
            subject: the trial of `train` that the target's conditions and phase come from.
            stream: of all draws.
        """
        name, label = target["intervention"], target["label"]
        shared = self._nearness.compare(self._places[subject["nct_id"]], name)
        scores = shared["score"].to_numpy()
        taken = {subject["nct_id"]}

        def nearest(rows: Sequence[Row]) -> Sequence[Row]:
            near = scores[[row["place"] for row in rows]]
            least = np.sort(near)[-NEAREST:][0]
            return [row for row, score in zip(rows, near, strict=True) if score >= least]

        def pick(rows: Sequence[Row], fits: Callable[[Row], bool] = lambda _row: True) -> Row:
            fitting = [row for row in rows if fits(row)] or rows
            free = nearest([row for row in fitting if row["nct_id"] not in taken] or fitting)
            donor = free[int(stream.integers(len(free)))]
            taken.add(donor["nct_id"])
            return donor

        own = [row for row in self.rows if label is None or row["label"] == label]
        texts, endpoints, criteria = pick(self.short), pick(self.short), pick(self.short)
        room = self.max_words - endpoints["endpoint_words"]
        form = pick(self.short, lambda row: row["arms_fit"] and row["arm_words"] <= room)
        designs = self._designs(own, subject, shared, name)
        design = pick(designs, _designs_like(designs, form, name))
        # Sex, children or adults, patients or volunteers: these go with the disease.
        eligibility, size = pick(own, lambda row: _people(row) == _people(subject)), pick(own)
        ages = eligibility["minimum_age"]
        oldest = pick(own, lambda row: _people(row) == _people(eligibility) and row["minimum_age"] == ages)
        interventions = _interventions(design, form, name, self._surface_name(name))
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
            maximum_age=oldest["maximum_age"],
            sex=eligibility["sex"],
            healthy_volunteers=eligibility["healthy_volunteers"],
            enrolment_planned=_near_enrolment(size, own, stream),
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

    def _designs(self, own: Sequence[Row], subject: Row, shared: pl.DataFrame, name: str) -> Sequence[Row]:
        """The trials whose interventions and arms a record of the subject's disease may have.

        They gave this intervention, or another one that it can stand in for, to patients with the same
        disease. If there are none, they gave this one in the same therapeutic area, or in any if that of the
        subject is not known. If there are none either, it is the subject alone.
        """
        others = [row for row in own if row["nct_id"] != subject["nct_id"]]
        given, area = set(shared["intervention"].arg_true()), set(shared["area"].arg_true())
        same = set((shared["conditions"] >= ALIKE).arg_true())
        kind = self._usual_kind(given, name)
        tiers = (
            [r for r in others if r["place"] in same and (r["place"] in given or _has_place_for(r, kind))],
            [row for row in others if row["place"] in (given & area if area else given)],
            [row for row in own if row["nct_id"] == subject["nct_id"]],
        )
        return next((tier for tier in tiers if tier), own)

    def _usual_kind(self, given: Iterable[int], name: str) -> str | None:
        """The type that most trials give an intervention."""
        rows = (self.rows[place] for place in sorted(given))
        named = (one for row in rows for one in row["interventions"] or [])
        kinds = Counter(one["type"] for one in named if names_intervention(one["name"], name))
        return kinds.most_common(1)[0][0] if kinds else None

    def _surface_name(self, name: str) -> str:
        """An intervention as most trials write it."""
        if name not in self._surface_names:
            names = (one["name"] for row in self.rows for one in row["interventions"] or [])
            found = Counter(one for one in names if names_intervention(one, name))
            self._surface_names[name] = min(found, key=lambda one: (-found[one], one)) if found else name
        return self._surface_names[name]


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
        "words": words,
        "inclusion": criteria[0],
        "exclusion": criteria[1],
        "endpoint_words": endpoint_words,
        "arm_words": arm_words,
        "longest": max(header, endpoint_words, arm_words, *(sum(with_spares(words)) for words in criteria)),
        "arms_fit": not row["arms"] or _are_sound(row["arms"]),
    }


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


def _people(row: Row) -> tuple[Any, ...]:
    """Who may take part in a trial, in broad terms: adults alone, children alone, or either."""
    low, high = row["minimum_age"], row["maximum_age"]
    ages = "adults" if low and low >= ADULT else "children" if high and high <= GROWN else "either"
    return row["sex"], row["healthy_volunteers"], ages


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


def _has_place_for(row: Row, kind: str | None) -> bool:
    """Whether a trial's main intervention is of that kind, and no other one is named after it."""
    main = _main_name(row)
    if main is None or plain_text(main) in CONTROLS:
        return False
    words = set(plain_text(main).split())
    kinds = {one["type"] for one in row["interventions"] if one["name"] == main}
    others = [one["name"] for one in row["interventions"] if one["name"] != main]
    return kinds == {kind} and not any(words & set(plain_text(other).split()) for other in others)


def _main_name(row: Row, name: str | None = None) -> str | None:
    """The intervention of a trial that is, or would stand for, the one of that name."""
    names = [one["name"] for one in row["interventions"] or []]
    own = [one for one in names if name and names_intervention(one, name)]
    others = [one for one in names if plain_text(one) not in CONTROLS]
    return next(iter([*own, *others, *names]), None)


def _interventions(design: Row, form: Row, name: str, shown: str) -> list[InterventionShape]:
    """The interventions of the design, the target's, as `shown`, in the place of the main one and first."""
    main = _main_name(design, name)
    given = design["interventions"] or [{"type": None, "name": name, "other_names": []}]
    described = [one["description"] for one in form["interventions"] or []]
    shapes = []
    for place, one in enumerate(sorted(given, key=lambda one: one["name"] != main)):
        is_main = one["name"] == main and not names_intervention(one["name"], name)
        like = described[min(place, len(described) - 1)] if described else None
        shapes.append(
            InterventionShape(
                type=one["type"],
                name=shown if is_main else one["name"],
                other_names=[] if is_main else one["other_names"] or [],
                description=count_words(like),
            )
        )
    unique: dict[str, InterventionShape] = {}
    for shape in shapes:
        unique.setdefault(plain_text(shape.name), shape)
    return list(unique.values())


def _arms(design: Row, form: Row, name: str, shown: str) -> list[ArmShape]:
    """The arms of a design, as long as those of the form; none where the form has none."""
    told = form["arms"] or []
    if not told or not design["arms_fit"]:
        return []
    main = _main_name(design, name)
    shapes = []
    for place, arm in enumerate(design["arms"] or []):
        like = told[min(place, len(told) - 1)]
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
    """A planned enrolment near the donor's, as some trial of the rows has it."""
    drawn = size["enrolment_planned"]
    known = sorted({row["enrolment_planned"] for row in rows if row["enrolment_planned"]})
    if drawn is None or not known:
        return None
    place = int(np.searchsorted(known, drawn)) + int(stream.integers(-_NEIGHBOURS, _NEIGHBOURS + 1))
    return int(known[min(max(place, 0), len(known) - 1)])
