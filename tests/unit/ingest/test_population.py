"""Which trials a run is about, and why others are left out."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from trialforge.ingest.population import PopulationParams, left_out
from trialforge.trial.record import Intervention, Trial, trials_to_frame

BASE: dict[str, Any] = {
    "nct_id": "NCT00000001", "source": "ctgov-json", "phase": "Phase 2", "study_type": "Interventional",
    "conditions": ["Sore Throat"], "keywords": ["voice"], "condition_mesh": ["Pharyngitis"],
    "interventions": [Intervention(type="Drug", name="a"), Intervention(type="Other", name="b")],
    "start_date": date(2015, 3, 2),
}  # fmt: skip
ALL: dict[str, Any] = {"study_types": None, "phases": None}


def decide(params: PopulationParams, **values: Any) -> tuple[str | None, str | None]:
    trials = trials_to_frame([Trial(**(BASE | values))])
    reason, has = left_out(params)
    return trials.select(reason.alias("reason"), has.alias("has")).row(0)


@pytest.mark.parametrize(
    ("params", "values", "expected"),
    [
        ({}, {}, (None, None)),
        ({}, {"study_type": "Observational", "phase": None}, ("other_study_type", "Observational")),
        ({}, {"study_type": "Expanded Access"}, ("other_study_type", "Expanded Access")),
        ({}, {"phase": "N/A"}, ("other_phase", "N/A")),
        ({}, {"phase": None}, ("other_phase", "none")),
        ({}, {"study_type": None}, (None, None)),
        (ALL, {"study_type": "Observational", "phase": None}, (None, None)),
        (ALL | {"phases": ["N/A"]}, {"phase": "N/A"}, (None, None)),
        ({"phases": ["Phase 3"]}, {}, ("other_phase", "Phase 2")),
        ({"phases": "Phase 3"}, {}, ("other_phase", "Phase 2")),
        ({"intervention_types": ["Drug"]}, {}, (None, None)),
        ({"intervention_types": ["Device"]}, {}, ("other_intervention_type", "Drug, Other")),
        ({"intervention_types": ["Drug"]}, {"interventions": []}, ("other_intervention_type", "")),
        ({"years": [2015, 2015]}, {}, (None, None)),
        ({"years": [2016, 2020]}, {}, ("other_year", "2015")),
        ({"years": [2016, 2020]}, {"start_date": None, "first_submitted": date(2016, 1, 1)}, (None, None)),
        ({"years": [2016, 2020]}, {"start_date": None}, ("other_year", "none")),
        ({"conditions": ["throat"]}, {}, (None, None)),
        ({"conditions": ["PHARYNG", "psoriasis"]}, {}, (None, None)),
        ({"conditions": ["voice"]}, {}, (None, None)),
        ({"conditions": ["psoriasis"]}, {}, ("other_condition", "Sore Throat")),
        ({"conditions": ["psoriasis"]}, {"conditions": [], "keywords": [], "condition_mesh": []},
         ("other_condition", "")),
    ],
)  # fmt: skip
def test_the_first_reason_is_told(
    params: dict[str, Any], values: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    assert decide(PopulationParams(**params), **values) == expected


def test_years_that_run_backwards_are_an_error() -> None:
    with pytest.raises(ValidationError, match=r"the years are in the wrong order; write \[2005, 2020\]"):
        PopulationParams(years=(2020, 2005))
