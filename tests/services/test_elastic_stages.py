"""The stages index and retrieve on a real Elasticsearch that is wiped between them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
import yaml

from stages import index, retrieve
from tests.services.elastic import indices_of, named_by
from tests.unit.retrieval.small_pool import ROOT, small_train
from trialforge.core.files import read_json, write_parquet

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

pytestmark = pytest.mark.services
INDEX = "index train.parquet --index index --manifest index.json"
RETRIEVE = (
    "retrieve plan.parquet --train train.parquet --index index --manifest index.json "
    "--exemplars exemplars.parquet --metrics retrieval.json"
)


@pytest.fixture
def checkout(tmp_path: Path, alias: str, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["retrieval"]["backend"] = "elasticsearch"
    params["retrieval"]["elasticsearch"]["alias"] = alias
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    write_parquet(small_train(), tmp_path / "train.parquet")
    target = {"intervention": "metformin", "conditions": ["diabetes"], "phase": "Phase 2", "seed": 7}
    rows = [
        target | {"target_id": f"T{label}", "label": label, "arm": "retrieval-reasoning", "block": None}
        for label in (0, 1)
    ]
    write_parquet(pl.DataFrame(rows), tmp_path / "plan.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
    return tmp_path


def test_server_wiped_between_two_stages_is_loaded_again_and_said(
    checkout: Path,
    client: Elasticsearch,
    alias: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "argv", INDEX.split())
    index.main()
    (name,) = named_by(client, alias)
    client.indices.delete(index=name)
    caplog.clear()
    monkeypatch.setattr(sys, "argv", RETRIEVE.split())
    retrieve.main()
    assert f"index {name} of Elasticsearch is not there: loading the tracked data" in caplog.text
    assert named_by(client, alias) == indices_of(client, alias) == {name}

    exemplars = pl.read_parquet(checkout / "exemplars.parquet")
    assert set(exemplars["nct_id"]) <= set(small_train()["nct_id"])
    assert exemplars.filter(target_id="T0", rank=1)["nct_id"].item() == "NCT2"
    metrics = read_json(checkout / "retrieval.json")
    assert metrics["agreement.lexical.overlap_10"] == metrics["agreement.dense.overlap_10"] == 1.0
