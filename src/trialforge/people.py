"""Who is named in a trial: names of people, their e-mails, telephone numbers and addresses, removed.

A name is taken as such by its title or its degree; a name alone can't be told from that of a disease, a
drug or a place, and is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from trialforge.free_text import map_free_text

REMOVED = "[removed]"
INVESTIGATOR = "the investigator"
_WORD = r"\p{Lu}[\p{L}'’-]+"
_NAME = rf"{_WORD}(?: \p{{Lu}}\b\.?)?(?: {_WORD}){{0,2}}"
_STREET = r"(?:Street|Avenue|Ave\.|Road|Rd\.|Boulevard|Blvd\.?|Drive|Lane|Parkway|Pkwy\.?)"


@dataclass(frozen=True, slots=True)
class PersonRule:
    """A pattern, what stands in its place, and a quick pattern that every text with a match has."""

    quick: str
    pattern: str
    instead: str


PERSON_RULES: dict[str, PersonRule] = {
    "email": PersonRule("@", r"(?i)[\w.+-]+@[\w-]+(?:\.[\w-]+)+", REMOVED),
    "telephone": PersonRule(
        r"\d[ ).-]{0,2}\d{3}|8\d\d-[A-Z]",
        # (301) 496-8959, 734-647-8174, 1-800-4-CANCER, +44 20 7946 0958, tel. 030 1234567
        r"(?:\+?1[ .-])?(?:\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b"
        r"|\b(?:1-)?8(?:00|88|77|66|55)-(?:[\dA-Z]{3}-[\dA-Z]{4}|\d-[A-Z]{4,7})\b"
        r"|\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,5}){2,4}\b"
        r"|(?i:\b(?:tel|telephone|phone|fax|pager)\b\.?:? ?(?:number |no\. )?)[+(]?\d[\d ().-]{6,}\d",
        REMOVED,
    ),
    "title": PersonRule(r"\b(?:Dr|Prof)", rf"\b(?:Drs?|Prof|Professor)\b\.? {_NAME}", INVESTIGATOR),
    "degree": PersonRule(
        r"M\.?D|Ph\.?D|R\.?N",
        rf"\b{_WORD}(?: \p{{Lu}}\b\.?)?(?: {_WORD}){{1,2}},? (?:M\.?D|Ph\.?D|R\.?N|MPH|PharmD)\b\.?",
        INVESTIGATOR,
    ),
    "address": PersonRule(
        rf"{_STREET}|Box|\d{{5}}-\d",
        rf"\b\d{{1,5}} (?:[NSEW]\. )?(?:{_WORD} ){{1,3}}{_STREET}"
        r"|\b[A-Z]{2},? \d{5}(?:-\d{4})\b|(?i:\bP\.? ?O\.? Box \d+)",
        REMOVED,
    ),
}


def scrub_people(trials: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return trials without the people named in their free text, and how often each rule was needed."""
    counts: Counter[str] = Counter(dict.fromkeys(PERSON_RULES, 0))

    def scrub(texts: pl.Series) -> pl.Series:
        for name, rule in PERSON_RULES.items():
            texts, found = _replace(texts, rule)
            counts[name] += found
        return texts

    scrubbed = map_free_text(trials, scrub)
    return scrubbed.with_columns(scrub(trials["why_stopped"])), dict(counts)


def find_people(texts: pl.Series) -> pl.DataFrame:
    """Return `row` (of `texts`), `found` and `rule`, one row for each find."""
    numbered = texts.alias("text").to_frame().with_row_index("row")
    found = [
        numbered.select("row", found=pl.col("text").str.extract_all(rule.pattern), rule=pl.lit(name))
        for name, rule in PERSON_RULES.items()
    ]
    return pl.concat(found).explode("found").drop_nulls("found")


def _replace(texts: pl.Series, rule: PersonRule) -> tuple[pl.Series, int]:
    likely = texts.str.contains(rule.quick).fill_null(value=False).arg_true()
    some = texts.gather(likely)
    found = int(some.str.count_matches(rule.pattern).sum() or 0)
    if not found:
        return texts, 0
    return texts.scatter(likely, some.str.replace_all(rule.pattern, rule.instead)), found
