"""Strings of either shape become the same text, whatever the text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trialforge.ingest import clean


def apply(expression: Callable[[pl.Expr], pl.Expr], *texts: str | None) -> list[object]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(expression(pl.col("text"))).to_series().to_list()


def wrapped(text: pl.Expr) -> pl.Expr:
    return clean.clean_block(text, markdown=False)


def markdown(text: pl.Expr) -> pl.Expr:
    return clean.clean_block(text, markdown=True)


words = st.text(alphabet="abcXYZäß≥019.,;:()<>[]*&~^_", min_size=1, max_size=12).filter(
    lambda word: not re.fullmatch(r"[-*•·‣]", word)
)
paragraphs = st.lists(words, min_size=1, max_size=40).map(" ".join)
blocks = st.lists(st.tuples(st.booleans(), paragraphs), min_size=1, max_size=6)


def write_wrapped(block: list[tuple[bool, str]]) -> str:
    parts = [
        textwrap.fill(
            ("-  " if item else "") + text, 92,
            initial_indent=" " * 8, subsequent_indent=" " * (11 if item else 8),
            break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        )
        for item, text in block
    ]  # fmt: skip
    return "\n" + "\r\n\r\n".join(parts).replace("\n", "\r\n") + "\n      "


def write_markdown(block: list[tuple[bool, str]]) -> str:
    escaped = [(item, re.sub(r"([<>\[\]*&~^_])", r"\\\1", text)) for item, text in block]
    return "\n\n".join(("* " if item else "") + text for item, text in escaped)


@given(blocks)
def test_wrapped_lines_and_markdown_give_the_same_lines(block: list[tuple[bool, str]]) -> None:
    expected = "\n".join(("- " if item else "") + text for item, text in block)
    assert apply(wrapped, write_wrapped(block)) == [expected]
    assert apply(markdown, write_markdown(block)) == [expected]


@given(st.text(max_size=200))
@example("0 \x850")
@example("0  \x85 0")
def test_cleaned_text_has_no_loose_space_and_stays_as_it_is(text: str) -> None:
    for expression in (wrapped, lambda column: clean.clean_line(column, markdown=False)):
        (once,) = apply(expression, text)
        if once is None:
            continue
        assert isinstance(once, str)
        assert not re.search(r"^\s|\s$|  |\t|\r", once)


def test_a_lone_bullet_joins_the_paragraph_after_it() -> None:
    assert apply(wrapped, "A:\n\n  -\n\n     must sleep") == ["A:\n- must sleep"]


@pytest.mark.parametrize("text", ["", " ", "\n \r\n\t", None])
def test_nothing_is_null(text: str | None) -> None:
    assert apply(wrapped, text) == apply(markdown, text) == [None]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("September 20, 1999", date(1999, 9, 20)),
        ("May 4, 2015", date(2015, 5, 4)),
        ("June 1994", date(1994, 6, 1)),
        ("1999-09-20", date(1999, 9, 20)),
        ("1994-06", date(1994, 6, 1)),
        ("1994", date(1994, 1, 1)),
        ("Sep 20, 1999", date(1999, 9, 20)),
        ("2 March 2015", date(2015, 3, 2)),
        ("20150302", date(2015, 3, 2)),
        ("2015/03/02", date(2015, 3, 2)),
        ("2015-03-02T00:00:00", date(2015, 3, 2)),
        ("2015-03-02 00:00", date(2015, 3, 2)),
        ("12.05.2020", date(2020, 5, 12)),
        ("5.3.2020", date(2020, 3, 5)),
        ("Mar-19", date(2019, 3, 1)),
        ("Mar-99", date(1999, 3, 1)),
        ("1-Feb-18", date(2018, 2, 1)),
        ("02/03/2015", None),
        ("02/03/15", None),
        ("02.03.15", None),
        ("2015-02-30", None),
        ("20151302", None),
        ("201503", None),
        ("June 31, 1994", None),
        ("2015-13", None),
        ("soon", None),
    ],
)
def test_dates(text: str, day: date | None) -> None:
    assert apply(clean.parse_date, text) == [day]


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_every_date_is_read_in_all_its_spellings(day: date) -> None:
    first = day.replace(day=1)
    spelt = [f"{day:%B} {day.day}, {day.year}", day.isoformat(), f"{day:%B} {day.year}", day.isoformat()[:7]]
    assert apply(clean.parse_date, *spelt) == [day, day, first, first]


@pytest.mark.parametrize("text", ["-3 Years", "eighteen", "18", "18 Parsecs", "1e9 Years", "Years"])
def test_what_is_no_age_is_null(text: str) -> None:
    assert apply(clean.parse_age, text) == [None]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Accepts Healthy Volunteers", True),
        ("yes", True),
        ("true", True),
        ("No", False),
        ("false", False),
        ("?", None),
    ],
)
def test_yes_and_no(text: str, answer: bool | None) -> None:
    assert apply(clean.parse_yes_no, text) == [answer]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("60", 60), ("60.0", 60), ("60.", 60), ("1,200", 1200), ("1,234,567.00", 1234567), ("0", 0),
        ("-1", None), ("60.5", None), ("1,20", None), ("1e3", None), ("about 60", None), ("", None),
    ],
)  # fmt: skip
def test_counts(text: str, count: int | None) -> None:
    assert apply(clean.parse_count, text) == [count]


PHASES = {
    "Early Phase 1": ["Early Phase 1", "EARLY_PHASE1", "Phase 0"],
    "Phase 1": ["Phase 1", "PHASE1", "phase I", "1", "Phase Ib"],
    "Phase 1/Phase 2": ["Phase 1/Phase 2", "PHASE1/PHASE2", "PHASE2/PHASE1", "Phase I/II", "Phase1|Phase2",
                        "Phase 1 and Phase 2", "Phase 1-2", "PHASE2, PHASE1"],
    "Phase 2": ["Phase 2", "PHASE2", "Phase II", "PhaseII", "PHASE2B", "Phase IIa"],
    "Phase 2/Phase 3": ["Phase 2/Phase 3", "Phase II-III", "2/3"],
    "Phase 3": ["phase iii", "PHASE3"],
    "Phase 4": ["Phase IV", "PHASE4"],
    "N/A": ["N/A", "NA", "Not Applicable", "NOT_APPLICABLE"],
    None: ["Phase 5", "PHASE3/PHASE4", "PHASE1/PHASE2/PHASE3", "NA/PHASE2", "unknown", "phase"],
}  # fmt: skip


@pytest.mark.parametrize("phase", PHASES)
def test_phases_in_all_their_spellings(phase: str | None) -> None:
    spelt = PHASES[phase]
    assert apply(lambda text: clean.parse_word(text, "phase"), *spelt) == [phase] * len(spelt)


def test_words_that_nobody_knows_are_null() -> None:
    assert apply(lambda text: clean.parse_word(text, "phase"), "Phase 9", "", None) == [None, None, None]
