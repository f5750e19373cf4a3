"""The story of a synthetic trial for `trialforge show`: the record, its verdict, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_parquet
from trialforge.trial.checks.record_checks import explain
from trialforge.trial.copies import NGRAM, measure_copies
from trialforge.trial.label_words import label_line
from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.trial.registry_page import LAYOUT, SYNTHETIC_STATUS, Content, Kind, registry_page
from trialforge.trial.skeleton import BLOCKS
from trialforge.trial.text import trial_text

WIDTH, FULL_WIDTH = (
    100,
    150,
)  # line widths of the summary, and of the full story with exemplars next to the record
# How the record was made, besides its target, exemplars and reasons.
MADE_BY = ("arm", "model", "model_digest", "engine", "version", "sampling", "prompt_hash", "seed", "attempt")
_REASONS_BY = ("reasons_id", "grounded", "reject_reasons", "prompt_hash", "model_digest")


def tell_story(start: str, data: Path) -> dict[str, Any]:
    """Return everything known about the one record whose id (or target id) begins with `start`.

    Raises:
        ArtifactError: no record or several records match, or a table lacks a row that the record refers to.
    """
    generated = read_parquet(data / "generated.parquet")
    found = _find(generated, start)
    row = found.row(0, named=True)
    target = _rows(data / "plan.parquet", "target_id", [row["target_id"]])
    reasons = _rows(data / "reasons.parquet", "reasons_id", [row["reasons_id"]])[0]
    exemplars = _rows(data / "train.parquet", "nct_id", row["exemplars"], text=trial_text())
    return {
        "record": {name: row[name] for name in REGISTRATION_SCHEMA} if row["nct_id"] else None,
        "text": found.select(trial_text()).item() if row["nct_id"] else "",
        "given_up": row["reject_reason"],
        "validation": _find_verdict(data, row),
        "target": target[0],
        "made_by": {name: row[name] for name in MADE_BY},
        "reasons_by": {name: reasons[name] for name in _REASONS_BY},
        "reasons": reasons["reasons"],
        "exemplars": [
            {name: trial[name] for name in ("nct_id", "label", "title", "text")} for trial in exemplars
        ],
        "copies": _count_copies(found, exemplars) if row["nct_id"] else [],
    }


def _count_copies(record: pl.DataFrame, exemplars: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each filled field, its n-grams and how many of them occur in the exemplars."""
    if not exemplars:
        return []
    found = measure_copies(record, pl.DataFrame(exemplars, schema_overrides=REGISTRATION_SCHEMA))
    return found.select("field", "ngrams", "shared", "longest").to_dicts()


def _find_verdict(data: Path, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the verdict of `validate` on this draft; None if it has not been validated."""
    name = pl.lit(row["nct_id"], pl.String)
    same = (pl.col("target_id") == row["target_id"]) & pl.col("nct_id").eq_missing(name)
    for verdict, table in (("accepted", "synthetic"), ("rejected", "rejected")):
        path = data / f"{table}.parquet"
        found = read_parquet(path).filter(same).to_dicts() if path.is_file() else []
        if found:
            extra = {part: found[0].get(part) for part in ("reject_reasons", "near_copy_of")}
            return {"verdict": verdict, **extra}
    return None


def _find(generated: pl.DataFrame, start: str) -> pl.DataFrame:
    wanted = pl.any_horizontal(
        pl.col(name).str.to_lowercase().str.starts_with(start.strip().lower())
        for name in ("nct_id", "target_id")
    )
    found = generated.filter(wanted)
    if found.height == 1:
        return found
    some = ", ".join(generated["nct_id"].drop_nulls().head(3))
    if found.is_empty():
        raise ArtifactError(
            f"no synthetic trial {start}", hint=f"give the first characters of an id, such as {some}"
        )
    named = ", ".join(found.select(pl.coalesce("nct_id", "target_id")).head(3).to_series())
    raise ArtifactError(
        f"{found.height} synthetic trials begin with {start}: {named}, ...", hint="give more characters"
    )


def _rows(path: Path, key: str, ids: Sequence[str], **extra: pl.Expr) -> list[dict[str, Any]]:
    """Return the rows of a table with these ids, in the order of the ids."""
    frame = read_parquet(path).filter(pl.col(key).is_in(list(ids))).with_columns(**extra)
    rows = {row[key]: row for row in frame.to_dicts()}
    lost = [name for name in ids if name not in rows]
    if lost:
        raise ArtifactError(
            f"{path} has no {lost[0]}: it is not from the same run as generated.parquet", hint="dvc repro"
        )
    return [rows[name] for name in ids]


def summarise_story(story: Mapping[str, Any]) -> str:
    """Return a summary of a story: the record as a registry page, its verdict, and its sources."""
    record, target, made_by = story["record"], story["target"], story["made_by"]
    lines = [*_page(record), ""] if record else [f"given up: {story['given_up']}", ""]
    asked = (target["intervention"], _flat(target["conditions"]), target["phase"] or "any phase")
    told = {
        "requested": f"{', '.join(asked)}; {_outcome(target['label'])}",
        "by": f"{made_by['model']}, attempt {made_by['attempt']}, {made_by['arm']}",
    }
    lines += ["Made", *_table(told), "", "Verdict", *_verdict(story["validation"])]
    lines += _told_copies(story["copies"])
    lines += _sources(target)
    if story["reasons"]:
        lines += ["", "Reasons in its prompt"]
    for reason in story["reasons"]:
        lines += _filled(reason["text"], "  - ")
        lines += _filled(_cited(reason), "      ")
    if story["exemplars"]:
        lines += ["", "Exemplars"]
    for trial in story["exemplars"]:
        line = f"  {trial['nct_id']} ({_outcome(trial['label'])})  {trial['title'] or ''}".rstrip()
        lines.append(shorten(line, WIDTH))
    return "\n".join([*lines, "", "trialforge show --full adds hashes, sampling and each exemplar"])


def shorten(line: str, width: int) -> str:
    """Return a line cut to at most `width` characters."""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _outcome(label: int | None) -> str:
    return label_line(label, "plain").removeprefix("Outcome: ")


def _page(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the record as a registry page."""
    page = registry_page(record)
    yield from _filled(f"{record['nct_id']}  {record['title']}")
    yield SYNTHETIC_STATUS
    for heading, content in page.items():
        if heading != "Title":
            yield ""
            yield heading
            yield from _content(heading, content)


def _content(heading: str, content: Content) -> Iterator[str]:
    if isinstance(content, str):
        yield from _filled(content, "  ")
        return
    kind, parts = LAYOUT[heading].kind, list[Any](content)
    if kind is Kind.FACTS:
        yield from _table(dict(parts))
    elif heading == "Keywords":
        yield from _filled("; ".join(parts), "  ")
    elif kind is Kind.TABLE:
        for *named, description in parts:
            yield from _filled(" | ".join(filter(None, named)), "  - ")
            yield from _filled(description, "      ")
    else:
        for item in parts:
            yield from _filled(item, "  - ")


def _filled(text: str, begin: str = "", width: int = WIDTH) -> list[str]:
    """Return a text as lines with the same indentation."""
    return wrap(text, width, initial_indent=begin, subsequent_indent=" " * len(begin))


def _cited(reason: Mapping[str, Any]) -> str:
    """Return what a reason cites; empty if it quotes nothing."""
    if reason["quotation"] is None:
        return ""
    doubt = " (the reason fits other trials as well)" if reason["true"] is False else ""
    return f'{reason["nct_id"]} {reason["field"]}: "{reason["quotation"]}"{doubt}'


def _verdict(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return ["  none yet: dvc repro validate"]
    copied = f", near-copy of {found['near_copy_of']}" if found["near_copy_of"] else ""
    return [
        f"  {found['verdict']}{copied}",
        *(f"    {explain(reason)}" for reason in found["reject_reasons"] or []),
    ]


def _told_copies(copies: Sequence[Mapping[str, Any]]) -> list[str]:
    shared = [one for one in copies if one["shared"]]
    if not copies:
        return []
    parts = [f"{one['field'].replace('_', ' ')} {one['shared']} of {one['ngrams']}" for one in shared]
    return [f"  {NGRAM}-grams copied from its exemplars: {', '.join(parts) or 'none'}"]


def _sources(target: Mapping[str, Any]) -> list[str]:
    donors = (target.get("skeleton") or {}).get("donors") or {}
    if not donors:
        return []
    width = max(map(len, donors.values()))
    return ["", "Sources", *(f"  {donors[block]:<{width}}  {gives}" for block, gives in BLOCKS.items())]


def format_story(story: Mapping[str, Any]) -> str:
    """Return a story as text, with the record beside each exemplar."""
    record, target = story["record"], story["target"]
    title = f"{record['nct_id']}  {record['title']}" if record else f"given up: {story['given_up']}"
    asked = {name: value for name, value in target.items() if name != "skeleton"}
    lines = [title, "", "Target", *_table(asked), *_sources(target), "", "Made by", *_table(story["made_by"])]
    lines += ["", "Validation", *_table(story["validation"] or {"verdict": "none yet: dvc repro validate"})]
    refused = (story["validation"] or {}).get("reject_reasons") or []
    lines += [f"    {explain(reason)}" for reason in refused]
    lines += ["", "Reasons", *_table(story["reasons_by"])]
    for reason in story["reasons"]:
        lines += _filled(reason["text"], "  - ", FULL_WIDTH)
        lines += _filled(_cited(reason), "      ", FULL_WIDTH)
    for exemplar in story["exemplars"]:
        outcome = label_line(exemplar["label"], "plain")
        heads = (record["nct_id"] if record else "", f"{exemplar['nct_id']}  {outcome}")
        lines += ["", *_beside(heads, (story["text"], exemplar["text"]), (FULL_WIDTH - 3) // 2)]
    if not story["exemplars"]:
        lines += ["", "No exemplars", *story["text"].splitlines()]
    return "\n".join(lines)


def _table(values: Mapping[str, Any]) -> list[str]:
    width = max([14, *map(len, values)])
    return [f"  {name:<{width}} {_flat(value)}" for name, value in values.items() if value is not None]


def _flat(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _beside(heads: tuple[str, str], texts: tuple[str, str], width: int) -> list[str]:
    columns = [
        [head, "-" * width, *(part for line in text.splitlines() for part in wrap(line, width) or [""])]
        for head, text in zip(heads, texts, strict=True)
    ]
    return [f"{left:<{width}} | {right}".rstrip() for left, right in zip_longest(*columns, fillvalue="")]
