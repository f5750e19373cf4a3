"""Whether a text speaks of one trial more than of any: its rank among 20.

A text of no trial in particular is as near to one trial as to another: it ranks first of 20 once in 20 times,
whatever the measure of nearness. Here are two, and the worse rank counts: the cosine of words (TF-IDF), and
that of latent semantic vectors (truncated SVD of TF-IDF: Deerwester 1990), which see related words as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from trialforge.core.rng import derive_seed, random_stream
from trialforge.generation.quotations import QUOTED_FIELDS, value_text
from trialforge.trial.controls import CONTROLS
from trialforge.trial.record import Row

if TYPE_CHECKING:
    import polars as pl

OTHERS = 19
MOST_TRIALS = 2000  # of train that others are drawn from, and that words are weighed by
DIMENSION = 64
_WORD = r"(?u)\b[^\W\d_]{3,}\b"


class Background:
    """Trials of other interventions, among which the trials of a reason are ranked.

    Args:
        train: the trials to draw from.
        seed: of the draws.
        shown: ids of the trials that are ranked; their words are known however many trials there are.
    """

    def __init__(self, train: pl.DataFrame, seed: int, shown: Collection[str] = ()) -> None:
        drawn = random_stream(seed, "background").permutation(train.height)[:MOST_TRIALS]
        asked = np.flatnonzero(train["nct_id"].is_in([*shown]).to_numpy())
        self._trials = train[np.union1d(drawn, asked)].to_dicts()
        self._seed = seed
        self._words = TfidfVectorizer(token_pattern=_WORD, stop_words="english", sublinear_tf=True)
        counted = self._words.fit_transform([set_text([trial]) for trial in self._trials])
        size = min(DIMENSION, *(length - 1 for length in counted.shape))
        self._latent = TruncatedSVD(max(size, 1), random_state=derive_seed(seed, "background") % 2**32)
        self._latent.fit(counted)

    def rank_field(self, text: str, trial: Row, field: str) -> int | None:
        """Return the rank of a trial's field among the same field of 19 others; None with fewer others."""
        told = [value_text(other[field]) for other in self._others([trial]) if other[field]]
        if len(told) < OTHERS:
            return None
        stream = random_stream(self._seed, "other fields", field, trial["nct_id"])
        others = [told[place] for place in stream.choice(len(told), OTHERS, replace=False)]
        return self._rank(text, value_text(trial[field]), others)

    def rank_set(self, text: str, trials: Sequence[Row]) -> int | None:
        """Return the rank of trials among 19 other sets of as many; None with fewer than 19 other trials.

        What the trials are of, and any text about them must name, doesn't count.
        """
        others = self._others(trials)
        if len(others) < max(OTHERS, len(trials)):
            return None
        stream = random_stream(self._seed, "other sets", *(trial["nct_id"] for trial in trials))
        draws = [stream.choice(len(others), len(trials), replace=False) for _ in range(OTHERS)]
        sets = [set_text([others[place] for place in drawn]) for drawn in draws]
        return self._rank(strip_subject(text, trials), set_text(trials), sets)

    def _others(self, trials: Sequence[Row]) -> list[Row]:
        own = {name for trial in trials for name in trial["normalized_interventions"] or []} - set(CONTROLS)
        ids = {trial["nct_id"] for trial in trials}
        return [
            other
            for other in self._trials
            if other["nct_id"] not in ids and own.isdisjoint(other["normalized_interventions"] or [])
        ]

    def _rank(self, text: str, own: str, others: Sequence[str]) -> int:
        words = self._words.transform([text, own, *others])
        latent = normalize(self._latent.transform(words))
        near = np.column_stack([(words[1:] @ words[0].T).toarray()[:, 0], latent[1:] @ latent[0]])
        near = near.round(9)  # what shares nothing is equally far, and then the trial itself comes last
        return 1 + int((near[1:] >= near[0]).sum(axis=0).max())


def set_text(trials: Sequence[Row]) -> str:
    """Return what trials say in the fields that reasons quote."""
    return "\n".join(value_text([trial[field] for field in QUOTED_FIELDS]) for trial in trials)


def strip_subject(text: str, trials: Sequence[Row]) -> str:
    """Return a text without the words of the trials' interventions and conditions."""
    named = [
        name
        for trial in trials
        for name in (
            *(item["name"] for item in trial["interventions"] or []),
            *(trial["normalized_interventions"] or []),
            *(trial["conditions"] or []),
        )
    ]
    words = {word.casefold() for name in named for word in re.findall(_WORD, name)}
    return re.sub(_WORD, lambda found: "" if found.group().casefold() in words else found.group(), text)
