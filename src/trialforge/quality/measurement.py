"""All measures of a synthetic set, as a flat metrics file and tables for plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.files import count_rows, read_parquet, read_where
from trialforge.core.rng import random_stream
from trialforge.quality.case import Case, Scale, Side, build_scale
from trialforge.quality.copies import copies_table, worst_copies
from trialforge.quality.cosine import cosine_table
from trialforge.quality.diversity import diversity_table
from trialforge.quality.gates import check_gates
from trialforge.quality.label_fidelity import label_table
from trialforge.quality.leaks import named_held_out, outcome_sentences, outcome_table
from trialforge.quality.marginals import marginal_table
from trialforge.quality.membership import membership_table
from trialforge.quality.memorisation import overlap_table, worst_gaps, worst_ngrams
from trialforge.quality.params import QualityParams
from trialforge.quality.picture import draw_picture
from trialforge.quality.privacy import calibration_table, closest_table
from trialforge.quality.probe import label_words, probe_table
from trialforge.quality.registry import METRICS
from trialforge.quality.skeletons import worst_skeletons
from trialforge.quality.tells import tells_table
from trialforge.quality.views import field_table
from trialforge.quality.yardstick import compare_yardsticks, matching_table
from trialforge.trial.text import filled_fields
from trialforge.validation.duplicates import find_near_copies
from trialforge.validation.params import ValidationParams

REAL_PARTS = ("train", "validation", "test", "held_back")
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
    "tells": tells_table,
    "outcome_leaks": outcome_table,
    "matching": matching_table,
    "fields": lambda case: field_table(case.candidates.frame, case.reference.frame),
    "label_fidelity": label_table,
}

STEPS = len(METRICS) + len(TABLES)


@dataclass(frozen=True, slots=True)
class RunTables:
    """What a run's data say beside the records: real trials by part, and the lineage of its own records.

    `drafts` are the held-back trials in the form of a draft; `whole` has the files that parts were drawn
    from, and is empty if all parts are whole.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    held_back: pl.DataFrame
    drafts: pl.DataFrame
    exemplars: pl.DataFrame | None = None
    reasons: pl.DataFrame | None = None
    whole: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that is measured of a set: the flat metrics, each measure with its yardsticks, tables for plots."""

    metrics: dict[str, float | str]
    measures: pl.DataFrame
    tables: dict[str, pl.DataFrame]


def build_case(
    records: pl.DataFrame, run: RunTables, params: QualityParams, validation: ValidationParams, seed: int
) -> Case:
    """Return the measurement of a set of records.

    Raises:
        MetricError: there is no record to measure.
    """
    if not len(records):
        raise MetricError("there are no synthetic trials to measure", hint="run: dvc repro validate")
    return set_beside(records, run, build_scale(filled_fields(records), run.train, params, validation, seed))


def draw_run(files: Mapping[str, Path], most: int, seed: int) -> RunTables:
    """Return a run with at most `most` real trials of each part, at random; drafts stay with theirs.

    Args:
        files: the tables of RunTables, by name.
        most: trials of each part; the others are not read into memory.
        seed: of the run.

    Raises:
        ArtifactError: a table does not exist or can't be read.
    """
    places: dict[str, np.ndarray] = {}
    for name in REAL_PARTS:
        size = count_rows(files[name])
        if size > most:
            draw = random_stream(seed, "quality", "reference", name).permutation(size)
            places[name] = np.sort(draw[:most])
    if "held_back" in places:
        places["drafts"] = places["held_back"]
    drawn = {
        name: read_where(path, pl.col("row").is_in(pl.Series(places[name], dtype=pl.UInt32).implode()))
        if name in places
        else read_parquet(path)
        for name, path in files.items()
    }
    return RunTables(**drawn, whole={name: files[name] for name in REAL_PARTS} if places else {})


def set_beside(records: pl.DataFrame, run: RunTables, scale: Scale) -> Case:
    """Return the measurement of a set of records in a scale that others may share."""
    case = Case(
        candidates=Side(records, scale),
        reference=Side(run.train, scale),
        held_out=Side(run.validation, scale),
        unseen=Side(run.test, scale),
        held_back=Side(run.held_back, scale),
        drafts=Side(run.drafts, scale),
        exemplars=run.exemplars,
        reasons=run.reasons,
    )
    if not run.whole:
        return case
    read = {*run.train["nct_id"]}
    if "exemplars" in records.columns:
        read |= {*records["exemplars"].explode().drop_nulls()}
    looked_in = read_where(run.whole["train"], pl.col("nct_id").is_in([*read]))
    hidden = pl.concat([read_parquet(run.whole[name], ["nct_id"]) for name in ("validation", "test")])
    return replace(
        case,
        looked_in=Side(looked_in, scale),
        hidden=frozenset(hidden["nct_id"]),
        drawn={name: f"{drawn} of {size}" for name, (drawn, size) in count_drawn(run).items()},
    )


def count_drawn(run: RunTables) -> dict[str, tuple[int, int]]:
    """Return how many trials were drawn, and of how many, for each part that is not whole."""
    sizes = {name: (len(getattr(run, name)), count_rows(path)) for name, path in run.whole.items()}
    return {name: (drawn, size) for name, (drawn, size) in sizes.items() if drawn < size}


def measure_records(case: Case, done: Callable[[str], None] = lambda _measure: None) -> Measured:
    """Return every measure of a set of records beside its yardsticks, and the tables for plots.

    `done` hears the name of each of `STEPS` measures and tables when it is there.
    """
    measures = compare_yardsticks(case, METRICS, done)
    metrics: dict[str, float | str] = {
        name: value
        for name, value in measured_values(measures).items()
        if name not in METRICS or METRICS[name].headline
    }
    metrics |= name_fields(case)
    metrics |= {f"drawn.{part}": sizes for part, sizes in case.drawn.items()}
    return Measured(metrics, measures, build_tables(case, done))


def check_records(case: Case, measured: Measured, validated: Mapping[str, float] | None = None) -> None:
    """Check the gates of a set that was measured; those of `validation.NAME` bound the metrics `validated`.

    Raises:
        GateError: a gate is broken.
    """
    values = measured_values(measured.measures)
    values |= {f"validation.{name}": value for name, value in (validated or {}).items()}
    check_gates(values, case.params.gates, lambda: worst_records(case), missing_values(measured.measures))


def measured_values(measures: pl.DataFrame) -> dict[str, float]:
    """Return each measured value by name, and precision to coverage as shares of their ceiling."""
    values = dict(measures.drop_nulls("value").select("metric", "value").iter_rows())
    ratios = measures.filter(pl.col("metric").is_in(RATIOS) & pl.col("ratio").is_not_null())
    return values | {f"{row['metric']}_ratio": row["ratio"] for row in ratios.iter_rows(named=True)}


def missing_values(measures: pl.DataFrame) -> dict[str, str]:
    """Return why a measure, or its share of the ceiling, has no value, by name."""
    notes = dict(measures.filter(pl.col("value").is_null()).select("metric", "note").iter_rows())
    none = measures.filter(pl.col("metric").is_in(RATIOS) & pl.col("ratio").is_null())["metric"]
    return notes | {f"{name}_ratio": "real trials give no ceiling" for name in none}


def name_fields(case: Case) -> dict[str, str]:
    """Return the names of the fields that either side alone has, in the order of a trial."""
    table = field_table(case.candidates.frame, case.reference.frame)
    return {
        f"fidelity.fields_of_{side}_alone": ", ".join(table.filter(alone=side)["field"])
        for side in ("synthetic", "real")
    }


def build_tables(case: Case, done: Callable[[str], None]) -> dict[str, pl.DataFrame]:
    """Return the tables for plots by name; one that can't be made is a row that says why."""
    found = {}
    for name, make in TABLES.items():
        try:
            found[name] = make(case)
        except MetricError as error:
            found[name] = pl.DataFrame({"note": [str(error)]})
        done(name)
    return found


def worst_records(case: Case, most: int = 3) -> dict[str, list[str]]:
    """Return, by metric, the records that weigh most in it, for the table of broken gates."""
    ids = case.candidates.frame["nct_id"]
    ngrams = worst_ngrams(case, most)
    told = outcome_sentences(case).head(most)
    sentences = [f"{ids[row]}: {sentence.strip()[:80]}" for row, sentence, _ in told.iter_rows()]
    texts, train = case.candidates.texts, case.pool
    copies = find_near_copies(texts, train.texts, case.scale.validation.duplicates)
    names = ("any_100", "longest_ngram", "train_13", "train_50")
    return {f"memorisation.{name}": ngrams for name in names} | {
        "copies.fields": worst_copies(case, most),
        "leakage.outcome_told": sentences,
        "leakage.test_gap": worst_gaps(case, most),
        "leakage.test_known": worst_gaps(case, most),
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
