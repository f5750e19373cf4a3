"""What stands word for word in other trials: by field, its shared 8-grams and its longest shared run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from trialforge.trial.criteria import parse
from trialforge.trial.overlap import match_ngrams
from trialforge.trial.words import Words, number_words, split_words

NGRAM = 8
_LONG = 5  # letters of a word whose misspellings are few other words
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
    ours, theirs = number_items(field_items(records), field_items(references))
    return measure_items(ours, theirs, shown)


class Items(NamedTuple):
    """What `field_items` has read of some trials, and the words of its texts."""

    frame: pl.DataFrame
    words: Words


def number_items(*frames: pl.DataFrame) -> list[Items]:
    """Return the items of each frame with their words, numbered alike in all of them."""
    return [*map(Items, frames, number_words(*(frame["text"] for frame in frames)))]


def measure_items(ours: Items, theirs: Items, shown: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return `measure_copies` of items that one call of `number_items` has numbered."""
    (our_items, our_words), (their_items, their_words) = ours, theirs
    their_items = their_items.rename({"record": "trial"})
    if shown is None:
        our_items, their_items = (
            items.with_columns(group=pl.lit(0, pl.UInt32)) for items in (our_items, their_items)
        )
    else:
        our_items = our_items.with_columns(group="record")
        pairs = shown.select(pl.col("record", "trial").cast(pl.UInt32)).rename({"record": "group"})
        placed = their_items.with_row_index("place")
        their_items = pairs.join(placed, on="trial", maintain_order="left_right")
        their_words = their_words.take(their_items["place"].to_numpy())
    groups = _groups(our_items, their_items)
    found = match_ngrams(our_words, their_words, groups)
    begun = np.bincount(found.owners[found.reach >= NGRAM], minlength=len(our_words))
    items = our_items.select(
        "record",
        "field",
        words=pl.Series(our_words.lengths, dtype=pl.Int64),
        long=pl.Series(begun, dtype=pl.Int64),
        whole=pl.Series(_stand_whole(our_words, their_words, groups), dtype=pl.Int64),
    )
    shared = pl.when(pl.col("words") < NGRAM).then("whole").otherwise("long")
    fields = items.group_by("record", "field", maintain_order=True).agg(
        pl.col("words").sum(),
        ngrams=(pl.col("words") - NGRAM + 1).clip(lower_bound=1).filter(pl.col("words") > 0).sum(),
        shared=shared.sum(),
    )
    our_fields, our_words = _join_items(our_items, our_words)
    their_fields, their_words = _join_items(their_items, their_words)
    longest = match_ngrams(our_words, their_words, _groups(our_fields, their_fields)).longest
    # Both have their fields in the order of the items.
    whole = fields.with_columns(longest=pl.Series(longest, dtype=pl.Int64)).filter(pl.col("words") > 0)
    return whole.select(list(COPIES_SCHEMA)).cast(COPIES_SCHEMA)  # type: ignore[arg-type]


def measure_spelled(ours: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Return `measure_items` of `field_items` against all that is shown, whatever letters were changed.

    In an item of NGRAM words or more, a word that is a letter away from a shown one counts as that one: a
    model that is kept from repeating its prompt misspells what it repeats. Shorter items may well differ by
    such a word alone, as typical and atypical pain do.
    """
    spelled = ours.with_columns(text=_spell_like(ours["text"], shown["text"]))
    mine, theirs = number_items(spelled, shown)
    return measure_items(mine, theirs)


def _spell_like(texts: pl.Series, shown: pl.Series) -> pl.Series:
    words, known = split_words(texts), {*split_words(shown).explode().drop_nulls()}
    others = {*words.explode().drop_nulls()} - known
    meant = find_near_words(others, known)
    spelled = words.list.eval(pl.element().replace(meant)).list.join(" ")
    return pl.select(pl.when(words.list.len() >= NGRAM).then(spelled).otherwise(texts)).to_series()


def find_near_words(words: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return, of each word that is a letter away from a known one, that one.

    The word lacks a letter, has one more or another one, or two neighbours in the other order.
    """
    by_form: dict[str, list[tuple[str, int | None]]] = {}
    for word in sorted(known):
        for form, place in _forms(word):
            by_form.setdefault(form, []).append((word, place))
    return {word: near for word in sorted(words) if (near := _find_near(word, by_form))}


def _find_near(word: str, by_form: Mapping[str, Sequence[tuple[str, int | None]]]) -> str | None:
    for form, place in _forms(word):
        for known, other in by_form.get(form, ()):
            if place is None or other is None or abs(place - other) <= 1:
                return known
    return None


def _forms(word: str) -> list[tuple[str, int | None]]:
    """Return a word as it is and without each of its letters, and which letter that is."""
    if len(word) < _LONG or not word.isalpha():
        return []
    return [(word, None), *((word[:place] + word[place + 1 :], place) for place in range(len(word)))]


def _groups(ours: pl.DataFrame, theirs: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return ours["group"].to_numpy(), theirs["group"].to_numpy()


def _stand_whole(ours: Words, theirs: Words, groups: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return which items of fewer than NGRAM words equal one of a reference of their group."""
    short = [np.flatnonzero((words.lengths > 0) & (words.lengths < NGRAM)) for words in (ours, theirs)]
    keys = [
        np.column_stack([group[places], _padded(words.take(places))])
        for words, group, places in zip((ours, theirs), groups, short, strict=True)
    ]
    names = ["group", *map(str, range(NGRAM - 1))]
    mine, known = (pl.DataFrame(key, schema=names, orient="row") for key in keys)
    same = mine.with_row_index("row").join(known, on=names, how="semi")["row"].to_numpy()
    whole = np.zeros(len(ours), dtype=bool)
    whole[short[0][same]] = True
    return whole


def _padded(words: Words) -> np.ndarray:
    """Return the words of texts of fewer than NGRAM, a row for each, with -1 behind them."""
    rows = np.full((len(words), NGRAM - 1), -1)
    rows[words.owners, np.arange(len(words.ids)) - np.repeat(words.starts[:-1], words.lengths)] = words.ids
    return rows


def _join_items(items: pl.DataFrame, words: Words) -> tuple[pl.DataFrame, Words]:
    """Return `group` of each field of each trial, in order, and the words of all its items as one text."""
    key = [name for name in ("group", "trial", "record", "field") if name in items.columns]
    begins = items.select(pl.struct(key).rle_id().diff().fill_null(1) > 0).to_series()
    places = np.flatnonzero(begins.to_numpy())
    return items.select("group")[places], Words(words.ids, words.starts[[*places, -1]], words.vocabulary)
