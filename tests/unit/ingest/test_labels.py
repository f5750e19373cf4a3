from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pydantic import ValidationError

from trialforge.core.errors import IngestError
from trialforge.ingest.labels import (
    base_rates,
    label_agreement,
    label_trials,
    load_label_tables,
    match_tables,
)
from trialforge.ingest.params import IngestParams
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import Batch
from trialforge.trial.record import TRIAL_SCHEMA, Analysis, Phase, Status, Trial, trials_to_frame

if TYPE_CHECKING:
    from trialforge.ingest.labels import LabelTables


def trial(
    nct_id: str,
    status: Status | None,
    why: str | None = None,
    p_values: tuple[str | None, ...] = (),
    phase: Phase | None = None,
) -> Trial:
    analyses = [Analysis(p_value=value) for value in p_values]
    return Trial(
        nct_id=nct_id,
        source="ctgov-xml",
        phase=phase,
        status=status,
        why_stopped=why,
        primary_analyses=analyses,
    )


TRIALS = trials_to_frame(
    [
        trial("A", "Completed", phase="Phase 1"),
        trial("B", "Terminated", "slow accrual", phase="Phase 1"),
        trial("C", "Terminated", "significant benefit in the experimental group"),
        trial("D", "Unknown status", None, ("0.03",)),
        trial("E", "Completed", None, ("0.40",)),
        trial("F", "Terminated", "toxicity", ("<0.001",)),
        trial("G", "Withdrawn"),
    ]
)


def params(**values: Any) -> IngestParams:
    return IngestParams.model_validate(values)


def labels_of(chosen: IngestParams, tables: LabelTables | None = None) -> dict[str, int | None]:
    return dict(label_trials(TRIALS, chosen, tables).select("nct_id", "label").iter_rows())


def mine(folder: Path, rows: str) -> str:
    (folder / "mine.csv").write_text("nct_id,label,evidence\n" + rows)
    return str(folder / "mine.csv")


def test_status_labels_and_abstains() -> None:
    expected = {"A": 1, "B": 0, "C": None, "D": None, "E": 1, "F": 0, "G": 0}
    assert labels_of(params(labels="status")) == expected
    assert params(labels="status") == params(labels=["status"])


def test_only_reasons_that_count_make_a_failure() -> None:
    chosen = params(labels="status", failure_reasons=["safety"])
    assert labels_of(chosen) == {"A": 1, "B": None, "C": None, "D": None, "E": 1, "F": 0, "G": None}


def test_results_label_what_posted_a_p_value() -> None:
    assert labels_of(params(labels="results")) == {
        "A": None, "B": None, "C": None, "D": 1, "E": 0, "F": 1, "G": None,
    }  # fmt: skip


def test_the_first_source_that_speaks_decides(tmp_path: Path) -> None:
    chosen = params(
        labels=["csv", "results", "status"], labels_path=mine(tmp_path, "A,0,read it\nF,0,\nZ,1,\n")
    )
    labelled = label_trials(TRIALS, chosen, load_label_tables(chosen))
    assert labelled.select("nct_id", "label", "label_source", "label_evidence").rows() == [
        ("A", 0, "csv", "csv 0: read it; status 1: Completed"),
        ("B", 0, "status", "status 0: Terminated (enrolment)"),
        ("C", None, None, None),
        ("D", 1, "results", "results 1: p 0.03"),
        ("E", 0, "results", "results 0: p 0.40; status 1: Completed"),
        ("F", 0, "csv", "csv 0: mine.csv; results 1: p <0.001; status 0: Terminated (safety)"),
        ("G", 0, "status", "status 0: Withdrawn (other)"),
    ]


def test_of_several_votes_more_than_half_decide_and_a_tie_is_no_label(tmp_path: Path) -> None:
    chosen = params(
        labels=["csv", "results", "status"], label_rule="vote", labels_path=mine(tmp_path, "A,0,\nF,1,\n")
    )
    labelled = label_trials(TRIALS, chosen, load_label_tables(chosen))
    assert labelled.select("nct_id", "label", "label_source").rows() == [
        ("A", None, None),
        ("B", 0, "status"),
        ("C", None, None),
        ("D", 1, "results"),
        ("E", None, None),
        ("F", 1, "csv+results"),
        ("G", 0, "status"),
    ]
    assert labelled["label_evidence"][4] == "results 0: p 0.40; status 1: Completed"


def test_each_trial_keeps_who_said_what_whatever_decides(tmp_path: Path) -> None:
    chosen = params(labels="status", labels_path=mine(tmp_path, "A,0,\nE,1,\n"))
    labelled = label_trials(TRIALS, chosen, load_label_tables(chosen))
    assert labelled.select("label_csv", "label_results", "label_status", "label_top").rows() == [
        (0, None, 1, None),
        (None, None, 0, None),
        (None, None, None, None),
        (None, 1, None, None),
        (1, 0, 1, None),
        (None, 1, 0, None),
        (None, None, 0, None),
    ]
    assert labelled.columns == [*TRIAL_SCHEMA, "official_part"]
    assert labelled.drop("official_part").schema == pl.Schema(TRIAL_SCHEMA)


def test_the_evidence_of_one_source_is_its_own() -> None:
    rows = label_trials(TRIALS, params(labels="status")).rows_by_key("nct_id", named=True, unique=True)
    assert rows["B"]["label_evidence"] == "Terminated (enrolment)"
    assert (rows["C"]["label_source"], rows["C"]["label_evidence"]) == (None, None)


def write_top(folder: Path, name: str, rows: str) -> None:
    head = "nctid,status,why_stop,label,phase,diseases,icdcodes,drugs,smiless,criteria\n"
    (folder / name).write_text(head + rows)


def test_top_labels_come_with_the_official_part(tmp_path: Path) -> None:
    write_top(tmp_path, "phase_I_train.csv", "A,completed,,1,phase 1,[],[],[],[],x\nB,,,0,,[],[],[],[],x\n")
    write_top(tmp_path, "phase_I_valid.csv", "B,,,1,,[],[],[],[],x\n")
    chosen = params(labels="top", top_path=str(tmp_path))
    labelled = label_trials(TRIALS, chosen, load_label_tables(chosen))
    rows = labelled.rows_by_key("nct_id", named=True, unique=True)
    assert rows["A"]["label"] == 1
    assert rows["A"]["label_evidence"] == "TOP phase_I_train.csv:2"
    assert rows["A"]["official_part"] == "train"
    # B is in two tables: what is held out stays held out.
    assert (rows["B"]["label"], rows["B"]["official_part"]) == (1, "validation")
    assert rows["C"]["label"] is None


@pytest.mark.parametrize("labels", ["csv", "top", ["status", "csv"]])
def test_labels_without_their_table_are_an_error_that_names_the_parameter(labels: Any) -> None:
    with pytest.raises(IngestError, match=r"set `ingest\.(labels|top)_path`"):
        load_label_tables(params(labels=labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "at least 1 item"),
        (["status", "status"], "is listed twice"),
        ("votes", "Input should be 'csv'"),
    ],
)
def test_labels_that_name_no_source_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(labels=labels)


def test_ids_without_a_match_are_counted_on_both_sides(tmp_path: Path) -> None:
    chosen = params(labels="csv", labels_path=mine(tmp_path, "A,1,\nB,,\nY,1,\nZ,0,\n"))
    assert match_tables(TRIALS.lazy(), chosen, load_label_tables(chosen)) == {
        "csv": {
            "labels": 3, "trials_matched": 1, "trials_without": 6, "unmatched": 2, "unmatched_first": "Y, Z",
        }
    }  # fmt: skip


def test_a_table_of_which_no_id_matches_is_an_error_where_it_is_used(tmp_path: Path) -> None:
    chosen = params(labels=["status", "csv"], labels_path=mine(tmp_path, "Y,1,\nZ,0,\n"))
    tables = load_label_tables(chosen)
    with pytest.raises(
        IngestError, match="the csv labels match no trial: they name Y, Z, but the source has A, B"
    ):
        match_tables(TRIALS.lazy(), chosen, tables)
    assert match_tables(TRIALS.lazy(), params(labels="status"), tables)["csv"]["unmatched"] == 2


def test_agreement_is_counted_by_hand(tmp_path: Path) -> None:
    # Both label E (1, 0) and F (0, 1): they never agree, and half by half chance would agree in a half.
    assert label_agreement(label_trials(TRIALS, params()).lazy()) == {
        "status_results_n": 2, "status_results_share": 0.0, "status_results_kappa": -1.0,
    }  # fmt: skip
    # With status: A alike, B alike, E alike, F not: of 4, status says 2 successes and the table 3.
    chosen = params(labels_path=mine(tmp_path, "A,1,\nB,0,\nE,1,\nF,1,\n"))
    agreement = label_agreement(label_trials(TRIALS, chosen, load_label_tables(chosen)).lazy())
    assert [agreement[f"status_csv_{name}"] for name in ("n", "share", "kappa")] == [4, 0.75, 0.5]
    assert agreement["results_csv_n"] == 2


def test_base_rates_are_counted_by_hand() -> None:
    rates = base_rates(label_trials(TRIALS, params(labels=["status"])).lazy())
    assert rates["all"] == {"labelled": 5, "success": 0.4}
    assert rates["phase"] == {
        "Phase 1": {"labelled": 2, "success": 0.5}, "none": {"labelled": 3, "success": 0.3333},
    }  # fmt: skip
    assert rates["year"] == {"none": {"labelled": 5, "success": 0.4}}
    assert rates["source"] == {
        "results": {"labelled": 3, "success": 0.6667}, "status": {"labelled": 5, "success": 0.4},
    }  # fmt: skip


def test_a_trial_whose_registration_nobody_dates_counts_under_the_year_of_its_start() -> None:
    """Many AACT snapshots have no column for the day of registration."""
    started = TRIALS.with_columns(start_date=pl.lit(date(2012, 5, 1)))
    rates = base_rates(label_trials(started, params(labels=["status"])).lazy())
    assert rates["year"] == {"2012": {"labelled": 5, "success": 0.4}}


@pytest.mark.shared
def test_status_and_results_agree_little_on_real_trials(read_real: Callable[[str], Batch]) -> None:
    read = read_real("ctgov/AllPublicXML.sample.zip").trials
    agreement = label_agreement(label_trials(read, params()).lazy())
    assert agreement["status_results_n"] > 60
    assert 0 < agreement["status_results_kappa"] < 0.2


@pytest.mark.shared
def test_a_table_of_other_trials_is_refused_as_reported(shared_data: Path) -> None:
    case = shared_data.parent / "cases/06-label-csv"
    trials = pl.concat([batch.trials for batch in RegistrySource(case / "t.jsonl").batches()])
    chosen = params(labels="csv", labels_path=str(case / "m-none-match.csv"))
    with pytest.raises(IngestError, match="the csv labels match no trial: they name NCT90000000"):
        match_tables(trials.lazy(), chosen, load_label_tables(chosen))


@pytest.mark.shared
def test_reported_stops_that_are_no_failure_get_no_label(shared_data: Path) -> None:
    case = shared_data.parent / "cases/10-stop-reasons"
    trials = pl.concat([batch.trials for batch in RegistrySource(case / "t.jsonl").batches()])
    expected = pl.read_csv(
        case / "expected.tsv", separator="\t", has_header=False, new_columns=["nct_id", "t", "e"]
    )
    labels = dict(label_trials(trials, params()).select("nct_id", "label").iter_rows())
    for nct_id, classes in expected.select("nct_id", "e").iter_rows():
        assert labels[nct_id] is None if classes.startswith("none") else labels[nct_id] == 0
