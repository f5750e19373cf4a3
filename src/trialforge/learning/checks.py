"""What is refused before any training starts: tables and mixes that no honest figure can come from."""

from __future__ import annotations

import polars as pl

from trialforge.core.errors import LearningError

LEAST_TEST_TRIALS = 10


def check_labels(trials: pl.DataFrame, name: str) -> None:
    """Check that each label is 0, 1 or absent.

    Raises:
        LearningError: a label is anything else.
    """
    wrong = trials.filter(pl.col("label").is_not_null() & ~pl.col("label").is_in([0, 1]))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise LearningError(
            f"{name}: {row['nct_id']} has the label {row['label']}; a label is 0, 1 or null "
            f"({wrong.height} rows are not)"
        )


def check_both_classes(examples: pl.DataFrame, name: str) -> None:
    """Check that examples have both labels.

    Raises:
        LearningError: there is no example, or all have one label.
    """
    if not examples.height:
        raise LearningError(f"{name} has no labelled trial", hint="see metrics/split.json for the counts")
    if examples["label"].n_unique() < 2:
        raise LearningError(
            f"{name} has one class only: all {examples.height} trials have the label {examples['label'][0]}"
        )


def check_held_out(validation: pl.DataFrame, test: pl.DataFrame) -> None:
    """Check that both held-out parts can measure something.

    Raises:
        LearningError: a part has one class, or the test part has fewer than ten labelled trials.
    """
    if test.height < LEAST_TEST_TRIALS:
        raise LearningError(
            f"the test part has {test.height} labelled trials; at least {LEAST_TEST_TRIALS} are needed",
            hint="raise `split.test_size` in params.yaml or ingest more trials",
        )
    check_both_classes(test, "the test part")
    check_both_classes(validation, "the validation part")


def check_origins(synthetic: pl.DataFrame, parts: dict[str, pl.DataFrame]) -> None:
    """Check that no synthetic trial has a real trial's id or was made from a held-out one.

    Args:
        synthetic: with `nct_id` and `exemplars`.
        parts: the real tables by part: train, validation, test.

    Raises:
        LearningError: an id is both, or an exemplar lies in a part other than train.
    """
    for part, trials in parts.items():
        both = synthetic.join(trials, on="nct_id", how="semi")
        if both.height:
            raise LearningError(f"{both['nct_id'][0]} is both a synthetic trial and one of the {part} part")
    held_out = pl.concat(
        [
            trials.select(pl.col("nct_id").alias("exemplars"), pl.lit(part).alias("part"))
            for part, trials in parts.items()
            if part != "train"
        ]
    )
    made = synthetic.select("nct_id", "exemplars").explode("exemplars").join(held_out, on="exemplars")
    if made.height:
        row = made.sort("nct_id", "exemplars").row(0, named=True)
        raise LearningError(
            f"synthetic trial {row['nct_id']} was made from {row['exemplars']}, "
            f"which is in the {row['part']} part",
            hint="run: dvc repro --force index",
        )
