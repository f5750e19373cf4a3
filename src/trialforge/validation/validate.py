"""Drafts in, synthetic trials and rejected drafts out, each rejected one with all its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from trialforge.core.errors import MetricError
from trialforge.trial.checks.form import FIELDS_COLUMN
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import CHECKED_SCHEMA, find_faults, record_checks
from trialforge.trial.checks.reference import learn_reference
from trialforge.trial.checks.target import TARGET_COLUMNS
from trialforge.trial.label_words import LABEL_WORDS
from trialforge.trial.skeleton import filled_fields as asked_fields
from trialforge.trial.text import field_texts, filled_fields
from trialforge.validation.best import find_lesser
from trialforge.validation.duplicates import find_close, find_near_copies
from trialforge.validation.params import ValidationParams
from trialforge.validation.space import fit_space

REASONS = "reject_reasons"
COPY_OF = "near_copy_of"
GIVEN_UP = "given_up"
NOT_BEST = "not_best"
TRAIN_COPY, SIBLING_COPY = "near_copy_of_train", "near_copy_of_sibling"


@dataclass(frozen=True, slots=True)
class Validated:
    """The synthetic trials, and the rejected drafts with `reject_reasons` and `near_copy_of`."""

    synthetic: pl.DataFrame
    rejected: pl.DataFrame


def validate(
    generated: pl.DataFrame,
    plan: pl.DataFrame,
    train: pl.DataFrame,
    blocks: pl.DataFrame,
    checks: CheckParams,
    params: ValidationParams,
) -> Validated:
    """Return the best draft of each target that passes every check and is no near-duplicate, and the others.

    Raises:
        MetricError: a draft is of no target of the plan or of no trial of train, or none is left.
    """
    asked = plan.select(
        "target_id",
        *(pl.col(name).alias(to) for name, to in TARGET_COLUMNS.items()),
        pl.col("skeleton").map_elements(asked_fields, pl.List(pl.String)).alias(FIELDS_COLUMN),
    )
    strangers = generated.join(asked, on="target_id", how="anti")
    if len(strangers):
        raise MetricError(
            f"{len(strangers)} drafts have no target in the plan; the first is {strangers['target_id'][0]!r}",
            hint="run: dvc repro generate",
        )
    beside = generated.join(asked, on="target_id", how="left", maintain_order="left")
    given_up = pl.col("nct_id").is_null() | pl.col("reject_reason").is_not_null()
    faults = find_faults(
        beside.select(*CHECKED_SCHEMA),
        record_checks(checks, _exemplars(generated, train), learn_reference(train)),
    )
    drafts = generated.with_columns(
        pl.when(given_up).then(pl.lit([GIVEN_UP])).otherwise(faults).alias(REASONS),
        pl.lit(None, pl.String).alias(COPY_OF),
    )
    own_block = plan.select("target_id", "block")
    drafts = drafts.join(own_block, on="target_id", how="left", maintain_order="left")
    drafts = _mark_lesser(drafts, train, blocks)
    drafts = _add_copies(drafts, train, params).select(*generated.columns, REASONS, COPY_OF)
    good = pl.col(REASONS).list.len() == 0
    synthetic = drafts.filter(good).select(generated.columns)
    rejected = drafts.filter(~good)
    if len(synthetic) == 0:
        raise MetricError(
            f"none of the {len(generated)} drafts is valid; reasons: {_tally(rejected)}",
            hint="look at data/rejected.parquet, or run: trialforge show ID",
        )
    return Validated(synthetic, rejected)


def _exemplars(generated: pl.DataFrame, train: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the train trials that any draft's prompt showed, by id."""
    shown = {*generated["exemplars"].explode().drop_nulls()}
    trials = {row["nct_id"]: row for row in train.filter(pl.col("nct_id").is_in(shown)).iter_rows(named=True)}
    if shown - trials.keys():
        raise MetricError(
            f"exemplar {min(shown - trials.keys())} is not in train", hint="run: dvc repro generate"
        )
    return trials


def _mark_lesser(drafts: pl.DataFrame, train: pl.DataFrame, blocks: pl.DataFrame) -> pl.DataFrame:
    """Mark each sound draft that another sound one of its target outdoes."""
    sound = drafts.filter(pl.col(REASONS).list.len() == 0)
    lesser = sound.filter(find_lesser(sound, train, blocks))["nct_id"]
    marked = pl.when(pl.col("nct_id").is_in(lesser.implode())).then(pl.lit([NOT_BEST])).otherwise(REASONS)
    return drafts.with_columns(marked.alias(REASONS))


def _add_copies(drafts: pl.DataFrame, train: pl.DataFrame, params: ValidationParams) -> pl.DataFrame:
    """Mark near-copies among the drafts that have no fault so far."""
    drafts = drafts.with_row_index("row")
    sound = drafts.filter(pl.col(REASONS).list.len() == 0)
    if len(sound) == 0:
        return drafts.drop("row")
    fields = filled_fields(sound)
    drafted, real = field_texts(sound, fields), field_texts(train, fields)
    copies = find_near_copies(drafted, real, params.duplicates)
    space = fit_space(real.to_list(), params.space)
    rows = space.embed(drafted.to_list()), space.embed(real.to_list())
    close = find_close(*rows, params.duplicates.max_cosine)
    # A shared wording names the original more surely than the nearest row.
    of_train, of_sibling = (copies[name].fill_null(close[name]) for name in ("train_row", "sibling_row"))
    reasons = [
        pl.when(rows.is_not_null()).then(pl.lit(name))
        for name, rows in ((TRAIN_COPY, of_train), (SIBLING_COPY, of_sibling))
    ]
    original = train["nct_id"].gather(of_train).fill_null(sound["nct_id"].gather(of_sibling))
    marks = sound.select("row", copy_reasons=pl.concat_list(reasons).list.drop_nulls(), original=original)
    return (
        drafts.join(marks, on="row", how="left", maintain_order="left")
        .with_columns(
            pl.concat_list(REASONS, pl.col("copy_reasons").fill_null([])).alias(REASONS),
            pl.col("original").alias(COPY_OF),
        )
        .drop("row", "copy_reasons", "original")
    )


def _tally(rejected: pl.DataFrame) -> str:
    counts = (
        rejected[REASONS].explode().value_counts(sort=True).sort("count", REASONS, descending=[True, False])
    )
    return ", ".join(f"{name} {count}" for name, count in counts.iter_rows())


def acceptance_metrics(generated: pl.DataFrame, validated: Validated) -> dict[str, Any]:
    """Return counts and acceptance rates in all, by label and by model; and rejections by reason.

    Acceptance rates are shares of targets. `rejected.NAME` counts the drafts rejected for a reason,
    `rejection_rate.NAME` is their share of all drafts. A draft may have more reasons than one, so the
    shares may add up to more than all rejected.
    """
    passed = pl.col("target_id").is_in(validated.synthetic["target_id"].implode())
    targets = generated.unique("target_id", keep="first", maintain_order=True)
    accepted = targets.select("label", "model", passed.alias("accepted"))
    metrics: dict[str, Any] = {
        "drafts": len(generated),
        "accepted": len(validated.synthetic),
        "acceptance_rate": round(len(validated.synthetic) / max(len(targets), 1), 4),
    }
    groups = [(f"acceptance_rate.{word}", pl.col("label") == label) for label, word in LABEL_WORDS.items()]
    models = accepted["model"].drop_nulls().unique().sort()
    groups += [(f"acceptance_rate.model.{model}", pl.col("model") == model) for model in models]
    for name, chosen in groups:
        part = accepted.filter(chosen)["accepted"]
        if len(part):
            metrics[name] = round(part.sum() / len(part), 4)
    counts = sorted(validated.rejected[REASONS].explode().value_counts().iter_rows())
    metrics |= {f"rejected.{name}": count for name, count in counts}
    return metrics | {f"rejection_rate.{name}": round(count / len(generated), 4) for name, count in counts}


def rejection_table(validated: Validated) -> pl.DataFrame:
    """Return how many drafts were rejected, by reason, label, model and generation arm."""
    keys = [REASONS, "label", "model", "arm"]
    return (
        validated.rejected.select(keys)
        .explode(REASONS)
        .group_by(keys)
        .agg(pl.len().alias("drafts"))
        .rename({REASONS: "reason"})
        .sort("reason", "label", "model", "arm")
    )
