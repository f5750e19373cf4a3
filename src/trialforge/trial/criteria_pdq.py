"""Eligibility criteria as PDQ wrote them, the registry of the US National Cancer Institute.

They stand under `DISEASE CHARACTERISTICS`, `PATIENT CHARACTERISTICS` and `PRIOR CONCURRENT THERAPY`,
which name no side, and below these under labels such as `Age`. Older records run on, without a stop between
one criterion and the next: "Age: 18 and over Hepatic: Bilirubin at most 1.7 mg/dL Renal: Not specified".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trialforge.trial.criteria import Criteria, Group

_CHARACTERISTICS = re.compile(r"(?:DISEASE|PATIENT) CHARACTERISTICS")
# A value such as "18 and over" says nothing without its label.
_VALUE_LABEL = r"Age|Sex|Menopausal status|Performance status|Life expectancy"
_LABEL = (
    rf"(?:{_VALUE_LABEL}|Hormone receptor status|Hemato(?:poie|lo)[a-z]+|Hepatic|Renal|Cardio?vascular|"
    r"Cardiac|Pulmonary|Neurologic(?:al)?|Gastrointestinal|Immunologic(?:al)?|Metabolic|Ophthalmic|Other|"
    r"(?:Biologic(?:al)?|Endocrine|Hormonal|Radiation) therapy|Immunotherapy|Chemotherapy|Radiotherapy|"
    r"Surgery)"
)
_LABELLED = re.compile(rf"(?i:(?P<label>{_LABEL}))(?:: *(?P<rest>.*)|$)", re.DOTALL)
_VALUED = re.compile(_VALUE_LABEL, re.IGNORECASE)
_UNTOLD = re.compile(
    r"(?i)(?:not specified|unspecified|see (?:general )?(?:\w+ )?(?:characteristics|eligibility.*))\.?"
)
_EXCLUDING = re.compile(r"(?:No|Not|Must not)\b ")
# Where a criterion may begin in a line that runs on: at a label, a denial, a laboratory value, or a capital
# after a small letter, a number, a bracket or a unit.
_LABEL_AHEAD = re.compile(rf"{_LABEL}: ")
_BEGINS = re.compile(
    r"(?:(?<=[a-z0-9)%])|(?<=[dm]L)|(?<=ULN))\.?\s+(?=[A-Z][a-z])|"
    rf"\s+(?={_LABEL_AHEAD.pattern}|(?:No|Not) [a-z]|HIV (?:negative|positive)|"
    r"(?:WBC|AST|ALT|SGOT|SGPT|BUN|INR)(?: (?:and|or) \w+)? (?:no|at|less|greater)\b)"
)
# What stands before a name within a criterion, and the names that stand after other words.
_WITHIN = re.compile(
    r"(?i:a|an|and|and/or|any|as|at|by|containing|either|except|for|from|in|including|known|mm|no|not|of|on|or|per|"
    r"prior|than|the|to|uncontrolled|using|via|with|without)|(?!Characteristics)[A-Z][a-z]+"
)
_NAME = re.compile(
    r"(?:[A-Z][a-z-]+(?:['’]s|s['’])|(?:Hg|Gy|Ph\+?|Sr|Sm|Ta|Tis|Tx|Nx|Ig[AEGM]|Carcinoma in situ|Karnofsky|"
    r"Zubrod|Lansky|Gleason|Philadelphia|Hodgkin|Kaposi|Burkitt|Sezary|Shimada|Pancoast|Barr|Jones|Arbor|"
    r"Pneumocystis|Mycobacterium|Cremophor|Polysorbate|Gliadel|Celsius|English|French|Spanish|German|International|"
    r"National|European|American|Eastern|Southwest|Western))(?![a-z])"
)


def is_pdq(criteria: Criteria) -> bool:
    """Whether criteria stand under PDQ's headings."""
    return any(_CHARACTERISTICS.fullmatch(group.heading) for group in criteria.groups)


def split_pdq(criteria: Criteria) -> tuple[list[str], list[str]]:
    """Return the items that no heading puts on a side: those to include, and those to exclude.

    An item that says no excludes what follows: "No brain metastases" is the exclusion "Brain metastases".
    Labels that only sort the items are left out, as are those without a value ("Hepatic: Not specified").
    """
    told = [item for group in criteria.groups for item in _read_group(group)]
    denied = [item[found.end() :] for item in told if (found := _EXCLUDING.match(item))]
    included = [item for item in told if not _EXCLUDING.match(item)]
    return included, [item[:1].upper() + item[1:] for item in denied]


def _read_group(group: Group) -> Iterator[str]:
    """Return what the items of a group say; a label stands over the next items, or before its own value.

    A single item may run on; several have a line each.
    """
    items = [item.text for item in group.items if item.side == "unspecified"]
    if len(group.items) == 1:
        items = [part for item in items for part in _split_run_on(item)]
    label = group.heading
    for item in items:
        labelled = _LABELLED.fullmatch(item)
        label, text = (labelled["label"], labelled["rest"] or "") if labelled else (label, item)
        if text and not _UNTOLD.fullmatch(text):
            yield f"{label}: {text}" if _VALUED.fullmatch(label) else text[:1].upper() + text[1:]
            label = ""


def _split_run_on(item: str) -> Iterator[str]:
    """Return the criteria of a line that runs on; a name or a bracket within one doesn't split it."""
    begin = seen = depth = 0
    for found in _BEGINS.finditer(item):
        depth = max(depth + item.count("(", seen, found.start()) - item.count(")", seen, found.start()), 0)
        seen = found.start()
        within = depth or _WITHIN.fullmatch(item[begin:seen].split()[-1]) or _NAME.match(item, found.end())
        if not within or _LABEL_AHEAD.match(item, found.end()):
            yield item[begin:seen]
            begin = found.end()
    yield item[begin:]
