"""A trial, a target and the texts of its draft, and a model of queued answers whose history can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.params import load_section
from trialforge.generation.asking import Answer
from trialforge.generation.drafts import DraftWriter
from trialforge.generation.params import GenerationParams
from trialforge.generation.record import Draft
from trialforge.llm.backend import Completion, FinishReason, Message, Request
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.exemplars import COPIED_FIELDS
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import record_checks
from trialforge.trial.checks.reference import Reference
from trialforge.trial.criterion_kinds import CriterionKinds
from trialforge.trial.draft_fields import FIELDS_OF_PART, PARTS, PROSE_FIELDS, PartName
from trialforge.trial.record import Arm, Endpoint, Intervention, Trial
from trialforge.trial.skeleton import ArmShape, Donors, InterventionShape, Skeleton

SKELETON: dict[str, Any] = Skeleton(
    interventions=[
        InterventionShape(type="Drug", name="Levodopa"),
        InterventionShape(type="Drug", name="Placebo"),
    ],
    arms=[
        ArmShape(type="Experimental", interventions=["Levodopa"], label=2),
        ArmShape(type="Placebo Comparator", interventions=["Placebo"], label=2),
    ],
    primary_outcomes=[],
    secondary_outcomes=[],
    inclusion=[],
    exclusion=[],
    allocation="Randomized",
    intervention_model="Parallel",
    masking="Double",
    primary_purpose="Treatment",
    minimum_age=40.0,
    sex="All",
    healthy_volunteers=False,
    enrolment_planned=90,
    sponsor_class="Industry",
    condition_mesh=["Parkinson Disease"],
    donors=Donors(**{block: f"SIM-{block}" for block in Donors.model_fields}),
).model_dump()
# What a model may answer, part by part: the fields of all four parts together.
TEXTS: dict[str, Any] = {
    "title": "Levodopa Inhaled Powder in Parkinson Disease",
    "summary": {"1": "The study asks whether inhaled levodopa ends off periods of Parkinson disease sooner."},
    "arms": {"1": {"label": "Levodopa powder"}, "2": {"label": "Placebo powder"}},
    "primary_outcomes": {
        "1": {
            "measure": "Minutes until the off period ends",
            "time_frame": {"number": 8, "unit": "weeks"},
        }
    },
    "inclusion": {"1": "Diagnosis of Parkinson Disease", "2": "Two off periods a day"},
    "exclusion": {"1": "Chronic obstructive pulmonary disease", "2": "Smoking within a year"},
}


def numbered(*texts: Any) -> dict[str, Any]:
    """Texts of a list as an answer has them."""
    return {str(place): text for place, text in enumerate(texts, start=1)}


def make_target(texts: Mapping[str, Any] = TEXTS, **changes: Any) -> dict[str, Any]:
    """A target whose skeleton has room for just these texts."""
    skeleton = SKELETON | {name: _shape(name, value) for name, value in texts.items()}
    target = {
        "target_id": "T-1", "intervention": "levodopa", "conditions": ["Parkinson Disease"],
        "phase": "Phase 2", "label": 0, "arm": "retrieval-reasoning", "generation": 0, "seed": 7,
        "exemplars": ["SIM1"], "reasons": [], "other_reasons": [], "reasons_id": "R-1",
        "skeleton": skeleton,
    }  # fmt: skip
    return target | changes


def _shape(name: str, value: Any) -> Any:
    """The numbers of words of an answer's texts, as a skeleton has them."""
    if isinstance(value, str):
        return len(value.split())
    if name in PROSE_FIELDS:
        return sum(len(text.split()) for text in value.values())
    if name == "keywords":
        return len(value)
    if name in ("inclusion", "exclusion"):
        return [len(text.split()) for text in value.values()]
    blank = {"description": None} | ({} if name in ("arms", "interventions") else {"time_frame": None})
    shapes = []
    for place, item in enumerate(value.values()):
        given = SKELETON[name][place] if name in ("arms", "interventions") else {}
        words = {part: 2 if isinstance(text, dict) else len(text.split()) for part, text in item.items()}
        shapes.append(blank | given | words)
    return shapes


TARGET = make_target()


def part_answer(part: PartName, texts: Mapping[str, Any] = TEXTS) -> dict[str, Any]:
    """The answer to one part."""
    return {name: texts[name] for name in FIELDS_OF_PART[part] if name in texts}


def write_draft(writer: DraftWriter, target: Mapping[str, Any], texts: Mapping[str, Any] = TEXTS) -> Draft:
    """The draft of a target whose model answers with these texts.

    Raises:
        Fault: a part is refused.
    """
    draft = Draft(target, writer.show_all(target))
    for part in PARTS:
        if answer := part_answer(part, texts):
            value = writer.ask(draft, part).accept(json.dumps(answer))
            draft.take(Answer(value, None, 0, 5, "d" * 64))
    return draft


def make_trial(nct_id: str = "SIM1", label: int | None = 0, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "nct_id": nct_id,
        "source": "simulated",
        "title": "Slow Release Levodopa Against Wearing-Off",
        "phase": "Phase 2",
        "conditions": ["Parkinson Disease"],
        "interventions": [Intervention(type="Drug", name="Levodopa 100 mg")],
        "summary": "This study tests whether levodopa shortens the hours in which it does not work.",
        "allocation": "Randomized",
        "intervention_model": "Parallel",
        "masking": "Double",
        "primary_purpose": "Treatment",
        "healthy_volunteers": False,
        "arms": [
            Arm(label="Levodopa", type="Experimental"),
            Arm(label="Placebo", type="Placebo Comparator"),
        ],
        "primary_outcomes": [Endpoint(measure="Hours of off time each day", time_frame="12 weeks")],
        "criteria": "Inclusion Criteria:\n\n- Age of 40 years or older\n- Off time of two hours a day"
        "\n\nExclusion Criteria:\n\n- Dementia at screening\n- Deep brain stimulation",
        "minimum_age": 40.0,
        "sex": "All",
        "enrolment_planned": 120,
        "label": label,
    }
    return Trial.model_validate(values | changes).model_dump()


ROOT = Path(__file__).resolve().parents[3]


def make_checks(
    *trials: dict[str, Any], kinds: CriterionKinds | None = None, copies: float = 0.1
) -> list[Check]:
    """The checks of the default run, where the prompt showed these trials.

    `copies` is how much of a text may stand in them.
    """
    bounds = load_section(CheckParams, "checks", ROOT / "params.yaml")
    reference = Reference(copies=dict.fromkeys(COPIED_FIELDS, copies), kinds=kinds)
    return record_checks(bounds, {trial["nct_id"]: trial for trial in trials}, reference)


def make_writer(*trials: dict[str, Any], **params: Any) -> DraftWriter:
    """The writer of the default run, with these trials as exemplars."""
    known = {trial["nct_id"]: trial for trial in trials}
    return DraftWriter(known, GenerationParams(**params), 4096, make_checks(*trials))


class QueuedGenerator:
    """Answers from a queue; `history` has the requests. For turns that no real engine takes on demand."""

    engine, model, model_digest, context_tokens = "queue 1", "queued", "d" * 64, 4096

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.history: list[Request] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for index, request in enumerate(requests):
            self.history.append(request)
            answer = self._answers.pop(0)
            finish: FinishReason = "length" if answer == "cut" else "stop"
            text = answer if isinstance(answer, str) else json.dumps(answer)
            yield index, Completion(text, 10, 4, 5, self.model_digest, finish)

    def close(self) -> None:
        pass


# Each trial of its own drug and its own words, so that a text can be of one of them.
OTHER_WORDS = (
    "asthma spirometry", "psoriasis plaques", "migraine aura", "sepsis lactate", "glaucoma pressure",
    "anaemia ferritin", "hepatitis fibrosis", "lymphoma remission", "obesity waist", "osteoporosis fracture",
    "epilepsy seizures", "gout urate", "malaria parasitaemia", "eczema itching", "angina exertion",
    "insomnia polysomnography", "stroke thrombolysis", "cirrhosis ascites", "melanoma nodes",
    "lupus nephritis",
    "rosacea erythema", "tinnitus audiometry",
)  # fmt: skip


def make_background_trials(*own: dict[str, Any]) -> pl.DataFrame:
    """These trials, and enough of other interventions to rank them among."""
    rows = [
        make_trial(
            f"OTH{place}",
            label=place % 2,
            conditions=[words.split()[0]],
            interventions=[Intervention(type="Drug", name=f"drug{place}")],
            title=f"Drug{place} in {words}",
            summary=f"This study asks whether drug{place} helps people with {words}.",
            arms=[Arm(label=f"Arm of {words}", type="Experimental")],
            primary_outcomes=[Endpoint(measure=f"Course of {words}", time_frame="12 weeks")],
            criteria=f"Inclusion Criteria:\n\n- Proven {words}\n\nExclusion Criteria:\n\n- Earlier {words}",
        )
        | {"normalized_interventions": [f"drug{place}"]}
        for place, words in enumerate(OTHER_WORDS)
    ]
    return pl.DataFrame([*own, *rows], infer_schema_length=None)
