from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trialforge.generation.exemplars import MIN_WORDS, cut_text, fit_to_budget
from trialforge.generation.schema import CUT_MARK


def count_words(text: str) -> int:
    return len(text.split())


def test_what_fits_stays_as_it_is() -> None:
    records = [{"title": "A trial of X", "criteria": "Adults"}]
    fitted = fit_to_budget(records, count_words, budget=5)
    assert (fitted.records, fitted.cut, fitted.dropped) == (records, [], [])


def test_first_fields_of_all_come_before_second_fields_of_any() -> None:
    words = "a b c d e f g h i j k l"
    fitted = fit_to_budget([{"title": "t t", "criteria": words}] * 2, count_words, budget=18)
    assert fitted.records == [{"title": "t t", "criteria": f"a b c d e f {CUT_MARK}"}] * 2
    assert fitted.cut == [(0, "criteria"), (1, "criteria")]


def test_short_text_leaves_its_share_to_the_longer() -> None:
    fitted = fit_to_budget([{"x": "a b"}, {"x": "a b c d e f g h i j"}], count_words, budget=10)
    assert fitted.records == [{"x": "a b"}, {"x": f"a b c d e f g {CUT_MARK}"}]


def test_fields_after_the_cut_one_are_dropped_and_named() -> None:
    fitted = fit_to_budget([{"x": "a b c d e f g h", "y": "z"}], count_words, budget=7)
    assert fitted.records == [{"x": f"a b c d e f {CUT_MARK}"}]
    assert fitted.dropped == [(0, "y")]


def test_a_few_words_are_dropped_rather_than_shown() -> None:
    assert cut_text("a b c d e f g", count_words, budget=MIN_WORDS) is None


@given(
    st.lists(
        st.fixed_dictionaries({"x": st.text(), "y": st.text(alphabet="ab \n"), "z": st.text()}), max_size=4
    ),
    st.integers(0, 60),
)
def test_budget_holds_and_every_cut_is_marked(records: list[dict[str, str]], budget: int) -> None:
    fitted = fit_to_budget(records, count_words, budget)
    shown = [text for record in fitted.records for text in record.values()]
    assert sum(map(count_words, shown)) <= budget
    for number, record in enumerate(fitted.records):
        for name, text in record.items():
            whole = text == records[number][name]
            assert whole or (text.endswith(CUT_MARK) and (number, name) in fitted.cut)
            assert records[number][name].startswith(text.removesuffix(f" {CUT_MARK}"))
    missing = {(n, name) for n, record in enumerate(records) for name in record if record[name]} - {
        (n, name) for n, record in enumerate(fitted.records) for name in record
    }
    assert missing == set(fitted.dropped)
