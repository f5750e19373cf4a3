from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import polars as pl
import pytest

from trialforge.trial.criteria import parse
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.criteria_pdq import is_pdq

# As the registry's XML has it: indented by eight columns, and broken before column 100.
RUN_ON = """
        DISEASE CHARACTERISTICS: Histologically confirmed gastric cancer Measurable disease No
        prior or concurrent Hodgkin's disease

        PATIENT CHARACTERISTICS: Age: 18 and over Performance status: ECOG 0-2 Life expectancy: At
        least 12 weeks Hematopoietic: WBC at least 3,000/mm3 Platelet count at least 100,000/mm3
        Hepatic: Bilirubin at most 1.7 mg/dL No viral hepatitis Renal: Not specified
        Cardiovascular: No New York Heart Association class III or IV heart disease No hypertension
        (e.g., above 160/110 mm Hg despite Ramipril) Other: HIV negative Not pregnant or nursing

        PRIOR CONCURRENT THERAPY: Biologic therapy: Not specified Chemotherapy: See Disease
        Characteristics No other chemotherapy At least 4 weeks since treatment by the Eastern
        Cooperative Oncology Group
"""
# The same criteria as AACT has them for younger records.
BY_LINES = """DISEASE CHARACTERISTICS:

Histologically confirmed gastric cancer
Measurable disease
No prior or concurrent Hodgkin's disease

PATIENT CHARACTERISTICS:

Age

18 and over

Performance status

ECOG 0-2

Life expectancy:

At least 12 weeks

Hematopoietic

WBC at least 3,000/mm3
Platelet count at least 100,000/mm3

Hepatic

Bilirubin at most 1.7 mg/dL
No viral hepatitis

Renal

Not specified

Cardiovascular

No New York Heart Association class III or IV heart disease
No hypertension (e.g., above 160/110 mm Hg despite Ramipril)

Other

HIV negative
Not pregnant or nursing

PRIOR CONCURRENT THERAPY:

Chemotherapy

See Disease Characteristics
No other chemotherapy
At least 4 weeks since treatment by the Eastern Cooperative Oncology Group
"""
INCLUSION = [
    "Histologically confirmed gastric cancer",
    "Measurable disease",
    "Age: 18 and over",
    "Performance status: ECOG 0-2",
    "Life expectancy: At least 12 weeks",
    "WBC at least 3,000/mm3",
    "Platelet count at least 100,000/mm3",
    "Bilirubin at most 1.7 mg/dL",
    "HIV negative",
    "At least 4 weeks since treatment by the Eastern Cooperative Oncology Group",
]
EXCLUSION = [
    "Prior or concurrent Hodgkin's disease",
    "Viral hepatitis",
    "New York Heart Association class III or IV heart disease",
    "Hypertension (e.g., above 160/110 mm Hg despite Ramipril)",
    "Pregnant or nursing",
    "Other chemotherapy",
]
# Words that may be left out: labels, denials and what says that nothing is said.
_UNSAID = """
age biologic cardiovascular characteristics chemotherapy criteria disease eligibility endocrine expectancy
general hematopoietic hepatic hormone life menopausal must neurologic no not other patient performance
pulmonary radiotherapy receptor renal see sex specified status surgery therapy
"""
UNSAID = frozenset(_UNSAID.split())


@pytest.mark.parametrize("text", [RUN_ON, BY_LINES])
def test_criteria_that_run_on_are_those_of_their_lines(text: str) -> None:
    assert split_criteria(text) == (INCLUSION, EXCLUSION)


@pytest.mark.shared
@pytest.mark.parametrize("corpus", ["xml", "aact"])
def test_real_criteria_keep_their_words(real_criteria: pl.DataFrame, corpus: str) -> None:
    """No name is cut, and no word left out but those of a line that leads a list in."""
    texts = real_criteria.filter(pl.col("corpus") == corpus)["text"].drop_nulls()
    criteria = {text: found for text in texts if is_pdq(found := parse(text))}
    assert len(criteria) >= 100
    lost, kept, items = Counter[str](), Counter[str](), list[str]()
    for text, found in criteria.items():
        lists = [item for side in split_criteria(text) for item in side]
        leads = [item.text for item in found.items() if item.text.endswith(":")]
        lost += _words(item.text for item in found.items()) - _words([*lists, *leads])
        kept += _words(lists)
        items += lists
    assert lost.total() <= 0.002 * kept.total(), lost.most_common(20)
    assert not [item for item in items if re.match(r"(?:York|Heart Association|Oncology Group|Hg)\b", item)]


def _words(texts: Iterable[str]) -> Counter[str]:
    words = (word for text in texts for word in re.findall(r"\w+", text.lower()))
    return Counter(word for word in words if word not in UNSAID)
