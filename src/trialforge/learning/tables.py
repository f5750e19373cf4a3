"""The tables of an experiment, checked: what arms draw from and what they are scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from trialforge.learning.arms import TrainingPool
from trialforge.learning.checks import check_both_classes, check_held_out, check_labels, check_origins
from trialforge.learning.examples import make_examples

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Tables:
    """Examples for training and for the two held-out parts."""

    pool: TrainingPool
    validation: pl.DataFrame
    test: pl.DataFrame

    @property
    def held_out(self) -> dict[str, pl.DataFrame]:
        """The parts that are scored, by name."""
        return {"validation": self.validation, "test": self.test}


def make_tables(
    parts: dict[str, pl.DataFrame],
    fields: Sequence[str],
    synthetic: pl.DataFrame | None = None,
    generated: pl.DataFrame | None = None,
    as_drafts: pl.DataFrame | None = None,
) -> Tables:
    """Return checked examples.

    Args:
        parts: registration views of train, validation and test, each with `label`; and of the real trials
            that were held back (`held-back`), where there are any.
        fields: the fields that become text.
        synthetic: synthetic trials that passed validation, with `arm` and `exemplars`.
        generated: all drafts, for arms from before filtering.
        as_drafts: the held-back trials in the form of a draft.

    Raises:
        LearningError: a table can't be trained on or scored honestly.
    """
    for part, trials in parts.items():
        check_labels(trials, f"the {part} part")
    validation, test = (make_examples(parts[part], fields) for part in ("validation", "test"))
    check_held_out(validation, test)
    real = _dated_examples(parts["train"], fields, "real")
    check_both_classes(real, "the train part")
    held_back = parts.get("held-back")
    pool = TrainingPool(
        real,
        None if synthetic is None else _synthetic_pool(parts, fields, synthetic, generated),
        None if held_back is None else _dated_examples(held_back, fields, "held-back"),
        None if as_drafts is None else _dated_examples(as_drafts, fields, "held-back-as-drafts"),
    )
    return Tables(pool, validation, test)


def _dated_examples(trials: pl.DataFrame, fields: Sequence[str], origin: str) -> pl.DataFrame:
    submitted = trials.select("nct_id", pl.col("first_submitted").alias("submitted"))
    return make_examples(trials, fields, origin).join(
        submitted, on="nct_id", how="left", maintain_order="left"
    )


def _synthetic_pool(
    parts: dict[str, pl.DataFrame],
    fields: Sequence[str],
    synthetic: pl.DataFrame,
    generated: pl.DataFrame | None,
) -> pl.DataFrame:
    drafts = synthetic.with_columns(pl.lit(value=True).alias("filtered"))
    if generated is not None:
        rest = generated.filter(pl.col("nct_id").is_not_null()).join(synthetic, on="nct_id", how="anti")
        rest = rest.with_columns(pl.lit(value=False).alias("filtered"))
        drafts = pl.concat([drafts, rest], how="diagonal_relaxed")
    check_labels(drafts, "the synthetic table")
    check_origins(drafts, parts)
    latest = (
        drafts.select("nct_id", "exemplars")
        .explode("exemplars")
        .join(
            parts["train"].select("nct_id", "first_submitted"),
            left_on="exemplars",
            right_on="nct_id",
            how="left",
        )
        .group_by("nct_id")
        .agg(pl.col("first_submitted").max().alias("submitted"))
    )
    about = drafts.select("nct_id", pl.col("arm").alias("generation_arm"), "generation", "filtered")
    about = about.join(latest, on="nct_id", how="left")  # drafts without retrieval have no exemplar
    return make_examples(drafts, fields, "synthetic").join(about, on="nct_id", maintain_order="left")
