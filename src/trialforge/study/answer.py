"""The answers of the study: a row per arm and size, the declared question, and both in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from trialforge.scoring.paired_tests import AreaTest, holm
from trialforge.study.exchange import compare_areas, exchange_rate
from trialforge.study.study import REAL

if TYPE_CHECKING:
    from trialforge.study.params import StudyParams
    from trialforge.study.study import StudyResult

ROW_SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(), "arm": pl.String(), "real": pl.Int64(), "added": pl.Float64(),
    **{
        name: pl.Float64()
        for name in (
            "roc_auc", "gain", "gain_low", "gain_high", "p", "p_holm", "worth", "worth_low", "worth_high",
            "share",
        )
    },
    "worth_open_low": pl.Boolean(), "worth_open_high": pl.Boolean(),
}  # fmt: skip


def tabulate(result: StudyResult, params: StudyParams) -> pl.DataFrame:
    """Return ROW_SCHEMA: each arm of each size by each model, the learning curve of real trials first.

    `gain` is over real trials alone, `worth` what one added trial is worth in real ones, `share` the share of
    the gain that as many real trials would bring. `p_holm` corrects over all questions but the declared one.
    """
    rows: list[dict[str, Any]] = []
    for model in params.models:
        curve = result.curve(model)
        for (name, arm, size), areas in result.areas.items():
            if name != model:
                continue
            row: dict[str, Any] = {
                "model": model, "arm": arm, "real": size * result.block_size, "added": areas.added,
                "roc_auc": areas.mean,
            }  # fmt: skip
            if arm != REAL.name:
                gain = compare_areas(areas, curve[row["real"]], result.clusters)
                low, high = gain.interval(params.level)
                row |= {"gain": gain.value, "gain_low": low, "gain_high": high, "p": gain.p()}
            if areas.added:
                worth = exchange_rate(curve, areas, row["real"], clusters=result.clusters, level=params.level)
                row |= {
                    "worth": worth.value, "worth_low": worth.low, "worth_high": worth.high,
                    "worth_open_low": worth.open_low, "worth_open_high": worth.open_high,
                    "share": worth.share,
                }  # fmt: skip
            rows.append(row)
    frame = pl.DataFrame(rows, schema=ROW_SCHEMA)
    primary = _is_primary(result, params)
    asked = pl.col("p").is_not_null() & ~primary
    corrected = holm(frame.filter(asked)["p"].to_numpy())
    return pl.concat(
        [
            frame.filter(asked).with_columns(pl.Series("p_holm", corrected, dtype=pl.Float64)),
            frame.filter(~asked),
        ]
    ).sort("model", (pl.col("arm") != REAL.name), "arm", "real")


def _is_primary(result: StudyResult, params: StudyParams) -> pl.Expr:
    return (
        (pl.col("model") == params.models[0])
        & (pl.col("arm") == params.primary)
        & (pl.col("real") == params.primary_size * result.block_size)
    )


def answer(result: StudyResult, table: pl.DataFrame, params: StudyParams) -> dict[str, Any]:
    """Return the declared question's figures and what they say, for metrics/worth.json."""
    model, size = params.models[0], params.primary_size
    curve = result.curve(model)
    row = table.filter(_is_primary(result, params)).row(0, named=True)
    arm = result.areas[model, params.primary, size]
    names = [REAL.name, *params.rivals]
    rivals = {name: result.areas[model, name, size] for name in names if name != params.primary}
    tests = {name: compare_areas(arm, rival, result.clusters) for name, rival in rivals.items()}
    best = max(rivals, key=lambda name: rivals[name].mean)
    # As many more real trials as were added, as nearly as the curve has them; never none.
    larger = [trials for trials in curve if trials > row["real"]]
    more = min(larger, key=lambda trials: abs(trials - row["real"] - row["added"]), default=None)
    help_of_real = None if more is None else compare_areas(curve[more], curve[row["real"]], result.clusters)
    figures: dict[str, Any] = {
        "model": model,
        "arm": params.primary,
        **{name: row[name] for name in ("real", "added", "roc_auc", "gain", "gain_low", "gain_high", "p")},
        **{name: value for name, value in row.items() if name.startswith(("worth", "share"))},
        "verdict": judge(tests, params),
        "best_rival": best,
        "over_best_rival": tests[best].value,
        "error_by_blocks": tests[REAL.name].error_repeats,
        "error_by_tests": tests[REAL.name].error_trials,
        "real_gain": help_of_real.value if help_of_real else None,
        "real_gain_trials": more - row["real"] if more else None,
        "real_gain_p": help_of_real.p() if help_of_real else None,
    }
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in figures.items()}


def judge(tests: dict[str, AreaTest], params: StudyParams) -> str:
    """Return `better` or `worse` than every rival, `equivalent` to every one, or `not shown`.

    To beat all is an intersection-union test: each rival at the full level.
    """
    intervals = [test.interval(params.level) for test in tests.values()]
    if all(low > 0 for low, _ in intervals):
        return "better"
    if all(high < 0 for _, high in intervals):
        return "worse"
    if all(test.p_equivalent(params.margin) < 1 - params.level for test in tests.values()):
        return "equivalent"
    return "not shown"


def say(figures: dict[str, Any], level: float) -> list[str]:
    """Return the answer in sentences: the exchange rate, what it shows, and what would change it."""
    low, high = (100 * figures[name] for name in ("worth_low", "worth_high"))
    real = figures["real"]
    said = [f"At {real} real trials, 100 synthetic ones are worth {say_worth(figures)} real ones."]
    if figures["worth_open_low"] or figures["worth_open_high"]:
        said.append("The interval extends beyond the learning curve.")
    if figures["real_gain"] is None:
        return [
            *said,
            "No pool of the learning curve has more real trials, so the study can't tell whether it could "
            "have shown a benefit. Take more blocks, or add sizes to study.curve.",
        ]
    helps = figures["real_gain_p"] < 1 - level and figures["real_gain"] > 0
    if not helps:
        said.append(
            f"This study could not have shown a benefit: {figures['real_gain_trials']} more real trials do "
            f"not help significantly either (ROC-AUC {figures['real_gain']:+.3f}, "
            f"p = {figures['real_gain_p']:.3f})."
        )
    elif low > 0:
        words = {
            "better": "They help, and more than every cheap rival.",
            "equivalent": f"They help, but no more than `{figures['best_rival']}`, which costs nothing.",
        }
        default = f"They help, but perhaps no more than `{figures['best_rival']}`, which costs nothing."
        said.append(words.get(figures["verdict"], default))
    elif high < 0:
        said.append("They do harm: fewer real trials alone would do as well.")
    else:
        said.append("The study does not show that they help.")
    if not helps or low <= 0 <= high:
        said.append(f"What would have to change: {_lever(figures, helps=helps)}.")
    return said


def say_worth(row: Mapping[str, Any]) -> str:
    """Return what 100 added trials are worth, with the interval; an end beyond the learning curve says so."""
    value, low, high = (f"{100 * row[name]:.0f}" for name in ("worth", "worth_low", "worth_high"))
    least = f"below {low}" if row["worth_open_low"] else low
    most = f"above {high}" if row["worth_open_high"] else high
    return f"{value} ({least} to {most})"


def _lever(figures: dict[str, Any], *, helps: bool) -> str:
    """Return what would make the answer surer, the largest part of its error first."""
    if not helps:
        return "fewer real trials in a pool, where more of them still help, or more test trials"
    if figures["error_by_tests"] > figures["error_by_blocks"]:
        return "more test trials, whose chance is the larger part of the error; then a better language model"
    return "more blocks, whose chance is the larger part of the error; then a better language model"
