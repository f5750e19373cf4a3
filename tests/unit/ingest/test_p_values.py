from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from trialforge.ingest.p_values import count_p_values, results_evidence, results_label
from trialforge.ingest.registry import RegistrySource
from trialforge.trial.record import Analysis, Trial, trials_to_frame

SUPERIORITY, ALIKE = "Superiority", "Non-Inferiority"


def frame(*analyses: tuple[str | None, str | None]) -> pl.DataFrame:
    posted = [Analysis(p_value=value, hypothesis=hypothesis) for value, hypothesis in analyses]
    return trials_to_frame([Trial(nct_id="A", source="ctgov-xml", primary_analyses=posted)])


def label_of(*analyses: tuple[str | None, str | None]) -> int | None:
    return frame(*analyses).select(results_label(0.05)).item()


@pytest.mark.parametrize(
    ("p_values", "label"),
    [
        (("0.049",), 1),
        (("0.05",), 0),
        (("<0.05",), 1),
        (("p<.0001",), 1),
        (("< .01",), 1),
        ((">0.05",), 0),
        ((">0.01",), None),
        (("<0.10",), None),
        (("=0.261",), 0),
        (("1e-5",), 1),
        (("NS",), None),
        ((None,), None),
        (("7",), None),
        (("0.04", "0.60"), None),  # significant alone, not after the correction for two analyses
        (("0.02", "0.60"), 1),
        (("0.04", "0.03"), 1),  # both significant
        (("0.06", "0.60"), 0),
        (("0.60", "not estimable"), None),  # what can't be read might be significant
        (("0.04", "see table"), None),
        (("0.02", "see table"), 1),
    ],
)
def test_posted_p_values_decide(p_values: tuple[str | None, ...], label: int | None) -> None:
    assert label_of(*((value, SUPERIORITY) for value in p_values)) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("< 0.001 (log-rank)", 1),
        ("<0.001, log-rank test", 1),
        ("≤0.001", 1),
        ("less than 0.001", 1),
        ("&lt;0.001", 1),
        ("p-value = 0.03", 1),
        ("P value: 0,03", 1),
        ("0,001", 1),
        ("0.03 (one-sided)", 1),
        ("0.03 2-sided", 1),
        ("0.012*", 1),
        ("0.04.", 1),
        ("0.000", 1),
        ("5E-10", 1),
        ("1.2 x 10-5", 1),
        ("1.2 × 10^-5", 1),
        ("1.2*10^(-5)", 1),
        ("10^-4", 1),
        ("3 x 10−4", 1),
        ("0.40 (95% CI 0.1 to 2.0)", 0),
        ("≥ 0.05", 0),
        ("0.03; 0.60", None),
        ("0.021 (vs. placebo), 0.5 (vs. comparator)", None),
        ("0.03 (log-rank, stratified (2 strata))", 1),
        ("0.01 - 0.05", None),
        ("0.03 and 0.6", None),
        ("3%", None),
        ("-0.2", None),
        ("N/A", None),
        ("1,200", None),
        ("0.3 x 10", None),
    ],
)
def test_a_p_value_is_read_as_people_write_it_or_not_at_all(text: str, label: int | None) -> None:
    assert label_of((text, SUPERIORITY)) == label


@pytest.mark.parametrize(
    ("analyses", "label"),
    [
        ((("0.80", "Equivalence"),), None),
        ((("<0.001", "Non-Inferiority or Equivalence"),), None),
        ((("<0.001", ALIKE), ("0.03", SUPERIORITY)), 1),  # no correction for the other kind of test
        ((("<0.001", ALIKE), ("0.60", SUPERIORITY)), None),  # it may have succeeded by the other
        (((None, ALIKE), ("0.60", SUPERIORITY)), None),
        ((("0.60", None),), 0),
        ((("0.60", "Superiority or Other"),), 0),
    ],
)
def test_a_test_of_likeness_has_no_say(
    analyses: tuple[tuple[str | None, str | None], ...], label: int | None
) -> None:
    assert label_of(*analyses) == label


def test_what_is_read_and_what_is_not_is_counted() -> None:
    trials = frame(("0.60", SUPERIORITY), ("NS", SUPERIORITY), (None, SUPERIORITY), ("0.1", ALIKE))
    assert count_p_values(trials.lazy()) == {"read": 1, "unreadable": 1, "alike": 1}
    assert count_p_values(frame().lazy()) == {"read": 0, "unreadable": 0, "alike": 0}
    assert trials.select(results_evidence()).item() == "p 0.60, NS, 0.1"


@pytest.mark.shared
def test_reported_p_values_are_read_as_their_users_expect(shared_data: Path) -> None:
    path = shared_data.parent / "cases/09-p-values/t.jsonl"
    trials = pl.concat([batch.trials for batch in RegistrySource(path).batches()])
    labels = trials.select(pl.col("nct_id").str.tail(2), results_label(0.05).alias("label"))
    assert dict(labels.iter_rows()) == {
        "01": 1, "03": 1, "05": 1, "07": 1, "09": None, "11": 1, "13": 1, "15": 1, "17": 1, "19": 1,
        "21": None, "23": 1, "25": None, "27": 1,
    }  # fmt: skip
