"""Key phrases of registry text: what a trial is about, without the sentences that say it.

A small model repeats the sentences of its exemplars. From their phrases it has to write its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

MOST_WORDS = 5  # of a phrase: fewer than the n-grams that count as copied
_JOINING = {"of", "to", "in", "with", "for", "at", "than"}  # inside a phrase, never at its ends
# Words that turn what follows, as in "no prior chemotherapy" or "less than 18 years".
_TURNING = {"no", "not", "without", "never", "less", "least", "more", "above", "below", "under", "over"}
_OF_ANY_TRIAL = {
    "study", "studies", "trial", "trials", "patient", "patients", "participant", "participants", "subject",
    "subjects", "given", "taken", "treated", "receive", "received", "receiving", "evaluate", "evaluated",
    "assess", "eligible", "excluded", "included", "include", "including", "purpose", "primary", "defined",
}  # fmt: skip
_BETWEEN = (ENGLISH_STOP_WORDS | _OF_ANY_TRIAL) - _TURNING - _JOINING
_BREAK = re.compile(r"[.,;:!?]+(?=\s|$)|[()\[\]{}\"“”•]|\s[-–—*]+\s")
_WORD = re.compile(r"[^\W\d_]{2}")


def key_phrases(texts: Iterable[str]) -> list[str]:
    """Return the phrases of one to `MOST_WORDS` words between stop words and punctuation, each once."""
    found: dict[str, str] = {}
    for text in texts:
        for phrase in _phrases(text):
            found.setdefault(phrase.casefold(), phrase)
    return list(found.values())


def _phrases(text: str) -> Iterator[str]:
    for piece in _BREAK.split(text):
        for is_between, run in groupby(piece.split(), key=lambda word: word.lower() in _BETWEEN):
            words = [] if is_between else list(run)
            for start in range(0, len(words), MOST_WORDS):
                phrase = _without_ends(words[start : start + MOST_WORDS])
                if any(_WORD.search(word) and word.lower() not in _TURNING for word in phrase):
                    yield " ".join(phrase)


def _without_ends(words: list[str]) -> list[str]:
    places = [place for place, word in enumerate(words) if word.lower() not in _JOINING]
    return words[places[0] : places[-1] + 1] if places else []
