from __future__ import annotations

from trialforge.generation.exemplars import count_at_most, fit_views
from trialforge.generation.prompts import record_json

VIEW = {
    "summary": "Levodopa for many hours of the day. " * 10,
    "inclusion": ["Adults", "Tremor"],
    "sex": "All",
}


def test_what_fits_stays_as_it_is() -> None:
    assert fit_views([VIEW], 500) == [VIEW]


def test_the_last_fields_go_first_and_a_text_is_cut_with_a_mark() -> None:
    one, other = fit_views([VIEW, VIEW | {"summary": "Short."}], 80)
    assert one["summary"].endswith(" [...]")
    assert set(one) == {"summary"}
    assert other == {"summary": "Short."}
    assert count_at_most(record_json(one)) < 90
