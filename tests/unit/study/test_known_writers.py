"""The study on writers whose worth is known, at a small size; `python -m benchmarks worth` has all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.study.known_writers import WRITER_ARMS, WRITERS, known_corpus
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.study.answer import answer, say, tabulate
from trialforge.study.exchange import Worth, exchange_rate
from trialforge.study.params import StudyParams
from trialforge.study.study import StudyResult, run_study

PARAMS = StudyParams(
    sizes=(4,), curve=(2, 4, 8, 16), pools=10, draws=60, penalties=(0.03, 0.003, 0.0003), arms=WRITER_ARMS,
    primary="true",
)  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # half a minute of work, and CI's cores are shared


@pytest.fixture(scope="module")
def result() -> StudyResult:
    learning = load_section(LearningParams, "learning", Path(__file__).resolve().parents[3] / "params.yaml")
    corpus = known_corpus(blocks=24, size=25, tests=300, fields=learning.fields, seed=7)
    return run_study(corpus, PARAMS, learning, 7)


@pytest.fixture(scope="module")
def worths(result: StudyResult) -> dict[str, Worth]:
    curve = result.curve("tfidf-logreg")
    return {
        name: exchange_rate(
            curve, result.areas["tfidf-logreg", name, 4], 100, clusters=result.clusters, level=0.95
        )
        for name in WRITERS
    }


def test_a_writer_of_the_truth_is_worth_one(worths: dict[str, Worth]) -> None:
    assert worths["true"].low <= 1 <= worths["true"].high
    assert worths["true"].low > 0


def test_a_writer_with_permuted_labels_is_worth_nothing_or_less(worths: dict[str, Worth]) -> None:
    assert worths["permuted"].value <= 0.1
    assert worths["permuted"].low < 0


def test_a_writer_that_copies_its_block_is_worth_nothing(worths: dict[str, Worth]) -> None:
    assert worths["copies"].low <= 0 <= worths["copies"].high
    assert abs(worths["copies"].value) < 0.1


def test_a_writer_with_wrong_labels_is_between(worths: dict[str, Worth]) -> None:
    assert worths["permuted"].value < worths["mistaken"].value < worths["true"].value


def test_the_answer_says_what_the_table_says(result: StudyResult) -> None:
    table = tabulate(result, PARAMS)
    figures = answer(result, table, PARAMS)
    row = table.filter(arm="true").row(0, named=True)
    assert (row["real"], row["added"]) == (100, 200)
    assert figures["worth"] == pytest.approx(row["worth"], abs=1e-4)
    assert figures["best_rival"] == "real"
    assert figures["verdict"] == "better"
    assert say(figures, 0.95)[0] == (
        f"At 100 real trials, 100 synthetic ones are worth {100 * row['worth']:.0f} "
        f"({100 * row['worth_low']:.0f} to above {100 * row['worth_high']:.0f}) real ones."
    )
    assert say(figures, 0.95)[1] == "The interval extends beyond the learning curve."
    assert row["p_holm"] is None
    assert table.filter(arm="copies")["p_holm"][0] >= table.filter(arm="copies")["p"][0]


def test_few_added_trials_are_held_against_the_next_larger_pool_of_real_ones(result: StudyResult) -> None:
    key = ("tfidf-logreg", "true", 4)
    few = replace(result, areas=result.areas | {key: replace(result.areas[key], added=20.0)})
    figures = answer(few, tabulate(few, PARAMS), PARAMS)
    assert figures["real_gain_trials"] == 100  # pools of 200 are the next on the curve
    assert figures["real_gain"] > 0
    short = {name: areas for name, areas in few.areas.items() if name[1] != "real" or name[2] <= 4}
    ended = replace(few, areas=short)
    figures = answer(ended, tabulate(ended, PARAMS), PARAMS)
    assert figures["real_gain"] is figures["real_gain_p"] is None
    assert "can't tell whether it could have shown a benefit" in say(figures, 0.95)[-1]
