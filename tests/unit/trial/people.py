"""What the rules of `people` find, for tests to look at."""

from __future__ import annotations

import polars as pl

from trialforge.trial.people import PERSON_RULES, shield_degrees


def find_people(texts: pl.Series) -> pl.DataFrame:
    """Return `row` (of `texts`), `found` and `rule`, one row for each find."""
    numbered = texts.alias("text").to_frame().select(shield_degrees(pl.col("text"))).with_row_index("row")
    found = [
        numbered.select("row", found=pl.col("text").str.extract_all(rule.pattern), rule=pl.lit(name))
        for name, rule in PERSON_RULES.items()
    ]
    return pl.concat(found).explode("found").drop_nulls("found")
