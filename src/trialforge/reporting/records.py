"""The records to browse: each synthetic trial with its exemplars and reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from trialforge.trial.checks.record_checks import SET_REASONS, explain, reason_words
from trialforge.trial.copies import NGRAM, measure_copies
from trialforge.trial.label_words import LABEL_WORDS
from trialforge.trial.registry_page import LAYOUT, SYNTHETIC_STATUS, registry_page
from trialforge.trial.skeleton import BLOCKS

BLOCK_RECORDS = 50  # records in a block of the page
LISTED = (
    "id",
    "title",
    "intervention",
    "label",
    "arm",
    "verdict",
    "copied",
)  # what the list of the page needs
KEYED = ("exemplars", "titles", "reasons")
LINEAGE = (
    "target_id", "arm", "model", "model_digest", "engine", "version", "prompt_hash", "sampling", "seed",
    "attempt",
)  # fmt: skip


def judge(generated: pl.DataFrame, rejected: pl.DataFrame | None) -> pl.DataFrame:
    """Return `generated` with `verdict` (accepted, rejected, given up) and `why` (list of reasons).

    A draft that the generator gave up has one reason; a record that validation rejected has one or more.
    """
    found = (
        pl.DataFrame(schema={"nct_id": pl.String, "reject_reasons": pl.List(pl.String)})
        if rejected is None or "reject_reasons" not in rejected.columns
        else rejected.filter(pl.col("nct_id").is_not_null()).select("nct_id", "reject_reasons")
    )
    given_up = pl.col("reject_reason").is_not_null()
    refused = pl.col("reject_reasons").list.len() > 0
    return (
        generated.join(found.unique("nct_id", keep="first"), on="nct_id", how="left", maintain_order="left")
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
        .sort("target_id", maintain_order=True)
    )


def browse_records(tables: dict[str, pl.DataFrame], limit: int) -> dict[str, Any]:
    """Return what the browser of the page shows: records, their exemplars, sources and reasons.

    It has the first `limit` records by target; `total` is the number of all records. What records share is
    stored once: the layout of headings, the blocks of a skeleton, the checks, the length of an n-gram.
    """
    if "generated" not in tables:
        return {"records": [], "exemplars": {}, "reasons": {}, "total": 0} | _shared(tables)
    judged = judge(tables["generated"], tables.get("rejected"))
    shown = _with_sources(judged.head(limit), tables.get("plan"))
    train = tables.get("train")
    copies = _count_copies(shown, train)
    records = [_record(row, copied) for row, copied in zip(shown.iter_rows(named=True), copies, strict=True)]
    exemplars = {name for record in records for name in record["exemplars"]}
    return {
        "records": records,
        "exemplars": _exemplars(train, exemplars),
        "titles": _titles(train, {name for record in records for name in record["sources"]}),
        "reasons": _reasons(tables.get("reasons"), {record["reasons"] for record in records}),
        "total": judged.height,
    } | _shared(tables)


def _shared(tables: dict[str, pl.DataFrame]) -> dict[str, Any]:
    return {
        "layout": [
            {"heading": heading, "kind": layout.kind, "columns": layout.columns, "free": layout.free}
            for heading, layout in LAYOUT.items()
        ],
        "blocks": list(BLOCKS.items()),
        "checks": list(reason_words().items()) if "rejected" in tables else [],
        "late_checks": list(SET_REASONS),
        "ngram": NGRAM,
        "status": SYNTHETIC_STATUS,
    }


def _with_sources(records: pl.DataFrame, plan: pl.DataFrame | None) -> pl.DataFrame:
    """Add `donors`, null if the plan has no skeleton."""
    if plan is None or "skeleton" not in plan.columns:
        return records.with_columns(donors=None)
    donors = plan.select("target_id", donors=pl.col("skeleton").struct.field("donors"))
    return records.join(donors, on="target_id", how="left", maintain_order="left")


def _count_copies(records: pl.DataFrame, train: pl.DataFrame | None) -> list[tuple[int, int] | None]:
    """Return, for each record, how many of its n-grams occur in its exemplars, and how many it has."""
    none: list[tuple[int, int] | None] = [None] * records.height
    if train is None or "exemplars" not in records.columns:
        return none
    trials = train.with_row_index("trial").select("trial", exemplars="nct_id")
    pairs = records.with_row_index("record").select("record", "exemplars").explode("exemplars")
    shown = pairs.join(trials, on="exemplars").select("record", "trial").unique().sort("record", "trial")
    if shown.is_empty():
        return none
    used = shown["trial"].unique().sort()
    numbers = pl.DataFrame({"trial": used}).with_row_index("place")
    shown = shown.join(numbers, on="trial", maintain_order="left").select("record", trial="place")
    found = measure_copies(records, train[used], shown).group_by("record").agg(pl.sum("shared", "ngrams"))
    counts = {record: (shared, ngrams) for record, shared, ngrams in found.iter_rows()}
    return [counts.get(place) for place in range(records.height)]


def _record(row: dict[str, Any], copied: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "id": row["nct_id"] or f"target {row['target_id']}",
        "title": row.get("title") or "(no title)",
        "intervention": row.get("intervention") or "",
        "label": LABEL_WORDS.get(row["label"], "no label"),
        "arm": row.get("arm") or "",
        "verdict": row["verdict"],
        "why": row["why"],
        "faults": [explain(reason) for reason in row["why"]],
        "page": registry_page(row),
        "copied": copied,
        "exemplars": row.get("exemplars") or [],
        "sources": list((row["donors"] or {}).values()),
        "reasons": row.get("reasons_id") or "",
        "lineage": [[name, str(row[name])] for name in LINEAGE if row.get(name) is not None],
    }


def _exemplars(train: pl.DataFrame | None, wanted: set[str]) -> dict[str, Any]:
    if train is None:
        return {}
    trials = train.filter(pl.col("nct_id").is_in(sorted(wanted))).sort("nct_id")
    return {
        row["nct_id"]: {
            "label": LABEL_WORDS.get(row["label"], "no label"),
            "source": row["source"],
            "page": registry_page(row),
        }
        for row in trials.iter_rows(named=True)
    }


def _titles(train: pl.DataFrame | None, wanted: set[str]) -> dict[str, str]:
    if train is None:
        return {}
    named = train.filter(pl.col("nct_id").is_in(sorted(wanted))).sort("nct_id").select("nct_id", "title")
    return {name: title or "(no title)" for name, title in named.iter_rows()}


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


def to_blocks(browsed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page reads when it opens, and blocks by name, which it reads when they are needed.

    The page reads what its list shows at once. `size` is the number of records in a block; `first` has the
    first key of each other block. Keys are in the order of JavaScript's strings.
    """
    records = browsed["records"]
    index = {name: value for name, value in browsed.items() if name not in ("records", *KEYED)}
    index["records"] = [{name: record[name] for name in LISTED} for record in records]
    index |= {"size": BLOCK_RECORDS, "first": {}}
    rest = [{name: value for name, value in record.items() if name not in LISTED} for record in records]
    blocks: dict[str, Any] = {
        f"records-{start // BLOCK_RECORDS}": rest[start : start + BLOCK_RECORDS]
        for start in range(0, len(rest), BLOCK_RECORDS)
    }
    for kind in KEYED:
        found = browsed.get(kind, {})
        keys = sorted(found, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        parts = [keys[start : start + BLOCK_RECORDS] for start in range(0, len(keys), BLOCK_RECORDS)]
        index["first"][kind] = [part[0] for part in parts]
        blocks |= {f"{kind}-{at}": {key: found[key] for key in part} for at, part in enumerate(parts)}
    return index, blocks


def to_script_json(value: Any) -> str:
    """Return JSON that is safe inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
