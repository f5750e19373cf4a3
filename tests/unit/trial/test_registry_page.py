"""A trial as a registry page: nothing of it is lost, and what it lacks is left out."""

from __future__ import annotations

from tests.unit.reporting.sample import PLANTED
from trialforge.trial.record import Arm, Endpoint, Intervention, Trial
from trialforge.trial.registry_page import LAYOUT, Kind, registry_page

WHOLE = Trial(
    nct_id="SYN-1", source="synthetic", title="Verazumab at Night", official_title="A Trial of Verazumab",
    phase="Phase 2", study_type="Interventional", conditions=["Psoriasis", "Itch"],
    interventions=[Intervention(type="Drug", name="Verazumab", description="300 mg", other_names=["VZ-1"])],
    summary="Does it help?", detailed_description="It is given\nat night.", allocation="Randomized",
    intervention_model="Parallel", masking="None", primary_purpose="Treatment",
    arms=[Arm(label="Night", type="Experimental", description="At ten", interventions=["Verazumab"])],
    primary_outcomes=[Endpoint(measure="Itch", time_frame="12 weeks", description="By diary")],
    secondary_outcomes=[Endpoint(measure="Sleep")],
    criteria="Inclusion Criteria:\n- adult\n- itch\nExclusion Criteria:\n- pregnant", minimum_age=0.5,
    maximum_age=75.0, sex="All", healthy_volunteers=False, enrolment_planned=1200, keywords=["night", "itch"],
    sponsor_class="Industry",
)  # fmt: skip


def test_a_whole_trial_fills_the_page_in_its_order() -> None:
    page = registry_page(WHOLE.model_dump())
    assert list(page) == [heading for heading in LAYOUT if heading != "Eligibility criteria"]
    assert page["Design"] == [
        ["Allocation", "Randomized"], ["Intervention model", "Parallel"], ["Masking", "None (open label)"],
        ["Primary purpose", "Treatment"], ["Planned enrolment", "1200"], ["Minimum age", "0.5 years"],
        ["Maximum age", "75 years"], ["Sex", "All"], ["Healthy volunteers", "No"],
        ["Sponsor class", "Industry"],
    ]  # fmt: skip
    assert page["Overview"][2] == ["Conditions", "Psoriasis; Itch"]
    assert page["Interventions"] == [["Drug", "Verazumab", "VZ-1", "300 mg"]]
    assert page["Arms"] == [["Experimental", "Night", "Verazumab", "At ten"]]
    assert page["Secondary outcomes"] == [["Sleep", "", ""]]
    assert (page["Inclusion criteria"], page["Exclusion criteria"]) == (["adult", "itch"], ["pregnant"])


def test_rows_are_as_wide_as_their_columns() -> None:
    page = registry_page(WHOLE.model_dump())
    for heading, layout in LAYOUT.items():
        if layout.kind is Kind.TABLE:
            assert {len(row) for row in page[heading]} == {len(layout.columns)}


def test_what_a_trial_lacks_has_no_heading() -> None:
    few = Trial(
        nct_id="NCT1", source="top", phase="Phase 3", conditions=["Gout"], criteria="Inclusion Criteria:"
    )
    page = registry_page(few.model_dump())
    assert list(page) == ["Overview", "Eligibility criteria"]
    assert registry_page({}) == {}


def test_markup_is_left_as_it_is() -> None:
    """Escaping is the matter of what shows the page."""
    assert registry_page({"title": PLANTED})["Title"] == PLANTED
