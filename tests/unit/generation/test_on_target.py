from __future__ import annotations

import pytest

from trialforge.generation.on_target import names_condition, names_intervention, other_phase


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ("Levodopa in adults", "levodopa", True),
        ("LEVODOPA/carbidopa", "levodopa", True),
        ("Levodopamine", "levodopa", False),
        ("A test of insulin glargine", "insulin lispro", False),
        ("Surgery for stage II disease", "surgical procedure", True),
        ("Cognitive therapy by telephone", "cognitive behavioral therapy program", True),
    ],
)
def test_a_text_names_an_intervention_by_its_words(text: str, name: str, named: bool) -> None:
    assert names_intervention(text, name) is named


@pytest.mark.parametrize(
    ("text", "conditions", "named"),
    [
        ("Women with metastatic breast carcinoma", ["Breast Cancer"], True),
        ("Women with metastatic breast carcinoma", ["Ovarian Cancer"], False),
        ("Carcinoma of the ovary or the breast", ["Ovarian Cancer", "Breast Neoplasms"], True),
        ("Renal cell carcinoma", ["Kidney Cancer"], True),
        ("Pancreatic adenocarcinoma", ["Neoplasms of the Pancreas"], True),
        ("Zidovudine in patients with AIDS", ["HIV Infections"], True),
        ("Asthma in adults", ["Chronic Obstructive Pulmonary Disease"], False),
        ("Solid tumors that no therapy cures", ["Unspecified Adult Solid Tumor, Protocol Specific"], True),
        ("Adults with cancer", ["Cancer"], True),
        ("Anything", [], True),
    ],
)
def test_a_text_names_a_condition_by_its_telling_words_or_their_like(
    text: str, conditions: list[str], named: bool
) -> None:
    assert names_condition(text, conditions) is named


@pytest.mark.parametrize(
    ("text", "phase", "other"),
    [
        ("A phase II trial", "Phase 2", False),
        ("A phase II/III trial", "Phase 2", False),
        ("A Phase IIb trial", "Phase 1/Phase 2", False),
        ("A phase 3 study", "Phase 2", True),
        ("A phase I trial", "N/A", True),
        ("A phase I trial", None, False),
        ("Leukemia in chronic phase", "Phase 2", False),
    ],
)
def test_a_phase_that_is_named_is_the_targets(text: str, phase: str | None, other: bool) -> None:
    assert other_phase(text, phase) is other
