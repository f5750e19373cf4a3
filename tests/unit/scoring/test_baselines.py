"""Base rates, net benefit and calibration by phase, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trialforge.scoring.baselines import add_groups, base_rates, decision_rows, phase_rows
from trialforge.scoring.scores import ArmScores
from trialforge.trial.therapeutic_areas import therapeutic_area


def trials(phases: list[str | None], labels: list[int | None], condition: str = "Asthma") -> pl.DataFrame:
    names = [f"NCT{number:08d}" for number in range(len(phases))]
    return pl.DataFrame(
        {"nct_id": names, "phase": phases, "label": labels, "conditions": [[condition]] * len(phases)}
    )


def arm(labels: list[int], chances: list[float]) -> ArmScores:
    rows = np.array([chances])
    return ArmScores("tfidf-logreg", "real", "real", np.array(labels), rows, rows, np.array([0.5]))


@pytest.mark.parametrize(
    ("conditions", "area"),
    [
        (["Carcinoma, Non-Small-Cell Lung"], "oncology"),
        (["HIV Infections", "Depression"], "infections"),
        (["Diabetes Mellitus, Type 2"], "metabolism"),
        (["Chronic Obstructive Pulmonary Disease"], "respiratory"),
        (["Rheumatoid Arthritis"], "immunology"),
        (["Healthy Volunteers"], "other"),
        ([], "other"),
        (None, "other"),
    ],
)
def test_the_area_follows_from_the_conditions(conditions: list[str] | None, area: str) -> None:
    frame = pl.DataFrame({"conditions": [conditions]}, schema={"conditions": pl.List(pl.String())})
    assert frame.select(therapeutic_area()).item() == area


def test_a_base_rate_is_that_of_training_trials_drawn_towards_all() -> None:
    """Phase 1: 3 of 4 succeed, all: 4 of 8; five trials of the overall rate are added."""
    train = add_groups(trials(["Phase 1"] * 4 + [None] * 4, [1, 1, 1, 0, 1, 0, 0, 0]))
    test = add_groups(trials(["Phase 1", None, "Phase 3", "Phase 1"], [0, 1, 1, None]))
    rates = base_rates(train, test)
    assert rates["phase"] == pytest.approx([(3 + 2.5) / 9, (1 + 2.5) / 9, 0.5])
    assert rates["area"] == pytest.approx([0.5] * 3)


def test_net_benefit_weighs_failures_by_the_odds_of_the_threshold() -> None:
    """At .75 a failure costs three successes; at .5 one."""
    rows = decision_rows([arm([1, 1, 0, 0], [0.9, 0.6, 0.8, 0.1])], {"phase": np.full(4, 0.5)})

    def benefit(name: str, threshold: float) -> float:
        near = (pl.col("threshold") - threshold).abs() < 1e-9
        return float(rows.filter(pl.col("arm") == name).filter(near)["net_benefit"].item())

    assert benefit("real", 0.5) == pytest.approx((2 - 1) / 4)
    assert benefit("real", 0.75) == pytest.approx((1 - 3) / 4)
    assert benefit("all", 0.75) == pytest.approx((2 - 2 * 3) / 4)
    assert benefit("rate of its phase", 0.5) == pytest.approx(0)
    assert benefit("rate of its phase", 0.55) == 0


def test_calibration_is_told_by_phase() -> None:
    rows = phase_rows([arm([1, 1, 0, 0], [0.9, 0.7, 0.6, 0.2])], ["Phase 1", "Phase 1", "Phase 2", "Phase 2"])
    first, second = rows.iter_rows(named=True)
    assert (first["trials"], first["mean_probability"], first["share_of_successes"]) == (2, 0.8, 1.0)
    assert (second["mean_probability"], second["share_of_successes"]) == (0.4, 0.0)
    assert first["low"] == pytest.approx(0.342, abs=1e-3)  # Wilson's interval of 2 in 2
    assert first["high"] == pytest.approx(1)
