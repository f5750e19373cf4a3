"""Raw tables -> a batch: typed, cleaned, checked. A value that can't be is set aside, its trial kept."""

from __future__ import annotations

from datetime import date

import polars as pl

from trialforge.ingest import clean
from trialforge.ingest.faults import Faults, FieldRule
from trialforge.ingest.nested import list_column, part_column
from trialforge.ingest.raw import LIST_FIELDS, PART_FIELDS, VALUES, RawTable
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA, Batch, no_refused
from trialforge.trial.record import SYNTHETIC_PREFIX
from trialforge.trial.registry_ids import NCT_ID

_WORDS = (
    "phase", "study_type", "allocation", "intervention_model", "masking", "primary_purpose", "sex",
    "sponsor_class", "status",
)  # fmt: skip
_DATES = ("first_submitted", "start_date", "primary_completion_date", "completion_date", "last_updated")
_AGES = ("minimum_age", "maximum_age")
_BLOCKS = ("summary", "detailed_description", "criteria")

EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)
OLDEST_YEARS = 150.0
MOST_PEOPLE = 10_000_000


MAX_FIELD = 1_000_000  # bytes; the registry's own limit for its longest field is 32,000 characters
# A synthetic trial that an export wrote is read as one; the ingest stage refuses it.
_ID = rf"^(?:{NCT_ID}|{SYNTHETIC_PREFIX}[0-9a-f]{{12}})$"
_OTHER_REGISTRY = (
    r"(?i)^(?:EUCTR|ISRCTN|ACTRN|ChiCTR|CTRI/|DRKS|JPRN|jRCT|UMIN|KCT|IRCT|NTR|NL-?OMON|PACTR|RBR-|SLCTR|TCTR|LBCTR"
    r"|PER-|RPCEC|CTIS|\d{4}-[5-9]\d{5}-\d\d|\d{4}-\d{6}-\d\d)"
)


def build_batch(table: RawTable, source: str, *, markdown: bool) -> Batch:
    """Return the trials of some records, in order, and what was set aside: records without an id, and values.

    Args:
        table: the records.
        source: the word for `Trial.source`.
        markdown: whether texts are Markdown (API v2) or wrapped lines (XML).
    """
    table, refused = _refuse_records(table)
    if table.values.is_empty():
        return Batch(pl.DataFrame(schema=BATCH_SCHEMA), refused)
    faults = Faults()
    values = table.values
    synthetic = pl.col("nct_id").str.starts_with(SYNTHETIC_PREFIX)
    typed = _typed_values(values, faults, markdown=markdown).with_columns(
        source=pl.when(synthetic).then(pl.lit("synthetic")).otherwise(pl.lit(source))
    )
    columns = [
        *typed.get_columns(),
        *(list_column(table, name) for name in LIST_FIELDS),
        *(part_column(table, name, faults, markdown=markdown) for name in PART_FIELDS),
    ]
    known = {column.name for column in columns}
    trials = pl.DataFrame(columns).select(
        pl.col(name).cast(kind) if name in known else pl.lit(None, kind).alias(name)
        for name, kind in BATCH_SCHEMA.items()
    )
    # XML lists each country once, API v2 one for each site.
    trials = trials.with_columns(pl.col("countries").list.unique().list.sort())
    return Batch(trials, pl.concat([refused, faults.table(values.select("row", "file", record="nct_id"))]))


def _refuse_records(table: RawTable) -> tuple[RawTable, pl.DataFrame]:
    """Return the records that have a registry id and no text that none could have, and the others."""
    written = pl.col("nct_id").str.strip_chars()
    nct_id = pl.when(written.str.contains(r"(?i)^nct")).then(written.str.to_uppercase()).otherwise(written)
    table = RawTable(table.values.with_columns(nct_id), table.lists, table.parts)
    named, shown = pl.col("nct_id"), pl.col("nct_id").str.head(40)
    huge = _rows_with_huge_text(table)
    reasons = [
        (named.is_null() | (named == ""), "missing_id", pl.lit("no nct_id")),
        (
            named.str.contains(_OTHER_REGISTRY),
            "other_registry",
            pl.format("{} is of another registry", shown),
        ),
        (
            ~named.str.contains(_ID),
            "bad_id",
            pl.format("{} is not a registry id (NCT and eight digits)", shown),
        ),
        (pl.col("row").is_in(huge), "huge_field", pl.lit(f"a text of over {MAX_FIELD} bytes")),
    ]
    bad = pl.any_horizontal(fault for fault, _, _ in reasons)
    if not table.values.select(bad.any()).item():
        return table, no_refused()
    refused = table.values.filter(bad).select(
        "file",
        record=shown.fill_null(""),
        reason=pl.coalesce(pl.when(fault).then(pl.lit(reason)) for fault, reason, _ in reasons),
        detail=pl.coalesce(pl.when(fault).then(detail) for fault, _, detail in reasons),
    )
    return table.filter(~bad), refused.select(REFUSED_SCHEMA.keys())


def _rows_with_huge_text(table: RawTable) -> list[int]:
    rows: list[int] = []
    for part in (table.values, *table.lists.values(), *table.parts.values()):
        texts = part.select(pl.col(pl.String).str.len_bytes() > MAX_FIELD)
        if texts.width and texts.select(pl.any_horizontal(pl.all().any())).item():
            rows += part.filter(texts.select(pl.any_horizontal(pl.all())).to_series())["row"].to_list()
    return rows


def _typed_values(raw: pl.DataFrame, faults: Faults, *, markdown: bool) -> pl.DataFrame:
    cleaned = [
        (clean.clean_block if name in _BLOCKS else clean.clean_line)(pl.col(name), markdown=markdown)
        if name in raw.columns
        else pl.lit(None, pl.String).alias(name)
        for name in VALUES
    ]
    values = raw.lazy().select("row", "file", *cleaned)
    values = values.with_columns(clean.stated_age(pl.col(name)) for name in _AGES)
    typed = faults.replace(values.collect(), _RULES)
    if "criteria" in raw.columns:
        faults.add(typed, pl.col("criteria").is_null(), "empty_criteria", "no eligibility criteria")
    return _split_enrolment(typed).drop("row")


def _within(value: pl.Expr, least: date | float, most: date | float) -> pl.Expr:
    return pl.when(value.is_between(least, most)).then(value)


def _date_fault(name: str) -> pl.Expr:
    unread = clean.parse_date(pl.col(name)).is_null()
    return pl.when(unread).then(pl.lit("unread_date")).otherwise(pl.lit("absurd_date"))


_RULES = [
    *(FieldRule(name, clean.parse_word(pl.col(name), name), f"unknown_{name}") for name in _WORDS),
    *(
        FieldRule(name, _within(clean.parse_date(pl.col(name)), EARLIEST, LATEST), _date_fault(name))
        for name in _DATES
    ),
    *(
        FieldRule(name, _within(clean.parse_age(pl.col(name)), 0.0, OLDEST_YEARS), "absurd_age")
        for name in _AGES
    ),
    FieldRule(
        "enrolment", _within(clean.parse_count(pl.col("enrolment")), 0, MOST_PEOPLE), "absurd_enrolment"
    ),
]


def _split_enrolment(values: pl.DataFrame) -> pl.DataFrame:
    actual = pl.col("enrolment_type").str.to_lowercase().eq("actual").fill_null(value=False)
    return values.with_columns(
        clean.parse_yes_no(pl.col("healthy_volunteers")).alias("healthy_volunteers"),
        pl.col("has_results").eq("yes").alias("has_results"),
        pl.when(~actual).then("enrolment").alias("enrolment_planned"),
        pl.when(actual).then("enrolment").alias("enrolment_actual"),
    )
