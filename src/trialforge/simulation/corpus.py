"""The simulated corpus: registry-shaped trials whose outcome is drawn from `simulated_model`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from trialforge.core.rng import random_stream
from trialforge.simulation.areas import AREAS, Drug
from trialforge.simulation.model import MASKINGS, PHASES, SPONSORS, success_probability
from trialforge.simulation.text import (
    COMPARATORS,
    CONTACTS,
    COUNTRIES,
    HINDSIGHT,
    OFFICIAL_TITLES,
    TITLES,
    WHY_STOPPED,
    Design,
    choose,
    draw_signs,
    fill,
    slots_of,
    word_criteria,
    word_description,
    word_summary,
)
from trialforge.trial.record import Analysis, Arm, Endpoint, Intervention, Trial, trials_to_frame

EPOCH = date(2006, 1, 1)
YEARS = 14
_PHASE_SHARE = (0.15, 0.4, 0.3, 0.15)
_DURATION_YEARS = {"Phase 1": 0.7, "Phase 2": 1.4, "Phase 3": 2.2, "Phase 4": 1.5}
BATCH = 1000


def simulate(count: int, seed: int) -> pl.DataFrame:
    """Return `count` simulated trials (TRIAL_SCHEMA); a longer corpus begins with the shorter one."""
    return pl.concat(simulate_batches(count, seed))


def simulate_batches(count: int, seed: int) -> Iterator[pl.DataFrame]:
    """Yield simulated trials in batches; about one in fifty repeats the words of an earlier one."""
    for first in range(1, count + 1, BATCH):
        numbers = range(first, min(first + BATCH, count + 1))
        streams = [random_stream(seed, "simulated", number) for number in numbers]
        registered = [
            _registration(number, seed, stream) for number, stream in zip(numbers, streams, strict=True)
        ]
        chances = success_probability(trials_to_frame(registered))
        yield trials_to_frame(
            [
                trial.model_copy(update=_course(trial, int(stream.random() < chance), stream))
                for trial, chance, stream in zip(registered, chances, streams, strict=True)
            ]
        )


def _draw_design(stream: np.random.Generator) -> Design:
    area = AREAS[choose(stream, tuple(AREAS))]
    weights = 1 / np.arange(1, len(area.drugs) + 1) ** 0.5
    first = area.drugs[int(stream.choice(len(area.drugs), p=weights / weights.sum()))]
    condition = choose(stream, first.conditions)
    partners = [drug for drug in area.drugs if drug != first and condition in drug.conditions]
    drugs = (first, choose(stream, partners)) if partners and stream.random() < 0.2 else (first,)
    phase = tuple(PHASES)[int(stream.choice(len(PHASES), p=_PHASE_SHARE))]
    controlled = stream.random() < (0.3 if phase == "Phase 1" else 0.8)
    return Design(
        area=area,
        drugs=drugs,
        condition=condition,
        phase=phase,
        masking=choose(stream, tuple(MASKINGS)) if controlled else "None",
        allocation="Randomized" if controlled else "Non-Randomized",
        comparator=choose(stream, COMPARATORS) if controlled else None,
        endpoint=choose(stream, area.endpoints),
        signs=draw_signs(stream),
    )


def _registration(number: int, seed: int, chooser: np.random.Generator) -> Trial:
    twin = number - int(chooser.integers(1, 50)) if chooser.random() < 0.02 else number
    stream = random_stream(seed, "simulated-words", max(twin, 1))
    design = _draw_design(stream)
    slots = slots_of(design, stream)
    interventions = [_intervention(drug, choose(stream, drug.doses), stream) for drug in design.drugs]
    experimental = Arm(
        label=slots["drugs"], type="Experimental", interventions=[one.name for one in interventions]
    )
    arms = [experimental]
    if design.comparator:
        kind = "Placebo Comparator" if design.comparator == "placebo" else "Active Comparator"
        interventions.append(Intervention(type="Other", name=design.comparator.capitalize()))
        arms.append(
            Arm(label=design.comparator.capitalize(), type=kind, interventions=[interventions[-1].name])
        )
    minimum_age = float(choose(stream, (18, 18, 18, 21, 40, 50)))
    secondary = [one for one in design.area.endpoints if one != design.endpoint]
    return Trial(
        nct_id=f"SIM{number:08d}",
        source="simulated",
        title=fill(choose(stream, TITLES), slots),
        official_title=fill(choose(stream, OFFICIAL_TITLES), slots),
        phase=design.phase,
        study_type="Interventional",
        conditions=[slots["condition"]],
        interventions=interventions,
        summary=word_summary(slots, stream),
        allocation=design.allocation,
        intervention_model="Parallel" if design.comparator else "Single Group",
        masking=design.masking,
        primary_purpose="Treatment",
        arms=arms,
        primary_outcomes=[Endpoint(measure=design.endpoint[0], time_frame=design.endpoint[1])],
        secondary_outcomes=[Endpoint(measure=name, time_frame=frame) for name, frame in secondary],
        criteria=word_criteria(design, minimum_age, stream),
        minimum_age=minimum_age,
        maximum_age=float(choose(stream, (65, 75, 80))) if stream.random() < 0.6 else None,
        sex="All",
        healthy_volunteers=False,
        enrolment_planned=int(choose(stream, (24, 40, 60, 120, 200, 300, 450))),
        detailed_description=word_description(slots, stream),
        keywords=[slots["condition"], design.drugs[0].drug_class],
        condition_mesh=[design.condition],
        intervention_mesh=[drug.name for drug in design.drugs],
        sponsor_class=choose(stream, tuple(SPONSORS)),
    )


def _intervention(drug: Drug, dose: str, stream: np.random.Generator) -> Intervention:
    """Return a drug under its own name or, in one of ten, under its brand."""
    branded = stream.random() < 0.1
    name, other = (drug.brand, drug.name) if branded else (drug.name.capitalize(), drug.brand)
    patterns = ("{lower}", "{name}", "{name} {dose}", "{lower} {dose} {form}", "{name} {form}")
    pattern = patterns[int(stream.choice(len(patterns), p=(0.3, 0.3, 0.2, 0.1, 0.1)))]
    return Intervention(
        type="Drug",
        name=pattern.format(name=name, lower=name if branded else drug.name, dose=dose, form=drug.form),
        other_names=[other] if branded or stream.random() < 0.5 else [],
        description=f"{dose} as {drug.form}; {drug.drug_class}",
    )


def _course(trial: Trial, outcome: int, stream: np.random.Generator) -> dict[str, object]:
    """Return how a trial went: dates, status, results and, in a few, a word of hindsight in the text."""
    start = EPOCH + timedelta(days=int(stream.integers(YEARS * 365)))
    planned = _DURATION_YEARS[str(trial.phase)] * 365 * stream.uniform(0.6, 1.4)
    lasted = planned if outcome else planned * stream.uniform(0.3, 0.9)
    end = start + timedelta(days=int(lasted))
    first_submitted = start - timedelta(days=int(stream.integers(10, 120)))
    status = "Completed" if outcome else str(stream.choice(("Terminated", "Withdrawn"), p=(0.8, 0.2)))
    withdrawn = status == "Withdrawn"
    posts = not withdrawn and stream.random() < 0.4
    p_value = (
        stream.uniform(0.0001, 0.049) if outcome == (stream.random() < 0.9) else stream.uniform(0.06, 0.9)
    )
    planned_size = trial.enrolment_planned or 0
    description = trial.detailed_description or ""
    if stream.random() < 0.05:
        description += " " + choose(stream, HINDSIGHT[outcome])
    if stream.random() < 0.04:
        description += " " + choose(stream, CONTACTS)
    return {
        "detailed_description": description,
        "first_submitted": first_submitted,
        "enrolment_actual": 0
        if withdrawn
        else int(planned_size * (1 if outcome else stream.uniform(0.1, 0.8))),
        "countries": [] if withdrawn else [choose(stream, COUNTRIES)],
        "start_date": start,
        "primary_completion_date": end,
        "completion_date": end,
        "last_updated": end + timedelta(days=int(stream.integers(30, 400))),
        "status": status,
        "why_stopped": None if outcome else choose(stream, WHY_STOPPED),
        "has_results": posts,
        "primary_analyses": [Analysis(p_value=f"{p_value:.3f}", method="ANCOVA")] if posts else [],
    }
