from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialforge.trial.leakage import (
    RULE_NAMES,
    cut_outcome,
    find_outcome,
    registration_view,
    split_sentences,
    tells_outcome,
    view_and_count,
)
from trialforge.trial.record import Arm, Endpoint, Trial, facet, trials_to_frame


def cut(text: str) -> str | None:
    (left,) = cut_outcome(pl.Series("text", [text], dtype=pl.String))[0]
    return left


def rules_of(text: str) -> set[str]:
    return set(find_outcome(pl.Series([text]))["rule"])


# Sentences as the registry has them, and the rule that must find each.
REVEALING = [
    ("The trial was stopped after 7 months for lack of recruitment.", "stopped"),
    ("The study A4001060 has been discontinued on April 22, 2008.", "stopped"),
    (
        "Study recruitment was discontinued after 3 years due to a persistent decline in enrollment.",
        "stopped",
    ),
    ("NOTE: This trial has been terminated as of August 2002 upon recommendation of the DSMB.", "stopped"),
    ("Actually, accrual was stopped earlier than planned by the Sponsor.", "stopped"),
    ("THIS STUDY HAS BEEN DISCONTINUED.", "stopped"),
    ("Stratum A closed to accrual effective 06/20/2000.", "part_closed"),
    ("The placebo arm has been discontinued as of August 3, 1989.", "part_closed"),
    ("In November 2005, the severe aplastic anemia arms were closed for lack of efficacy.", "part_closed"),
    (
        "After a review of the data by the board, the AVID study was stopped early on April 7, 1997.",
        "early_end",
    ),
    ("Due to low accrual, patients with adrenal carcinoma are no longer eligible.", "slow_accrual"),
    ("No patients were enrolled.", "never_ran"),
    ("A new trial of levodopa has failed.", "verdict"),
    ("We copy a study that succeeded in adults.", "verdict"),
    ("This study was withdrawn before enrollment because funding was not obtained.", "never_ran"),
    ("The study never opened; never enrolled participants.", "never_ran"),
    ("This study has been completed.", "completed"),
    ("Recruitment for the study has been completed.", "completed"),
    ("A total of 230 patients completed the study.", "completed"),
    ("The results of the study showed that tamoxifen reduced the incidence of cancer.", "results"),
    ("In addition, this study demonstrated that the drug does not affect growth.", "results"),
    ("Conclusion: low birth weight infants do not derive benefit from daily zinc.", "results"),
    ("Study results were published in the April 14, 2005 issue of the journal.", "published"),
    ("Interim analysis showed a 30% reduction in mortality.", "interim"),
    ("The study was closed after the interim analysis did not show a benefit.", "interim"),
    ("The primary endpoint was not met.", "endpoint"),
    ("The trial failed to meet its primary objective.", "endpoint"),
    ("The trial was unsuccessful.", "success"),
    ("The treatment was found to be effective.", "success"),
    ("The DSMB stopped the study and directed that all patients receive pirfenidone.", "board"),
    ("The sponsor decided to terminate the development.", "board"),
    ("The principal investigator left the university.", "board"),
]

# Sentences of real records that say nothing of how this trial went.
HARMLESS = [
    "Previous trials of levodopa have failed.",
    "The dose is raised once two trials have failed.",
    "If excess toxicity is observed on all doses of IL-2, the study will be discontinued.",
    "The trial will be stopped if the true rate of mortality exceeds 20%.",
    "If 1 patient experiences grade 4 toxicity, accrual for that cohort is stopped.",
    "Patients with progressive disease are withdrawn from study.",
    "Study drugs are suspended during rescue therapy.",
    "Study drug treatment is discontinued after the umbilical cord is clamped.",
    "Infusion for both groups is stopped at 24 hours.",
    "A small amount of bone marrow is withdrawn through a large needle.",
    "A previous study showed that probenecid slowed the elimination of AZT.",
    "The pilot study demonstrated that patient recruitment was feasible.",
    "One study showed that nicotine eliminates some of the effects of the patch.",
    "Cytarabine is discontinued when a complete cytogenetic response is achieved.",
    "Were enrolled but not randomized in LEVP2005-1/A after Part A was closed.",
    "Patients who have completed the study may enter an extension.",
    "It is hoped the results of this study will permit patients to remain candidates for surgery.",
    "Results of radiation given to patients with lymphoma have been disappointing.",
    "Urine pregnancy tests will be completed at baseline.",
    "The primary objective of this study is to evaluate long-term safety.",
    "The door was kept closed at all times.",
    "Since the pharmaceutical company has decided to go with a combined tablet, leucovorin will be oral.",
]


@pytest.mark.parametrize(("sentence", "rule"), REVEALING, ids=[text[:40] for text, _ in REVEALING])
def test_a_revealing_sentence_is_found_by_its_rule_and_cut(sentence: str, rule: str) -> None:
    assert rule in rules_of(sentence)
    assert tells_outcome(f"We study aspirin. {sentence} Visits are weekly.")
    assert cut(f"We study aspirin. {sentence} Visits are weekly.") == "We study aspirin. Visits are weekly."


@pytest.mark.parametrize("sentence", HARMLESS, ids=[text[:40] for text in HARMLESS])
def test_a_harmless_sentence_stays(sentence: str) -> None:
    assert rules_of(sentence) == set()
    assert not tells_outcome(sentence)
    assert cut(sentence) == sentence


def test_a_remark_in_a_bracket_is_cut_alone() -> None:
    arm = "ARM III (closed to accrual as of 4/20/2009): Patients receive irinotecan (125 mg)."
    assert cut(arm) == "ARM III: Patients receive irinotecan (125 mg)."
    assert rules_of(arm) == {"remark"}
    assert cut("Study of Nasonex in Improving Sleep (Terminated)") == "Study of Nasonex in Improving Sleep"


def test_text_of_nothing_but_outcome_becomes_null() -> None:
    assert cut("This study has been terminated.") is None


def test_decimals_and_list_items_do_not_end_a_sentence_wrongly() -> None:
    text = "The results of this trial showed p = 0.05 for aspirin.\n- Age of 18.5 years\n- Weight of 50 kg"
    assert cut(text) == "- Age of 18.5 years\n- Weight of 50 kg"


@settings(deadline=None)
@given(st.text(alphabet="Aa1 .!?\n-(\"')]", max_size=80))
def test_sentences_joined_are_the_text_again(text: str) -> None:
    frame = pl.DataFrame({"text": [text]})
    assert frame.select(split_sentences(pl.col("text")).list.join("")).item() == text


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from([one for one, _ in REVEALING] + HARMLESS)), max_size=6))
def test_cutting_keeps_rows_and_leaves_nothing_to_find(texts: list[str | None]) -> None:
    column = pl.Series("text", texts, dtype=pl.String)
    left, counts = cut_outcome(column)
    assert left.len() == column.len()
    assert find_outcome(left).height == 0
    assert sum(counts.values()) == find_outcome(column).height
    again, none = cut_outcome(left)
    assert left.equals(again)
    assert not any(none.values())


def leaky_trial() -> Trial:
    return Trial(
        nct_id="NCT1",
        source="ctgov-xml",
        title="Aspirin in headache",
        summary="We study aspirin. This study has been terminated.",
        criteria=None,
        arms=[Arm(label="A", description="Aspirin daily. Arm A was closed in 2005."), Arm(label="B")],
        primary_outcomes=[Endpoint(measure="Pain")],
        status="Terminated",
        why_stopped="slow accrual",
        label=0,
    )


def test_the_registration_view_has_no_later_field_and_no_outcome_sentence() -> None:
    trials = trials_to_frame([leaky_trial(), Trial(nct_id="NCT2", source="ctgov-xml")])
    view = registration_view(trials.with_columns(normalized_interventions=pl.lit(["aspirin"])))
    assert not {name for name in Trial.model_fields if facet(name).later} & set(view.columns)
    assert view.columns[-1] == "normalized_interventions"
    first, second = view.iter_rows(named=True)
    assert first["summary"] == "We study aspirin."
    assert [arm["description"] for arm in first["arms"]] == ["Aspirin daily.", None]
    assert first["primary_outcomes"][0]["measure"] == "Pain"
    assert second["arms"] == []
    assert second["summary"] is None


def test_counts_name_every_rule() -> None:
    counts = view_and_count(trials_to_frame([leaky_trial()]))[1]["outcome_sentences_cut"]
    assert tuple(counts) == RULE_NAMES
    assert {name: count for name, count in counts.items() if count} == {"stopped": 1, "part_closed": 1}


def test_a_planned_enrolment_of_0_is_no_plan() -> None:
    trials = trials_to_frame(
        [Trial(nct_id=f"NCT{n}", source="simulated", enrolment_planned=n) for n in (0, 40)]
    )
    assert registration_view(trials)["enrolment_planned"].to_list() == [None, 40]
