"""All measures of a synthetic set, as a flat metrics file and tables for plots."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.copies import copies_table, worst_copies
from trialforge.quality.cosine import cosine_table
from trialforge.quality.diversity import diversity_table
from trialforge.quality.leaks import named_held_out, outcome_sentences, outcome_table
from trialforge.quality.marginals import marginal_table
from trialforge.quality.membership import membership_table
from trialforge.quality.memorisation import overlap_table, worst_gaps, worst_ngrams
from trialforge.quality.metric import Metric
from trialforge.quality.params import QualityParams
from trialforge.quality.picture import draw_picture
from trialforge.quality.privacy import calibration_table, closest_table
from trialforge.quality.probe import label_words, probe_table
from trialforge.quality.skeletons import worst_skeletons
from trialforge.quality.yardstick import matching_table
from trialforge.trial.text import filled_fields
from trialforge.validation.duplicates import find_near_copies
from trialforge.validation.params import ValidationParams

RATIOS = ("fidelity.precision", "fidelity.recall", "fidelity.density", "fidelity.coverage")
TABLES: dict[str, Callable[[Case], pl.DataFrame]] = {
    "cosines": cosine_table,
    "picture": draw_picture,
    "marginals": marginal_table,
    "diversity": diversity_table,
    "copies": copies_table,
    "overlap": overlap_table,
    "closest": closest_table,
    "calibration": calibration_table,
    "membership": membership_table,
    "probes": probe_table,
    "label_words": label_words,
    "outcome_leaks": outcome_table,
    "matching": matching_table,
}


def build_case(
    synthetic: pl.DataFrame,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    test: pl.DataFrame,
    exemplars: pl.DataFrame,
    reasons: pl.DataFrame,
    params: QualityParams,
    records: ValidationParams,
    seed: int,
) -> Case:
    """Return the measurement of a synthetic set.

    Raises:
        MetricError: there is no record to measure.
    """
    if not len(synthetic):
        raise MetricError("there is no synthetic trial to measure", hint="run: dvc repro validate")
    scale = build_scale(filled_fields(synthetic), train, params, records, seed)
    return Case(
        candidates=Side(synthetic, scale),
        reference=Side(train, scale),
        held_out=Side(validation, scale),
        unseen=Side(test, scale),
        exemplars=exemplars,
        reasons=reasons,
    )


def measured_values(measures: pl.DataFrame) -> dict[str, float]:
    """Return each measured value by name, and precision to coverage as shares of their ceiling."""
    values = dict(measures.drop_nulls("value").select("metric", "value").iter_rows())
    ratios = measures.filter(pl.col("metric").is_in(RATIOS) & pl.col("ratio").is_not_null())
    return values | {f"{row['metric']}_ratio": row["ratio"] for row in ratios.iter_rows(named=True)}


def headline_values(values: dict[str, float], metrics: dict[str, Metric]) -> dict[str, float]:
    """Return the flat metrics file: the values of headline metrics, and the ratios."""
    return {name: value for name, value in values.items() if name not in metrics or metrics[name].headline}


def build_tables(case: Case) -> dict[str, pl.DataFrame]:
    """Return the tables for plots by name; one that can't be made is a row that says why."""
    found = {}
    for name, make in TABLES.items():
        try:
            found[name] = make(case)
        except MetricError as error:
            found[name] = pl.DataFrame({"note": [str(error)]})
    return found


def worst_records(case: Case, most: int = 3) -> dict[str, list[str]]:
    """Return, by metric, the records that weigh most in it, for the table of broken gates."""
    ids = case.candidates.frame["nct_id"]
    ngrams = worst_ngrams(case, most)
    told = outcome_sentences(case).head(most)
    sentences = [f"{ids[row]}: {sentence.strip()[:80]}" for row, sentence, _ in told.iter_rows()]
    texts, train = case.candidates.texts, case.reference
    copies = find_near_copies(texts, train.texts, case.scale.validation.duplicates)
    names = ("any_100", "longest_ngram", "train_13", "train_50")
    return {f"memorisation.{name}": ngrams for name in names} | {
        "copies.fields": worst_copies(case, most),
        "leakage.outcome_told": sentences,
        "leakage.test_gap": worst_gaps(case, most),
        "leakage.held_out_ids": named_held_out(case)[:most],
        "privacy.copies": _worst_copies(copies, "train", ids, train.frame["nct_id"], most),
        "privacy.skeleton_equal": worst_skeletons(case, most),
        "diversity.near_copies": _worst_copies(copies, "sibling", ids, ids, most),
    }


def _worst_copies(
    copies: pl.DataFrame, side: str, ids: pl.Series, originals: pl.Series, most: int
) -> list[str]:
    """Return the records that are most alike their original, with its id and the share of equal n-grams."""
    row, share = f"{side}_row", f"{side}_jaccard"
    worst = copies.with_row_index("row").drop_nulls(row).sort(share, "row", descending=[True, False])
    return [
        f"{ids[one]}: {alike:.0%} of the n-grams of {originals[other]}"
        for one, other, alike in worst.select("row", row, share).head(most).iter_rows()
    ]
