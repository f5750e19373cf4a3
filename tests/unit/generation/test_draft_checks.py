from __future__ import annotations

from typing import Any

import pytest

from trialforge.generation.asking import Fault
from trialforge.generation.draft_checks import check_draft

from .records import TARGET, make_draft, make_trial

EXEMPLARS = [make_trial(official_title="Protocol EORTC-22922: Levodopa as COVID-19 Spreads")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "title": "Carbidopa alone",
                "summary": "Carbidopa is compared with nothing at all.",
                "design": {"arms": [{"label": "Carbidopa", "type": "Experimental"}]},
            },
            "other-intervention",
        ),
        (
            {
                "title": "Levodopa for Restless Legs",
                "summary": "The study asks whether levodopa calms restless legs at night.",
                "inclusion": ["Restless legs for a year", "Adults who can consent"],
            },
            "other-condition",
        ),
        ({"title": "A Phase III Trial of Levodopa in Parkinson Disease"}, "other-phase"),
        ({"summary": "A study of levodopa failed to help people with Parkinson disease."}, "tells-outcome"),
        ({"title": "SLOW release levodopa against wearing-off."}, "copied-title"),
        ({"inclusion": ["Adults here", "adults here."]}, "repeated-items"),
        (
            {"inclusion": ["Adults here", "Dementia now"], "exclusion": ["Dementia now", "A", "B"]},
            "repeated-items",
        ),
        ({"title": "Levodopa in Parkinson Disease (Protocol EORTC-22922)"}, "copied-code"),
        ({"summary": EXEMPLARS[0]["summary"].upper()}, "copied-summary"),
        ({"title": "{{Levodopa}} in Parkinson Disease"}, "markup"),
        ({"summary": "Levodopa as in NCT01234567 is studied in adults with off periods."}, "registry-id"),
        ({"summary": "Levodopa 化疗 is studied in adults who have Parkinson disease."}, "other-script"),
        ({"design": {"arms": [{"label": "Levodopa", "type": "Experimental"}] * 2}}, "repeated-arms"),
    ],
)
def test_a_draft_off_its_target_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        check_draft(make_draft(**change), TARGET, EXEMPLARS)


def test_a_good_draft_passes() -> None:
    check_draft(make_draft(), TARGET, EXEMPLARS)
    check_draft(make_draft(title="Levodopa in Parkinson Disease During COVID-19"), TARGET, EXEMPLARS)
