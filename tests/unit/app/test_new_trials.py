"""Trials that a person names are read as `ingest` reads them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.unit.ingest.made_records import study_record
from trialforge.app import cli
from trialforge.app.new_trials import read_new_trials
from trialforge.app.registry_api import RegistryApi
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.table import TableWriter


def write_version(path: Path, name: str, day: str, title: str, summary: str | None) -> None:
    study = study_record(name)
    protocol = study["protocolSection"]
    protocol["statusModule"]["lastUpdateSubmitDate"] = day
    protocol["identificationModule"]["briefTitle"] = title
    protocol["descriptionModule"]["briefSummary"] = summary or ""
    path.write_text(json.dumps(study))


@pytest.mark.parametrize("order", [("old.json", "new.json"), ("new.json", "old.json")])
def test_of_two_records_the_newest_counts_as_in_ingest(order: tuple[str, str], tmp_path: Path) -> None:
    write_version(tmp_path / "old.json", "NCT09000002", "2015-01-01", "Old title", "Old summary.")
    write_version(tmp_path / "new.json", "NCT09000002", "2019-01-01", "New title", None)
    write_version(tmp_path / "other.json", "NCT09000001", "2017-01-01", "Other title", "Other summary.")
    names = [str(tmp_path / name) for name in (*order, "other.json")]
    trials, refused = read_new_trials(names, "http://127.0.0.1:9")
    assert trials.select("nct_id", "title", "summary").rows() == [
        ("NCT09000002", "New title", "Old summary."),
        ("NCT09000001", "Other title", "Other summary."),
    ]
    (told,) = refused.to_dicts()
    assert (told["record"], told["reason"]) == ("NCT09000002", "duplicate_id")
    assert "old.json" in told["file"]
    assert "2019-01-01" in told["detail"]
    with TableWriter(tmp_path / "table" / "t.parquet") as writer:
        for batch in RegistrySource(tmp_path).batches():
            writer.add(batch.trials)
        writer.merge()
        ingested = {row["nct_id"]: row["title"] for part in writer.parts() for row in part.to_dicts()}
    assert dict(trials.select("nct_id", "title").rows()) == ingested


def test_a_registry_that_does_not_answer_is_told_of_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    impatient = partial(RegistryApi, attempts=2, sleep=lambda _: None)
    monkeypatch.setattr("trialforge.app.new_trials.RegistryApi", impatient)
    monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:9")
    assert cli.run(["predict", "NCT00000001"]) == 1
    said = capsys.readouterr().err
    assert "trials: http://127.0.0.1:9: ConnectError" in said
    assert "attempt 2 of 2 in 1 s" in said
