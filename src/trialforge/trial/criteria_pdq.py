"""Eligibility criteria as PDQ wrote them, the registry of the US National Cancer Institute.

They stand under `DISEASE CHARACTERISTICS`, `PATIENT CHARACTERISTICS` and `PRIOR CONCURRENT THERAPY`,
which name no side, and below these under labels such as `Age`. Older records run on, without a stop between
one criterion and the next: "Age: 18 and over Hepatic: Bilirubin at most 1.7 mg/dL Renal: Not specified".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trialforge.trial.criteria import Criteria, Group, Side, is_exclusion
from trialforge.trial.criteria_words import NEXT_CRITERION, join_list

_CHARACTERISTICS = re.compile(r"(?:DISEASE|PATIENT) CHARACTERISTICS")
# A value such as "18 and over" says nothing without its label.
_KEPT_LABEL = r"Age|Sex|Menopausal status|Hormone receptor status|Performance status|Life expectancy"
_LABEL = (
    rf"(?:{_KEPT_LABEL}|Hemato(?:poie|lo)[a-z]+|Hepatic|Renal|Cardio?vascular|Cardiac|Pulmonary|"
    r"Neurolog(?:y|ic|ical)|Gastrointestinal|Immunologic(?:al)?|Metabolic|Endocrine|Ophthalmic|Other|Biologic|"
    r"(?:Biologic(?:al)?|Endocrine|Hormonal|Radiation) therapy|Immunotherapy|Chemotherapy|Radiotherapy|"
    r"Surgery)"
)
_LABELLED = re.compile(rf"(?i:(?P<label>{_LABEL}))(?:: *(?P<rest>.*)|$)", re.DOTALL)
_KEEPS_LABEL = re.compile(rf"(?i:{_KEPT_LABEL}): .*|(?i:{_LABEL}): (?:None\b.*|\S+)", re.DOTALL)
_SAYS_NOTHING = re.compile(
    r"(?i)(?:not specified|unspecified|see (?:general )?(?:\w+ )?(?:characteristics|eligibility.*))\.?"
)
# What PDQ added to trials of lymphoma.
_NOTE = re.compile(
    r"(?:NOTE:?\s*\*?\s*)?A new classification scheme for adult non-Hodgkin's lymphoma"
    r".*?(?:uses the former terminology|$)\.?"
)
_DENIAL = re.compile(r"(?:No|Not|Must not(?: (?:be|have))?)\b ")
_NEXT_DENIAL = re.compile(r"\s+(?:and|AND)\s+(?=[Nn]o (?!longer\b))")
# Denials that exclude nobody: of a limit, of a need, and of one of several alternatives.
_NO_LIMIT = re.compile(
    r"(?:No|Not) (?:(?:minimum|maximum|limit\w*|restrictions?|upper)\b|.*\b(?:required|necessary)\.?$|"
    r"(?![^:]*\bexcept)[^:]*\bOR\b)"
)
_ALLOWED = re.compile(
    r" (?:is |are )?(?:allowed|permitted)(?=\.?$|,| (?:unless|except|after|during|in|for|if|at)\b)"
)
# Where a criterion may begin in a line that runs on: at a label, a denial, a laboratory value, or a capital
# after a small letter, a number, a bracket or a unit.
_LABEL_AHEAD = re.compile(rf"{_LABEL}: ")
_DENIAL_AHEAD = re.compile(r"(?:No|Not) [a-z]|Must not ")
_DENIAL_WITHIN = re.compile(rf"(?<=[a-z0-9)]) (?:{_DENIAL_AHEAD.pattern})")
_VALUE_AHEAD = re.compile(
    r"HIV (?:negative|positive)|"
    r"(?:WBC|AST|ALT|SGOT|SGPT|BUN|INR)(?: (?:and|or) \w+)? (?:no|at|less|greater)\b"
)
_BEGINS = re.compile(
    r"(?:(?<=[a-z0-9)%])|(?<=[dm]L)|(?<=ULN))\.?\s+(?=[A-Z][a-z])|"
    rf"\s+(?={_LABEL_AHEAD.pattern}|{_DENIAL_AHEAD.pattern}|{_VALUE_AHEAD.pattern})"
)
# A denial that introduces a list of what it denies or excepts.
_DENIED_LIST = re.compile(
    r"(?:[A-Z][a-z ]+: )?"
    r"(?:(?:No|Not|Must not)\b[^:]*|[^:]*\b(?:is|are) (?:excluded|ineligible)|Ineligible [^:]*):"
)
# Words after which a capital begins no criterion, and names.
_CONNECTS = re.compile(
    r"(?i:a|against|an|and|and/or|any|as|at|by|concomitant|concurrent|containing|direct|either|except|for|from|in|"
    r"including|known|mm|modified|no|not|of|on|or|per|prior|than|the|to|uncontrolled|under|undergo|unless|using|via|"
    r"with|without)"
)
_CAPITALISED = re.compile(r"(?!Characteristics)[A-Z][a-z]+(?:-[A-Z][a-z]+)*")
_NAME = re.compile(
    r"(?:[A-Z][a-z-]+(?:['’]s|s['’])|(?:Hg|Hz|Gy|Ph\+?|Sr|Sm|Ta|Tis|Tx|Nx|Ig[AEGM]|Ki-|Me1-|Carcinoma in|Ann|"
    r"Karnofsky|Zubrod|Lansky|Gleason|Philadelphia|Hodgkin|Kaposi|Burkitt|Sezary|Shimada|Pancoast|Barr|Jones|"
    r"Arbor|Merkel|Coombs|Brenner|Whipple|Calvert|Pneumocystis|Mycobacterium|Aspergillus|Cremophor|Polysorbate|"
    r"Gliadel|Celsius|English|French|Spanish|German|International|National|European|American|Canadian|Eastern|"
    r"Southwest|Western))(?![a-z])"
)


def is_pdq(criteria: Criteria) -> bool:
    """Whether criteria stand under PDQ's headings."""
    return any(_CHARACTERISTICS.fullmatch(group.heading) for group in criteria.groups)


def split_pdq(criteria: Criteria) -> tuple[list[str], list[str]]:
    """Return the items to include and those to exclude.

    An item that begins with a denial excludes what it denies: "No brain metastases" is the exclusion "Brain
    metastases". One that says that it excludes ("... are not eligible") is an exclusion as it is. Labels that
    only sort the items are left out, as are those without a value ("Hepatic: Not specified").
    """
    included: list[str] = []
    excluded: list[str] = []
    for side, item in (said for group in criteria.groups for said in _read_group(group)):
        if side != "unspecified":
            (excluded if side == "exclusion" else included).append(item)
        elif _DENIAL.match(item) and not _NO_LIMIT.match(item):
            for denial in _NEXT_DENIAL.split(item):
                denied = _DENIAL.sub("", _capitalise(denial), count=1)
                excluded.append(_capitalise(_ALLOWED.sub("", denied)))
        else:
            (excluded if is_exclusion(item, side) else included).append(item)
    return included, excluded


def _read_group(group: Group) -> Iterator[tuple[Side, str]]:
    """Return the sides and texts of a group's criteria; a label that counts stands before its own value."""
    if group.side != "unspecified":
        yield from ((item.side, item.text) for item in group.items)
        return
    label = group.heading
    for item in group.items:
        parts = list(_split_run_on(item.text, alone=len(group.items) == 1))
        if item.side != "unspecified" and len(parts) == 1:
            yield item.side, item.text
            continue
        for part in parts:
            labelled = _LABELLED.fullmatch(part)
            label, text = (labelled["label"], labelled["rest"] or "") if labelled else (label, part)
            if text and not _SAYS_NOTHING.fullmatch(text):
                whole = f"{label}: {text}"
                yield "unspecified", whole if _KEEPS_LABEL.fullmatch(whole) else _capitalise(text)
                label = ""


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _split_run_on(line: str, *, alone: bool) -> Iterator[str]:
    """Return the criteria of a line that runs on; a name or a bracket within one doesn't split it.

    A line that is not alone in its group runs on only where it contains a label or a denial.
    """
    line = _NOTE.sub("", line).strip()
    if not (alone or _LABEL_AHEAD.search(line) or _DENIAL_WITHIN.search(line)):
        yield line
        return
    listed: list[str] = []  # a denial and what it denies, or one criterion
    begin = 0
    for found in _BEGINS.finditer(line):
        text, ahead = line[begin : found.start()], found.end()
        if text.endswith(":") and not _LABELLED.fullmatch(text):
            continue
        labelled, denied = (regex.match(line, ahead) for regex in (_LABEL_AHEAD, _DENIAL_AHEAD))
        before = text.rpartition(" ")[2]
        anew = labelled or denied or _VALUE_AHEAD.match(line, ahead) or NEXT_CRITERION.match(line, ahead)
        joined = _CONNECTS.fullmatch(before) or (_CAPITALISED.fullmatch(before) and not anew)
        within = joined or text.count("(") > text.count(")") or _NAME.match(line, ahead)
        if within and not labelled:
            continue
        listed.append(text)
        begin = ahead
        if anew or not _DENIED_LIST.match(listed[0]):
            yield join_list(listed)
            listed = []
    yield join_list([*listed, line[begin:]])
