"""Does a record repeat an exemplar that its prompt showed?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from trialforge.trial.checks.check import TEXT, Check, Record
from trialforge.trial.text import plain_text

_NGRAM = 5
# A code word: of a protocol or a sponsor, or one that planted text wants to see again.
_CODE = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=(?:[0-9-]*[A-Z]){4})[A-Z0-9]+(?:-[A-Z0-9]+)+\b")
_COMMON_CODES = frozenset({"COVID-19", "SARS-COV-2"})


def exemplar_checks(trials: Mapping[str, Record]) -> list[Check]:
    """Return the checks against the exemplars of a record.

    Args:
        trials: trials by id; those that a record's column `exemplars` names must be among them.
    """

    def find_copy(copies: Callable[[Record, Sequence[Record]], bool]) -> Callable[[Record], bool]:
        return lambda record: copies(record, [trials[name] for name in record["exemplars"] or []])

    return [
        Check("copied_title", "its title is that of an exemplar", find_copy(_copies_title)),
        Check(
            "copied_summary", "its summary is pieced together from an exemplar's", find_copy(_copies_summary)
        ),
        Check("copied_code", "it repeats a code word of an exemplar", find_copy(_copies_code)),
    ]


def _copies_title(record: Record, exemplars: Sequence[Record]) -> bool:
    titles = {plain_text(trial[name] or "") for trial in exemplars for name in ("title", "official_title")}
    return plain_text(record["title"] or "") in titles - {""}


def _copies_summary(record: Record, exemplars: Sequence[Record]) -> bool:
    own = _ngrams(record["summary"] or "")
    return bool(own) and any(own <= _ngrams(trial["summary"] or "") for trial in exemplars)


def _ngrams(text: str) -> set[tuple[str, ...]]:
    words = plain_text(text).split()
    return set(zip(*(words[start:] for start in range(_NGRAM)), strict=False))


def _copies_code(record: Record, exemplars: Sequence[Record]) -> bool:
    told = [record["target_intervention"], *(record["target_conditions"] or [])]
    return bool(copied_codes(record[TEXT], exemplars, " ".join(told)))


def copied_codes(text: str, exemplars: Sequence[Record], told: str) -> set[str]:
    """Return the code words of a text that stand in the exemplars, and not in what was asked for."""
    codes = {code for code in {*_CODE.findall(text)} - _COMMON_CODES if code not in told.upper()}
    shown = json.dumps(exemplars, ensure_ascii=False, default=str) if codes else ""
    return {code for code in codes if code in shown}
