"""What real trials are like, where the checks compare records with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trialforge.trial.checks.exemplars import copy_bounds
from trialforge.trial.checks.spelling import known_words
from trialforge.trial.criterion_kinds import CriterionKinds, learn_kinds

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Reference:
    """What is learned from train trials for the checks.

    Attributes:
        copies: how much of a text may stand in the exemplars, of `copy_bounds`; other fields may be copied.
        words: words that are not misspelled, of `known_words`.
        kinds: tells criteria of a side from other lines; None if the trials have too few.
    """

    copies: Mapping[str, float] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    kinds: CriterionKinds | None = None


def learn_reference(train: pl.DataFrame) -> Reference:
    """Return what the checks compare with, learned from all train trials."""
    return Reference(copy_bounds(train), known_words(train), learn_kinds(train))
