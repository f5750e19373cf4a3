"""The posted p-values of the primary endpoint: what they say of it, read as people write them."""

from __future__ import annotations

import polars as pl

# A test of these asks whether two treatments are alike: its p-value is no test of a difference.
_ALIKE = ("Non-Inferiority", "Equivalence", "Non-Inferiority or Equivalence")
_COMPARISONS = {
    "≤": "<", "≥": ">", "&lt;": "<", "&gt;": ">", "less than": "<", "greater than": ">", "more than": ">",
    "below": "<", "above": ">", "−": "-", "–": "-", "×": "x", "·": "x", "*10": "x10", "* 10": "x10",
}  # fmt: skip
# `p-value < 0.001 (log-rank)`, `0,03`, `5E-10`, `1.2 x 10^-5`; a second number makes it unreadable, except in
# brackets or in the name of a test.
_P_VALUE = (
    r"^(?:two-?sided |one-?sided )?(?:p(?:[ -]?values?)?)?[ :=]*([<>]?)[ =]*"
    r"(?:(\d*[.,]?\d+)(?: ?e ?([-+]?\d+))?|(?:(\d*[.,]?\d+) ?x ?)?10 ?\^? ?\(?(-\d+)\)?)"
    r" ?[*†]*\.?(?:[ ,;]*(?:[(\[][^)\]]*[)\]]?[^\d]*|[12][ -](?:sided|tailed).*|[a-z][^\d]*))?$"
)


def results_label(level: float) -> pl.Expr:
    """Return 1 or 0 for the analyses of a trial (`primary_analyses`), null where they don't decide.

    Success: the smallest p-value of a difference is below `level` after Bonferroni's correction for the
    number of analyses, or all are below without it. Failure: each is read, none is below, and nothing else
    was tested: a test of non-inferiority or equivalence has no say, but the trial may have succeeded by it.
    """
    analyses = _posted().list.filter(~_is_alike(pl.element()))
    count = analyses.list.len()
    upper = analyses.list.eval(_read(pl.element()).struct.field("upper").drop_nulls())
    lower = analyses.list.eval(_read(pl.element()).struct.field("lower").drop_nulls())
    enough = (upper.list.min() < level / count) | ((upper.list.len() == count) & (upper.list.max() < level))
    alike = pl.col("primary_analyses").list.eval(_is_alike(pl.element())).list.any()
    none = (lower.list.len() == count) & (lower.list.min() >= level) & ~alike
    label = pl.when(count == 0).then(None).when(enough).then(1).when(none).then(0)
    return label.cast(pl.Int64)


def results_evidence() -> pl.Expr:
    """Return the posted p-values of a trial as they stand."""
    return pl.format("p {}", _posted().list.eval(pl.element().struct.field("p_value")).list.join(", "))


def count_p_values(trials: pl.LazyFrame) -> dict[str, int]:
    """Return how many posted p-values are `read`, are `unreadable`, or ask for no difference (`alike`)."""
    posted = trials.select(_posted().alias("analysis")).explode("analysis").drop_nulls()
    alike, read = _is_alike(pl.col("analysis")), _read(pl.col("analysis")).struct.field("value").is_not_null()
    counts = posted.select(
        read=(read & ~alike).sum(), unreadable=(~read & ~alike).sum(), alike=alike.sum()
    ).collect()
    return counts.row(0, named=True)


def _posted() -> pl.Expr:
    return pl.col("primary_analyses").list.filter(pl.element().struct.field("p_value").is_not_null())


def _is_alike(analysis: pl.Expr) -> pl.Expr:
    return analysis.struct.field("hypothesis").is_in(_ALIKE).fill_null(value=False)


def _read(analysis: pl.Expr) -> pl.Expr:
    """Return `value` and the bounds that it gives: no `upper` for "> 0.01", and no `lower` for "< 0.1"."""
    text = analysis.struct.field("p_value").str.to_lowercase().str.strip_chars()
    text = text.str.replace_many(_COMPARISONS).str.replace_all(r"\s+", " ")
    found = text.str.extract_groups(_P_VALUE).struct
    number = found.field("2").fill_null(found.field("4")).fill_null("1").str.replace(",", ".", literal=True)
    power = found.field("3").fill_null(found.field("5")).fill_null("0").cast(pl.Float64, strict=False)
    value = number.cast(pl.Float64, strict=False) * pl.lit(10.0).pow(power)
    value = pl.when(found.field("1").is_not_null() & (value <= 1)).then(value)
    sign = found.field("1")
    # "<0.05" is below 0.05, a plain 0.05 is not.
    upper = pl.when(sign == "<").then(value * (1 - 1e-9)).when(sign != ">").then(value)
    return pl.struct(value=value, upper=upper, lower=pl.when(sign != "<").then(value))
