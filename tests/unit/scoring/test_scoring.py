"""From predictions to words: what counts as a gain, what control fails the run, what curves are drawn."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from stages import score as score_stage
from trialforge.core.errors import GateError, LearningError
from trialforge.core.files import hash_file, read_json, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section
from trialforge.learning.params import Comparison, LearningParams, StatisticsParams
from trialforge.learning.predictions import PREDICTION_SCHEMA
from trialforge.scoring.metrics import METRICS, compute_metrics, recalibrate
from trialforge.scoring.report import (
    against_rows,
    declared_rows,
    score_metrics,
    unseen_mask,
    zero_shot_metrics,
)
from trialforge.scoring.scoring import (
    Scoring,
    baseline,
    check_control,
    credit,
    score_predictions,
    shuffled_control,
    unseen_interventions,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
TRIALS = 200
MODEL = "tfidf-logreg"
ARMS = {
    "none": "real", "real": "real", "synthetic": "in-distribution", "augmented": "in-distribution",
    "shuffled": "controls", "duplicated": "controls", "word-dropout": "controls", "more-real": "controls",
    "more-real-as-drafts": "controls", "asked-shares": "controls", "equal-shares": "controls",
}  # fmt: skip
MADE = ("synthetic", "augmented", "shuffled", "asked-shares", "equal-shares")
EQUAL = dict.fromkeys(ARMS, 1.0) | {"none": 0.0, "shuffled": 0.0, "more-real": 2.0}


@pytest.fixture(scope="module")
def params() -> LearningParams:
    """The committed experiments and questions, of one model and with fewer draws."""
    read = load_section(LearningParams, "learning", ROOT / "params.yaml")
    secondary = tuple(one for one in read.statistics.secondary if one.model == MODEL)
    statistics = read.statistics.model_copy(update={"secondary": secondary, "draws": 200})
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
                about |= {"generation": seed % 2 if arm in MADE else None, "added": 24 * (arm != "real")}
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


def test_the_committed_questions_are_the_primary_arm_against_both_controls_and_for_more_real_trials() -> None:
    params = load_section(LearningParams, "learning", ROOT / "params.yaml")
    assert [one.against for one in params.control_questions] == ["duplicated", "word-dropout"]
    assert [one.arm for one in params.positive_questions] == ["more-real", "more-real-as-drafts"]
    asked = {(one.model, one.metric) for one in (*params.control_questions, *params.positive_questions)}
    assert asked == {(params.statistics.primary.model, params.statistics.primary.metric)}
    assert params.missing_controls == []


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
        ({"augmented": 2.0, "more-real": 1.0}, "better", False, "augmented is better than real"),
        ({}, "equivalent", False, "augmented and real are equivalent within 0.02"),
        ({"augmented": 0.3}, "worse", False, "augmented is worse than real"),
    ],
    ids=[
        "beats all",
        "as good as duplicates",
        "worse than dropout",
        "real trials don't help",
        "equal",
        "worse",
    ],
)
def test_a_gain_counts_only_when_the_controls_of_its_size_are_beaten_too_and_more_real_trials_help(
    changed: dict[str, float], verdict: str, counts: bool, words: str, params: LearningParams
) -> None:
    scoring = scored(EQUAL | changed, params)
    found = credit(scoring, params)
    assert scoring.primary.verdict == verdict
    assert found["counts"] is counts
    assert words in found["words"]


def test_each_control_is_tested_at_the_full_level(params: LearningParams) -> None:
    """A gain over both is an intersection-union test: a correction would only lose what is there."""
    scoring = scored(EQUAL | {"augmented": 2.0}, params)
    assert [answer.p_holm for answer in (scoring.primary, *scoring.controls)] == [None] * 3
    assert all(answer.p_holm is not None for answer in scoring.explored)


@pytest.mark.parametrize("missing", ["duplicated", "word-dropout"])
def test_a_gain_over_one_control_alone_does_not_count(missing: str, params: LearningParams) -> None:
    controls = tuple(arm for arm in params.experiments["controls"] if arm.name != missing)
    half = params.model_copy(update={"experiments": params.experiments | {"controls": controls}})
    found = credit(scored(EQUAL | {"augmented": 2.0}, half), half)
    assert found["counts"] is False
    assert f"It was not compared with {missing} trials of the same size" in found["words"]


@pytest.mark.parametrize(("real", "augmented"), [(1.0, 2.0), (1.0, 0.3), (1.0, 1.0)])
def test_where_more_real_trials_do_not_help_the_test_could_not_have_shown_a_benefit(
    real: float, augmented: float, params: LearningParams
) -> None:
    strength = EQUAL | {"more-real": real, "augmented": augmented}
    found = score_metrics(scored(strength, params), {}, params, None, None)["assay"]
    assert found["sensitive"] is False
    assert found["words"].startswith("This test could not have shown a benefit: 24 more real trials give")
    assert found["more-real"]["verdict"] != "better"


@pytest.mark.parametrize(("real", "learnt"), [(0.0, False), (2.0, True)])
def test_whether_real_trials_alone_can_be_learnt_from_is_told(
    real: float, learnt: bool, params: LearningParams
) -> None:
    scoring = scored(EQUAL | {"real": real}, params)
    found = score_metrics(scoring, {}, params, None, None)["real_alone"]
    row = scoring.arms.filter(arm="real", metric="roc_auc").row(0, named=True)
    assert (found["value"], found["low"], found["high"]) == (row["mean"], row["low"], row["high"])
    assert (found["low"] > 0.5) is learnt
    start = "Real trials alone are enough" if learnt else "Real trials alone are not shown"
    assert found["words"].startswith(f"{start}")
    assert f"ROC-AUC {row['mean']:.3f} (95% interval {row['low']:.3f} to {row['high']:.3f})" in found["words"]


def test_where_more_real_trials_help_but_not_as_drafts_the_form_is_named(params: LearningParams) -> None:
    found = score_metrics(scored(EQUAL, params), {}, params, None, None)["assay"]
    assert found["sensitive"] is True
    assert found["words"].startswith("This test could show a benefit: 24 more real trials give +0.")
    assert "so no text in this form could have helped." in found["words"]
    helpful = scored(EQUAL | {"more-real-as-drafts": 2.0}, params)
    assert "could have helped" not in score_metrics(helpful, {}, params, None, None)["assay"]["words"]


def test_fewer_held_back_trials_than_synthetic_ones_are_said(params: LearningParams) -> None:
    found = predictions(EQUAL).with_columns(
        added=pl.when(pl.col("arm") == "more-real").then(10).otherwise("added").cast(pl.Int64)
    )
    clusters = found.filter(part="test").select("nct_id", cluster="nct_id").unique()
    scoring = score_predictions(found, clusters, params, seed=1)
    words = score_metrics(scoring, {}, params, None, None)["assay"]["words"]
    assert "10 more real trials give" in words
    assert "(There are 24 synthetic trials; no more real ones were held back.)" in words


def test_what_label_shares_do_is_shown(params: LearningParams) -> None:
    scoring = scored(EQUAL | {"asked-shares": 0.6, "equal-shares": 0.4}, params)
    found = score_metrics(scoring, {}, params, None, None)["label_shares"]
    assert {name for name in found if name != "words"} == {"real", "asked", "equal"}
    assert found["equal"]["effect"] < found["asked"]["effect"] < -0.02 < found["real"]["effect"]
    assert "weighted to the label shares of real trials" in found["words"]
    assert dict(scoring_ablations(scoring)) == {"asked-shares": "worse", "equal-shares": "worse"}


def scoring_ablations(scoring: Scoring) -> list[tuple[str, str]]:
    rows = against_rows(scoring.explored)["ablations"].filter(metric="roc_auc")
    return list(rows.select("arm", "verdict").iter_rows())


def test_a_shift_of_the_base_rate_alone_moves_neither_brier_score_nor_calibration(
    params: LearningParams,
) -> None:
    """Scores of `augmented` are those of `real`, 2 higher or lower in log-odds, in the same order."""
    found = predictions(EQUAL)
    real = found.filter(arm="real")
    for shift in (-2.0, 2.0):
        odds = (pl.col("score") / (1 - pl.col("score"))).log() + shift
        moved = real.with_columns(
            arm=pl.lit("augmented"), experiment=pl.lit("in-distribution"), score=1 / (1 + (-odds).exp()),
            generation=pl.col("seed"),
        )  # fmt: skip
        shifted = pl.concat([found.filter(pl.col("arm") != "augmented"), moved])
        clusters = found.filter(part="test").select("nct_id", cluster="nct_id").unique()
        scoring = score_predictions(shifted, clusters, params, seed=1)
        brier = {
            answer.metric: answer for answer in scoring.explored if answer.arm == "augmented"
        }  # fmt: skip
        for metric in ("brier", "calibration_error"):
            assert brier[metric].effect == pytest.approx(0, abs=0.002), metric
            assert brier[metric].verdict == "not shown"
    raw = [np.square(frame["score"] - frame["label"]).mean() for frame in (real, moved)]
    assert raw[1] - raw[0] > 0.05


def test_recalibration_keeps_the_ranking_and_fits_what_was_overconfident() -> None:
    stream = np.random.default_rng(3)
    odds = stream.normal(size=4000)
    labels = (stream.random(4000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    said = 1 / (1 + np.exp(-(3 * odds + 1)))
    fitted = recalibrate(labels[:2000], said[:2000], said[2000:])
    assert (np.argsort(fitted, kind="stable") == np.argsort(said[2000:], kind="stable")).all()
    truth = 1 / (1 + np.exp(-odds[2000:]))
    assert np.abs(fitted - truth).max() < 0.05
    constant = recalibrate(labels[:2000], np.full(2000, 0.9), np.full(10, 0.9))
    assert constant == pytest.approx(labels[:2000].mean(), abs=0.01)
    turned = recalibrate(labels[:2000], 1 - said[:2000], 1 - said[2000:])
    assert np.ptp(turned) < 1e-6  # what ranks the wrong way round says no more than the base rate


def test_a_run_without_controls_says_what_was_not_checked(params: LearningParams) -> None:
    checked = scored(EQUAL, params)
    found = score_metrics(checked, shuffled_control(checked, params), params, None, None)
    assert found["shuffled"]["checked"] is True
    without = params.model_copy(update={"synthetic_experiments": ("in-distribution",)})
    few = score_predictions(
        predictions(EQUAL).filter(pl.col("experiment") != "controls"),
        predictions(EQUAL).filter(part="test").select("nct_id", cluster="nct_id").unique(),
        without,
        seed=1,
    )
    assert shuffled_control(few, without) == {}
    found = score_metrics(few, {}, without, None, None)
    assert found["shuffled"] == {"checked": False}
    assert found["assay"]["sensitive"] is None
    assert "was not checked: no arm has held-back real trials" in found["assay"]["words"]
    assert found["label_shares"] == {}


def test_a_gain_over_real_trials_alone_says_that_no_control_was_asked_about(params: LearningParams) -> None:
    alone = params.model_copy(update={"synthetic_experiments": ("in-distribution",)})
    found = credit(scored(EQUAL | {"augmented": 2.0}, alone), alone)
    assert found["counts"] is False
    assert "It was not compared with duplicated and word-dropout trials of the same size" in found["words"]


def test_each_declared_answer_stands_in_one_table_with_its_role(params: LearningParams) -> None:
    table = declared_rows(scored(EQUAL, params))
    roles = table.group_by("role", maintain_order=True).len().rows()
    assert roles == [("primary", 1), ("control", 2), ("positive control", 2)]


def test_each_arm_is_tested_against_real_trials_beside_the_declared_questions(params: LearningParams) -> None:
    scoring = scored(EQUAL | {"synthetic": 0.2}, params)
    against_real = [answer for answer in scoring.explored if answer.against == "real"]
    assert {answer.arm for answer in against_real} == set(ARMS) - {"real"}
    tests = {answer.metric: answer.test for answer in scoring.explored}
    expected = dict.fromkeys(METRICS, "bootstrap") | {"roc_auc": "delong", "accuracy": "mcnemar"}
    assert tests == expected
    verdicts = {answer.arm: answer.verdict for answer in against_real if answer.metric == "roc_auc"}
    assert verdicts["synthetic"] == "worse"
    assert verdicts["duplicated"] == "equivalent"


def test_ablated_arms_are_compared_with_the_whole_method(params: LearningParams) -> None:
    """By no name: an arm that is equal to another but for how its synthetic trials were made or chosen."""
    every = params.model_copy(update={"synthetic_experiments": tuple(set(params.experiments) - {"real"})})
    assert every.wholes == {
        "unfiltered": "synthetic", "augmented-unfiltered": "augmented", "no-reasoning": "augmented",
        "no-retrieval": "augmented", "random-exemplars": "augmented", "asked-shares": "augmented",
        "equal-shares": "augmented",
    }  # fmt: skip
    assert set(params.wholes) == {"asked-shares", "equal-shares"}
    found = predictions(EQUAL | {"synthetic": 0.2})
    found = found.with_columns(
        pl.col("arm").replace({"word-dropout": "no-reasoning", "synthetic": "no-retrieval"})
    )
    ablated = params.model_copy(update={"synthetic_experiments": ("in-distribution", "ablations")})
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
        "no-reasoning": "equivalent",
        "no-retrieval": "worse",
    }
    assert set(tables["ablations"]["metric"]) == set(METRICS)
    plain = params.model_copy(update={"synthetic_experiments": ("in-distribution",)})
    assert set(against_rows(scored(EQUAL, plain).explored)) == {"against-real"}


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


def test_a_part_with_one_success_has_figures_that_can_be_written(params: LearningParams) -> None:
    scoring = scored(EQUAL | {"augmented": 2.0}, params)
    one = scoring.labels == 0
    one[1] = True
    found = unseen_interventions(scoring, one, 0.95)
    assert (found[f"{MODEL}.real"]["low"], found[f"{MODEL}.real"]["high"]) == (0, 1)
    json.dumps(found, allow_nan=False)


def test_what_learned_from_shuffled_labels_fails_the_run(params: LearningParams) -> None:
    check_control(shuffled_control(scored(EQUAL, params), params))
    with pytest.raises(GateError, match=r"tfidf-logreg\.shuffled: trained on shuffled labels.*excludes 0\.5"):
        check_control(shuffled_control(scored(EQUAL | {"shuffled": 1.0}, params), params))


def test_the_stage_keeps_its_figures_when_the_control_fails_it(
    tmp_path: Path, params: LearningParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = predictions(EQUAL | {"shuffled": 1.0})
    test = found.filter(part="test").select("nct_id", "label").unique(maintain_order=True)
    trials = test.with_columns(
        normalized_interventions=pl.concat_list("nct_id"),
        conditions=pl.lit(["Asthma"], dtype=pl.List(pl.String())),
        phase=pl.when(pl.col("label") == 1).then(pl.lit("Phase 1")).otherwise(pl.lit("Phase 2")),
    )
    write_parquet(trials, tmp_path / "test.parquet")
    for kind, items in (("real", params.real_experiments), ("synthetic", params.synthetic_experiments)):
        some = found.filter(pl.col("experiment").is_in(items))
        write_parquet(some, tmp_path / kind / f"{MODEL}.parquet")
    values = {"seed": 1, "learning": params.model_dump(mode="json", by_alias=True)}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    write_parquet(trials, tmp_path / "synthetic.parquet")
    for name in ("validation", "quality"):
        write_json(name_tables(Path("synthetic.parquet")), tmp_path / f"{name}.json")
    tables = ("--train", "test.parquet", "--test", "test.parquet", "--synthetic", "synthetic.parquet")
    measured = ("--validated", "validation.json", "--quality", "quality.json", "--summary", "summary.json")
    outs = ("--metrics", "score.json", "--plots", "plots/learning")
    monkeypatch.setattr(sys, "argv", ["score", ".", *tables, *measured, *outs])
    with pytest.raises(GateError, match="excludes"):
        score_stage.main()
    metrics = read_json(tmp_path / "score.json")
    assert metrics["shuffled"][f"{MODEL}.shuffled"]["holds"] is False
    assert read_json(tmp_path / "summary.json")["roc_auc.real"] is not None
    plots = sorted((tmp_path / "plots/learning").glob("*.csv"))
    assert tmp_path / "plots/learning/against-real.csv" in plots
    assert metrics["plots"] == {f"learning/{path.name}": hash_file(path) for path in plots}
    assert metrics["base_rates"]["phase"]["roc_auc"] == 1  # here the phase is the label
    assert metrics["base_rates"]["area"]["roc_auc"] == 0.5
    benefit = pl.read_csv(tmp_path / "plots/learning/net-benefit.csv")
    assert benefit.filter(arm="rate of its phase", threshold=0.5)["net_benefit"].to_list() == [0.5]
    by_phase = pl.read_csv(tmp_path / "plots/learning/calibration-by-phase.csv")
    assert by_phase.filter(arm="none", phase="Phase 1")["share_of_successes"].to_list() == [1]


def test_what_the_generator_knows_outright_is_said(params: LearningParams) -> None:
    scoring = scored(EQUAL, params)
    labels = scoring.labels
    names = [f"NCT2{number:07d}" for number in range(TRIALS)]
    guesses = np.random.default_rng(1).integers(0, 2, TRIALS)
    for said, knows, words in (
        (
            np.where(guesses == 1, labels, guesses),
            True,
            "better than chance: its ROC-AUC is at most 0.",
        ),
        (
            guesses,
            False,
            "does not predict the outcomes significantly better than chance: its ROC-AUC is at most 0.",
        ),
        (
            np.ones(TRIALS),
            False,
            "of the 200 test trials, the generator does not predict the outcomes significantly better than "
            "chance: its ROC-AUC is at most 0.5",
        ),
    ):
        answers = pl.DataFrame(
            {
                "nct_id": names,
                "label": labels,
                "score": said.astype(float),
                "logprobs": [[{"failure": np.log(0.06), "success": np.log(0.04)}]] * TRIALS,
            }
        )
        found = zero_shot_metrics(answers, scoring, 0.95)
        assert found["knows"] is knows
        assert words in found["words"]
        assert (found["answered"], found["named_share"]) == (TRIALS, pytest.approx(0.1))
    with pytest.raises(LearningError, match=r"asked about other test trials \(199\)"):
        zero_shot_metrics(answers.head(TRIALS - 1), scoring, 0.95)
    drawn = answers.with_columns(
        pl.when(pl.int_range(pl.len()) >= 50).then(pl.col("score", "logprobs")).name.keep()
    )
    few = zero_shot_metrics(drawn, scoring, 0.95)
    assert (few["trials"], few["answered"]) == (150, 150)
    failed = answers.with_columns(pl.when(label=0).then("score").name.keep())
    assert "reason" in zero_shot_metrics(failed, scoring, 0.95)
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
