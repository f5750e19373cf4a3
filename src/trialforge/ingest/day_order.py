"""Dates as `5/12/2020`: a day above 12 tells whether the days or the months of a column come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

_SLASHED = r"^\s*(\d{1,2})/(\d{1,2})/\d{4}\s*$"
_ORDERS = ("%d/%m/%Y", "%m/%d/%Y")  # by the place of the day


def find_orders(rows: pl.DataFrame, columns: Iterable[str]) -> set[tuple[str, str]]:
    """Return each column that has a day above 12, with the order that this day tells."""
    return {
        (column, order)
        for column in columns
        for place, order in enumerate(_ORDERS, start=1)
        if (rows[column].str.extract(_SLASHED, place).cast(pl.Int64) > 12).any()
    }


def choose_orders(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the order of each column, without the columns in which both were found."""
    found = list(found)
    columns = [column for column, _ in found]
    return {column: order for column, order in found if columns.count(column) == 1}


def write_days(rows: pl.DataFrame, orders: Mapping[str, str]) -> pl.DataFrame:
    """Return rows in which the dates of the columns with an order are written as `2020-12-05`."""
    return rows.with_columns(
        pl.coalesce(
            pl.col(column).str.strip_chars().str.to_date(order, strict=False).dt.to_string("%Y-%m-%d"),
            column,
        )
        for column, order in orders.items()
    )
