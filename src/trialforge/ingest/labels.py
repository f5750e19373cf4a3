"""Did a trial succeed? Each source of labels votes or abstains, and keeps its evidence beside the label.

`status`: Completed is a success, and a trial that stopped is a failure if its reason is one that counts.
`results`: the posted analyses of the primary endpoint are significant, or none of them is.
`votes`: both of them; a posted result weighs more than mere completion, and a trial that stopped although
its result is significant gets no label. `top` and `csv`: a table that the user has.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from trialforge.core.errors import IngestError, ParameterError
from trialforge.ingest.params import IngestParams
from trialforge.ingest.stop_reasons import stop_reason
from trialforge.ingest.top import read_top

FAILED = ("Terminated", "Withdrawn", "Suspended")
TABLE_SCHEMA: dict[str, pl.DataType] = {
    "nct_id": pl.String(), "table_label": pl.Int64(), "table_evidence": pl.String(),
    "official_part": pl.String(),
}  # fmt: skip


class Vote(NamedTuple):
    """Two expressions over the columns of a trial: a label or null, and the evidence for it."""

    label: pl.Expr
    evidence: pl.Expr


def status_vote(params: IngestParams) -> Vote:
    """Return the vote of the trial's status and its reason for stopping."""
    status, reason = pl.col("status"), stop_reason(pl.col("why_stopped")).fill_null("other")
    failed = status.is_in(FAILED) & reason.is_in(params.failure_reasons)
    label = pl.when(status == "Completed").then(1).when(failed).then(0)
    why = pl.when(status.is_in(FAILED)).then(pl.format("{} ({})", status, reason)).otherwise(status)
    return Vote(label.cast(pl.Int64), why)


def results_vote(params: IngestParams) -> Vote:
    """Return the vote of the posted analyses of the primary endpoint.

    Success: the smallest p-value is significant after Bonferroni's correction for the number of analyses,
    or all are significant without it. Failure: none is significant. Between the two it abstains.
    """
    text = pl.col("primary_analyses").list.eval(pl.element().struct.field("p_value").drop_nulls())
    parsed = text.list.eval(
        pl.element().str.extract_groups(r"^[Pp]?\s*([<>=≤≥]*)\s*(\d*\.?\d+(?:[eE]-?\d+)?)$")
    )
    sign = pl.element().struct.field("1")
    value = pl.element().struct.field("2").cast(pl.Float64, strict=False)
    usable = value.is_not_null() & (value <= 1)
    # "<0.05" is below 0.05, a plain 0.05 is not.
    below = pl.when(sign.str.contains("[<≤]")).then(value - 1e-12).otherwise(value)
    upper = parsed.list.eval(pl.when(usable & ~sign.str.contains("[>≥]")).then(below).drop_nulls())
    lower = parsed.list.eval(pl.when(usable & ~sign.str.contains("[<≤]")).then(value).drop_nulls())
    level, count = params.significance, parsed.list.eval(pl.element().filter(usable)).list.len()
    enough = (upper.list.min() < level / count) | ((upper.list.len() == count) & (upper.list.max() < level))
    none = (lower.list.len() == count) & (lower.list.min() >= level)
    label = pl.when(count == 0).then(None).when(enough).then(1).when(none).then(0)
    return Vote(label.cast(pl.Int64), pl.format("p {}", text.list.join(", ")))


def combined_vote(params: IngestParams) -> Vote:
    """Return the vote of status and results together."""
    status, results = status_vote(params), results_vote(params)
    label = (
        pl.when(results.label.is_null() | (results.label == status.label))
        .then(status.label)
        .when(status.label.is_null() | (status.label == 1))
        .then(results.label)
    )
    said = [
        pl.when(vote.label.is_not_null()).then(pl.format(name + " {}: {}", vote.label, vote.evidence))
        for name, vote in (("status", status), ("results", results))
    ]
    return Vote(label, pl.concat_str(said, separator="; ", ignore_nulls=True))


def load_label_table(params: IngestParams) -> pl.DataFrame | None:
    """Return the labels (TABLE_SCHEMA) of the table that the parameters name: TOP's or the user's own.

    Raises:
        ParameterError: `ingest.labels` needs a table and none is named.
        IngestError: the table can't be read, lacks a column, or has a label other than 0 and 1.
    """
    if params.labels == "csv":
        if not params.labels_path:
            raise ParameterError(
                "`ingest.labels: csv` needs `ingest.labels_path`", hint="name a CSV file there"
            )
        return _read_label_csv(Path(params.labels_path))
    if params.top_path:
        return _read_top_labels(params.top_path)
    if params.labels == "top":
        raise ParameterError("`ingest.labels: top` needs `ingest.top_path`", hint="name TOP tables there")
    return None


def label_trials(
    trials: pl.DataFrame, params: IngestParams, table: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return trials with label, source and evidence, null where the source abstains, and `official_part`."""
    known = pl.DataFrame(schema=TABLE_SCHEMA) if table is None else table
    joined = trials.join(known, on="nct_id", how="left", maintain_order="left")
    vote = _vote(params)
    has_label = vote.label.is_not_null()
    labelled = joined.with_columns(
        label=vote.label,
        label_source=pl.when(has_label).then(pl.lit(params.labels)),
        label_evidence=pl.when(has_label).then(vote.evidence),
    )
    return labelled.drop("table_label", "table_evidence")


def label_agreement(
    trials: pl.LazyFrame, params: IngestParams, table: pl.DataFrame | None
) -> dict[str, float]:
    """Return for each pair of sources how many trials both label, their share of equal labels and kappa.

    Kappa is Cohen's: the agreement beyond what the sources' own shares of successes would give by chance.
    """
    known = pl.DataFrame(schema=TABLE_SCHEMA) if table is None else table
    columns = ("nct_id", "status", "why_stopped", "primary_analyses")
    votes = (
        trials.select(columns)
        .join(known.lazy(), on="nct_id", how="left")
        .select(
            status=status_vote(params).label,
            results=results_vote(params).label,
            table=pl.col("table_label"),
        )
        .collect()
    )
    pairs = [
        ("status", "results"),
        *([("status", "table"), ("results", "table")] if table is not None else []),
    ]
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
    return scores | ({f"{name}_kappa": round((share - chance) / (1 - chance), 4)} if chance < 1 else {})


def _vote(params: IngestParams) -> Vote:
    if params.labels == "status":
        return status_vote(params)
    if params.labels == "results":
        return results_vote(params)
    if params.labels == "votes":
        return combined_vote(params)
    return Vote(pl.col("table_label"), pl.col("table_evidence"))


def _read_top_labels(path: str) -> pl.DataFrame:
    """Return TOP's labels; of a trial in several tables the one that is seen last in training counts."""
    rank = pl.col("part").replace_strict({"test": 0, "validation": 1}, default=2)
    table = read_top(path).filter(pl.col("nctid").is_not_null()).sort(rank, "file")
    first = table.unique("nctid", keep="first", maintain_order=True)
    return first.select(
        nct_id="nctid", table_label="label", table_evidence=pl.format("TOP {}", "file"), official_part="part"
    )


def _read_label_csv(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (PolarsError, OSError) as error:
        raise IngestError(f"label table {path} can't be read: {error}") from error
    if not {"nct_id", "label"} <= set(table.columns):
        raise IngestError(f"label table {path} needs the columns nct_id and label, has {table.columns}")
    wrong = table.filter(~pl.col("label").is_in(["0", "1"]))
    if wrong.height:
        raise IngestError(
            f"label table {path}: label {wrong['label'][0]!r} of {wrong['nct_id'][0]}; allowed are 0 and 1"
        )
    two = (
        table.group_by("nct_id").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)["nct_id"].sort()
    )
    if two.len():
        raise IngestError(f"label table {path}: {two[0]} is both 0 and 1, and {two.len() - 1} more are")
    evidence = "evidence" if "evidence" in table.columns else pl.lit(path.name)
    chosen = table.select(
        "nct_id", table_label=pl.col("label").cast(pl.Int64), table_evidence=evidence,
        official_part=pl.lit(None, dtype=pl.String),
    )  # fmt: skip
    return chosen.unique("nct_id", keep="last", maintain_order=True)
