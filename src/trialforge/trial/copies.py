"""What stands word for word in other trials: by field, its shared 8-grams and its longest shared run."""

from __future__ import annotations

import numpy as np
import polars as pl

from trialforge.trial.criteria import parse
from trialforge.trial.overlap import match_ngrams
from trialforge.trial.words import Words, number_words, split_words

NGRAM = 8
FIELDS = (
    "title", "official_title", "summary", "detailed_description", "criteria", "arms", "interventions",
    "primary_outcomes", "secondary_outcomes", "keywords",
)  # fmt: skip
# The free texts of nested fields. Names of interventions and labels of arms are left out: they say what is
# given, and that is asked for.
_PARTS = {
    "arms": ("description",),
    "interventions": ("description",),
    "primary_outcomes": ("measure", "description"),
    "secondary_outcomes": ("measure", "description"),
}
COPIES_SCHEMA = {
    "record": pl.UInt32, "field": pl.String, "words": pl.Int64, "ngrams": pl.Int64, "shared": pl.Int64,
    "longest": pl.Int64,
}  # fmt: skip


def field_items(trials: pl.DataFrame) -> pl.DataFrame:
    """Return `record` (row number), `field` and `text` of each free text of trials, in the order of FIELDS.

    An item is a text, an arm's description, an endpoint, a keyword or one criterion: what is copied item by
    item into another layout, or in another order, is found as such. Headings of criteria are no items.
    """
    numbered = trials.with_row_index("record")
    found = []
    for name in FIELDS:
        if name in _PARTS:
            items = numbered.select("record", name).explode(name)
            parts = [items.select("record", text=pl.col(name).struct.field(part)) for part in _PARTS[name]]
            # Each part beside its own record's others, as a draft and a registry record have them.
            item = pl.concat(parts).sort("record", maintain_order=True)
        elif name == "keywords":
            item = numbered.select("record", text=name).explode("text")
        elif name == "criteria":
            lists = [[item.text for item in parse(text).items()] for text in numbered[name]]
            item = numbered.select("record", text=pl.Series(lists, dtype=pl.List(pl.String))).explode("text")
        else:
            item = numbered.select("record", text=name)
        found.append(item.select("record", pl.lit(name).alias("field"), "text").drop_nulls("text"))
    return pl.concat(found)


def measure_copies(
    records: pl.DataFrame, references: pl.DataFrame, shown: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return how much of each field of each record stands in the references, in whatever field of theirs.

    Args:
        records: trials to look at.
        references: trials to look in.
        shown: `record` and `trial`, row numbers of the references that each record is compared with; None
            compares each with all.

    Returns:
        COPIES_SCHEMA, a row for each field that a record fills: `words` of the field, its `ngrams` of NGRAM
        words and how many of these are `shared`; and the words of its `longest` run that stands in one field
        of one reference. An item of fewer words is one n-gram, shared if a reference has it as an item.
    """
    return measure_items(field_items(records), field_items(references), shown)


def measure_items(
    ours: pl.DataFrame, theirs: pl.DataFrame, shown: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return `measure_copies` of what `field_items` has read of records and references."""
    theirs = theirs.rename({"record": "trial"})
    if shown is None:
        ours, theirs = (items.with_columns(group=pl.lit(0, pl.UInt32)) for items in (ours, theirs))
    else:
        ours = ours.with_columns(group="record")
        pairs = shown.select(pl.col("record", "trial").cast(pl.UInt32)).rename({"record": "group"})
        theirs = pairs.join(theirs, on="trial", maintain_order="left_right")
    our_words, their_words = number_words(ours["text"], theirs["text"])
    found = match_ngrams(our_words, their_words, _groups(ours, theirs))
    begun = np.bincount(found.owners[found.reach >= NGRAM], minlength=len(ours))
    items = ours.select(
        "record",
        "field",
        words=pl.Series(our_words.lengths, dtype=pl.Int64),
        long=pl.Series(begun, dtype=pl.Int64),
        whole=_stand_whole(ours, theirs),
    )
    shared = pl.when(pl.col("words") < NGRAM).then("whole").otherwise("long")
    fields = items.group_by("record", "field", maintain_order=True).agg(
        pl.col("words").sum(),
        ngrams=(pl.col("words") - NGRAM + 1).clip(lower_bound=1).filter(pl.col("words") > 0).sum(),
        shared=shared.sum(),
    )
    our_fields, our_words = _join_items(ours, our_words)
    their_fields, their_words = _join_items(theirs, their_words)
    longest = match_ngrams(our_words, their_words, _groups(our_fields, their_fields)).longest
    # Both have their fields in the order of the items.
    whole = fields.with_columns(longest=pl.Series(longest, dtype=pl.Int64)).filter(pl.col("words") > 0)
    return whole.select(list(COPIES_SCHEMA)).cast(COPIES_SCHEMA)  # type: ignore[arg-type]


def _groups(ours: pl.DataFrame, theirs: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return ours["group"].to_numpy(), theirs["group"].to_numpy()


def _stand_whole(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.Series:
    """Return 1 for each item that is, word for word, an item of the references of its group, else 0."""
    plain = [
        items.select("group", text=split_words(items["text"]).list.join(" ")) for items in (ours, theirs)
    ]
    known = plain[1].unique().filter(pl.col("text") != "").with_columns(whole=pl.lit(1, pl.Int64))
    same = plain[0].join(known, on=["group", "text"], how="left", maintain_order="left")
    return same["whole"].fill_null(0)


def _join_items(items: pl.DataFrame, words: Words) -> tuple[pl.DataFrame, Words]:
    """Return `group` of each field of each trial, in order, and the words of all its items as one text."""
    key = [name for name in ("group", "trial", "record", "field") if name in items.columns]
    begins = items.select(pl.struct(key).rle_id().diff().fill_null(1) > 0).to_series()
    places = np.flatnonzero(begins.to_numpy())
    return items.select("group")[places], Words(words.ids, words.starts[[*places, -1]], words.vocabulary)
