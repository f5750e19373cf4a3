"""A text's rank among trials of other interventions: what is of no trial passes once in 20 times at most."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from trialforge.generation.quotations import QUOTED_FIELDS, value_text
from trialforge.generation.support import Background, strip_subject
from trialforge.simulation.corpus import simulate

from .records import make_background_trials, make_trial

pytestmark = pytest.mark.slow

OWN = make_trial() | {"normalized_interventions": ["levodopa"]}


@pytest.fixture(scope="module")
def background() -> Background:
    return Background(make_background_trials(OWN), seed=1)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("People with dementia or deep brain stimulation were left out.", "criteria"),
        ("Hours of off time vary from day to day.", "primary_outcomes"),
        ("Whether levodopa shortens the hours in which it does not work was asked.", "summary"),
    ],
)
def test_what_speaks_of_a_field_ranks_first(background: Background, said: str, field: str) -> None:
    assert background.rank_field(said, OWN, field) == 1


@pytest.mark.parametrize(
    "said",
    [
        "The trial was well designed and well conducted.",
        "Proven gout with urate in the joints was an inclusion criterion.",
        "",
    ],
)
def test_what_speaks_of_any_trial_or_of_another_does_not(background: Background, said: str) -> None:
    for field in QUOTED_FIELDS:
        rank = background.rank_field(said, OWN, field)
        assert rank is not None
        assert rank > 1


def test_the_subject_makes_no_reason_one_of_these_trials(background: Background) -> None:
    generic = "Levodopa in Parkinson Disease was tested well enough for a good result."
    assert strip_subject(generic, [OWN]).split()[:4] == ["in", "was", "tested", "well"]
    ranked = background.rank_set(generic, [OWN, OWN])
    assert ranked is not None
    assert ranked > 1
    assert background.rank_set("Deep brain stimulation and dementia were left out.", [OWN]) == 1


def test_without_nineteen_others_nothing_is_ranked() -> None:
    few = Background(make_background_trials(OWN).head(15), seed=1)
    assert few.rank_field("Dementia was left out.", OWN, "criteria") is None
    assert few.rank_set("Dementia was left out.", [OWN]) is None


def test_trials_of_the_same_drug_are_no_others() -> None:
    others = make_background_trials(OWN).with_columns(normalized_interventions=pl.lit(["levodopa"]))
    assert Background(others, seed=1).rank_field("Dementia was left out.", OWN, "criteria") is None


@pytest.fixture(scope="module")
def planted_trials() -> list[dict[str, Any]]:
    """Simulated trials, each with the first words of its interventions as their names."""
    return [
        trial
        | {
            "normalized_interventions": [
                item["name"].split()[0].casefold() for item in trial["interventions"]
            ]
        }
        for trial in simulate(160, 5).to_dicts()
    ]


def words_of(trial: dict[str, Any], fields: tuple[str, ...], stream: np.random.Generator) -> str:
    words = value_text([trial[field] for field in fields]).split()
    start = int(stream.integers(max(1, len(words) - 25)))
    return " ".join(words[start : start + 25])


@pytest.mark.parametrize("field", QUOTED_FIELDS)
def test_planted_words_of_an_unrelated_trial_pass_once_in_twenty(
    planted_trials: list[dict[str, Any]], field: str
) -> None:
    """Planted: 25 words of a trial of another drug as the reason for a citation of this field."""
    trials = [trial for trial in planted_trials if trial[field]]
    background = Background(pl.DataFrame(planted_trials, infer_schema_length=None), 1)
    stream = np.random.default_rng(0)
    own = unrelated = 0
    for trial in trials:
        strange = [
            other
            for other in trials
            if set(trial["normalized_interventions"]).isdisjoint(other["normalized_interventions"])
        ]
        said = words_of(strange[int(stream.integers(len(strange)))], QUOTED_FIELDS, stream)
        unrelated += background.rank_field(said, trial, field) == 1
        own += background.rank_field(words_of(trial, (field,), stream), trial, field) == 1
    assert unrelated <= 0.05 * len(trials)
    assert own >= 0.4 * len(trials)
