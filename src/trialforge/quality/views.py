"""Three views of a record: its form, its style and its content, none of which shows the others.

Form is which fields are filled, how many things they list and how long they are. Style is how the text of a
field is written: function words, punctuation, case and layout, each as a rate. Content is its other words,
without case, order, marks, numbering and headings. Style and content are read in the parts that both sides
fill, so that a field that one side lacks is a matter of form alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import CountVectorizer

from trialforge.trial.criteria import Criteria, Side, parse
from trialforge.trial.record import TEXT_FIELDS, TRIAL_SCHEMA, literal_values
from trialforge.trial.text import field_text, keep_filled
from trialforge.trial.words import WORD

VIEWS = ("form", "style", "content")
# Words of closed classes: articles, prepositions, conjunctions, pronouns, auxiliaries, quantifiers.
FUNCTION_WORDS = tuple(
    """a about after all also an and any are as at be been before between both but by can could do does during
    each either for from had has have if in into is it its may might must neither no nor not of on one only or
    other our over per shall should so such than that the their them there these they this those through to
    under until up upon was we were when where whether which while who whom whose will with within without
    would you your""".split()  # noqa: SIM905
)
_MARKS = (
    r"\.", ",", ";", ":", "[-–—]", r"[()\[\]]", "/", "%", r"[<>≤≥=±]", "[\"'“”‘’]", r"[•*]", r"\d", r"\p{Lu}",
    r"\b\p{Lu}\p{Ll}", r"\b\p{Lu}{2,}\b", r"[^\x00-\x7f]",
)  # fmt: skip
_LINES = (
    r"(?m)^\s*[-*•]", r"(?m)^\s*\(?(?:\d{1,2}|[a-z])[.)]", r"(?m)^[ \t]{2,}\S", r"(?m)^\s*$",
    r"(?m)[.;,]\s*$", r"(?m):\s*$", r"(?m)^\W*\p{Ll}", r"(?m)^\W*\p{Lu}{2}", "  +",
)  # fmt: skip
_SIDES: tuple[Side, ...] = ("inclusion", "exclusion", "unspecified")


def _text_parts() -> dict[str, pl.Expr]:
    """Return each text that a trial may hold, by `field` or `field.part`: lists one a line, null if empty."""
    parts: dict[str, pl.Expr] = {}
    for name in TEXT_FIELDS:
        kind = TRIAL_SCHEMA[name]
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
            for part in kind.inner.fields:
                if part.dtype == pl.String() and part.name != "type":
                    inner = pl.element().struct.field(part.name)
                    parts[f"{name}.{part.name}"] = (
                        pl.col(name).list.eval(inner).list.join("\n", ignore_nulls=True)
                    )
        elif isinstance(kind, pl.List):
            parts[name] = pl.col(name).list.join("\n", ignore_nulls=True)
        elif kind == pl.String() and not literal_values(name):
            parts[name] = pl.col(name)
    return {name: pl.when(text.str.len_chars() > 0).then(text).alias(name) for name, text in parts.items()}


TEXT_PARTS = _text_parts()
# What is chosen from a list or is a number: of it the form shows only whether it is there.
VALUES = tuple(name for name in TEXT_FIELDS if name not in TEXT_PARTS and TRIAL_SCHEMA[name] != pl.List)
_LISTS = tuple(name for name in TEXT_FIELDS if isinstance(TRIAL_SCHEMA[name], pl.List))
# What each column of `form_features` (field, what) and of `style_features` is.
FORM_NAMES = (
    *((name, "filled") for name in (*VALUES, *TEXT_PARTS)),
    *((name, "characters") for name in TEXT_PARTS),
    *((name, "listed") for name in _LISTS),
    *(("criteria", f"of {side}") for side in _SIDES),
)
STYLE_NAMES = (
    *(f"rate of {word!r}" for word in FUNCTION_WORDS), *(f"rate of marks {mark}" for mark in _MARKS),
    *(f"rate of lines {kind}" for kind in _LINES), "length of words", "length of sentences",
)  # fmt: skip


def shared_parts(one: pl.DataFrame, other: pl.DataFrame) -> tuple[str, ...]:
    """Return the text parts that at least half of the records of both sides have."""
    filled = keep_filled(other, TEXT_PARTS, 0.5)
    return tuple(name for name in keep_filled(one, TEXT_PARTS, 0.5) if name in filled)


def field_table(synthetic: pl.DataFrame, real: pl.DataFrame) -> pl.DataFrame:
    """Return `field`, the share of either side that fills it, and `alone`: the side that has it alone.

    A side has a field alone where at least half of its records fill it and fewer than one in twenty of the
    other's.
    """
    texts = TEXT_PARTS | {name: field_text(name) for name in VALUES}
    shares = [
        frame.select(
            (text.str.len_chars() > 0).fill_null(value=False).mean().alias(name)
            for name, text in texts.items()
        ).transpose(include_header=True, header_name="field", column_names=[side])
        for side, frame in (("synthetic", synthetic), ("real", real))
    ]
    alone = [
        pl.when((pl.col(side) >= 0.5) & (pl.col(other) < 0.05)).then(pl.lit(side))
        for side, other in (("synthetic", "real"), ("real", "synthetic"))
    ]
    table = shares[0].join(shares[1], on="field", maintain_order="left")
    return table.with_columns(pl.col("synthetic", "real").round(4), alone=pl.coalesce(alone))


def view_rows(frame: pl.DataFrame, view: str, parts: Sequence[str]) -> np.ndarray:
    """Return what a classifier reads of each record in a view: features, or the words of its content."""
    if view == "form":
        return form_features(frame)
    return style_features(frame, parts) if view == "style" else content_texts(frame, parts)


def form_features(frame: pl.DataFrame) -> np.ndarray:
    """Return which fields are filled, and logarithms of counts and lengths, a row for each record."""
    lengths = [text.str.len_chars().fill_null(0).cast(pl.Float64) for text in TEXT_PARTS.values()]
    columns = [
        *(field_text(name).is_not_null().cast(pl.Float64) for name in VALUES),
        *((length > 0).cast(pl.Float64) for length in lengths),
        *(length.log1p() for length in lengths),
        *(pl.col(name).list.len().fill_null(0).cast(pl.Float64).log1p() for name in _LISTS),
    ]
    counted = frame.select(column.alias(str(place)) for place, column in enumerate(columns)).to_numpy()
    items = [[len(found.items(side)) for side in _SIDES] for found in _parse_criteria(frame)]
    features: np.ndarray = np.column_stack([counted, np.log1p(np.array(items, dtype=float).reshape(-1, 3))])
    return features


def style_features(frame: pl.DataFrame, parts: Iterable[str]) -> np.ndarray:
    """Return how the parts are written: rates of function words, marks and lines of a kind; mean lengths."""
    texts = _join(frame, [TEXT_PARTS[name] for name in parts])
    text = pl.col("text")
    words = pl.max_horizontal(text.str.count_matches(r"\S+"), 1)
    lines = pl.max_horizontal(text.str.count_matches(r"(?m)^.*\S"), 1)
    rates = [
        *(text.str.count_matches(mark) / words for mark in _MARKS),
        *(text.str.count_matches(kind) / lines for kind in _LINES),
        text.str.len_chars() / words,
        words / pl.max_horizontal(text.str.count_matches(r"[.;?!](?:\s|$)"), 1),
    ]
    told = texts.to_frame().select(
        words.alias("words"), *(rate.alias(str(place)) for place, rate in enumerate(rates))
    )
    counts = CountVectorizer(vocabulary=FUNCTION_WORDS, tokenizer=str.split, token_pattern=None).transform(
        texts.str.replace_all(r"[^\p{L}\p{N}]+", " ")
    )
    said = counts.toarray() / told["words"].to_numpy()[:, None]
    features: np.ndarray = np.sqrt(np.column_stack([said, told.drop("words").to_numpy()]))
    return features


def content_texts(frame: pl.DataFrame, parts: Sequence[str]) -> np.ndarray:
    """Return the different words of the parts that are no function words, of criteria those of its items."""
    criteria = [" ".join(item.text for item in found.items()) for found in _parse_criteria(frame)]
    frame = frame.with_columns(criteria=pl.Series(criteria, dtype=pl.String))
    words = (
        _join(frame, [TEXT_PARTS[name] for name in parts])
        .str.to_lowercase()
        .str.extract_all(WORD)
        .list.set_difference(list(FUNCTION_WORDS))
        .list.sort()
    )
    return np.array(words.list.join(" ").to_list(), dtype=object)


def _join(frame: pl.DataFrame, texts: Sequence[pl.Expr]) -> pl.Series:
    parts = texts or [pl.repeat("", pl.len())]
    return frame.select(pl.concat_str(parts, separator="\n", ignore_nulls=True).alias("text"))["text"]


def _parse_criteria(frame: pl.DataFrame) -> list[Criteria]:
    return [parse(text) for text in frame["criteria"]]
