from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trialforge.core.errors import IngestError, ParameterError
from trialforge.ingest.labels import label_agreement, label_trials, load_label_table, results_vote
from trialforge.ingest.params import IngestParams
from trialforge.trial.record import Analysis, Status, Trial, trials_to_frame

if TYPE_CHECKING:
    import polars as pl


def trial(
    nct_id: str, status: Status | None, why: str | None = None, p_values: tuple[str | None, ...] = ()
) -> Trial:
    analyses = [Analysis(p_value=value) for value in p_values]
    return Trial(nct_id=nct_id, source="ctgov-xml", status=status, why_stopped=why, primary_analyses=analyses)


TRIALS = trials_to_frame(
    [
        trial("A", "Completed"),
        trial("B", "Terminated", "slow accrual"),
        trial("C", "Terminated", "significant benefit in the experimental group"),
        trial("D", "Unknown status", None, ("0.03",)),
        trial("E", "Completed", None, ("0.40",)),
        trial("F", "Terminated", "toxicity", ("<0.001",)),
        trial("G", "Withdrawn"),
    ]
)


def labels_of(params: IngestParams, table: pl.DataFrame | None = None) -> dict[str, int | None]:
    return dict(label_trials(TRIALS, params, table).select("nct_id", "label").iter_rows())


def test_status_labels_and_abstains() -> None:
    expected = {"A": 1, "B": 0, "C": None, "D": None, "E": 1, "F": 0, "G": 0}
    assert labels_of(IngestParams(labels="status")) == expected


def test_only_reasons_that_count_make_a_failure() -> None:
    params = IngestParams(labels="status", failure_reasons=("safety",))
    assert labels_of(params) == {"A": 1, "B": None, "C": None, "D": None, "E": 1, "F": 0, "G": None}


def test_results_label_what_posted_a_p_value() -> None:
    labels = labels_of(IngestParams(labels="results"))
    assert {name for name, label in labels.items() if label is not None} == {"D", "E", "F"}
    assert (labels["D"], labels["E"], labels["F"]) == (1, 0, 1)


def test_votes_let_a_result_correct_completion_and_abstain_on_a_stopped_success() -> None:
    expected = {"A": 1, "B": 0, "C": None, "D": 1, "E": 0, "F": None, "G": 0}
    assert labels_of(IngestParams(labels="votes")) == expected


def test_evidence_says_who_voted_what() -> None:
    labelled = label_trials(TRIALS, IngestParams(labels="votes"))
    rows = {row["nct_id"]: row for row in labelled.iter_rows(named=True)}
    assert rows["E"]["label_evidence"] == "status 1: Completed; results 0: p 0.40"
    assert rows["B"]["label_evidence"] == "status 0: Terminated (enrolment)"
    assert rows["E"]["label_source"] == "votes"
    assert rows["F"]["label_source"] is None
    assert rows["F"]["label_evidence"] is None


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
    ],
)
def test_posted_p_values_vote(p_values: tuple[str | None, ...], label: int | None) -> None:
    frame = trials_to_frame([trial("A", "Completed", None, p_values)])
    assert frame.select(results_vote(IngestParams()).label).item() == label


def write_top(folder: Path, name: str, rows: str) -> None:
    head = "nctid,status,why_stop,label,phase,diseases,icdcodes,drugs,smiless,criteria\n"
    (folder / name).write_text(head + rows)


def test_top_labels_come_with_the_official_part(tmp_path: Path) -> None:
    write_top(tmp_path, "phase_I_train.csv", "A,completed,,1,phase 1,[],[],[],[],x\nB,,,0,,[],[],[],[],x\n")
    write_top(tmp_path, "phase_I_valid.csv", "B,,,1,,[],[],[],[],x\n")
    params = IngestParams(labels="top", top_path=str(tmp_path))
    labelled = label_trials(TRIALS, params, load_label_table(params))
    rows = {row["nct_id"]: row for row in labelled.iter_rows(named=True)}
    assert rows["A"]["label"] == 1
    assert rows["A"]["label_evidence"] == "TOP phase_I_train.csv:2"
    assert rows["A"]["official_part"] == "train"
    # B is in two tables: what is held out stays held out.
    assert (rows["B"]["label"], rows["B"]["official_part"]) == (1, "validation")
    assert rows["C"]["label"] is None


def test_a_csv_of_the_user_labels(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("nct_id,label,evidence\nA,0,read it\nZ,1,\n")
    params = IngestParams(labels="csv", labels_path=str(path))
    labelled = label_trials(TRIALS, params, load_label_table(params)).row(0, named=True)
    assert (labelled["label"], labelled["label_source"], labelled["label_evidence"]) == (0, "csv", "read it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nct_id,label\nA,2\n", "label '2' of A"),
        ("id,label\nA,1\n", "needs the columns"),
        ("", "can't be read"),
        ("nct_id,label\nA,1\nB,0\nA,0\nB,0\n", "A is both 0 and 1, and 0 more are"),
    ],
)
def test_a_bad_label_table_is_an_error_that_names_the_fault(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(IngestError, match=message):
        load_label_table(IngestParams(labels="csv", labels_path=str(path)))


@pytest.mark.parametrize("labels", ["csv", "top"])
def test_labels_without_their_table_are_a_parameter_error(labels: str) -> None:
    with pytest.raises(ParameterError, match=r"needs `ingest\."):
        load_label_table(IngestParams.model_validate({"labels": labels}))


def test_agreement_is_counted_by_hand() -> None:
    # Both label E (1, 0) and F (0, 1): they never agree, and half by half chance would agree in a half.
    agreement = label_agreement(TRIALS.lazy(), IngestParams(), None)
    assert agreement == {"status_results_n": 2, "status_results_share": 0.0, "status_results_kappa": -1.0}
