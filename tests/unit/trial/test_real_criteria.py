"""Criteria of all real samples: no word lost, one canonical text, sides as a person read them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.unit.trial.registry_criteria import sided_words, words
from trialforge.trial.criteria import parse, write

pytestmark = pytest.mark.shared

# Sides read by hand, before any parser read these trials: 200, and 60 kept apart, drawn by a fixed seed from
# the three samples, half at random and half among unusual layouts. `sides` tells from which word on a side
# holds: I, E, U, or - where two readers could differ. A side is what the text says by a heading or in so
# many words; what only a clinician would infer is U.
HAND_READ = pl.read_csv(Path(__file__).with_name("criteria_sides.tsv"), separator="\t")


@pytest.fixture(scope="module")
def texts(real_criteria: pl.DataFrame) -> pl.DataFrame:
    assert dict(real_criteria["corpus"].value_counts().iter_rows()) == {
        "xml": 4665,
        "json": 388,
        "aact": 6697,
    }
    return real_criteria


EVERY = (pytest.param(1, marks=pytest.mark.full), 16)  # of a sample, beside those that were read by hand


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("corpus", ["xml", "json", "aact"])
def test_no_word_of_the_criteria_is_lost_and_the_canonical_text_reads_as_they_do(
    texts: pl.DataFrame, corpus: str, every: int
) -> None:
    chosen = (pl.int_range(pl.len()) % every == 0) | pl.col("nct_id").is_in(HAND_READ["nct_id"].implode())
    sample = texts.filter(pl.col("corpus") == corpus).filter(chosen)
    for nct_id, text in sample.select("nct_id", "text").iter_rows():
        criteria = parse(text)
        assert [word for word, _ in sided_words(criteria)] == words(text), nct_id
        canonical = write(criteria)
        again = parse(canonical)
        assert again == criteria, nct_id
        assert write(again) == canonical, nct_id


@pytest.mark.parametrize(("draw", "count"), [("main", 200), ("held-out", 60)])
def test_sides_are_those_that_a_person_read(texts: pl.DataFrame, draw: str, count: int) -> None:
    trials = HAND_READ.filter(pl.col("draw") == draw).join(texts, on=["corpus", "nct_id"])
    wrong = [row["nct_id"] for row in trials.iter_rows(named=True) if not _is_right(row)]
    assert trials.height == count
    assert len(wrong) / count <= 0.02, wrong


def _is_right(row: dict[str, object]) -> bool:
    """Whether each word of the trial is on the side where a person saw it."""
    runs = [(run[0], int(run[1:])) for run in str(row["sides"]).split()]
    ends = [start for _, start in runs[1:]] + [row["words"]]
    read = [side for (side, start), end in zip(runs, ends, strict=True) for _ in range(start, int(str(end)))]
    parsed = [side for _, side in sided_words(parse(str(row["text"])))]
    return len(read) == len(parsed) and all(a in ("-", b) for a, b in zip(read, parsed, strict=True))
