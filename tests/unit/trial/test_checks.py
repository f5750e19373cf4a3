"""Each check finds its fault in a record that is good but for it, and leaves what is no fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialforge.core.params import load_section
from trialforge.trial.checks.exemplars import COPIED_FIELDS, copy_bounds, exemplar_checks
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import CHECKED_SCHEMA, find_faults, record_checks
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.target import names_condition, names_intervention, names_other_phase
from trialforge.trial.controls import CONTROLS
from trialforge.trial.criteria_lists import join_criteria, split_criteria
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.record import REGISTRATION_SCHEMA

ROOT = Path(__file__).resolve().parents[3]
BOUNDS = load_section(CheckParams, "checks", ROOT / "params.yaml")
EXEMPLARS: dict[str, dict[str, Any]] = {
    "NCT00000001": {
        "title": "Slow Release Levodopa Against Wearing-Off",
        "interventions": [{"type": "Drug", "name": "Carbidopa and opicapone"}],
        "official_title": "Protocol EORTC-22922: Levodopa as COVID-19 Spreads",
        "summary": "This study tests whether levodopa shortens the hours in which it does not work.",
        "detailed_description": "Every person keeps a diary of the hours in which nothing works.",
        "criteria": "Inclusion Criteria:\n- Age of 40 years or older\n- Off time of at least two hours a day "
        "in each of three diaries\nExclusion Criteria:\n- Dementia at screening",
    },
}
GOOD: dict[str, Any] = dict.fromkeys(CHECKED_SCHEMA) | {
    "nct_id": "SYN-0123456789ab",
    "source": "synthetic",
    "title": "Levodopa Inhaled Powder for Off Periods",
    "phase": "Phase 2",
    "study_type": "Interventional",
    "conditions": ["Parkinson Disease"],
    "interventions": [{"type": "Drug", "name": "Levodopa"}],
    "summary": "The study asks whether inhaled levodopa ends an off period sooner than placebo.",
    "arms": [{"label": "Levodopa powder"}, {"label": "Placebo powder"}],
    "primary_outcomes": [{"measure": "Minutes until the off period ends", "time_frame": "8 weeks"}],
    "criteria": "Inclusion Criteria:\n- Diagnosis of Parkinson Disease\n- Two off periods a day\n"
    "Exclusion Criteria:\n- Chronic obstructive pulmonary disease\n- Smoking within a year",
    "minimum_age": 30.0,
    "enrolment_planned": 90,
    "normalized_interventions": ["levodopa"],
    "label": 0,
    "exemplars": ["NCT00000001"],
    "target_intervention": "levodopa",
    "target_conditions": ["Parkinson Disease", "Tremor"],
    "target_phase": "Phase 2",
    "target_label": 0,
}
KNOWN = frozenset({"levodopas", "carbidopas"})
CHECKS = record_checks(BOUNDS, EXEMPLARS, Reference(dict.fromkeys(COPIED_FIELDS, 0.1), KNOWN))


def reasons_of(**changes: Any) -> list[str]:
    """The reasons against a good record with some values changed."""
    return list(find_faults(pl.DataFrame([GOOD | changes], schema=CHECKED_SCHEMA), CHECKS)[0])


def arm(label: str, given: str | None = None, description: str | None = None) -> dict[str, Any]:
    return {
        "label": label,
        "type": "Experimental",
        "interventions": [given] if given else [],
        "description": description,
    }


def outcome(time_frame: str | None) -> list[dict[str, Any]]:
    return [{"measure": "Survival", "time_frame": time_frame}]


def test_a_good_record_has_no_fault() -> None:
    assert reasons_of() == []
    assert reasons_of(title="Levodopa in Parkinson Disease During COVID-19") == []


def test_records_are_judged_one_by_one() -> None:
    rows = [GOOD, GOOD | {"minimum_age": 130.0, "title": ""}, GOOD]
    assert find_faults(pl.DataFrame(rows, schema=CHECKED_SCHEMA), CHECKS).to_list() == [
        [], ["no_title", "impossible_age"], [],
    ]  # fmt: skip


def test_the_defaults_are_those_of_params() -> None:
    assert CheckParams() == BOUNDS


def test_what_is_written_anew_for_a_fault_is_what_a_model_writes() -> None:
    named = {check.reason: check.fields for check in CHECKS if check.fields}
    assert all({*fields} <= {*WRITTEN_FIELDS} for fields in named.values())
    assert named["misnamed_design"] == ("title", "official_title")
    assert named["copied_criteria_text"] == ("inclusion", "exclusion")


def test_every_code_is_told_once_and_in_one_spelling() -> None:
    reasons = [check.reason for check in CHECKS]
    assert len(set(reasons)) == len(reasons)
    assert all(reason.isidentifier() and reason == reason.lower() for reason in reasons)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"nct_id": "NCT12345678"}, "identity"),
        ({"source": "ctgov-xml"}, "identity"),
        ({"phase": "Phase 9", "target_phase": "Phase 9"}, "vocabulary"),
        ({"sex": "Any"}, "vocabulary"),
        ({"title": " "}, "no_title"),
        ({"summary": None}, "no_summary"),
        ({"criteria": ""}, "no_criteria"),
        ({"conditions": []}, "no_conditions"),
        ({"interventions": []}, "no_interventions"),
        ({"interventions": [{"type": "Drug", "name": " "}]}, "nameless_intervention"),
        ({"primary_outcomes": [{"measure": ""}]}, "nameless_endpoint"),
        ({"enrolment_planned": 0}, "impossible_enrolment"),
        ({"enrolment_planned": 50_000_000}, "impossible_enrolment"),
        ({"arms": [{"label": "Levodopa"}, {"label": "levodopa."}]}, "repeated_arms"),
        ({"arms": [arm("Levodopa", "levodopa"), arm("Placebo")]}, "idle_arm"),
        ({"arms": [arm("Levodopa", "levodopa"), arm("Also levodopa", "levodopa")]}, "same_arms"),
        (
            {"arms": [arm("Levodopa", "levodopa"), arm("Placebo", "Best supportive care")]},
            "misnamed_arm",
        ),
        ({"criteria": "Adults only"}, "short_criteria"),
        ({"criteria": "Inclusion Criteria:\n- Adults of 18 years or older"}, "one_sided_criteria"),
        (
            {"criteria": "Inclusion Criteria:\n- Off now\n- Dementia\nExclusion Criteria:\n- Dementia\n- No"},
            "repeated_criteria",
        ),
        (
            {
                "criteria": "Inclusion Criteria:\n- Off periods\n- Able to walk\nExclusion Criteria:"
                + "".join(
                    f"\n- Creatinine clearance must be at least 60 mL/min again; otherwise {end}"
                    for end in ("out", "ineligible", "excluded")
                )
            },
            "repeated_criteria",
        ),
        (
            {
                "criteria": "Inclusion Criteria:\n- Off periods\n- Sufficient liver function for treatment\n"
                "Exclusion Criteria:\n- Dementia\n- sufficient liver function for treatment.\n- Stroke"
            },
            "opposed_criteria",
        ),
        *(
            (
                {
                    "criteria": f"Inclusion Criteria:\n- Off periods\n- {line}\n"
                    "Exclusion Criteria:\n- Dementia"
                },
                "criteria_of_prompt",
            )
            for line in (
                "Sponsor: Other",
                "Ages: 18 years and older, Sex: All",
                "N/A, Single Group, open label",
            )
        ),
        *(
            (
                {
                    "criteria": "Inclusion Criteria:\n- Off periods\n- Parkinson disease\n"
                    f"Exclusion Criteria:\n- Dementia\n- {line}"
                },
                "misplaced_criteria",
            )
            for line in (
                "The patient must be able to participate in the study.",
                "Signed informed consent",
                "All participants are required to keep a diary",
            )
        ),
        (
            {
                "minimum_age": 21.0,
                "criteria": "Inclusion Criteria:\n- Off periods\n- Age 18 years or older\n"
                "Exclusion Criteria:\n- Dementia",
            },
            "opposed_age",
        ),
        ({"primary_outcomes": outcome("Blue")}, "unreadable_time_frame"),
        ({"secondary_outcomes": outcome("unlimited")}, "unreadable_time_frame"),
        (
            {"interventions": [{"name": "Qazolimab"}], "normalized_interventions": ["qazolimab"]},
            "off_intervention",
        ),
        ({"conditions": ["Qazonitis"]}, "off_condition"),
        ({"phase": "Phase 4"}, "off_phase"),
        ({"label": 1}, "off_label"),
        (
            {
                "title": "Carbidopa",
                "summary": "Carbidopa ends off periods.",
                "arms": [{"label": "Carbidopa"}],
            },
            "unnamed_intervention",
        ),
        (
            {"criteria": "Inclusion Criteria:\n- Restless legs\nExclusion Criteria:\n- Dementia"},
            "unnamed_condition",
        ),
        ({"title": "A Phase III Trial of Levodopa"}, "misnamed_phase"),
        ({"title": "Randomised Trial of Levodopa", "allocation": "N/A"}, "misnamed_design"),
        (
            {"official_title": "A Randomized Study of Levodopa", "intervention_model": "Single Group"},
            "misnamed_design",
        ),
        ({"title": "Single-Arm Trial of Levodopa", "allocation": "Randomized"}, "misnamed_design"),
        ({"title": "Double-Blind Trial of Levodopa", "masking": "None"}, "misnamed_design"),
        ({"title": "Crossover Trial of Levodopa", "intervention_model": "Parallel"}, "misnamed_design"),
        (
            {"summary": f"{GOOD['summary']} This is a randomised study.", "allocation": "Non-Randomized"},
            "misdescribed_design",
        ),
        *(
            (
                {
                    "criteria": "Inclusion Criteria:\n- Off periods\n- Parkinson disease\n"
                    f"Exclusion Criteria:\n- Dementia\n- {line}"
                },
                "excluded_condition",
            )
            for line in ("Parkinson's Disease", "Patients with known Parkinson Disease.")
        ),
        (
            {"summary": f"{GOOD['summary']} The ages of the participants are 16 years and older."},
            "recited_prompt",
        ),
        ({"title": "SLOW release levodopa against wearing-off."}, "copied_title"),
        ({"official_title": EXEMPLARS["NCT00000001"]["summary"].split(". ")[0]}, "copied_title"),
        ({"summary": EXEMPLARS["NCT00000001"]["summary"].upper()}, "copied_summary"),
        (
            {"official_title": "Levodopa: Every Person Keeps a Diary of the Hours in Which It Works"},
            "copied_official_title_text",
        ),
        (
            {"summary": "Levodopa in adults. Every person keeps a diary of the hours in which it works."},
            "copied_summary_text",
        ),
        (
            {"detailed_description": "Here, every person keeps a diary of the hours in which all is well."},
            "copied_detailed_description_text",
        ),
        (
            {
                "criteria": "Inclusion Criteria:\n- Parkinson disease for a year\n- Off time of at least two "
                "hours a day in one diary\nExclusion Criteria:\n- Dementia at screening\n- Smoking"
            },
            "copied_criteria_text",
        ),
        ({"title": "Levodopa (Protocol EORTC-22922)"}, "copied_code"),
        ({"title": "Levodopa and Opicapon as Opicapne"}, "misspelled_intervention"),  # of an exemplar
        (
            {"summary": "The study asks whether inhaled levodoppa ends an off period."},
            "misspelled_intervention",
        ),
        ({"keywords": ["levodopa", "化疗"]}, "other_script"),
        ({"summary": "Levodopa is given to all of the adults. " * 20}, "repetition"),
        ({"title": "Levodopa in Off Periods (LEVO-TREATMENT-TREATMENT-TREATMENT)"}, "repetition"),
        ({"title": "{{Levodopa}} in Adults"}, "markup"),
        (
            {"criteria": 'Inclusion Criteria:\n- Able to walk"}, {\nExclusion Criteria:\n- Dementia'},
            "markup",
        ),
        ({"summary": "25 of 75 patients received levodopa and 8 died."}, "told_results"),
        ({"summary": "Levodopa is given. 11 patients have died since."}, "told_results"),
        ({"title": "Levodopa in {drug_name}"}, "boilerplate"),
        ({"summary": "Lorem ipsum levodopa."}, "boilerplate"),
        ({"summary": "A trial of levodopa in [insert condition]."}, "boilerplate"),
        ({"criteria": "Inclusion Criteria:\n- Parkinson: TBD\nExclusion Criteria:\n- None"}, "boilerplate"),
        ({"summary": "Here is the JSON object of the levodopa trial."}, "prompt_echo"),
        ({"summary": "Levodopa as in NCT 0123456 is given."}, "registry_id"),
        ({"summary": "Levodopa as in SIM00000012 is given."}, "registry_id"),
        ({"summary": "See www.trialsite.org about levodopa."}, "url"),
        ({"summary": "Ask about levodopa at jane.roe@site.example.org today."}, "url"),
        ({"summary": "Levodopa at Massachusetts General Hospital."}, "site"),
        ({"summary": "Call +44 20 7946 0958 about levodopa."}, "telephone"),
        ({"summary": "Principal investigator: Maria Lopez. Levodopa is given."}, "person"),
        ({"summary": "Mrs. Lopez gives levodopa."}, "person"),
        ({"summary": "Write to P.O. Box 1234 about levodopa."}, "address"),
        ({"summary": "A study of levodopa failed to help."}, "tells_outcome"),
        ({"detailed_description": "The study was terminated early."}, "tells_outcome"),
    ],
)
def test_each_fault_has_its_reason(changed: dict[str, Any], reason: str) -> None:
    assert reason in reasons_of(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {
            "minimum_age": 21.0,
            "criteria": "Inclusion Criteria:\n- Parkinson Disease\n- Karnofsky score of 60 or above\n"
            "Exclusion Criteria:\n- Dementia",
        },
        {"criteria": "Adults with Parkinson Disease in running text."},
        {
            "criteria": "Inclusion Criteria:\n- Parkinson Disease\n- Patients must walk\n"
            "Exclusion Criteria:\n- Patients must not have dementia\n- Unable to give written consent"
        },
        *(
            {
                "primary_purpose": purpose,
                "healthy_volunteers": healthy,
                "criteria": "Inclusion Criteria:\n- Off periods\n- Family with Parkinson disease\n"
                f"Exclusion Criteria:\n- Dementia\n- {line}",
            }
            for purpose, healthy, line in (
                ("Prevention", None, "Parkinson Disease"),
                ("Treatment", True, "Parkinson Disease"),
                ("Treatment", False, "Secondary Parkinson disease"),
                ("Treatment", False, "Prior Parkinson disease"),
            )
        ),
        *(
            {"summary": f"{GOOD['summary']} {sentence}", "allocation": "Non-Randomized"}
            for sentence in (
                "This study goes on with people of a completed randomised trial.",
                "Randomised trials of levodopa are under way.",
                "This study is not randomised.",
            )
        ),
        {"title": "Non-Randomized Trial of Levodopa", "allocation": "Non-Randomized"},
        {
            "title": "Randomized, Double-Blind Trial of Levodopa",
            "allocation": "Randomized",
            "masking": "Double",
        },
        {"conditions": ["Advanced Parkinson Disease, with tremor"]},
        {"interventions": [{"name": "Levodopa 100 mg"}], "normalized_interventions": []},
        {"summary": "Previous trials of levodopa failed; this one asks why."},
        {"summary": "Levodopa at 25 ㎎ or 30 µg."},
        {"conditions": ["Parkinson Disease", "University"], "keywords": ["Hospital stay"]},
        {"arms": [arm("Levodopa"), arm("Placebo")]},  # as older records have them
        {"arms": [arm("Levodopa", "levodopa"), arm("Nothing") | {"type": "No Intervention"}]},
        {"arms": [arm("Low", "levodopa", "25 mg levodopa"), arm("High", "levodopa", "100 mg levodopa")]},
        {"title": None, "summary": None, "arms": [], "target_fields": ["criteria"]},
        {"title": None, "summary": None, "arms": [], "criteria": None, "target_fields": []},
        {"official_title": "Levodopa with Tolcapone; an Open Trial"},
        {"summary": "The study asks whether carbidopas or levodopas end an off period sooner."},
        {"intervention_mesh": ["Levodopum"], "keywords": ["levodopum"]},
    ],
)
def test_what_is_no_fault_is_left(changed: dict[str, Any]) -> None:
    assert reasons_of(**changed) == []


@pytest.mark.parametrize(
    "criteria",
    [
        "Este estudio compara el tratamiento nuevo frente al placebo durante doce meses en pacientes adultos "
        "mayores con enfermedad grave. Los participantes deben firmar el consentimiento informado.",
        "Critères d'inclusion : âge de 18 ans ou plus avec une maladie active. Critères d'exclusion : "
        "femmes enceintes, allergie aux produits de l'étude, participation dans un autre essai.",
        "Einschlusskriterien: Alter ab 18 Jahren mit aktiver Erkrankung und Zustimmung. "
        "Ausschlusskriterien: Schwangerschaft oder Stillzeit, Allergie gegen das Mittel, nicht bei Kindern.",
        "Kryteria włączenia: wiek powyżej 18 lat oraz aktywna choroba. Kryteria wyłączenia: ciąża lub "
        "karmienie piersią, nie można zakwalifikować dzieci, udział w innym badaniu lub terapii.",
    ],
    ids=["Spanish", "French", "German", "Polish"],
)
def test_criteria_of_another_language_alone_are_not_english(criteria: str) -> None:
    assert "not_english" in reasons_of(criteria=criteria)


def test_only_texts_that_were_asked_for_can_be_absent() -> None:
    bare = {"title": None, "summary": None, "criteria": None, "arms": []}
    assert reasons_of(**bare)[:3] == ["no_title", "no_summary", "no_criteria"]
    assert reasons_of(**bare, target_fields=["summary", "criteria"])[:2] == ["no_summary", "no_criteria"]


def test_bounds_of_copies_are_those_of_real_trials() -> None:
    """What trials of one intervention share with each other, and a tenth at least."""
    boiler = (
        "All patients will be followed for survival every three months until death from any cause occurs. "
    )
    own = (
        "Alpha beta gamma delta epsilon zeta eta theta iota kappa.",
        "One two three four five six seven eight nine.",
    )
    trials = [
        {
            "nct_id": f"NCT{place}",
            "normalized_interventions": ["levodopa"],
            "summary": f"{boiler if place < 8 else ''}Trial {place} has words {place + 7} of its own.",
            "detailed_description": " ".join(f"{word}{place}" for word in own[place % 2].split()),
        }
        for place in range(16)
    ]
    schema = REGISTRATION_SCHEMA | {"normalized_interventions": pl.List(pl.String())}
    train = pl.DataFrame([dict.fromkeys(schema) | row for row in trials], schema=schema)
    bounds = copy_bounds(train)
    assert bounds == copy_bounds(train.sort("nct_id", descending=True))
    assert 0.3 < bounds["summary"] < 0.8
    assert bounds["detailed_description"] == bounds["criteria"] == 0.1
    assert copy_bounds(train.clear()) == dict.fromkeys(COPIED_FIELDS, 0.1)
    twins = pl.concat([train, train.with_columns(nct_id=pl.col("nct_id") + "b")])
    assert copy_bounds(twins)["summary"] == 0.9  # not all of it


def misspell(text: str) -> str:
    """Every fourth long word with another letter, as of a model that is kept from repeating its prompt."""
    long = [match.start() for match in re.finditer(r"[A-Za-z]{5,}", text)][::4]
    return "".join("x" if place - 2 in long else letter for place, letter in enumerate(text))


@pytest.mark.shared
def test_a_copier_is_refused_and_held_out_trials_are_not(
    real_parts: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    """A record of the exemplars' own criteria, against real trials beside three others of their drug."""
    learned, held_out = real_parts
    bounds, train = copy_bounds(learned), learned.to_dicts()
    refused = copiers = disguised = shown = 0
    for trial in held_out.to_dicts():
        drugs = {*(trial["normalized_interventions"] or [])} - CONTROLS
        alike = [one for one in train if drugs & {*(one["normalized_interventions"] or [])}][:3]
        told = [items for one in alike for items in split_criteria(one["criteria"])]
        if len(alike) < 2 or not told[0] or not told[1]:
            continue
        shown += 1
        exemplars = {one["nct_id"]: one for one in alike}
        checks = [one for one in exemplar_checks(exemplars, bounds) if one.reason == "copied_criteria_text"]
        copy = trial | {"criteria": join_criteria(told[0][:4], told[1][:4])}
        typos = copy | {"criteria": misspell(copy["criteria"])}
        rows = [row | {"exemplars": [*exemplars]} for row in (trial, copy, typos)]
        found = find_faults(pl.DataFrame(rows, schema=CHECKED_SCHEMA), checks)
        refused += len(found[0]) > 0
        copiers += len(found[1]) > 0
        disguised += len(found[2]) > 0
    assert shown >= 15
    assert copiers == shown
    assert disguised >= 0.8 * shown  # the others have mostly items of few words, which must be equal
    assert refused <= 2


def test_criteria_of_nouns_alone_are_english() -> None:
    names = ("Kidney", "Liver", "Heart", "Lung", "Parkinson tremor", "Von Gierke")
    listed = "\n".join(f"- {name} disease" for name in names)
    nouns = f"Inclusion Criteria:\n- Active plaque psoriasis\n- Age 18 years\nExclusion Criteria:\n{listed}"
    assert reasons_of(criteria=nouns) == []


@pytest.mark.parametrize(
    ("ages", "bad"),
    [((130.0, None), True), ((None, 130.0), True), ((-1.0, None), True), ((18.0, None), False),
     ((70.0, 18.0), True), ((65.0, 65.0), False), ((0.0, 17.0), False), ((None, 0.0), True),
     ((None, None), False)],
)  # fmt: skip
def test_ages_are_those_of_people(ages: tuple[float | None, float | None], bad: bool) -> None:
    assert ("impossible_age" in reasons_of(minimum_age=ages[0], maximum_age=ages[1])) == bad


@pytest.mark.parametrize(
    ("frame", "bad"),
    [("900 yrs", True), ("5000 wks", True), ("2000 mos", True), ("61y", True), ("up to 30,000 d", True),
     ("600000 h", True), ("5 yrs", False), ("52 wks", False), ("24 mos", False), ("AUC 0-72h", False),
     ("day 1 to day 28", False), ("2 y", False), ("-3 wks", True), ("0 hrs", True), ("in 2,000 men", False),
     ("cycle 1 of 90Y", False)],
)  # fmt: skip
def test_time_frames_are_read_with_the_units_that_people_write(frame: str, bad: bool) -> None:
    assert ("impossible_time_frame" in reasons_of(primary_outcomes=outcome(frame))) == bad


@pytest.mark.parametrize(
    "frame", [None, "At discharge", "During treatment", "Baseline", "8 weeks", "ongoing"]
)
def test_a_time_frame_that_names_a_time_or_is_absent_is_readable(frame: str | None) -> None:
    assert reasons_of(primary_outcomes=outcome(frame)) == []


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
    assert names_other_phase(text, phase) is other


def test_the_docs_list_every_check() -> None:
    docs = (ROOT / "docs/metrics.md").read_text()
    assert [check.reason for check in CHECKS if f"| `{check.reason}` | {check.message} |" not in docs] == []
