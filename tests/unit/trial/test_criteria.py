from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trial.registry_criteria import sided_words, words
from trialforge.trial.criteria import Criteria, Group, Item, Side, parse, write
from trialforge.trial.criteria_lists import join_criteria

INCLUSION_HEADINGS = (
    "Inclusion Criteria:", "INCLUSION CRITERIA", "Inclusion:", "Key Inclusion Criteria:",
    "Critères d'inclusion :", "Criterios de inclusión:", "Einschlusskriterien:", "入选标准：", "選択基準",
    "Критерии включения:", "معايير الاشتمال:", "**Inclusion Criteria**", "1) Inclusion criteria",
    "- INCLUSION CRITERIA:", "Inclusion Criteria (Part A)", "Inclusion Criteria for cohort 1:",
    "Einschluss:", "Įtraukimo kriterijai:", "Iekļaušanas kritēriji:", "Kaasamiskriteeriumid:",
    "Vključitveni kriteriji:", "Dahil edilme ölçütleri:",
    "[Inclusion Criteria]", "(Inclusion criteria):", "【纳入标准】", "Must have:", "Incl. criteria:",
)  # fmt: skip
EXCLUSION_HEADINGS = (
    "Exclusion Criteria:", "EXCLUSION CRITERIA", "Exclusion:", "Key Exclusion Criterion:",
    "Non-inclusion Criteria:", "Critères de non-inclusion :", "Criterios de exclusión:",
    "Ausschlusskriterien:", "排除标准：", "除外基準", "Критерии невключения:", "معايير الاستبعاد:",
    "2) Exclusion criteria", "Patients with the following are excluded:", "Exclusion Criteria - Donor:",
    "Exlusion Criteria:", "ExclusionC riteria:", "Specific non-inclusion criteria:",
    "Criterios de no inclusión:", "Critères de non-éligibilité :", "Kryteria niewłączenia:",
    "Kritéria nezařazení:", "Kritériá nezaradenia", "不纳入标准：", "非纳入标准", "不入选标准：",
    "不入组标准", "Ausschluss:", "Neįtraukimo kriterijai:", "Izslēgšanas kritēriji:",
    "Väljaarvamiskriteeriumid", "Izključitveni kriteriji:", "Dışlanma ölçütleri:",
    "Dahil edilmeme kriterleri:", "معیارهای عدم ورود:",
    "[Exclusion Criteria]", "(Exclusion criteria):", "Must not have:", "Reason for exclusion:",
    "Excl. criteria:", "Ineligibility:", "Non-eligibility criteria:",
)  # fmt: skip
BULLETS = ("- ", "* ", "• ", "●", "▪ ", "→ ", "\uf0b7 ", "1. ", "1) ", "(i) ", "a. ", "")
TEXTS = st.from_regex(r"[A-Z][a-z]{2,9}( [a-z0-9]{2,9}){0,5}", fullmatch=True).filter(
    lambda text: not re.search("clu|riter|elig|nroll", text)
)


def layout(heading: str, bullet: str, items: list[str], gap: str) -> str:
    return "\n".join([heading, gap, *(f"{bullet}{item}{gap}" for item in items)])


@given(
    st.sampled_from(INCLUSION_HEADINGS),
    st.sampled_from(EXCLUSION_HEADINGS),
    st.sampled_from(BULLETS),
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(TEXTS, min_size=1, max_size=4),
    st.sampled_from(["", "\n"]),
    st.booleans(),
)
def test_each_item_stands_on_its_side_in_any_layout(
    included: str, excluded: str, bullet: str, kept: list[str], barred: list[str], gap: str, turned: bool
) -> None:  # fmt: skip
    parts = [layout(included, bullet, kept, gap), layout(excluded, bullet, barred, gap)]
    criteria = parse("\n".join(reversed(parts) if turned else parts))
    assert [item.text for item in criteria.items("inclusion")] == kept
    assert [item.text for item in criteria.items("exclusion")] == barred
    assert criteria.items("unspecified") == []


@pytest.mark.parametrize("heading", [*INCLUSION_HEADINGS, *EXCLUSION_HEADINGS])
def test_each_heading_names_its_side(heading: str) -> None:
    side = "inclusion" if heading in INCLUSION_HEADINGS else "exclusion"
    assert [item.side for item in parse(f"{heading}\n- Adults\n- Asthma").items()] == [side, side]


@pytest.mark.parametrize(
    "heading",
    [
        "Inclusion/exclusion criteria:",
        "Ein- und Ausschlusskriterien:",
        "Kryteria włączenia i wyłączenia:",
        "Critères d'inclusion et de non-inclusion :",
        "選択基準及び除外基準：",
    ],
)
def test_a_heading_of_both_sides_names_neither(heading: str) -> None:
    assert [item.side for item in parse(f"{heading}\n- Adults\n- Asthma").items()] == ["unspecified"] * 2


PHRASES = (
    "\n", "\n\n", "\n        ", "\n          -  ", " ", ": ", ". ", "~", "; ", "1.", "2. ", "(1) ", "(2)",
    " - ", "Cohort A", "Cohort B:", "DISEASE CHARACTERISTICS: ", "--Disease Characteristics--", "None",
    "OR", "o ",
    "Patients must have:", "Smokers are excluded.", "may not be included", "of the inclusion criteria",
    "Other inclusion/exclusion criteria apply", "Exclusion criteria included fever", "\u2028", "\x0b",
)  # fmt: skip
PIECES = st.one_of(
    st.sampled_from([*INCLUSION_HEADINGS, *EXCLUSION_HEADINGS, *BULLETS, *PHRASES]),
    TEXTS,
    st.text(alphabet=st.characters(exclude_characters="<&\\|"), max_size=12),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_no_word_is_lost_and_the_canonical_text_is_stable(text: str) -> None:
    criteria = parse(text)
    assert [word for word, _ in sided_words(criteria)] == words(text)
    assert parse(write(criteria)) == criteria
    assert write(parse(write(criteria))) == write(criteria)


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_two_lists_are_written_and_read_back(inclusion: list[str], exclusion: list[str]) -> None:
    sides: dict[Side, list[str]] = {"inclusion": inclusion, "exclusion": exclusion}
    groups = [
        Group(f"{side.title()} Criteria", side, tuple(Item(text, side) for text in texts))
        for side, texts in sides.items()
        if texts
    ]
    criteria = Criteria(tuple(groups))
    assert parse(join_criteria(inclusion, exclusion)) == criteria
    assert write(criteria) == join_criteria(inclusion, exclusion)


def test_levels_follow_the_indentation() -> None:
    text = """
        Inclusion Criteria:

          -  Adequate organ function:

               1. Bilirubin of at most 1.5 mg/dL, measured twice by the same laboratory in a
                  week before entry

              10. Creatinine clearance

          -  Signed consent
    """
    assert parse(text).items() == [
        Item("Adequate organ function:", "inclusion"),
        Item(
            "Bilirubin of at most 1.5 mg/dL, measured twice by the same laboratory in a week before entry",
            "inclusion",
            1,
            "1.",
        ),
        Item("Creatinine clearance", "inclusion", 1, "10."),
        Item("Signed consent", "inclusion"),
    ]


def test_levels_follow_the_numbering_where_nothing_is_indented() -> None:
    criteria = parse(
        "Inclusion Criteria:\n1. One of:\na) Asthma\nb) COPD\n2. Either of:\n- Fever\n- Cough\n3. Adult"
    )
    assert [(item.number, item.level) for item in criteria.items()] == [
        ("1.", 0), ("a)", 1), ("b)", 1), ("2.", 0), ("", 1), ("", 1), ("3.", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Inclusion Criteria: 1. age of 1.5 to 18 2. diabetes 3. willing",
        "Inclusion Criteria: 1) age of 1.5 to 18 2) diabetes 3) willing",
        "Inclusion Criteria:\n1. age of 1.5 to 18 2. diabetes 3. willing\nExclusion Criteria:\n- flu",
    ],
)
def test_three_numbers_in_order_on_one_line_are_a_list(text: str) -> None:
    included = [item.text for item in parse(text).items("inclusion")]
    assert included == ["age of 1.5 to 18", "diabetes", "willing"]


@pytest.mark.parametrize(
    "text", ["1. grade 1 or 2. disease", "1. grade 2. or 4. disease", "1. a 2.5 b 3.5 c"]
)
def test_other_numbers_on_one_line_are_no_list(text: str) -> None:
    assert [item.text for item in parse(text).items()] == [text.removeprefix("1. ")]


def test_a_cohort_begins_a_block_of_its_own() -> None:
    text = "Cohort A\nInclusion:\n- Singers\nExclusion:\n- Smokers\nCohort B\n- Actors\nExclusion:\n- Vapers"
    assert [
        (group.heading, group.side, [item.text for item in group.items]) for group in parse(text).groups
    ] == [
        ("Cohort A", "unspecified", []),
        ("Inclusion", "inclusion", ["Singers"]),
        ("Exclusion", "exclusion", ["Smokers"]),
        ("Cohort B", "unspecified", ["Actors"]),
        ("Exclusion", "exclusion", ["Vapers"]),
    ]


@pytest.mark.parametrize(
    "table",
    [
        "| Cohort | Inclusion | Exclusion |\n|---|---|---|\n| A | Adults | Fever |\n| B | Children | Cough |",
        "<table><tr><th>Cohort</th><th>Inclusion</th><th>Exclusion</th></tr>"
        "<tr><td>A</td><td>Adults</td><td>Fever</td></tr><tr><td>B</td><td>Children</td><td>Cough</td></tr></table>",
    ],
)
def test_a_table_of_cohorts_gives_each_cell_its_side(table: str) -> None:
    criteria = parse(table)
    assert [item.text for item in criteria.items("inclusion")] == ["Adults", "Children"]
    assert [item.text for item in criteria.items("exclusion")] == ["Fever", "Cough"]
    assert [group.heading for group in criteria.groups if not group.items][1:] == ["A", "B"]
    assert parse(write(criteria)) == criteria


@pytest.mark.parametrize(
    "text",
    [
        "<p><b>Inclusion Criteria:</b></p><ul><li>Age &gt;= 18</li><li>Asthma<br/></li></ul>"
        "<p><strong>Exclusion Criteria</strong></p><ol><li>Fever &amp; cough</li></ol>",
        "Inclusion Criteria:~Age >= 18~Asthma~Exclusion Criteria:~Fever & cough",
        "Inclusion Criteria: - Age >= 18 - Asthma Exclusion Criteria: - Fever & cough",
        "## Inclusion Criteria\n\n* Age \\>= 18\n* Asthma\n\n**Exclusion Criteria:**\n\n* Fever & cough",
    ],
)
def test_markup_and_lost_line_breaks_are_read(text: str) -> None:
    assert write(parse(text)) == (
        "Inclusion Criteria:\n- Age >= 18\n- Asthma\nExclusion Criteria:\n- Fever & cough"
    )


@pytest.mark.parametrize("text", ["Child-Pugh < B > is fine", "Age < p > or < li > and < td > or < / b >"])
def test_a_letter_apart_from_its_signs_is_no_tag(text: str) -> None:
    escaped = text.replace("<", "&lt;").replace(">", "&gt;")
    assert [item.text for item in parse(f"- {text}\n- {escaped}").items()] == [text, text]


@pytest.mark.parametrize(
    "text",
    ["Incl. criteria: adults Excl. criteria: flu", "[Inclusion Criteria]: adults [Exclusion Criteria]: flu"],
)
def test_short_and_bracketed_headings_part_one_line(text: str) -> None:
    assert [(item.text, item.side) for item in parse(text).items()] == [
        ("adults", "inclusion"),
        ("flu", "exclusion"),
    ]


def test_what_is_no_markup_stands() -> None:
    text = "- 28<BMI>35\n- p<b and c>d\n- AT&T; R&D\n- ECOG 0~1"
    assert write(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Adults with asthma", "unspecified"),
        ("Inclusion Criteria:\n(Exclusion criteria reflect changes)\n- Adults", "inclusion"),
        ("Eligibility Criteria:\n- Adults", "unspecified"),
        ("Patients with a stent are excluded.", "exclusion"),
        ("Inclusion Criteria:\n- Pregnant women are excluded.", "exclusion"),
        ("Inclusion Criteria:\n- Adults who are not eligible for surgery", "inclusion"),
        ("Inclusion Criteria:\n- Infection must be excluded", "inclusion"),
        ("Exclusion Criteria:\n- Patients in inclusion criteria whose surgery was delayed", "exclusion"),
        ("Exclusion Criteria:\n- Failure to meet the inclusion criteria", "exclusion"),
        ("Inclusion Criteria:\n- Weight at inclusion: 40 kg", "inclusion"),
        ("Exclusion Criteria:\nPatients must have:\n- Asthma", "inclusion"),
        ("Inclusion Criteria:\nPrior Medication:\nExcluded:\n- AZT", "exclusion"),
        ("Exclusion Criteria:\n- Fever\n\nRandomization criteria:\n- Three scores", "unspecified"),
    ],
)
def test_the_last_item_has_the_side_that_the_text_says(text: str, side: str) -> None:
    assert parse(text).items()[-1].side == side


def test_sentences_that_exclude_stand_apart_where_no_heading_does() -> None:
    text = "Men and women with angina. Patients with a stent were excluded. Age 18 to 70."
    assert [(item.side, item.text) for item in parse(text).items()] == [
        ("unspecified", "Men and women with angina."),
        ("exclusion", "Patients with a stent were excluded."),
        ("unspecified", "Age 18 to 70."),
    ]


@pytest.mark.parametrize("text", [None, "", "  \n ", "-\n*"])
def test_no_words_are_no_groups(text: str | None) -> None:
    assert parse(text).groups == ()
    assert write(parse(text)) == ""


def test_thousands_of_headings_on_one_line_are_read() -> None:
    criteria = parse("Exclusion Criteria: - Fever " * 3000 + "&amp;" * 3000 + "--Part A-- " * 3000)
    assert sum(item.text.startswith("Fever") for item in criteria.items("exclusion")) == 3000


# How many items the layouts that were seen in public bug reports have on each side.
EXPECTED = {
    "NCT00000001": (3, 2), "NCT00000003": (2, 2), "NCT00000005": (2, 2), "NCT00000007": (0, 1),
    "NCT00000009": (2, 1), "NCT00000011": (2, 2), "NCT00000013": (2, 2), "NCT00000015": (3, 2),
    "NCT00000017": (1, 1), "NCT00000019": (1, 1),
}  # fmt: skip


@pytest.mark.shared
def test_the_cases_have_as_many_items_on_each_side_as_expected(shared_data: Path) -> None:
    lines = (shared_data.parent / "cases/02-criteria/t.jsonl").read_text().splitlines()
    counts = {}
    for study in (json.loads(line)["protocolSection"] for line in lines):
        criteria = parse(study["eligibilityModule"]["eligibilityCriteria"])
        nct_id = study["identificationModule"]["nctId"]
        counts[nct_id] = (len(criteria.items("inclusion")), len(criteria.items("exclusion")))
        if nct_id == "NCT00000005":
            assert [item.text for item in criteria.items("inclusion")] == ["Singers", "Teachers"]
            assert [item.text for item in criteria.items("exclusion")] == ["Smokers", "Vapers"]
    assert counts == EXPECTED
