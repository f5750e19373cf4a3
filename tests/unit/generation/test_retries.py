"""Off-target, copied and cut drafts, replayed from a real call cache: asked again, or given up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trialforge.generation.asking import Answer, Tally, ask_all
from trialforge.generation.drafts import ask_draft, generated_row, measure_drafts
from trialforge.generation.params import GenerationParams
from trialforge.llm.backend import Completion, FinishReason, Sampling
from trialforge.llm.calls import CachedGenerator, CallCache, hash_call

from .records import TARGET, QueuedGenerator, make_checks, make_draft, make_trial

PARAMS = GenerationParams()
QUESTION = ask_draft(TARGET, [], {"SIM1": make_trial()}, PARAMS, 4096, make_checks(make_trial()))
GIVEN = {"intervention": "levodopa", "condition": "Parkinson Disease", "phase": "Phase 2"}
OFF_TARGET = make_draft(
    title="Melatonin for Sleep",
    summary="The study asks whether melatonin brings sleep sooner than placebo in adults.",
    design=make_draft()["design"] | {"arms": [
        {"label": "Melatonin", "type": "Experimental"}, {"label": "Placebo", "type": "Placebo Comparator"},
    ]},
)  # fmt: skip
COPIED = make_draft(title="slow release LEVODOPA against wearing-off")
TIMELESS = make_draft(primary_outcomes=[{"measure": "Hours of off time each day", "time_frame": "Blue"}])


class Recorded:
    """A call cache that holds answers to the first attempts; the engine behind it is never asked."""

    def __init__(self, path: Path) -> None:
        self.engine = QueuedGenerator()
        self.cache = CallCache(path)

    def ask(self, *answers: Any, retries: int) -> tuple[Answer[dict[str, Any]], Tally]:
        for attempt, answer in enumerate(answers):
            text = json.dumps(GIVEN | answer if isinstance(answer, dict) else answer)
            finishes: dict[Any, FinishReason] = {"cut": "length", "garbled": "garbled"}
            finish = finishes.get(answer, "stop") if isinstance(answer, str) else "stop"
            key = hash_call(
                self.engine.model_digest, self.engine.engine, QUESTION.request(Sampling(), attempt)
            )
            self.cache.keep(
                key,
                self.engine.engine,
                Completion(text, 9, 0, 5, self.engine.model_digest, finish),
            )
        tally = Tally()
        generator = CachedGenerator(self.engine, self.cache)
        (found,) = ask_all(generator, [QUESTION], Sampling(), retries, tally)
        assert self.engine.history == []
        return found, tally


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path / "calls.sqlite")
    yield made
    made.cache.close()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (OFF_TARGET, "unnamed_intervention"),
        (COPIED, "copied_title"),
        (TIMELESS, "unreadable_time_frame"),
        ("cut", "cut"),
        ("garbled", "garbled"),
    ],
)
def test_a_bad_draft_is_asked_again_with_another_seed(bad: Any, reason: str, recorded: Recorded) -> None:
    answer, tally = recorded.ask(bad, make_draft(), retries=1)
    assert (answer.fault, answer.attempt, tally.faults) == (None, 1, {reason: 1})
    assert answer.value is not None
    assert answer.seed == QUESTION.request(Sampling(), 1).seed != QUESTION.request(Sampling(), 0).seed


def test_after_the_last_retry_the_target_is_given_up_and_counted_with_its_reason(recorded: Recorded) -> None:
    answer, tally = recorded.ask(OFF_TARGET, COPIED, "cut", make_draft(), retries=2)
    assert (answer.value, answer.fault, answer.attempt) == (None, "cut", 2)
    row = generated_row(TARGET, answer, {"reasons_id": "R-1"})
    assert (row["nct_id"], row["reject_reason"], row["target_id"]) == (None, "cut", "T-1")
    metrics = measure_drafts([row], tally)
    assert (metrics["given_up"], metrics["retries"], metrics["accepted"]) == (1, 2, 0)
    faults = ("unnamed_intervention", "copied_title", "cut")
    assert {name: metrics[f"fault_{name}"] for name in faults} == dict.fromkeys(faults, 1)
