"""Copies within a set are counted, exact and near, in all and by intervention and label."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.diversity import diversity_table, exact_copy_share, near_copy_share
from trialforge.quality.params import QualityParams
from trialforge.trial.text import filled_fields


def test_exact_and_near_copies_are_shares_of_the_records(
    parts: dict[str, pl.DataFrame], params: QualityParams
) -> None:
    some = parts["synthetic"].head(8).with_columns(intervention=pl.lit("a drug"), label=pl.lit(1, pl.Int64))
    near = some.head(1).with_columns(pl.concat_str("summary", pl.lit(" It ends here.")).alias("summary"))
    other = near.with_columns(intervention=pl.lit("another drug"))
    records = pl.concat([some, some.head(1), near, other])
    scale = build_scale(filled_fields(records), parts["train"], params, VALIDATION, 1)
    case = Case(Side(records, scale), Side(parts["train"], scale))
    # The last one's text is that of the near copy before it: what was asked for is no part of a text.
    assert exact_copy_share(case).value == pytest.approx(2 / 11)
    assert near_copy_share(case).value == pytest.approx(3 / 11)
    row = diversity_table(case).row(0, named=True)
    assert (row["intervention"], row["label"], row["records"]) == ("a drug", 1, 10)
    assert (row["exact_copies"], row["near_copies"]) == (0.1, 0.2)
