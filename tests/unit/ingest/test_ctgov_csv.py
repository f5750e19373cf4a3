"""The registry's CSV export: of now and of before, as spreadsheets save it, and what it lacks."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trialforge.ingest.registry import RegistrySource

if TYPE_CHECKING:
    import polars as pl

NOW = {
    "NCT Number": "NCT00000001", "Study Title": "Café, \"and\" tea", "Study Status": "COMPLETED",
    "Brief Summary": "A test.\n\nOf \\> one", "Study Results": "YES", "Conditions": "Sore Throat|Cold",
    "Interventions": "DRUG: Lozenge: sweet|DIETARY_SUPPLEMENT: Tea|Placebo",
    "Primary Outcome Measures": "Pain, by scale, 2 weeks|Voice", "Secondary Outcome Measures": "",
    "Sponsor": "S", "Sex": "ALL", "Age": "ADULT, OLDER_ADULT", "Phases": "PHASE3|PHASE2", "Enrollment": "60",
    "Funder Type": "OTHER_GOV", "Study Type": "INTERVENTIONAL",
    "Study Design": "Allocation: RANDOMIZED|Intervention Model: PARALLEL|Masking: DOUBLE (PARTICIPANT|"
                    "INVESTIGATOR)|Primary Purpose: TREATMENT",
    "Start Date": "2015-03", "Primary Completion Date": "2017", "Completion Date": "2017-06-01",
    "First Posted": "2015-01-10", "Last Update Posted": "2018-02-01",
    "Locations": "Site, Town, 1234, France|Other, Chad|Third, Town, France",
}  # fmt: skip
BEFORE = {
    "Rank": "1", "NCT Number": "NCT00000002", "Title": "Old", "Status": "Recruiting",
    "Study Results": "No Results Available", "Conditions": "Cold", "Interventions": "Drug: Tea",
    "Outcome Measures": "Pain", "Gender": "Male", "Age": "18 Years to 65 Years   (Adult, Older Adult)",
    "Phases": "Phase 2|Phase 3", "Enrollment": "1,200.0", "Funded Bys": "Industry|Other",
    "Study Type": "Interventional",
    "Study Designs": "Allocation: N/A|Intervention Model: Single Group Assignment",
    "Start Date": "March 2015", "Last Update Posted": "February 1, 2018",
}  # fmt: skip


def table(*rows: Mapping[str, str], delimiter: str = ",", **options: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(path: Path) -> tuple[list[dict[str, Any]], pl.DataFrame, tuple[str, ...]]:
    (batch,) = RegistrySource(path).batches()
    (lacks,) = batch.lacks.values()
    return batch.trials.to_dicts(), batch.refused, lacks


def test_an_export_of_now(tmp_path: Path) -> None:
    (tmp_path / "ctg-studies.csv").write_text(table(NOW))
    (trial,), refused, lacks = read(tmp_path / "ctg-studies.csv")
    assert refused.is_empty()
    assert lacks == (
        "official_title", "criteria", "minimum_age", "maximum_age", "healthy_volunteers",
        "detailed_description", "first_submitted", "why_stopped", "keywords", "condition_mesh",
        "intervention_mesh", "arms", "primary_analyses",
    )  # fmt: skip
    expected = {
        "nct_id": "NCT00000001", "source": "ctgov-csv", "file": "ctg-studies.csv:1",
        "title": 'Café, "and" tea', "status": "Completed", "summary": "A test.\nOf > one",
        "has_results": True, "conditions": ["Sore Throat", "Cold"], "sex": "All", "phase": "Phase 2/Phase 3",
        "enrolment_actual": 60, "enrolment_planned": None, "sponsor_class": "Other Government",
        "study_type": "Interventional", "allocation": "Randomized", "intervention_model": "Parallel",
        "masking": "Double", "primary_purpose": "Treatment", "start_date": date(2015, 3, 1),
        "primary_completion_date": date(2017, 1, 1), "completion_date": date(2017, 6, 1),
        "last_updated": date(2018, 2, 1), "countries": ["Chad", "France"], "first_submitted": None,
        "primary_outcomes": [
            {"measure": "Pain, by scale", "time_frame": "2 weeks", "description": None},
            {"measure": "Voice", "time_frame": None, "description": None},
        ],
        "secondary_outcomes": [],
        "interventions": [
            {"type": "Drug", "name": "Lozenge: sweet", "description": None, "other_names": []},
            {"type": "Dietary Supplement", "name": "Tea", "description": None, "other_names": []},
            {"type": None, "name": "Placebo", "description": None, "other_names": []},
        ],
        **dict.fromkeys(("criteria", "minimum_age", "official_title", "why_stopped")),
        "arms": [], "keywords": [], "condition_mesh": [], "primary_analyses": [],
    }  # fmt: skip
    assert {name: trial[name] for name in expected} == expected


def test_an_export_of_before(tmp_path: Path) -> None:
    (tmp_path / "SearchResults.csv").write_text(table(BEFORE))
    (trial,), _, lacks = read(tmp_path / "SearchResults.csv")
    expected = {
        "title": "Old", "status": "Recruiting", "has_results": False, "sex": "Male", "minimum_age": 18.0,
        "maximum_age": 65.0, "phase": "Phase 2/Phase 3", "enrolment_planned": 1200, "sponsor_class": None,
        "intervention_model": "Single Group", "allocation": "N/A", "start_date": date(2015, 3, 1),
    }  # fmt: skip
    assert {name: trial[name] for name in expected} == expected
    assert "summary" in lacks


@pytest.mark.parametrize(
    ("age", "least", "most"),
    [("18 Years and older   (Adult)", 18.0, None), ("up to 17 Years   (Child)", None, 17.0),
     ("6 Months to 2 Years", 0.5, 2.0), ("Child, Adult", None, None)],
)  # fmt: skip
def test_ages_of_before(age: str, least: float | None, most: float | None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(BEFORE | {"Age": age}))
    (trial,), _, _ = read(tmp_path / "a.csv")
    assert (trial["minimum_age"], trial["maximum_age"]) == (least, most)


SAVED: dict[str, bytes] = {
    "tab": table(NOW, delimiter="\t").encode(),
    "semicolon": table(NOW, delimiter=";").encode(),
    "mark": b"\xef\xbb\xbf" + table(NOW).encode(),
    "western": table(NOW).encode("cp1252"),
    "unicode-text": table(NOW, delimiter="\t").encode("utf-16"),
    "all-quoted": table(NOW, quoting=csv.QUOTE_ALL).encode(),
    "unix": table(NOW, lineterminator="\n").encode(),
}


@pytest.mark.parametrize("form", SAVED)
def test_however_a_spreadsheet_saves_it(form: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(table(NOW))
    (tmp_path / "saved").write_bytes(SAVED[form])
    (plain,), _, _ = read(tmp_path / "plain")
    (saved,), refused, _ = read(tmp_path / "saved")
    assert saved | {"file": plain["file"]} == plain
    assert refused.is_empty()


def test_a_table_with_chosen_columns(tmp_path: Path) -> None:
    rows = [{"NCT Number": f"NCT{number:08d}", "Enrollment": str(number)} for number in range(1, 4)]
    (tmp_path / "a.csv").write_text(table(*rows))
    trials, _, lacks = read(tmp_path / "a.csv")
    assert [trial["enrolment_actual"] for trial in trials] == [1, 2, 3]
    assert {"title", "phase", "interventions", "countries"} <= set(lacks)


def test_rows_without_an_id_are_refused_by_number(tmp_path: Path) -> None:
    rows = [
        NOW,
        NOW | {"NCT Number": ""},
        NOW | {"NCT Number": "ISRCTN12345678"},
        NOW | {"NCT Number": "NCT00000003"},
    ]
    (tmp_path / "a.csv").write_text(table(*rows))
    trials, refused, _ = read(tmp_path / "a.csv")
    assert [trial["nct_id"] for trial in trials] == ["NCT00000001", "NCT00000003"]
    assert refused.select("file", "reason").rows() == [
        ("a.csv:2", "missing_id"),
        ("a.csv:3", "other_registry"),
    ]


def test_a_row_with_too_many_cells_costs_no_other(tmp_path: Path) -> None:
    text = table(NOW, NOW | {"NCT Number": "NCT00000002"}, lineterminator="\n")
    (tmp_path / "a.csv").write_text(text.replace("NCT00000002,", "NCT00000002,x,"))
    trials, refused, _ = read(tmp_path / "a.csv")
    assert [trial["nct_id"] for trial in trials] == ["NCT00000001"]
    assert refused["reason"].to_list() == ["malformed_row"]


def test_a_table_whose_lines_end_in_a_carriage_return(tmp_path: Path) -> None:
    rows = [NOW | {"NCT Number": f"NCT{number:08d}", "Brief Summary": "One."} for number in (1, 2)]
    (tmp_path / "a.csv").write_bytes(table(*rows, lineterminator="\r").encode())
    trials, refused, _ = read(tmp_path / "a.csv")
    assert [trial["nct_id"] for trial in trials] == ["NCT00000001", "NCT00000002"]
    assert refused.is_empty()


@pytest.mark.parametrize(
    "before", ["sep=;\r\n", "sep=;\n\n", "\n \n", "\ufeffSEP=;\r\n", '"sep=;"\n', ";;;\n"]
)
def test_lines_before_the_header_are_passed_over(before: str, tmp_path: Path) -> None:
    text = table(NOW, NOW | {"NCT Number": "NCT00000002"}, delimiter=";")
    for rows, bad in ((text, []), (text + "NCT00000003;x\n" + ";" * 80 + "\n", ["malformed_row"] * 2)):
        (tmp_path / "a.csv").write_text(before + rows, newline="")
        trials, refused, _ = read(tmp_path / "a.csv")
        assert [trial["nct_id"] for trial in trials] == ["NCT00000001", "NCT00000002"]
        assert refused["reason"].to_list() == bad


def test_rows_are_numbered_from_the_first_where_a_late_one_is_bad(tmp_path: Path) -> None:
    rows = [f"NCT{number:08d},a\n" for number in range(1, 45_000)]
    (tmp_path / "a.csv").write_text("".join(["NCT Number,Study Title\n", *rows, "NCT00045000,a,b\n"]))
    files = [name for batch in RegistrySource(tmp_path / "a.csv").batches() for name in batch.trials["file"]]
    assert (files[0], files[-1]) == ("a.csv:1", "a.csv:44999")


def test_a_bad_row_has_its_number_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=,\nNCT Number,Study Title\nNCT00000001,a\nNCT00000002,a,b\n")
    _, refused, _ = read(tmp_path / "a.csv")
    assert refused["file"].to_list() == ["a.csv:line 4"]


def read_dates(path: Path, *days: str) -> tuple[list[date | None], list[str]]:
    rows = [NOW | {"NCT Number": f"NCT{number:08d}", "Start Date": day} for number, day in enumerate(days, 1)]
    path.write_text(table(*rows))
    batches = list(RegistrySource(path).batches())
    trials = [day for batch in batches for day in batch.trials["start_date"]]
    return trials, [reason for batch in batches for reason in batch.refused["reason"]]


DAY_FIRST = (["5/12/2020", "13/1/2019", "Mar-19"], [date(2020, 12, 5), date(2019, 1, 13), date(2019, 3, 1)])
MONTH_FIRST = (["5/12/2020", "01/13/2019", "2018"], [date(2020, 5, 12), date(2019, 1, 13), date(2018, 1, 1)])


@pytest.mark.parametrize(("days", "dates"), [DAY_FIRST, MONTH_FIRST])
@pytest.mark.parametrize("rows", [1, 20_000])
def test_a_day_above_12_tells_the_order_of_all_dates_of_a_column(
    days: list[str], dates: list[date], rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialforge.ingest.tables._ROWS", rows)
    assert read_dates(tmp_path / "a.csv", *days) == (dates, [])


@pytest.mark.parametrize("days", [["5/12/2020", "6/6/2020"], ["13/1/2020", "1/13/2020"]])
def test_dates_whose_order_nothing_tells_are_unread(days: list[str], tmp_path: Path) -> None:
    assert read_dates(tmp_path / "a.csv", *days) == ([None, None], ["unread_date"] * 2)


def test_each_column_has_an_order_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(NOW | {"Start Date": "13/1/2020", "Completion Date": "5/6/2020"}))
    (trial,), refused, _ = read(tmp_path / "a.csv")
    assert (trial["start_date"], trial["completion_date"]) == (date(2020, 1, 13), None)
    assert refused["reason"].to_list() == ["unread_date"]
