"""What a check is: a fault that a record may have, with its code and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

TEXT = "text"  # the column with every word of a record
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """A fault that a record in the registration view may have.

    Attributes:
        reason: the fault's code in tables and metrics.
        message: what is wrong with the record, for people.
        found: whether a record has the fault: a function of it, or an expression over column TEXT, quick for
            patterns; null is no.
        fields: the texts that a draft needs anew if it has the fault; empty: all of the part.
    """

    reason: str
    message: str
    found: Callable[[Record], bool] | pl.Expr
    fields: tuple[str, ...] = ()
