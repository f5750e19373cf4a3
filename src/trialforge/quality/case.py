"""What is measured: a set of records beside the real trials that it is read against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters
from trialforge.core.rng import random_stream
from trialforge.quality.params import QualityParams
from trialforge.trial.controls import cluster_key
from trialforge.trial.copies import field_items
from trialforge.trial.text import field_text, field_texts
from trialforge.validation.params import ValidationParams
from trialforge.validation.space import Space, fit_space

# The free text of a trial, without headings and fields of closed vocabulary. That of an intervention is
# its description: its name was asked for.
FREE_TEXTS: dict[str, pl.Expr] = {
    name: field_text(name)
    for name in (
        "title", "official_title", "summary", "arms", "primary_outcomes", "secondary_outcomes", "criteria",
        "detailed_description",
    )
} | {
    "intervention descriptions": pl.col("interventions")
    .list.eval(pl.element().struct.field("description"))
    .list.join("\n", ignore_nulls=True)
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What all sets of a comparison share: the text fields that are read, the space, parameters, seed."""

    fields: tuple[str, ...]
    space: Space
    params: QualityParams
    validation: ValidationParams
    seed: int

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return the random stream of the named use."""
        return random_stream(self.seed, "quality", *names)


@dataclass(frozen=True, eq=False)
class Side:
    """Some records, seen through a scale: their texts and their unit rows in the space."""

    frame: pl.DataFrame
    scale: Scale

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def texts(self) -> pl.Series:
        """Return the text of each record in the fields that are read."""
        return field_texts(self.frame, self.scale.fields)

    @cached_property
    def prose(self) -> pl.Series:
        """Return the free text of each record in the fields that are read: like is compared with like."""
        return prose_texts(self.frame, [name for name in FREE_TEXTS if name in self.scale.fields])

    @cached_property
    def free_text(self) -> pl.Series:
        """Return all free text of each record: what is looked for may stand in the rarest field."""
        return prose_texts(self.frame, FREE_TEXTS)

    @cached_property
    def items(self) -> pl.DataFrame:
        """Return the items of each record's fields, see `field_items`."""
        return field_items(self.frame)

    @cached_property
    def rows(self) -> np.ndarray:
        """Return the unit row of each record."""
        return self.scale.space.embed(self.texts.to_list())

    @cached_property
    def clusters(self) -> Clusters:
        """Return which records are drawn together: those that were written from the same exemplars.

        Where all were, as one prompt of fixed examples makes them, there is no other set: records are drawn.
        """
        if "exemplars" not in self.frame.columns:
            return Clusters.single(len(self))
        found = Clusters.of(self.sets)
        return found if len(found) > 1 else Clusters.single(len(self))

    @cached_property
    def families(self) -> pl.Series:
        """Return which records stay in one fold: those of one intervention or of one exemplar set.

        Interventions alone where that would be all of them, as with one prompt of fixed examples.
        """
        names = np.unique(self.interventions.to_numpy().astype(str), return_inverse=True)[1]
        sets = np.unique(self.sets, return_inverse=True)[1] + names.max(initial=0) + 1
        size = int(sets.max(initial=0)) + 1
        edges = coo_array((np.ones(len(self)), (names, sets)), (size, size))
        found = connected_components(edges, directed=False)[1][names]
        return pl.Series(found if len(np.unique(found)) > 1 else names)

    @cached_property
    def sets(self) -> np.ndarray:
        """Return the number of each record's exemplar set; a record that was shown none is one of its own."""
        if "exemplars" not in self.frame.columns:
            return np.arange(len(self))
        alone = pl.int_range(pl.len()).cast(pl.String)
        shown = pl.col("exemplars").list.drop_nulls().list.sort().list.join("\n")
        key = pl.when(shown.str.len_chars() > 0).then(shown).otherwise(alone)
        return self.frame.select(key.rank("dense")).to_series().to_numpy()

    @cached_property
    def interventions(self) -> pl.Series:
        """Return the intervention that stands for each record: its normalised name, or its own."""
        names = pl.col("interventions").list.first().struct.field("name").str.to_lowercase()
        normalised = "normalized_interventions" in self.frame.columns
        key = cluster_key() if normalised else pl.coalesce(names, pl.col("nct_id"))
        return self.frame.select(key.alias("intervention"))["intervention"]

    @property
    def labels(self) -> np.ndarray:
        """Return the label of each record of a side that is `labelled`."""
        labels: np.ndarray = self.frame["label"].to_numpy().astype(np.int64)
        return labels

    def labelled(self) -> Side:
        """Return the records that have a label.

        Raises:
            MetricError: none has.
        """
        if "label" not in self.frame.columns or self.frame["label"].null_count() == len(self):
            raise MetricError("the set has no labels")
        return self.take(np.flatnonzero(self.frame["label"].is_not_null().to_numpy()))

    def take(self, places: np.ndarray) -> Side:
        """Return the records at the given places, without reading or embedding them again."""
        taken = Side(self.frame[places], self.scale)
        for name in ("texts", "prose", "free_text", "rows"):
            if name in self.__dict__:
                taken.__dict__[name] = self.__dict__[name][places]
        return taken

    def draw(self, most: int, stream: np.random.Generator) -> Side:
        """Return at most `most` records, drawn without replacement, in their order."""
        if len(self) <= most:
            return self
        return self.take(np.sort(stream.choice(len(self), most, replace=False)))


@dataclass(frozen=True, eq=False)
class Case:
    """One measurement: `candidates` against `reference` (train, or what is drawn of it).

    `held_out` (validation) is what real trials look like that no one has seen; `unseen` (test) is read by
    the audit alone; `held_back` is drawn at random from what train was, and `drafts` are the same trials in
    the form of a draft. `exemplars` and `reasons` are the tables of these names, None where a set has none.

    Of a large corpus the sides are drawn: `drawn` says how many trials of which part, `looked_in` is what
    copies are looked for in, and `hidden` has the ids of all validation and test trials.
    """

    candidates: Side
    reference: Side
    held_out: Side | None = None
    unseen: Side | None = None
    exemplars: pl.DataFrame | None = None
    reasons: pl.DataFrame | None = None
    held_back: Side | None = None
    drafts: Side | None = None
    looked_in: Side | None = None
    hidden: frozenset[str] | None = None
    drawn: Mapping[str, str] = field(default_factory=dict)

    @property
    def pool(self) -> Side:
        """Return where copies are looked for: in the reference, and in what any record was shown."""
        return self.looked_in or self.reference

    @property
    def scale(self) -> Scale:
        """Return what both sides share."""
        return self.candidates.scale

    @property
    def params(self) -> QualityParams:
        """Return the parameters."""
        return self.scale.params

    def need_held_out(self) -> Side:
        """Return the held-out trials.

        Raises:
            MetricError: there are none.
        """
        if self.held_out is None or not len(self.held_out):
            raise MetricError("the set has no held-out trials")
        return self.held_out

    def with_candidates(self, candidates: Side, reference: Side) -> Case:
        """Return the same measurement of other records against another reference."""
        return replace(self, candidates=candidates, reference=reference, looked_in=None)


def prose_texts(frame: pl.DataFrame, names: Iterable[str]) -> pl.Series:
    """Return the named free texts of each record, one a line; empty where it has none."""
    parts = [FREE_TEXTS[name] for name in names] or [pl.repeat("", pl.len())]
    return frame.select(pl.concat_str(parts, separator="\n", ignore_nulls=True).alias("text"))["text"]


def build_scale(
    fields: tuple[str, ...],
    train: pl.DataFrame,
    params: QualityParams,
    validation: ValidationParams,
    seed: int,
) -> Scale:
    """Return the scale: the fields that are read (those that a set fills), and the space of train in them."""
    space = fit_space(field_texts(train, fields).to_list(), validation.space)
    return Scale(fields, space, params, validation, seed)
