"""Who is named in a trial: names of people, their e-mails, telephone numbers and addresses.

Ingest removes them, and no synthetic record may have one. A name is taken as such by its title, its degree
or its role; a name alone can't be told from that of a disease, a drug or a place, and is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from trialforge.trial.free_text import REMOVED, map_free_text, numbered_texts

INVESTIGATOR = "the investigator"
_WORD = r"\p{Lu}[\p{L}'’-]+"
# A word of a name: O'Brien whole, but of Barnes' and Lee's clinic the name alone.
_PART = r"\p{Lu}(?:[\p{L}-]|['’]\p{Lu})+"
_MIXED = r"\p{Lu}[\p{L}'’-]*\p{Ll}[\p{L}'’-]*"
_PARTICLES = r"(?:(?:van|von|de|der|den|del|della|di|da|la|le|al|el|bin|ten|ter) ){0,2}"
_NAME = rf"(?:\p{{Lu}}\.? ){{0,2}}{_PARTICLES}{_PART}(?: \p{{Lu}}\b\.?)?(?: {_PARTICLES}{_PART}){{0,2}}"
_TITLE = r"(?:\b(?:Dr|Prof|Mrs?|Ms)\b(?:\. ?| )|\bProfessor )(?:(?:Dr|med|PD)(?:\. ?| ))*"
_DEGREE = r"(?:M\.?D|Ph\.?D|R\.?N|MPH|PharmD|MBBS|FRCP)"
_DEGREES = rf"{_DEGREE}\b\.?(?:,? {_DEGREE}\b\.?)*"
# Words that stand in no name. MD is short for many a disease and for Maryland, and MPH for a drug.
_NO_NAME = (
    r"(?:[\p{L}-]+(?i:itis|osis|emia|pathy|trophy|plasia|dystonia|oma)|(?i:diseases?|disorders?|syndrome"
    r"|degeneration|depressi(?:on|ve)|diabetes|deficiency|deviation|defect|failure|hypertension|cancer|dose"
    r"|girdle|dreifuss|macular|related|ocular|retinal|visual|acuity|vision|muscular|myotonic|muscle|congenital"
    r"|oculopharyngeal|facioscapulohumeral|duchenne|mental|mood|bipolar|affective|extended|immediate"
    r"|sustained|modified|controlled|delayed|release|osmotic|oral|transdermal|tablets?|capsules?|placebo"
    r"|hydrochloride|HCl|methylphenidate|concerta|ritalin|molecular|mean|maximum|minimum"
    r"|therapy|treatment|study|trial|score|scale|index|inventory|questionnaire|university|hospitals?"
    r"|institutes?|cent(?:er|re)|college|school|clinics?|health|department|medicine|medical|texas"
    r"|baltimore|bethesda|rockville|gaithersburg|annapolis|hagerstown|towson|columbia|spring|chase))"
)
_SHIELD = "\ue000"  # of the private use area: no text has it, and no rule looks for it
_SHIELDED = (
    # Duchenne Muscular Dystrophy MD; Health Bethesda, MD
    rf"(\b{_NO_NAME}(?: {_WORD}){{0,2}},? )({_DEGREE}\b)",
    r"( )(M\.?D\.? Anderson\b)",
    r"(\bD)(r\.? Scholl['’]?s\b)",  # a brand of insoles
)
_STREET = r"(?:Street|Avenue|Ave\.|Road|Rd\.|Boulevard|Blvd\.?|Drive|Lane|Parkway|Pkwy\.?)"


@dataclass(frozen=True, slots=True)
class PersonRule:
    """A pattern, what stands in its place, and quick patterns of which every text with a match has one."""

    quick: tuple[str, ...]
    pattern: str
    instead: str


PERSON_RULES: dict[str, PersonRule] = {
    "email": PersonRule(("@",), r"(?i)[\w.+-]+@[\w-]+(?:\.[\w-]+)+", REMOVED),
    "telephone": PersonRule(
        (r"[0-9][.-][0-9]{4}|8[0-9][0-9]-|\+[0-9]", r"(?i)phone|fax|pager", r"(?i)\btel\b"),
        # (301) 496-8959, 734-647-8174, 1-800-4-CANCER, +44 20 7946 0958, tel. 030 1234567
        r"(?:\+?1[ .-])?(?:\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b"
        r"|\b(?:1-)?8(?:00|88|77|66|55)-(?:[\dA-Z]{3}-[\dA-Z]{4}|\d-[A-Z]{4,7})\b"
        r"|\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,5}){2,4}\b"
        r"|(?i:\b(?:tel|telephone|phone|fax|pager)\b\.?:? ?(?:number |no\. )?)[+(]?\d[\d ().-]{6,}\d",
        REMOVED,
    ),
    "title": PersonRule(
        (
            r"\b(?:Dr|Prof|M[rs])",
            r"(?i)(?:or|ir|ct|on)\s*:",
        ),  # as a role ends: director, chair, contact, person
        rf"{_TITLE}{_NAME}"
        # Drs. George Brewer and Sofia Merajver
        rf"|\bDrs\b\.? {_NAME}(?:(?:, and |, | and ){_NAME})*"
        # Principal investigator: Maria Lopez
        r"|(?i:\b(?:principal investigator|study (?:chair|director|coordinator)|contact(?: person)?)\s*:) ?"
        rf"{_WORD}(?: \p{{Lu}}\b\.?)? {_WORD}",
        INVESTIGATOR,
    ),
    "degree": PersonRule(
        (rf" {_DEGREE}\b",),
        # Jane Q. Roe, MD, PhD; without a comma no word is in capitals alone: PR OROS MPH is a drug.
        rf"\b{_WORD}(?: \p{{Lu}}\b\.?)?(?: {_WORD}){{1,2}}, {_DEGREES}"
        rf"|\b{_MIXED}(?: \p{{Lu}}\b\.?)?(?: {_MIXED}){{1,2}} {_DEGREES}",
        INVESTIGATOR,
    ),
    "address": PersonRule(
        (_STREET, "[Bb][Oo][Xx]", "[0-9]{5}-[0-9]"),
        rf"\b\d{{1,5}} (?:[NSEW]\. )?(?:{_WORD} ){{1,3}}{_STREET}"
        r"|\b[A-Z]{2},? \d{5}(?:-\d{4})\b|(?i:\bP\.? ?O\.? Box \d+)",
        REMOVED,
    ),
}


def shield_degrees(text: pl.Expr) -> pl.Expr:
    """Return the text in which what looks like a degree or title, but is none, is hidden from the rules."""
    for pattern in _SHIELDED:
        text = text.str.replace_all(pattern, f"${{1}}{_SHIELD}${{2}}")
    return text


def scrub_people(trials: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return trials without the people named in their free text, and how often each rule was needed."""
    counts: Counter[str] = Counter(dict.fromkeys(PERSON_RULES, 0))
    rows = _rows_with_people(trials)

    def scrub(texts: pl.Series) -> pl.Series:
        texts = texts.to_frame().select(shield_degrees(pl.first())).to_series()
        for name, rule in PERSON_RULES.items():
            found = int(texts.str.count_matches(rule.pattern).sum() or 0)
            texts = texts.str.replace_all(rule.pattern, rule.instead) if found else texts
            counts[name] += found
        return texts.str.replace_all(_SHIELD, "", literal=True)

    if rows:
        some = trials[rows]
        trials = _put_back(map_free_text(some, scrub).with_columns(scrub(some["why_stopped"])), rows, trials)
    return trials, dict(counts)


def _rows_with_people(trials: pl.DataFrame) -> list[int]:
    """Return the few trials that have work for a rule; most texts are passed over at the quick patterns."""
    why_stopped = trials.with_row_index("row").select("row", text="why_stopped").drop_nulls()
    texts = pl.concat([numbered_texts(trials), why_stopped])
    text = pl.col("text").str
    rules = PERSON_RULES.items()
    likely = {name: pl.any_horizontal(text.contains(quick) for quick in rule.quick) for name, rule in rules}
    some = texts.with_columns(**likely).filter(pl.any_horizontal(*likely))
    # Only what has a degree has one to hide.
    some = pl.concat(
        [some.filter("degree").with_columns(shield_degrees(pl.col("text"))), some.filter(~pl.col("degree"))]
    )
    found = [some.filter(name).filter(text.contains(rule.pattern))["row"] for name, rule in rules]
    return pl.concat(found).unique().sort().to_list()


def _put_back(some: pl.DataFrame, rows: list[int], trials: pl.DataFrame) -> pl.DataFrame:
    """Return trials with `some` at its rows."""
    parts: list[pl.DataFrame] = []
    for place, (row, after) in enumerate(pairwise([*rows, trials.height])):
        parts += [some[place : place + 1], trials[row + 1 : after]]
    return pl.concat([trials[: rows[0]], *parts], rechunk=True)


def find_people(text: pl.Expr) -> dict[str, pl.Expr]:
    """Return, for each rule, whether a text has what it removes."""
    shielded = shield_degrees(text)
    return {name: shielded.str.contains(rule.pattern) for name, rule in PERSON_RULES.items()}
