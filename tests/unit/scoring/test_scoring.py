"""From predictions to words: what counts as a gain, what control fails the run, what curves are drawn."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from stages import score as score_stage
from trialforge.core.errors import GateError, LearningError
from trialforge.core.files import read_json, write_parquet
from trialforge.core.params import load_section
from trialforge.learning.params import Comparison, LearningParams, StatisticsParams
from trialforge.learning.predictions import PREDICTION_SCHEMA
from trialforge.scoring.metrics import METRICS, compute_metrics
from trialforge.scoring.report import against_rows, score_metrics, unseen_mask, zero_shot_metrics
from trialforge.scoring.scoring import (
    Scoring,
    baseline,
    check_control,
    credit,
    score_predictions,
    shuffled_control,
    unseen_interventions,
)

ROOT = Path(__file__).parents[3]
TRIALS = 200
MODEL = "tfidf-logreg"
ARMS = {
    "none": "real", "real": "real", "synthetic": "in-distribution", "augmented": "in-distribution",
    "shuffled": "controls", "duplicated": "controls", "word-dropout": "controls",
}  # fmt: skip
EQUAL = dict.fromkeys(ARMS, 1.0) | {"none": 0.0, "shuffled": 0.0}


@pytest.fixture(scope="module")
def params() -> LearningParams:
    """The committed experiments and questions, of one model and with fewer draws."""
    read = load_section(LearningParams, "learning", ROOT / "params.yaml")
    family = tuple(one for one in read.statistics.family if one.model == MODEL)
    statistics = read.statistics.model_copy(update={"family": family, "draws": 200})
    return read.model_copy(update={"seeds": 2, "models": (MODEL,), "statistics": statistics})


def predictions(strength: Mapping[str, float], seeds: int = 2) -> pl.DataFrame:
    """Predictions of arms whose scores follow the label so strongly; 0 does not follow it at all."""
    stream = np.random.default_rng(5)
    labels = np.tile([0, 1], TRIALS // 2)
    noise = stream.normal(size=TRIALS)
    frames = []
    for arm, item in ARMS.items():
        for seed in range(seeds):
            own = stream.normal(size=TRIALS) if strength[arm] == 0 else 0.05 * stream.normal(size=TRIALS)
            odds = strength[arm] * labels + (noise if strength[arm] else 0) + own
            for part, prefix in (("validation", "NCT1"), ("test", "NCT2")):
                names = [f"{prefix}{number:07d}" for number in range(TRIALS)]
                about = {"experiment": item, "arm": arm, "model": MODEL, "seed": seed, "part": part}
                frames.append(
                    pl.DataFrame({"nct_id": names, "label": labels, "score": 1 / (1 + np.exp(-odds))})
                    .with_columns(pl.lit(value).alias(name) for name, value in about.items())
                    .select(pl.col(name).cast(kind) for name, kind in PREDICTION_SCHEMA.items())
                )
    return pl.concat(frames)


def scored(strength: Mapping[str, float], params: LearningParams) -> Scoring:
    found = predictions(strength)
    clusters = found.filter(part="test").select("nct_id", cluster="nct_id").unique()
    return score_predictions(found, clusters, params, seed=1)


def test_the_committed_family_asks_whether_augmented_beats_both_controls_of_its_size() -> None:
    statistics = load_section(LearningParams, "learning", ROOT / "params.yaml").statistics
    primary = statistics.primary
    rivals = {
        one.against for one in statistics.family if (one.arm, one.model) == (primary.arm, primary.model)
    }
    assert rivals == {"duplicated", "word-dropout"}


@pytest.mark.parametrize(
    ("changed", "verdict", "counts", "words"),
    [
        ({"augmented": 2.0}, "better", True, "augmented is better than real"),
        (
            {"augmented": 2.0, "duplicated": 2.0},
            "better",
            False,
            "It is not shown to beat duplicated, so the gain is not theirs alone.",
        ),
        ({"augmented": 2.0, "word-dropout": 2.2}, "better", False, "not shown to beat word-dropout"),
        ({}, "no difference shown", False, "no difference between augmented and real is shown"),
        ({"augmented": 0.3}, "worse", False, "augmented is worse than real"),
    ],
    ids=["beats all", "as good as duplicates", "worse than dropout", "equal", "worse"],
)
def test_a_gain_counts_only_when_the_controls_of_its_size_are_beaten_too(
    changed: dict[str, float], verdict: str, counts: bool, words: str, params: LearningParams
) -> None:
    answers = scored(EQUAL | changed, params).answers
    found = credit(answers, params)
    assert answers[0].verdict == verdict
    assert found["counts"] is counts
    assert words in found["words"]


@pytest.mark.parametrize("control", ["duplicated", "word-dropout"])
def test_a_gain_over_one_control_alone_does_not_count(control: str, params: LearningParams) -> None:
    family = tuple(one for one in params.statistics.family if one.against == control)
    statistics = params.statistics.model_copy(update={"family": family})
    half = params.model_copy(update={"statistics": statistics})
    found = credit(scored(EQUAL | {"augmented": 2.0}, half).answers, half)
    assert found["counts"] is False
    (other,) = {"duplicated", "word-dropout"} - {control}
    assert f"It was not compared with {other} trials of the same size" in found["words"]


def test_a_run_without_shuffled_labels_says_that_they_were_not_checked(params: LearningParams) -> None:
    checked = scored(EQUAL, params)
    control = shuffled_control(checked, params)
    found = score_metrics(checked, control, params, None, None)
    assert found["shuffled"]["checked"] is True
    assert "shuffled" not in found["primary"]["words"]
    without = params.model_copy(update={"items": ("in-distribution",)})
    few = score_predictions(
        predictions(EQUAL).filter(pl.col("experiment") != "controls"),
        predictions(EQUAL).filter(part="test").select("nct_id", cluster="nct_id").unique(),
        without.model_copy(
            update={"statistics": StatisticsParams(primary=Comparison(arm="augmented"), draws=200)}
        ),
        seed=1,
    )
    assert shuffled_control(few, without) == {}
    found = score_metrics(few, {}, without, None, None)
    assert found["shuffled"] == {"checked": False}
    assert "Whether labels leak was not checked: no arm has shuffled ones." in found["primary"]["words"]


@pytest.mark.parametrize(
    ("seeds", "draws", "said"),
    [
        (2, 200, " From only 2 seeds and 200 bootstrap draws."),
        (5, 200, " From only 200 bootstrap draws."),
        (1, 10_000, " From only 1 seed."),
        (5, 10_000, ""),
    ],
)
def test_an_answer_from_few_seeds_or_draws_says_so(
    seeds: int, draws: int, said: str, params: LearningParams
) -> None:
    statistics = params.statistics.model_copy(update={"draws": draws})
    asked = params.model_copy(update={"seeds": seeds, "statistics": statistics})
    found = predictions(EQUAL, seeds)
    clusters = found.filter(part="test").select("nct_id", cluster="nct_id").unique()
    words = [answer.words for answer in score_predictions(found, clusters, asked, seed=1).answers]
    assert all(one.endswith(said) if said else "only" not in one for one in words)


def test_a_gain_over_real_trials_alone_says_that_no_control_was_asked_about(params: LearningParams) -> None:
    statistics = StatisticsParams(primary=Comparison(arm="augmented"), draws=500)
    alone = params.model_copy(update={"statistics": statistics})
    found = credit(scored(EQUAL | {"augmented": 2.0}, alone).answers, alone)
    assert found["counts"] is False
    assert "It was not compared with duplicated and word-dropout trials of the same size" in found["words"]


def test_the_smallest_demonstrable_effect_is_that_of_the_corrected_test(params: LearningParams) -> None:
    """Holm's first step asks for alpha / questions, so a larger family can show less."""
    alone = params.model_copy(update={"statistics": params.statistics.model_copy(update={"family": ()})})
    level, power = params.statistics.level, params.statistics.power
    single, first_of_three = (scored(EQUAL, asked).answers[0] for asked in (alone, params))
    assert len(params.statistics.questions) == 3
    z = NormalDist().inv_cdf
    wider = (z(1 - (1 - level) / 6) + z(power)) / (z((1 + level) / 2) + z(power))
    assert first_of_three.demonstrable / single.demonstrable == pytest.approx(wider, rel=0.02)


def test_each_arm_is_tested_against_real_trials_beside_the_declared_questions(params: LearningParams) -> None:
    scoring = scored(EQUAL | {"synthetic": 0.2}, params)
    assert {answer.arm for answer in scoring.explored} == set(ARMS) - {"real"}
    tests = {answer.metric: answer.test for answer in scoring.explored}
    expected = dict.fromkeys(METRICS, "bootstrap") | {"roc_auc": "delong", "accuracy": "mcnemar"}
    assert tests == expected
    verdicts = {answer.arm: answer.verdict for answer in scoring.explored if answer.metric == "roc_auc"}
    assert verdicts["synthetic"] == "worse"
    assert verdicts["duplicated"] == "no difference shown"
    assert len(scoring.answers) == 3


def test_ablated_arms_are_compared_with_the_whole_method(params: LearningParams) -> None:
    """By no name: an arm that is equal to another but for how its synthetic trials were made or chosen."""
    every = params.model_copy(update={"items": tuple(set(params.experiments) - {"real"})})
    assert every.wholes == {
        "unfiltered": "synthetic", "augmented-unfiltered": "augmented", "no-reasoning": "augmented",
        "no-retrieval": "augmented", "random-exemplars": "augmented",
    }  # fmt: skip
    assert params.wholes == {}
    found = predictions(EQUAL | {"synthetic": 0.2})
    found = found.with_columns(
        pl.col("arm").replace({"word-dropout": "no-reasoning", "synthetic": "no-retrieval"})
    )
    ablated = params.model_copy(update={"items": ("in-distribution", "ablations")})
    statistics = StatisticsParams(primary=Comparison(arm="augmented"), draws=500)
    clusters = found.filter(part="test").select("nct_id", cluster="nct_id").unique()
    scoring = score_predictions(
        found, clusters, ablated.model_copy(update={"statistics": statistics}), seed=1
    )
    tables = against_rows(scoring.explored)
    assert set(tables["against-real"]["against"]) == {"real"}
    assert set(tables["ablations"]["against"]) == {"augmented"}
    areas = tables["ablations"].filter(metric="roc_auc")
    assert dict(areas.select("arm", "verdict").iter_rows()) == {
        "no-reasoning": "no difference shown",
        "no-retrieval": "worse",
    }
    assert set(tables["ablations"]["metric"]) == set(METRICS)
    assert set(against_rows(scored(EQUAL, params).explored)) == {"against-real"}


def test_what_always_answering_yes_gets_is_what_the_metrics_say_of_it() -> None:
    labels = np.array([1, 1, 1, 0, 0] * 4)
    rate = labels.mean()
    expected = compute_metrics(labels, np.full(labels.size, rate), threshold=0.0)
    found = baseline(labels)
    assert found.pop("base_rate") == pytest.approx(rate)
    assert found == pytest.approx(dict(expected), abs=1e-6)


def test_on_unseen_interventions_each_arm_and_the_primary_difference_have_intervals(
    params: LearningParams,
) -> None:
    scoring = scored(EQUAL | {"augmented": 2.0}, params)
    unseen = np.arange(TRIALS) >= 80
    found = unseen_interventions(scoring, unseen, 0.95)
    assert found["trials"] == TRIALS - 80
    real, augmented, gap = (
        found[f"{MODEL}.{name}"] for name in ("real", "augmented", "augmented-against-real")
    )
    mean = np.mean(
        [roc_auc_score(scoring.labels[80:], row[80:]) for row in scoring.scores[MODEL, "real"].scores]
    )
    assert real["roc_auc"] == pytest.approx(mean, abs=1e-6)
    assert gap["difference"] == pytest.approx(augmented["roc_auc"] - real["roc_auc"], abs=2e-6)
    assert 0 < gap["low"] < gap["difference"] < gap["high"]
    assert gap["high"] - gap["low"] < real["high"] - real["low"]  # paired
    assert gap["p"] < 0.05
    for few in (np.arange(TRIALS) < 9, (np.arange(TRIALS) % 2 == 0) & (scoring.labels == 0)):
        assert unseen_interventions(scoring, few, 0.95) == {
            "trials": int(few.sum()),
            "reason": "too few trials, or one label only",
        }


def test_what_learned_from_shuffled_labels_fails_the_run(params: LearningParams) -> None:
    check_control(shuffled_control(scored(EQUAL, params), params))
    with pytest.raises(
        GateError, match=r"tfidf-logreg\.shuffled: trained on shuffled labels.*leaves out 0\.5"
    ):
        check_control(shuffled_control(scored(EQUAL | {"shuffled": 1.0}, params), params))


def test_the_stage_keeps_its_figures_when_the_control_fails_it(
    tmp_path: Path, params: LearningParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = predictions(EQUAL | {"shuffled": 1.0})
    test = found.filter(part="test").select("nct_id", "label").unique(maintain_order=True)
    write_parquet(
        test.with_columns(normalized_interventions=pl.concat_list("nct_id")), tmp_path / "test.parquet"
    )
    for item in params.trained_items:
        write_parquet(found.filter(experiment=item), tmp_path / f"{item}-{MODEL}.parquet")
    values = {"seed": 1, "learning": params.model_dump(mode="json", by_alias=True)}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["score", ".", "--test", "test.parquet", "--metrics", "score.json", "--plots", "plots"]
    )
    with pytest.raises(GateError, match="leaves out"):
        score_stage.main()
    metrics = read_json(tmp_path / "score.json")
    assert metrics["shuffled"][f"{MODEL}.shuffled"]["holds"] is False
    assert (tmp_path / "plots/against-real.csv").is_file()


def test_what_the_generator_knows_outright_is_said(params: LearningParams) -> None:
    scoring = scored(EQUAL, params)
    labels = scoring.labels
    names = [f"NCT2{number:07d}" for number in range(TRIALS)]
    guesses = np.random.default_rng(1).integers(0, 2, TRIALS)
    for said, knows, words in (
        (np.where(guesses == 1, labels, guesses), True, "better than chance: ROC-AUC 0."),
        (guesses, False, "is not shown to know how the test trials ended: ROC-AUC 0."),
        (np.ones(TRIALS), False, "ROC-AUC 0.500 (0.500 to 0.500)"),
    ):
        answers = pl.DataFrame(
            {
                "nct_id": names,
                "label": labels,
                "score": said.astype(float),
                "answers": [[int(one)] for one in said],
            }
        )
        found = zero_shot_metrics(answers, scoring, 0.95)
        assert found["knows"] is knows
        assert words in found["words"]
        assert found["answered"] == TRIALS
    with pytest.raises(LearningError, match=r"asked about other test trials \(199\)"):
        zero_shot_metrics(answers.head(TRIALS - 1), scoring, 0.95)
    drawn = answers.with_columns(
        pl.when(pl.int_range(pl.len()) >= 50).then(pl.col("score", "answers")).name.keep()
    )
    few = zero_shot_metrics(drawn, scoring, 0.95)
    assert (few["trials"], few["answered"]) == (150, 150)
    strange = answers.with_columns(nct_id=pl.col("nct_id").replace(names[0], "NCT99999999"))
    for others in (strange, answers.with_columns(label=1 - pl.col("label"))):
        with pytest.raises(LearningError, match=r"asked about other test trials \(200\)"):
            zero_shot_metrics(others, scoring, 0.95)


def test_a_placebo_that_both_have_makes_no_intervention_seen() -> None:
    test = pl.DataFrame(
        {
            "nct_id": ["NCT2", "NCT1", "NCT3", "NCT4"],
            "normalized_interventions": [["aspirin", "placebo"], ["ibuprofen", "placebo"], [], ["aspirin"]],
            "label": [1, 0, 1, None],
        }
    )
    synthetic = pl.DataFrame({"normalized_interventions": [["aspirin", "placebo"]]})
    mask = unseen_mask(test, synthetic)
    assert mask is not None
    assert mask.tolist() == [True, False, True]  # in order of nct_id, labelled ones alone
    assert unseen_mask(test, None) is None
