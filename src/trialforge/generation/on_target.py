"""Whether a text is of a target: intervention, a condition, no other phase, no code of an exemplar."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_NUMBER = "(?:i{1,3}|iv|[1-4])[ab]?"
_PHASE = re.compile(rf"(?i)\bphase\s*({_NUMBER}(?:\s*(?:/|-|and|or|to)\s*(?:phase\s*)?{_NUMBER})?)\b")
_NUMERALS = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_OTHER_SCRIPT = re.compile("[\u0400-\u1cff\u2e80-\ud7ff\uf900-\ufaff]")
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
# A code word: of a protocol or a sponsor, or one that planted text wants to see again.
_CODE = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=(?:[0-9-]*[A-Z]){4})[A-Z0-9]+(?:-[A-Z0-9]+)+\b")
_COMMON_CODES = frozenset({"COVID-19", "SARS-COV-2"})


def plain_text(text: str) -> str:
    """Return the words of a text, without case and marks."""
    return " ".join(_WORD.findall(text.casefold()))


def has_other_script(text: str) -> bool:
    """Tell whether text has letters of a script that English isn't written in; multilingual models slip."""
    return bool(_OTHER_SCRIPT.search(text))


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


def other_phase(text: str, phase: str | None) -> bool:
    """Tell whether text calls itself a trial of phases of which none is the target's."""
    own = set(re.findall(r"\d", phase or ""))
    said = {
        _NUMERALS.get(number.casefold(), number)
        for found in _PHASE.findall(text)
        for number in re.findall(r"(?i)iv|i{1,3}|\d", found)
    }
    return phase is not None and bool(said) and not said & own


def _stem(word: str) -> str:
    return _SAME.get(word, word)[:_STEM]


def copied_codes(text: str, exemplars: Sequence[Mapping[str, Any]], told: str) -> set[str]:
    """Return the code words of a text that stand in the exemplars, and not in what was asked for."""
    codes = {code for code in {*_CODE.findall(text)} - _COMMON_CODES if code not in told}
    shown = json.dumps(exemplars, ensure_ascii=False, default=str) if codes else ""
    return {code for code in codes if code in shown}
