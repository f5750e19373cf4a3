"""Why a trial stopped: the registry's free-text reason, sorted by the table stop_reasons.tsv."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import polars as pl

_AFFIRMED = {"success", "completed"}  # what these say, a clause with a negation does not
_IGNORED = "ignored"  # rows of this name are taken out of the reason

_GROUP = re.compile(r"\{\w+\}")
_MARK = re.compile(r" \[(?P<after>[^\]]+)\]$|\[(?P<before>[^\]]+)\] |~~ |~ |\*|#|\(")
_MEANING = {
    "~~ ": "(?:[a-z0-9,]+ )*", "~ ": "(?:[a-z0-9]+ ){0,5}", "*": "[a-z0-9]*", "#": "[0-9]+", "(": "(?:",
}  # fmt: skip


class Row(NamedTuple):
    """A row of the table: a class, a pattern with its groups of words filled in, a reason that it finds."""

    name: str
    pattern: str
    example: str


class _StopRules(NamedTuple):
    """The table as regular expressions; rows that follow each other and have one name are one of them."""

    ignored: str
    negated: str
    classes: list[tuple[str, str]]


def read_table() -> list[Row]:
    """Return the rows of the table in order."""
    groups, rows = _read_lines()
    return [Row(name, _fill(pattern, groups), example) for name, pattern, example in rows]


def stop_reason(text: pl.Expr) -> pl.Expr:
    """Return the class of a reason, `other` where no row is found; null where no reason is given."""
    rules = _read_rules()
    plain = _plain(text).str.replace_all(rules.ignored, " . ")
    affirmed = plain.str.replace_all(rules.negated, "")
    found = [
        pl.when((affirmed if name in _AFFIRMED else plain).str.contains(expression)).then(pl.lit(name))
        for name, expression in rules.classes
    ]
    return pl.when(plain.is_not_null()).then(pl.coalesce(*found, pl.lit("other")))


def _plain(text: pl.Expr) -> pl.Expr:
    """Return words a space apart, in lower case and without accents; `.` and `,` stand alone."""
    letters = text.str.normalize("NFKD").str.to_lowercase().str.replace_all(r"\p{M}", "")
    letters = letters.str.replace_all(r"\b([a-z])\.([a-z])\b", "$1$2")  # p.i.
    marks = letters.str.replace_all("[.;:!?]+", " . ").str.replace_all(",", " , ")
    return marks.str.replace_all("[^a-z0-9.,]+", " ").str.replace_all(" +", " ").str.strip_chars(" .,")


def _read_lines() -> tuple[dict[str, str], list[list[str]]]:
    lines = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if "\t" in line and not line.startswith("#")]
    groups = {row[0]: row[1] for row in cells if _GROUP.fullmatch(row[0])}
    return groups, [row for row in cells if row[0] not in groups]


def _fill(pattern: str, groups: dict[str, str]) -> str:
    while _GROUP.search(pattern):
        pattern = _GROUP.sub(lambda found: f"({groups[found[0]]})", pattern)
    return pattern


def _translate(pattern: str) -> str:
    """Return the regular expression of a pattern; the head of the table says what its marks mean."""

    def mean(mark: re.Match[str]) -> str:
        if mark["before"]:
            return f"(?:(?:{_translate(mark['before'])}) )*"
        if mark["after"]:
            return f"(?: (?:{_translate(mark['after'])}))*"
        return _MEANING[mark[0]]

    return _MARK.sub(mean, pattern)


def _join(patterns: Iterable[str]) -> str:
    return rf"(?-u:\b)(?:{'|'.join(map(_translate, patterns))})(?-u:\b)"


@cache
def _read_rules() -> _StopRules:
    groups, _ = _read_lines()
    rows = read_table()
    runs = groupby((row for row in rows if row.name != _IGNORED), key=lambda row: row.name)
    return _StopRules(
        ignored=_join(row.pattern for row in rows if row.name == _IGNORED),
        negated=_join([_fill("{negation}", groups)]) + "[^.,]*",
        classes=[(name, _join(row.pattern for row in run)) for name, run in runs],
    )
