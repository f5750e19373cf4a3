"""Curves of the experiments that vary an amount, as params.yaml and the profiles have them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from trialforge.app.profile import read_profile
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.scoring.plots import sweep_rows

ROOT = Path(__file__).parents[3]
CURVES: dict[str, tuple[str, dict[str, list[float]]]] = {
    "ratio": ("share synthetic", {"fixed size": [0, 0.2, 0.4, 0.6, 0.8, 1]}),
    "growing": ("synthetic to real", {"real and synthetic": [0, 0.25, 0.5, 1, 2]}),
    "few-real": ("real trials", {"augmented": [50, 100, 200, 400], "real": [50, 100, 200, 400]}),
}


@pytest.fixture(scope="module")
def params() -> LearningParams:
    read = load_section(LearningParams, "learning", ROOT / "params.yaml")
    return read.model_copy(update={"synthetic_experiments": ("in-distribution", "controls", *CURVES)})


def scored(params: LearningParams) -> pl.DataFrame:
    """An arms table in which an arm's mean tells its place among all."""
    names = [arm.name for name in params.trained_experiments for arm in params.experiments[name]]
    return pl.DataFrame({"arm": names, "mean": [place / 100 for place in range(len(names))]}).with_columns(
        metric=pl.lit("roc_auc"),
        model=pl.lit("tfidf-logreg"),
        low=pl.col("mean") - 0.1,
        high=pl.col("mean") + 0.1,
    )


def test_each_experiment_that_varies_an_amount_has_its_curve(params: LearningParams) -> None:
    arms = scored(params)
    curves = sweep_rows(arms, params)
    assert set(curves) == set(CURVES)
    means = dict(arms.select("arm", "mean").iter_rows())
    for item, (axis, series) in CURVES.items():
        rows = curves[item]
        assert rows["axis"].unique().to_list() == [axis]
        assert {name: rows.filter(series=name)["x"].to_list() for name in series} == series
        assert all(means[arm] == mean for arm, mean in rows.select("arm", "mean").iter_rows())


def test_a_curve_of_an_experiment_that_was_not_trained_is_a_table_without_rows(
    params: LearningParams,
) -> None:
    """dvc.yaml names these files, and `dvc plots show` warns of one that is not there."""
    few = params.model_copy(update={"synthetic_experiments": ("in-distribution", "few-real")})
    curves = sweep_rows(scored(few), few)
    assert {item: rows.height for item, rows in curves.items()} == {"ratio": 0, "growing": 0, "few-real": 8}
    assert all(rows.columns == curves["few-real"].columns for rows in curves.values())
    named = [name for plot in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"] for name in plot]
    assert {f"plots/learning/curve-{item}.csv" for item in curves} <= set(named)


@pytest.mark.parametrize("name", ["quick", "real", "paper"])
def test_a_profile_runs_experiments_that_exist_and_those_that_its_questions_are_about(
    name: str, params: LearningParams
) -> None:
    chosen = read_profile(name, ROOT / "profiles")["learning"]
    assert set(chosen["synthetic_experiments"]) <= set(params.experiments)
    trained = {
        arm.name for item in ("real", *chosen["synthetic_experiments"]) for arm in params.experiments[item]
    }
    for question in (params.statistics.primary, *params.statistics.secondary):
        assert {question.arm, question.against} <= trained
        assert question.model in chosen["models"]
