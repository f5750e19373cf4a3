"""Does a record misspell what its trial or its exemplars give?

A model that is kept from repeating what it reads changes a letter and goes on: "bevacizumib".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

import polars as pl

from trialforge.trial.checks.check import TEXT, Check, Record
from trialforge.trial.copies import find_near_words
from trialforge.trial.record import TEXT_FIELDS
from trialforge.trial.text import field_texts

_WORD = r"\p{L}{8,}"  # of short words another one is often a letter away
_ALIKE = 0.85  # share of letters that two words have in common, in order: about two of twelve differ
_READ = 20_000  # trials


def known_words(trials: pl.DataFrame) -> frozenset[str]:
    """Return the lower-case words of eight letters or more in the texts of up to 20,000 trials."""
    read = trials.sample(_READ, seed=0) if trials.height > _READ else trials
    words = field_texts(read, TEXT_FIELDS).str.to_lowercase().str.extract_all(_WORD)
    return frozenset(words.explode().drop_nulls().unique())


def spelling_check(trials: Mapping[str, Record], known: frozenset[str]) -> Check:
    """Return the check for misspelled names of interventions.

    Args:
        trials: trials by id; those that a record's column `exemplars` names must be among them.
        known: of `known_words`: none of them is misspelled.
    """

    def is_misspelled(record: Record) -> bool:
        of = [record, *(trials[name] for name in record["exemplars"] or [])]
        names = _long_words(text for trial in of for text in _names(trial))
        unknown = _long_words([record[TEXT]]) - names - known - _long_words(_given(record))
        return any(find_intended(word, names) for word in unknown)

    return Check("misspelled_intervention", "it misspells the name of an intervention", is_misspelled)


def find_misspelled(texts: Iterable[str], record: Record, known: frozenset[str]) -> dict[str, str]:
    """Return the words of texts that are a letter away from one in the record's interventions, and that one.

    In lower case. Words that contain each other, such as plurals, are no misspellings. Two letters may make
    another drug, as of prednisone and prednisolone.
    """
    names = _long_words(_names(record))
    near = find_near_words(_long_words(texts) - names - known - _long_words(_given(record)), names)
    return {word: name for word, name in near.items() if name not in word and word not in name}


def find_intended(word: str, names: Collection[str]) -> str | None:
    """Return the name that a word misspells: one almost alike, of which it is no other form."""
    alike = get_close_matches(word, names, n=3, cutoff=_ALIKE)
    return next((name for name in alike if name not in word and word not in name), None)


def _names(trial: Record) -> Iterator[str]:
    """The interventions: words of diseases have many forms that a corpus lacks."""
    yield from (item["name"] for item in trial["interventions"] or [])


def _given(record: Record) -> Iterator[str]:
    """What the plan gives beside them: other names, in other languages as well, and terms of MeSH."""
    for name in ("conditions", "condition_mesh", "intervention_mesh"):
        yield from record[name] or []
    for item in record["interventions"] or []:
        yield from item.get("other_names") or []


def _long_words(texts: Iterable[str]) -> set[str]:
    found = pl.Series(list(texts), dtype=pl.String).str.to_lowercase().str.extract_all(_WORD)
    return {*found.explode().drop_nulls()}
