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


@pytest.mark.parametrize(
    ("said", "inclusion", "exclusion"),
    [
        # A denial has its list, up to where another criterion begins.
        (
            "No allergy to any of the following: Polymyxin sulfate Streptomycin Negative pregnancy test",
            ["Negative pregnancy test"],
            ["Allergy to any of the following: Polymyxin sulfate; Streptomycin"],
        ),
        ("No cancer except: Treated skin cancer Hepatic: Bilirubin high", ["Bilirubin high"],
         ["Cancer except: Treated skin cancer"]),
        # What says that it is excluded is an exclusion; what denies a need or a limit excludes nobody.
        ("Measurable disease Patients with sarcoma are not eligible", ["Measurable disease"],
         ["Patients with sarcoma are not eligible"]),
        ("No target lesion is required No minimum age",
         ["No target lesion is required", "No minimum age"], []),
        ("No prior chemotherapy allowed", [], ["Prior chemotherapy"]),
        ("No metastases to the lung and no peritoneal seeding", [],
         ["Metastases to the lung", "Peritoneal seeding"]),
        ("No renal failure OR Creatinine at most 2 mg/dL",
         ["No renal failure OR Creatinine at most 2 mg/dL"], []),
        ("No more than 2 regimens allowed after relapse Must not be pregnant", [],
         ["More than 2 regimens after relapse", "Pregnant"]),
        ("The following leukemias are excluded: Acute leukemia Chronic leukemia Effective contraception",
         ["Effective contraception"],
         ["The following leukemias are excluded: Acute leukemia; Chronic leukemia"]),
        # A line that ends in a colon goes on.
        ("For patients with radiotherapy: WBC at least 3,000/mm3",
         ["For patients with radiotherapy: WBC at least 3,000/mm3"], []),
        ("No evidence of MDS NOTE: * A new classification scheme for adult non-Hodgkin's lymphoma is used.",
         [], ["Evidence of MDS"]),
        # Names after names, and a denial after a name.
        ("Staged by the modified Ann Arbor system No allergy to Cremophor No fever",
         ["Staged by the modified Ann Arbor system"], ["Allergy to Cremophor", "Fever"]),
        # A value of one word keeps its label.
        ("Renal: Normal Hepatic: Bilirubin normal Chemotherapy: Not specified",
         ["Renal: Normal", "Bilirubin normal"], []),
        ("Measurable disease A new classification scheme for adult non-Hodgkin's lymphoma has been adopted "
         "by PDQ. However, this protocol uses the former terminology.", ["Measurable disease"], []),
    ],
)  # fmt: skip
def test_what_a_line_says(said: str, inclusion: list[str], exclusion: list[str]) -> None:
    assert split_criteria(f"PATIENT CHARACTERISTICS: {said}") == (inclusion, exclusion)


def test_a_numbered_line_may_run_on() -> None:
    head = "PATIENT CHARACTERISTICS:"
    text = f"{head}\n1. Age: 18 and over Other: Not pregnant Negative test\n2. No fever No pain"
    assert split_criteria(text) == (["Age: 18 and over", "Negative test"], ["Pregnant", "Fever", "Pain"])


@pytest.mark.shared
@pytest.mark.parametrize("corpus", ["xml", "aact"])
def test_real_criteria_keep_their_words(real_criteria: pl.DataFrame, corpus: str) -> None:
    """No name is cut, and no word left out but those of a line that leads a list in, and of PDQ's note."""
    texts = real_criteria.filter(pl.col("corpus") == corpus)["text"].drop_nulls()
    criteria = {text: found for text in texts if is_pdq(found := parse(text))}
    assert len(criteria) >= 100
    lost, kept, items = Counter[str](), Counter[str](), list[str]()
    for text, found in criteria.items():
        lists = [item for side in split_criteria(text) for item in side]
        leads = [
            item.text for item in found.items() if item.text.endswith(":") or "adopted by PDQ" in item.text
        ]
        lost += _words(item.text for item in found.items()) - _words([*lists, *leads])
        kept += _words(lists)
        items += lists
    assert lost.total() <= 0.002 * kept.total(), lost.most_common(20)
    assert not [item for item in items if re.match(r"(?:York|Heart Association|Oncology Group|Hg)\b", item)]


def _words(texts: Iterable[str]) -> Counter[str]:
    words = (word for text in texts for word in re.findall(r"\w+", text.lower()))
    return Counter(word for word in words if word not in UNSAID)
