"""The records that a reader browses: each synthetic trial beside its exemplars and its reasons."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from trialforge.trial.checks.record_checks import explain
from trialforge.trial.label_words import LABEL_WORDS
from trialforge.trial.record import TEXT_FIELDS, facet
from trialforge.trial.text import field_text

LINEAGE = (
    "target_id",
    "arm",
    "model",
    "model_digest",
    "engine",
    "version",
    "prompt_hash",
    "sampling",
    "seed",
    "attempt",
)


def list_fields(trials: pl.DataFrame) -> list[list[list[str]]]:
    """Return for each trial its fields that have text, as [heading, text]."""
    fields = [name for name in TEXT_FIELDS if name in trials.columns]
    headings = [facet(name).heading for name in fields]
    rows = trials.select(field_text(name) for name in fields).iter_rows()
    return [
        [[str(heading), str(text)] for heading, text in zip(headings, row, strict=True) if text]
        for row in rows
    ]


def judge(generated: pl.DataFrame, rejected: pl.DataFrame | None) -> pl.DataFrame:
    """Return `generated` with `verdict` (accepted, rejected, given up) and `why` (list of reasons).

    A record that the generator gave up has its own reason; one that validation refused has one or more.
    """
    found = (
        pl.DataFrame(schema={"target_id": pl.String, "reject_reasons": pl.List(pl.String)})
        if rejected is None or "reject_reasons" not in rejected.columns
        else rejected.filter(pl.col("nct_id").is_not_null()).select("target_id", "reject_reasons")
    )
    given_up = pl.col("reject_reason").is_not_null()
    refused = pl.col("reject_reasons").list.len() > 0
    return (
        generated.join(
            found.unique("target_id", keep="first"), on="target_id", how="left", maintain_order="left"
        )
        .with_columns(
            verdict=pl.when(given_up)
            .then(pl.lit("given up"))
            .when(refused)
            .then(pl.lit("rejected"))
            .otherwise(pl.lit("accepted")),
            why=pl.when(given_up)
            .then(pl.concat_list(pl.col("reject_reason").fill_null("")))
            .otherwise(pl.col("reject_reasons").fill_null([])),
        )
        .sort("target_id")
    )


def browse_records(tables: dict[str, pl.DataFrame], limit: int) -> dict[str, Any]:
    """Return what the page's browser holds: records, their exemplars and their reasons.

    At most `limit` records, the first by target; `total` says how many there are.
    """
    if "generated" not in tables:
        return {"records": [], "exemplars": {}, "reasons": {}, "total": 0}
    judged = judge(tables["generated"], tables.get("rejected"))
    shown = judged.head(limit)
    records = [
        _record(row, fields)
        for row, fields in zip(shown.iter_rows(named=True), list_fields(shown), strict=True)
    ]
    return {
        "records": records,
        "exemplars": _exemplars(
            tables.get("train"), {name for record in records for name in record["exemplars"]}
        ),
        "reasons": _reasons(tables.get("reasons"), {record["reasons"] for record in records}),
        "total": judged.height,
    }


def _record(row: dict[str, Any], fields: list[list[str]]) -> dict[str, Any]:
    return {
        "id": row["nct_id"] or f"target {row['target_id']}",
        "title": row.get("title") or "(no title)",
        "intervention": row.get("intervention") or "",
        "label": LABEL_WORDS.get(row["label"], "no label"),
        "arm": row.get("arm") or "",
        "verdict": row["verdict"],
        "why": [explain(reason) for reason in row["why"]],
        "fields": fields,
        "exemplars": row.get("exemplars") or [],
        "reasons": row.get("reasons_id") or "",
        "lineage": [[name, str(row[name])] for name in LINEAGE if row.get(name) is not None],
    }


def _exemplars(train: pl.DataFrame | None, wanted: set[str]) -> dict[str, Any]:
    if train is None:
        return {}
    trials = train.filter(pl.col("nct_id").is_in(sorted(wanted))).sort("nct_id")
    return {
        row["nct_id"]: {
            "title": row["title"] or "",
            "label": LABEL_WORDS.get(row["label"], "no label"),
            "source": row["source"],
            "fields": fields,
        }
        for row, fields in zip(trials.iter_rows(named=True), list_fields(trials), strict=True)
    }


def _reasons(reasons: pl.DataFrame | None, wanted: set[str]) -> dict[str, Any]:
    if reasons is None:
        return {}
    rows = reasons.filter(pl.col("reasons_id").is_in(sorted(wanted))).sort("reasons_id")
    return {
        row["reasons_id"]: [
            {
                "text": reason["text"],
                "cites": []
                if reason["quotation"] is None
                else [f'{reason["nct_id"]}, {reason["field"]}: "{reason["quotation"]}"'],
            }
            for reason in row["reasons"] or []
        ]
        for row in rows.iter_rows(named=True)
    }


def to_script_json(value: Any) -> str:
    """Return JSON that can stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
