"""Did a trial succeed? Each source of labels says 1 or 0 or nothing, and a rule makes one label of them.

`status`: Completed is a success, and a trial that stopped is a failure if its reason is one that counts.
`results`: the posted analyses of the primary endpoint are significant, or none of them is. `csv` and `top`: a
table that the user has. What each of them says stays in a column of its own, `label_status` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, get_args

import polars as pl

from trialforge.core.errors import IngestError
from trialforge.ingest.label_table import read_label_csv
from trialforge.ingest.p_values import results_evidence, results_label
from trialforge.ingest.params import IngestParams, LabelSource
from trialforge.ingest.stop_reasons import stop_reason
from trialforge.ingest.top import read_top

FAILED = ("Terminated", "Withdrawn", "Suspended")
LABEL_SOURCES: tuple[LabelSource, ...] = get_args(LabelSource)
_TABLES: tuple[LabelSource, ...] = ("csv", "top")
_SHOWN = 5

LabelTables = Mapping[LabelSource, pl.DataFrame]  # nct_id, label and evidence; TOP's has official_part too


class _Vote(NamedTuple):
    """Two expressions over the columns of a trial: a label or null, and the evidence for it."""

    label: pl.Expr
    evidence: pl.Expr


def load_label_tables(params: IngestParams) -> LabelTables:
    """Return the label tables that are there, whether or not `labels` uses them.

    Raises:
        IngestError: a table is absent, can't be read, lacks a column, or has a label that is none.
    """
    read = {"csv": lambda path: read_label_csv(Path(path)), "top": _read_top_labels}
    return {name: read[name](path) for name, path in params.tables.items()}


def label_trials(
    trials: pl.DataFrame, params: IngestParams, tables: LabelTables | None = None
) -> pl.DataFrame:
    """Return trials with their label, who gave it and why, what each source says, and `official_part`."""
    joined = trials.lazy()
    for name in _TABLES:
        table = (tables or {}).get(name, pl.DataFrame(schema={"nct_id": pl.String(), "label": pl.Int64()}))
        joined = joined.join(
            _fill_columns(table, name).lazy(), on="nct_id", how="left", maintain_order="left"
        )
    votes = _votes(params)
    said = joined.with_columns(vote.label.alias(f"label_{name}") for name, vote in votes.items())
    label = _decide(params)
    labelled = said.with_columns(
        label=label, label_source=_deciding(params, label), label_evidence=_evidence(params, votes)
    )
    return labelled.select(*trials.columns, "official_part").collect()


def _fill_columns(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return a label table as columns that no trial has; only TOP tells the official part."""
    absent = [
        pl.lit(None, dtype=pl.String).alias(column)
        for column in ("evidence", "official_part")
        if column not in table.columns
    ]
    part = ["official_part"] if name == "top" else []
    whole = table.with_columns(absent)
    return whole.select(
        "nct_id", *part, pl.col("label").alias(f"{name} label"), pl.col("evidence").alias(f"{name} evidence")
    )


def _votes(params: IngestParams) -> dict[LabelSource, _Vote]:
    tables = {name: _Vote(pl.col(f"{name} label"), pl.col(f"{name} evidence")) for name in _TABLES}
    results = _Vote(results_label(params.significance), results_evidence())
    return {**tables, "results": results, "status": _status_vote(params)}


def _status_vote(params: IngestParams) -> _Vote:
    status, reason = pl.col("status"), stop_reason(pl.col("why_stopped")).fill_null("other")
    stopped = status.is_in(FAILED)
    failed = stopped & reason.is_in(params.failure_reasons)
    label = pl.when(status == "Completed").then(1).when(failed).then(0)
    why = pl.when(stopped).then(pl.format("{} ({})", status, reason)).otherwise(status)
    return _Vote(label.cast(pl.Int64), why)


def _decide(params: IngestParams) -> pl.Expr:
    """Return the label: of the first source that speaks, or of more than half of those that do."""
    said = [pl.col(f"label_{name}") for name in params.labels]
    if params.label_rule == "first":
        return pl.coalesce(said)
    share = pl.mean_horizontal(said)
    return pl.when(share > 0.5).then(1).when(share < 0.5).then(0).cast(pl.Int64)


def _deciding(params: IngestParams, label: pl.Expr) -> pl.Expr:
    """Return the names of the sources that gave the label."""
    names = [pl.when(pl.col(f"label_{name}") == label).then(pl.lit(name)) for name in params.labels]
    if params.label_rule == "first":
        return pl.coalesce(names)
    return pl.concat_str(names, separator="+", ignore_nulls=True).replace("", None)


def _evidence(params: IngestParams, votes: Mapping[LabelSource, _Vote]) -> pl.Expr:
    """Return why; of several sources all that spoke are quoted, those who were outvoted too."""
    said = [
        pl.when(pl.col(f"label_{name}").is_not_null()).then(
            votes[name].evidence
            if len(params.labels) == 1
            else pl.format(name + " {}: {}", f"label_{name}", votes[name].evidence)
        )
        for name in params.labels
    ]
    return pl.concat_str(said, separator="; ", ignore_nulls=True).replace("", None)


def match_tables(trials: pl.LazyFrame, params: IngestParams, tables: LabelTables) -> dict[str, Any]:
    """Return for each label table how many of its ids are trials, how many are none, and the first of those.

    Raises:
        IngestError: `labels` uses a table of which no id is a trial.
    """
    known = trials.select("nct_id").collect()
    counts: dict[str, Any] = {}
    for name, table in tables.items():
        ids = table.drop_nulls("label").select("nct_id")
        unmatched = ids.join(known, on="nct_id", how="anti", maintain_order="left")["nct_id"]
        first = ", ".join(unmatched.head(_SHOWN))
        if unmatched.len() == ids.height and name in params.labels:
            raise IngestError(
                f"the {name} labels match no trial: they name {first}, but the source has "
                f"{', '.join(known['nct_id'].head(_SHOWN))}",
                hint="check the column of ids, `ingest.source` and `ingest.path`",
            )
        counts[name] = {
            "labels": ids.height,
            "trials_matched": ids.height - unmatched.len(),
            "trials_without": known.height - (ids.height - unmatched.len()),
            "unmatched": unmatched.len(),
            **({"unmatched_first": first} if first else {}),
        }
    return counts


def label_agreement(trials: pl.LazyFrame) -> dict[str, float]:
    """Return for each pair of sources that speak how many trials both label, their agreement and kappa.

    Kappa is Cohen's: the agreement beyond what the sources' own shares of successes would give by chance.
    """
    votes = trials.select(pl.col(f"label_{name}").alias(name) for name in LABEL_SOURCES).collect()
    heard = [name for name in LABEL_SOURCES if votes[name].null_count() < votes.height]
    pairs = combinations(sorted(heard, reverse=True), 2)
    return {key: value for pair in pairs for key, value in _agreement(votes, *pair).items()}


def _agreement(votes: pl.DataFrame, one: str, other: str) -> dict[str, float]:
    both = votes.select(one, other).drop_nulls()
    name = f"{one}_{other}"
    if both.is_empty():
        return {f"{name}_n": 0}
    share = float(both.select((pl.col(one) == pl.col(other)).mean()).item())
    first, second = (float(both[column].cast(pl.Float64).sum()) / both.height for column in (one, other))
    chance = first * second + (1 - first) * (1 - second)
    scores: dict[str, float] = {f"{name}_n": both.height, f"{name}_share": round(share, 4)}
    return scores | ({f"{name}_kappa": round((share - chance) / (1 - chance), 4) + 0.0} if chance < 1 else {})


def base_rates(trials: pl.LazyFrame) -> dict[str, Any]:
    """Return how many trials have a label and how many of those succeeded: all, by phase, year and source.

    Years are those of registration, or of the start where no file tells when a trial was registered. Of each
    source it is what the source itself says.
    """
    return {
        "all": _rate(trials, "label"),
        "phase": _rates(trials, pl.col("phase").fill_null("none")),
        "year": _rates(trials, registration_year()),
        "source": {
            name: rate for name in LABEL_SOURCES if (rate := _rate(trials, f"label_{name}"))["labelled"]
        },
    }


def registration_year() -> pl.Expr:
    """Return the year in which a trial was registered, or else started; `none` where neither is known."""
    day = pl.coalesce("first_submitted", "start_date")
    return day.dt.year().cast(pl.String).fill_null("none")


def _rate(trials: pl.LazyFrame, column: str) -> dict[str, float]:
    label = pl.col(column)
    found = trials.select(labelled=label.count(), success=label.mean().round(4)).collect().row(0, named=True)
    return {name: value for name, value in found.items() if value is not None}


def _rates(trials: pl.LazyFrame, key: pl.Expr) -> dict[str, dict[str, float]]:
    labelled = trials.drop_nulls("label").group_by(key.alias("key"))
    table = labelled.agg(labelled=pl.len(), success=pl.col("label").mean().round(4)).sort("key").collect()
    return {row.pop("key"): row for row in table.iter_rows(named=True)}


def _read_top_labels(path: str) -> pl.DataFrame:
    """Return TOP's labels; of a trial in several tables the one that is seen last in training counts."""
    rank = pl.col("part").replace_strict({"test": 0, "validation": 1}, default=2)
    table = read_top(path).filter(pl.col("nctid").is_not_null()).sort(rank, "file")
    first = table.unique("nctid", keep="first", maintain_order=True)
    return first.select(
        nct_id="nctid", label="label", evidence=pl.format("TOP {}", "file"), official_part="part"
    )
