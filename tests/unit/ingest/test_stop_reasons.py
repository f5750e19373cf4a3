from __future__ import annotations

import polars as pl
import pytest

from trialforge.ingest.stop_reasons import STOP_REASONS, stop_reason
from trialforge.simulation.vocabulary import WHY_STOPPED


def reason_of(text: str | None) -> str | None:
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String()})
    return frame.select(stop_reason(pl.col("text"))).item()  # type: ignore[no-any-return]


# Reasons as the registry has them.
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Results showed statistically significant benefit in the experimental group", "benefit"),
        ("early termination due to efficacy", "benefit"),
        ("Primary objective has been met; pharmacokinetics have been characterized.", "benefit"),
        ("Lack of efficacy at review by DSMB", "efficacy"),
        ("Accrual was halted on the basis of the review of a futility     analysis.", "efficacy"),
        ("Amgen discontinued it because 20050201 did not meet its primary objective.", "efficacy"),
        ("No objective response documented, protocol terminated after 12 patients.", "efficacy"),
        ("Interim analysis showed no drug efficacy. No safety concerns were detected.", "efficacy"),
        ("trial closed early because the primary endpoint fell short.", "efficacy"),
        ("The trial was halted because of unanticipated adverse events", "safety"),
        ("2 DLTs had been reported from first 4 patients", "safety"),
        ("due to an unfavorable benefit/risk ratio", "safety"),
        ("Low patient enrollment; toxicities", "safety"),
        ("Slow accrual", "enrolment"),
        ("Inability to meet the accrual target of 213.", "enrolment"),
        ("Study enrollment did not meet expected goals", "enrolment"),
        ("Poor enrollment; termination not due to safety reasons.", "enrolment"),
        ("NO participants", "enrolment"),
        ("Lack of funds", "business"),
        ("Strategic decision unrelated to safety or efficacy", "business"),
        ("Company decision to discontinue, not due to any safety or efficacy concerns", "business"),
        ("Withdrawn due to drug availability and funding", "business"),
        ("PI left institution", "other"),
        ("Study completed", "other"),
        ("Administratively complete.", "other"),
        ("recruitment is finished", "other"),
        ("as of 4/23/97", "other"),
        ("", "other"),
        (None, None),
    ],
)
def test_a_reason_is_sorted(text: str | None, reason: str | None) -> None:
    assert reason_of(text) == reason


def test_the_simulated_reasons_are_of_every_class_that_fails() -> None:
    assert {reason_of(text) for text in WHY_STOPPED} == {*STOP_REASONS, "other"} - {"benefit"}
