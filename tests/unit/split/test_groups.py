from __future__ import annotations

import polars as pl

from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.trial.record import Trial, trials_to_frame


def trials(texts: list[str | None]) -> pl.DataFrame:
    return trials_to_frame(
        [Trial(nct_id=f"T{number}", source="ctgov-xml", summary=text) for number, text in enumerate(texts)]
    )


def words(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last))


def test_the_same_text_and_nearly_the_same_text_are_pairs() -> None:
    # The heading is a word, so 100 words make 97 runs of 5; the last word is in one: 96 of 98 are shared.
    text = words(0, 100)
    found = near_duplicate_pairs(trials([text, text, text.replace("w99", "other"), words(200, 300)]), 0.8)
    assert found == [("T0", "T1"), ("T0", "T2")]


def test_the_threshold_is_the_exact_share_of_runs() -> None:
    # 101 words with the heading give 97 runs; 10 words changed at the end leave 87 of 107 equal: 0.813.
    pair = trials([words(0, 100), words(0, 90) + " " + words(500, 510)])
    assert near_duplicate_pairs(pair, 0.81) == [("T0", "T1")]
    assert near_duplicate_pairs(pair, 0.82) == []


def test_case_and_punctuation_do_not_matter() -> None:
    assert near_duplicate_pairs(
        trials(["One two three four five, six.", "one Two three: four five six"]), 0.99
    )


def test_trials_without_text_are_no_duplicates() -> None:
    assert near_duplicate_pairs(trials([None, None, "a"]), 0.8) == []


def test_the_order_of_trials_does_not_matter() -> None:
    frame = trials([words(0, 50), words(1, 50), words(0, 49), "else"])
    assert near_duplicate_pairs(frame, 0.8) == near_duplicate_pairs(frame.reverse(), 0.8)


def test_a_chain_of_pairs_is_one_group_named_by_its_smallest_id() -> None:
    groups = group_trials(pl.Series(["D", "A", "B", "C"]), [("D", "C"), ("C", "B")])
    assert dict(groups.iter_rows()) == {"D": "B", "A": "A", "B": "B", "C": "B"}
