"""AACT's tables: as a zip and a folder, of now and of before, whole, cut and of any size."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialforge.core.errors import IngestError
from trialforge.ingest.registry import RegistrySource

pytestmark = pytest.mark.slow

A, B = "NCT00000001", "NCT00000002"
NEW: dict[str, str] = {
    "studies": (
        "nct_id|study_first_submitted_date|last_update_submitted_date|start_month_year|start_date|overall_status"
        "|phase|enrollment|enrollment_type|brief_title|study_type|why_stopped|results_first_submitted_date\n"
        f'{A}|2015-01-10|2018-02-01|2015-03|2015-03-31|TERMINATED|PHASE1/PHASE2|60|ACTUAL|"A ""new"" | trial"'
        "|INTERVENTIONAL|No money|2019-01-01\n"
        f"{B}|2015-01-11|||2015-03-02|RECRUITING|NA|1,200||Another|OBSERVATIONAL||\n"
    ),
    "brief_summaries": f'id|nct_id|description\n1|{A}|"One.\n\nTwo \\> one."\n',
    "detailed_descriptions": f"id|nct_id|description\n1|{A}|More.\n",
    "eligibilities": (
        "id|nct_id|gender|minimum_age|maximum_age|healthy_volunteers|criteria\n"
        f'1|{A}|ALL|6 Months|N/A|f|"Inclusion Criteria:\n\n* Adults\n* Awake"\n'
    ),
    "designs": (
        "id|nct_id|allocation|intervention_model|primary_purpose|masking\n"
        f"1|{A}|RANDOMIZED|PARALLEL|TREATMENT|DOUBLE\n"
    ),
    "conditions": f"id|nct_id|name|downcase_name\n1|{A}|Sore Throat|sore throat\n2|{A}|Cold|cold\n",
    "keywords": f"id|nct_id|name|downcase_name\n1|{A}|voice|voice\n",
    "countries": f"id|nct_id|name|removed\n1|{A}|France|f\n2|{A}|Chad|t\n3|{A}|Benin|\n",
    "browse_conditions": (
        "id|nct_id|mesh_term|downcase_mesh_term|mesh_type\n"
        f"1|{A}|Pharyngitis|pharyngitis|mesh-list\n2|{A}|Diseases|diseases|mesh-ancestor\n"
    ),
    "interventions": (
        "id|nct_id|intervention_type|name|description\n"
        f"7|{A}|DRUG|Lozenge|sweet\n8|{A}|DIETARY_SUPPLEMENT|Tea|\n"
    ),
    "intervention_other_names": f"id|nct_id|intervention_id|name\n1|{A}|7|LZ-1\n2|{A}|7|Candy\n",
    "design_groups": (
        "id|nct_id|group_type|title|description\n"
        f"3|{A}|EXPERIMENTAL|I|both\n4|{A}|NO_INTERVENTION|II|\n"
    ),
    "design_group_interventions": (
        f"id|nct_id|design_group_id|intervention_id\n1|{A}|3|7\n2|{A}|3|8\n"
    ),
    "design_outcomes": (
        "id|nct_id|outcome_type|measure|time_frame|population|description\n"
        f"1|{A}|primary|Pain|2 weeks||by scale\n2|{A}|secondary|Voice|||\n3|{A}|other|Weight|||\n"
    ),
    "sponsors": (
        "id|nct_id|agency_class|lead_or_collaborator|name\n"
        f"1|{A}|INDUSTRY|collaborator|X\n2|{A}|OTHER_GOV|lead|Y\n"
    ),
    "outcomes": f"id|nct_id|outcome_type|title\n5|{A}|PRIMARY|Pain\n6|{A}|SECONDARY|Voice\n",
    "outcome_analyses": (
        "id|nct_id|outcome_id|non_inferiority_type|p_value_modifier|p_value|method\n"
        f"1|{A}|5|SUPERIORITY|<|0.001|ANCOVA\n2|{A}|6|SUPERIORITY||0.2|ANCOVA\n"
    ),
    "facilities": f"id|nct_id|name\n1|{A}|Somewhere\n",
}  # fmt: skip
OLD: dict[str, str] = {
    "studies": (
        "nct_id|first_received_date|last_changed_date|start_date|overall_status|phase|enrollment|brief_title"
        "|study_type\n"
        f"{A}|January 10, 2015|February 1, 2018|March 2015|Completed|Phase 1/Phase 2|60|T|Interventional\n"
        f"{B}||||Not yet recruiting|N/A|70|T|Observational [Patient Registry]\n"
    ),
    "designs": (
        "id|nct_id|allocation|intervention_model|primary_purpose|masking\n"
        f"1|{A}|Non-Randomized|Single Group Assignment|Treatment|None (Open Label)\n"
    ),
    "eligibilities": (
        "id|nct_id|gender|minimum_age|maximum_age|criteria\n"
        f"1|{A}|Both|18 Years|N/A|~Inclusion Criteria:~~          -  Adults who are~             well"
        "~~          -  Awake~\n"
        f"2|{B}|Female|||Inclusion Criteria:~Women (~5 years)~Awake\n"
    ),
    "brief_summaries": f"id|nct_id|description\n1|{B}|It takes ~5 minutes and D-7~D-2\n",
}  # fmt: skip


def write(folder: Path, tables: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def read(path: Path) -> tuple[dict[str, dict[str, Any]], pl.DataFrame, dict[str, tuple[str, ...]]]:
    """The trials by id, what was refused, and what the files lack."""
    batches = list(RegistrySource(path).batches())
    trials = pl.concat([batch.trials for batch in batches])
    lacks = {file: fields for batch in batches for file, fields in batch.lacks.items()}
    return (
        {row["nct_id"]: row for row in trials.drop("file").to_dicts()},
        pl.concat([batch.refused for batch in batches]),
        lacks,
    )


def test_tables_of_now_fill_every_field(tmp_path: Path) -> None:
    trials, refused, lacks = read(write(tmp_path / "aact", NEW))
    assert refused.select("file", "record", "reason").rows() == [
        ("aact/facilities.txt", "", "other_file"), ("aact/studies", B, "empty_criteria"),
    ]  # fmt: skip
    assert lacks == {
        "aact": ("official_title", "primary_completion_date", "completion_date", "intervention_mesh")
    }
    expected = {
        "source": "aact", "title": 'A "new" | trial', "phase": "Phase 1/Phase 2",
        "study_type": "Interventional",
        "conditions": ["Sore Throat", "Cold"], "keywords": ["voice"], "condition_mesh": ["Pharyngitis"],
        "summary": "One.\nTwo > one.", "detailed_description": "More.", "allocation": "Randomized",
        "intervention_model": "Parallel", "primary_purpose": "Treatment", "masking": "Double", "sex": "All",
        "criteria": "Inclusion Criteria:\n- Adults\n- Awake", "minimum_age": 0.5, "maximum_age": None,
        "healthy_volunteers": False, "sponsor_class": "Other Government", "countries": ["Benin", "France"],
        "first_submitted": date(2015, 1, 10), "last_updated": date(2018, 2, 1),
        "start_date": date(2015, 3, 1),
        "status": "Terminated", "why_stopped": "No money", "has_results": True, "enrolment_actual": 60,
        "enrolment_planned": None,
        "interventions": [
            {"type": "Drug", "name": "Lozenge", "description": "sweet", "other_names": ["LZ-1", "Candy"]},
            {"type": "Dietary Supplement", "name": "Tea", "description": None, "other_names": []},
        ],
        "arms": [
            {"label": "I", "type": "Experimental", "description": "both",
             "interventions": ["Lozenge", "Tea"]},
            {"label": "II", "type": "No Intervention", "description": None, "interventions": []},
        ],
        "primary_outcomes": [{"measure": "Pain", "time_frame": "2 weeks", "description": "by scale"}],
        "secondary_outcomes": [{"measure": "Voice", "time_frame": None, "description": None}],
        "primary_analyses": [{"p_value": "<0.001", "method": "ANCOVA", "hypothesis": "Superiority"}],
    }  # fmt: skip
    assert {name: trials[A][name] for name in expected} == expected
    other = trials[B]
    assert (other["phase"], other["study_type"], other["has_results"]) == ("N/A", "Observational", False)
    assert (other["enrolment_planned"], other["enrolment_actual"]) == (1200, None), "still recruiting"
    assert (other["start_date"], other["conditions"]) == (date(2015, 3, 2), [])


def test_tables_of_before_are_read_and_what_they_lack_is_null(tmp_path: Path) -> None:
    trials, refused, lacks = read(write(tmp_path / "aact", OLD))
    assert refused.is_empty()
    assert {"interventions", "conditions", "has_results", "sponsor_class"} <= set(lacks["aact"])
    assert not {"criteria", "phase", "allocation"} & set(lacks["aact"])
    first, second = trials[A], trials[B]
    assert first["criteria"] == "Inclusion Criteria:\n- Adults who are well\n- Awake"
    assert second["criteria"] == "Inclusion Criteria:\nWomen (\n5 years)\nAwake"
    assert second["summary"] == "It takes ~5 minutes and D-7~D-2"
    assert (first["masking"], first["intervention_model"], first["sex"]) == ("None", "Single Group", "All")
    assert (first["enrolment_actual"], first["enrolment_planned"]) == (60, None), "may have ended"
    assert (second["enrolment_actual"], second["enrolment_planned"]) == (None, 70)
    assert first["first_submitted"] == date(2015, 1, 10)
    assert (first["has_results"], first["interventions"]) == (None, [])


@pytest.mark.parametrize("tables", [NEW, OLD], ids=["new", "old"])
def test_a_zip_and_a_folder_give_the_same(tables: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "aact", tables)
    with zipfile.ZipFile(tmp_path / "aact.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir(), reverse=True):
            file.write(path, path.name)
    assert read(tmp_path / "aact.zip")[0] == read(folder)[0]
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "link").symlink_to(folder)
    assert read(outer)[0] == read(folder)[0]


def test_trials_are_the_same_in_however_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def table(head: str, row: str) -> str:
        return head + "".join(row.replace("NCT", f"NCT{number:08d}") for number in range(100))

    folder = write(tmp_path / "aact", {
        "studies": table("nct_id|phase|brief_title\n", "NCT|PHASE2|A trial\n"),
        "conditions": table("id|nct_id|name\n", "1|NCT|Cold\n"),
        "interventions": table("id|nct_id|intervention_type|name\n", "NCT|NCT|DRUG|Tea\n"),
    })  # fmt: skip
    whole = pl.concat([batch.trials for batch in RegistrySource(folder).batches()])
    monkeypatch.setattr("trialforge.ingest.aact.PART_TRIALS", 30)
    parts = [batch.trials for batch in RegistrySource(folder).batches()]
    assert [part.height for part in parts] == [30, 30, 30, 10]
    assert pl.concat(parts).equals(whole)


def test_rows_that_are_broken_are_refused_and_all_others_read(tmp_path: Path) -> None:
    rows = f"nct_id|phase|brief_title\n{A}|PHASE2|ok\nNCT00000009|PHASE2|too|many\n{B}|PHASE3|ok\n\n"
    others = f"id|nct_id|name\n1|{A}|Cold\n2|NCT00000077|Flu\n3||Gout\n"
    trials, refused, _ = read(write(tmp_path / "aact", {"studies": rows, "conditions": others}))
    assert list(trials) == [A, B]
    assert refused.select("file", "record", "reason").rows() == [
        ("aact/studies:3", "", "malformed_row"), ("aact/conditions", "NCT00000077", "no_study"),
    ]  # fmt: skip


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    rows = f'nct_id|phase|brief_title\n{A}|PHASE2|ok\n{B}|PHASE3|"not closed\n'
    trials, refused, _ = read(write(tmp_path / "aact", {"studies": rows}))
    assert list(trials) == [A]
    assert refused["reason"].to_list() == ["malformed_row"]


def test_ids_of_other_registries_and_none_are_refused(tmp_path: Path) -> None:
    rows = f"nct_id|phase\n{A}|PHASE2\nEUCTR2012-001234-12|PHASE2\nX1|PHASE2\n"
    trials, refused, _ = read(write(tmp_path / "aact", {"studies": rows}))
    assert list(trials) == [A]
    assert dict(refused.select("record", "reason").iter_rows()) == {
        "EUCTR2012-001234-12": "other_registry", "X1": "bad_id",
    }  # fmt: skip


def test_studies_of_no_row_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no trial in"):
        read(write(tmp_path / "aact", {"studies": "nct_id|phase\n"}))
