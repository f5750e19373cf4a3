"""Is a record of the intervention, condition, phase and label that were asked for, and does it say so?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.text import plain_text

TARGET_COLUMNS = {name: f"target_{name}" for name in ("intervention", "conditions", "phase", "label")}
_EXACT = ("phase", "label")
# Of the prose, which was asked for: a registered trial may list an intervention and never speak of it.
PROSE_REASONS = ("unnamed_intervention", "unnamed_condition", "misnamed_phase")
_NUMBER = "(?:i{1,3}|iv|[1-4])[ab]?"
_PHASE = re.compile(rf"(?i)\bphase\s*({_NUMBER}(?:\s*(?:/|-|and|or|to)\s*(?:phase\s*)?{_NUMBER})?)\b")
_NUMERALS = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
# Words of diseases and treatments that say the same; the first of each line stands for the others.
_SAME = {
    word: line.split()[0]
    for line in (
        "cancer cancers carcinoma carcinomas adenocarcinoma neoplasm neoplasms tumor tumors tumour tumours "
        "malignancy malignancies malignant metastatic",
        "hiv aids",
        "kidney renal",
        "liver hepatic hepatocellular",
        "lung lungs pulmonary nsclc sclc",
        "stomach gastric",
        "heart cardiac cardiovascular coronary",
        "brain cerebral glioma glioblastoma",
        "skin cutaneous dermal",
        "colorectal colon rectal rectum",
        "bone osteo",
        "eye ocular",
        "blood hematologic haematologic",
        "myocardial myocardium",
        "hypertension hypertensive",
        "obesity obese overweight",
        "depression depressive",
        "pain painful analgesia",
        "surgery surgical procedure operation",
        "transplantation transplant transplants transplanted",
    )
    for word in line.split()
}
# Words of conditions that tell one from another too little.
_GENERAL = frozenset(
    """acute adult and cancer cell childhood chronic disease diseases disorder disorders due for infection
    infections iii injuries injury malignant of other protocol recurrent refractory specific stage syndrome
    syndromes the type unspecified untreated with without""".split()  # noqa: SIM905
)
_STEM = 5  # letters in which two forms of a word agree: ovary and ovarian don't, pancreas and pancreatic do


def target_checks() -> list[Check]:
    """Return the checks against what was asked for, which stands beside the record as TARGET_COLUMNS.

    The fields of a record must have what was asked for, and its prose must name it.
    """
    return [
        Check(
            "off_intervention", "its interventions are not the one that was asked for", _is_off_intervention
        ),
        Check("off_condition", "it has none of the conditions that were asked for", _is_off_condition),
        *(
            Check(f"off_{name}", f"its {name} is not what was asked for", partial(_is_off, name))
            for name in _EXACT
        ),
        Check(
            "unnamed_intervention",
            "its prose does not name the intervention",
            _leaves_intervention,
            ("title",),
        ),
        Check("unnamed_condition", "its prose names none of the conditions", _leaves_condition, ("title",)),
        Check("misnamed_phase", "its prose names another phase", _misnames_phase, ("title", "summary")),
    ]


def _is_off(name: str, record: Record) -> bool:
    return bool(record[name] != record[TARGET_COLUMNS[name]])


def _is_off_intervention(record: Record) -> bool:
    given = (record["normalized_interventions"] or []) + [
        one["name"] for one in record["interventions"] or []
    ]
    return plain_text(record["target_intervention"]) not in _lines(given)


def _is_off_condition(record: Record) -> bool:
    """A condition is met when an asked name and one of the record's are equal or one holds the other."""
    asked, given = record["target_conditions"] or [], record["conditions"] or []
    sides = ((asked, _lines(given)), (given, _lines(asked)))
    return bool(asked) and not any(plain_text(name) in lines for names, lines in sides for name in names)


def _lines(names: Sequence[str]) -> str:
    return "\n".join(plain_text(name) for name in names)


def _leaves_intervention(record: Record) -> bool:
    """A record without these texts, as in a corpus that has none, leaves nothing."""
    said = [record["title"], record["summary"], *(arm["label"] for arm in record["arms"] or [])]
    text = " ".join(filter(None, said))
    return bool(text) and not names_intervention(text, record["target_intervention"])


def _leaves_condition(record: Record) -> bool:
    said = " ".join(filter(None, (record["title"], record["summary"], record["criteria"])))
    return bool(said) and not names_condition(said, record["target_conditions"] or [])


def _misnames_phase(record: Record) -> bool:
    return names_other_phase(f"{record['title']} {record['summary']}", record["target_phase"])


def names_intervention(text: str, intervention: str) -> bool:
    """Tell whether text names an intervention: all of its words, or at least half of a long name."""
    words = {_SAME.get(word, word) for word in plain_text(text).split()}
    asked = [_SAME.get(word, word) for word in plain_text(intervention).split()]
    found = sum(word in words for word in asked)
    return found == len(asked) if len(asked) < 3 else 2 * found >= len(asked)


def names_condition(text: str, conditions: Sequence[str]) -> bool:
    """Tell whether text names one of the conditions: half of its telling words, in any form of them."""
    words = {_stem(word) for word in plain_text(text).split()}
    for condition in conditions:
        asked = {_SAME.get(word, word) for word in plain_text(condition).split() if len(word) > 2}
        telling = {_stem(word) for word in asked - _GENERAL or asked}
        if 2 * len(telling & words) >= len(telling):
            return True
    return not conditions


def _stem(word: str) -> str:
    return _SAME.get(word, word)[:_STEM]


def names_other_phase(text: str, phase: str | None) -> bool:
    """Tell whether text calls itself a trial of phases of which none is the target's."""
    own = set(re.findall(r"\d", phase or ""))
    said = {
        _NUMERALS.get(number.casefold(), number)
        for found in _PHASE.findall(text)
        for number in re.findall(r"(?i)iv|i{1,3}|\d", found)
    }
    return phase is not None and bool(said) and not said & own
