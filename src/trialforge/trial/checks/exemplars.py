"""Does a record repeat an exemplar that its prompt showed?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import polars as pl

from trialforge.trial.checks.check import TEXT, Check, Record
from trialforge.trial.controls import cluster_key
from trialforge.trial.copies import field_items, measure_copies, measure_spelled
from trialforge.trial.criteria_lists import SIDES
from trialforge.trial.draft_fields import TITLES
from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.trial.text import plain_text, word_ngrams

_NGRAM = 5
_PROSE = ("summary", "detailed_description", "criteria")
_SENTENCE = 5  # spaces of a title that is no phrase of the field any more
# Texts of which a few words are no copy, and the fields in which a draft has them.
COPIED_FIELDS = {
    "official_title": ("official_title",),
    "summary": ("summary",),
    "detailed_description": ("detailed_description",),
    "criteria": SIDES,
}
_SAMPLE, _SHOWN, _LEVEL, _LEAST, _MOST = 300, 3, 0.95, 0.1, 0.9
# A code word: of a protocol or a sponsor, or one that planted text wants to see again.
_CODE = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=(?:[0-9-]*[A-Z]){4})[A-Z0-9]+(?:-[A-Z0-9]+)+\b")
_COMMON_CODES = frozenset({"COVID-19", "SARS-COV-2"})


def copy_bounds(train: pl.DataFrame) -> dict[str, float]:
    """Return how much of each of COPIED_FIELDS a record may share with its exemplars.

    It is what 95 of 100 real trials share with three others of the same intervention, at least a tenth, and
    at most nine tenths: in a small corpus two trials of one sponsor may decide it, and no copy may pass.
    """
    trials = train.sort("nct_id").with_columns(cluster_key()).with_row_index("place")
    groups = trials.group_by("cluster", maintain_order=True).agg("place")
    pairs = [
        (places[number], places[(number + step) % len(places)])
        for places in groups["place"].to_list()
        if len(places) > 1
        for number in range(len(places))
        for step in range(1, min(_SHOWN, len(places) - 1) + 1)
    ]
    drawn = {record for record, _ in pairs[:: max(1, len(pairs) // (_SAMPLE * _SHOWN))]}
    shown = [pair for pair in pairs if pair[0] in drawn]
    if not shown:
        return dict.fromkeys(COPIED_FIELDS, _LEAST)
    records, references = zip(*shown, strict=True)
    found = measure_copies(trials, trials, pl.DataFrame({"record": records, "trial": references}))
    found = found.filter(pl.col("record").is_in(list(drawn)), pl.col("field").is_in(COPIED_FIELDS))
    shares = found.with_columns(share=pl.col("shared") / pl.col("ngrams"))
    high = dict(shares.group_by("field").agg(pl.col("share").quantile(_LEVEL)).iter_rows())
    return {name: min(_MOST, max(_LEAST, high.get(name, 0.0))) for name in COPIED_FIELDS}


def exemplar_checks(trials: Mapping[str, Record], bounds: Mapping[str, float]) -> list[Check]:
    """Return the checks against the exemplars of a record.

    Args:
        trials: trials by id; those that a record's column `exemplars` names must be among them.
        bounds: of `copy_bounds`; a field that is not among them may be copied.
    """

    def find_copy(copies: Callable[[Record, Sequence[Record]], bool]) -> Callable[[Record], bool]:
        return lambda record: copies(record, [trials[name] for name in record["exemplars"] or []])

    @cache
    def read_items(*exemplars: str) -> pl.DataFrame:
        return field_items(pl.DataFrame([trials[name] for name in exemplars], schema=REGISTRATION_SCHEMA))

    def repeats_too_much(name: str) -> Callable[[Record], bool]:
        bound = bounds.get(name, 1.0)
        return lambda record: (
            bound < 1
            and bool(record[name] and record["exemplars"])
            and _copies_field(name, bound, record, read_items(*record["exemplars"]))
        )

    return [
        Check(
            "copied_title",
            "its title is that of an exemplar, or a sentence of one",
            find_copy(_copies_title),
            TITLES,
        ),
        Check(
            "copied_summary",
            "its summary is pieced together from an exemplar's",
            find_copy(_copies_summary),
            ("summary",),
        ),
        *(
            Check(
                f"copied_{name}_text",
                _copy_message(name),
                repeats_too_much(name),
                SIDES if name == "criteria" else (name,),
            )
            for name in COPIED_FIELDS
        ),
        Check("copied_code", "it repeats a code word of an exemplar", find_copy(_copies_code)),
    ]


def _copy_message(name: str) -> str:
    repeats = "repeat" if name == "criteria" else "repeats"
    return f"its {name.replace('_', ' ')} {repeats} too much of an exemplar's words"


def _copies_title(record: Record, exemplars: Sequence[Record]) -> bool:
    titles = {plain_text(trial[name] or "") for trial in exemplars for name in TITLES}
    if plain_text(record["title"] or "") in titles - {""}:
        return True
    own = [plain_text(record[name] or "") for name in TITLES]
    prose = [plain_text(trial[name] or "") for trial in exemplars for name in _PROSE]
    return any(title in text for title in own if title.count(" ") >= _SENTENCE for text in prose)


def _copies_summary(record: Record, exemplars: Sequence[Record]) -> bool:
    own = word_ngrams(record["summary"] or "", _NGRAM)
    return bool(own) and any(own <= word_ngrams(trial["summary"] or "", _NGRAM) for trial in exemplars)


def _copies_field(name: str, bound: float, record: Record, shown: pl.DataFrame) -> bool:
    # Every other field is left out of the record: it is looked for in all of the exemplars' fields.
    alone = field_items(pl.DataFrame([{name: record[name]}], schema=REGISTRATION_SCHEMA))
    found = measure_spelled(alone, shown)
    return bool((found["shared"] > bound * found["ngrams"]).any())


def _copies_code(record: Record, exemplars: Sequence[Record]) -> bool:
    told = [record["target_intervention"], *(record["target_conditions"] or [])]
    return bool(copied_codes(record[TEXT], exemplars, " ".join(told)))


def copied_codes(text: str, exemplars: Sequence[Record], told: str) -> set[str]:
    """Return the code words of a text that stand in the exemplars, and not in what was asked for."""
    codes = {code for code in {*_CODE.findall(text)} - _COMMON_CODES if code not in told.upper()}
    shown = json.dumps(exemplars, ensure_ascii=False, default=str) if codes else ""
    return {code for code in codes if code in shown}
