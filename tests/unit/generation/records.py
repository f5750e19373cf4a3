"""A trial and a draft to test with, and a model of queued answers whose history can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.params import load_section
from trialforge.llm.backend import Completion, FinishReason, Message, Request
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import record_checks
from trialforge.trial.record import Arm, Endpoint, Intervention, Trial

TARGET: dict[str, Any] = {
    "target_id": "T-1", "intervention": "levodopa", "conditions": ["Parkinson Disease"], "phase": "Phase 2",
    "label": 0, "arm": "retrieval-reasoning", "generation": 0, "seed": 7, "exemplars": ["SIM1"],
}  # fmt: skip


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


def make_draft(**changes: Any) -> dict[str, Any]:
    return {
        "title": "Levodopa Inhaled Powder for Off Periods",
        "summary": "The study asks whether inhaled levodopa ends an off period sooner than placebo.",
        "design": {
            "allocation": "Randomized",
            "intervention_model": "Parallel",
            "masking": "Double",
            "arms": [
                {"label": "Levodopa powder", "type": "Experimental"},
                {"label": "Placebo powder", "type": "Placebo Comparator"},
            ],
        },
        "primary_outcomes": [{"measure": "Minutes until the off period ends", "time_frame": "8 weeks"}],
        "inclusion": ["Diagnosis of Parkinson Disease", "Two off periods a day"],
        "exclusion": ["Chronic obstructive pulmonary disease", "Smoking within a year"],
        "ages": {"minimum_age": 30, "maximum_age": None},
        "primary_purpose": "Treatment",
        "sex": "All",
        "healthy_volunteers": False,
        "enrolment_planned": 90,
    } | changes


ROOT = Path(__file__).resolve().parents[3]


def make_checks(*trials: dict[str, Any]) -> list[Check]:
    """The checks of the default run, where the prompt showed these trials."""
    bounds = load_section(CheckParams, "checks", ROOT / "params.yaml")
    return record_checks(bounds, {trial["nct_id"]: trial for trial in trials})


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
