"""`trialforge search` on an index of five trials, with the packaged encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.small_disk import read_only
from tests.unit.retrieval.small_pool import ROOT, make_params, small_train
from trialforge.app import cli
from trialforge.core.files import write_json
from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams
from trialforge.retrieval.store import build_index


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml and an index."""
    root = tmp_path_factory.mktemp("checkout")
    params = make_params()
    sections = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"retrieval": params.model_dump()}
    (root / "params.yaml").write_text(yaml.safe_dump(sections))
    encoder = load_encoder(EmbeddingParams(), root / ".trialforge/vectors.sqlite")
    manifest = build_index(small_train(), encoder, params, root / "data/index")
    write_json(manifest, root / "data/index.json")
    return root


@pytest.fixture(autouse=True)
def _inside(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)


def test_table_names_each_part_of_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search", "insulin for high blood sugar", "-k", "3"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    headings = ["rank", "trial", "BM25 (rank)", "cosine (rank)", "fused", "label", "phase", "title"]
    assert [cell for cell in head.split("  ") if cell]
    assert all(name in head for name in headings)
    assert len(rows) == 3
    assert rows[0].split()[:2] == ["1", "NCT2"]
    assert "failure" in rows[0]
    assert rows[0].endswith("Metformin and insulin in diabetes")


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid", "random"])
def test_json_of_each_mode(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search", "metformin in diabetes", "--mode", mode, "-k", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [hit["rank"] for hit in found] == [1, 2]
    parts = {name for name in ("lexical_score", "dense_score") if found[0][name] is not None}
    expected = {"lexical": {"lexical_score"}, "dense": {"dense_score"}, "random": set()}
    assert parts == expected.get(mode, {"lexical_score", "dense_score"})
    if mode != "random":
        assert found[0]["title"] == "Metformin in diabetes"


def test_filters_let_only_their_trials_through(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["search", "adults", "--intervention", "Metformin", "--label", "failure", "--json"]
    assert cli.run(arguments) == 0
    assert [hit["nct_id"] for hit in json.loads(capsys.readouterr().out)] == ["NCT2"]


def test_query_that_fits_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search", "zebra", "--mode", "lexical"]) == 0
    assert capsys.readouterr().out == "no matching trials\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["pain", "--label", "good"], "unknown label 'good'", "choose from success, failure, 1, 0"),
        (["pain", "--mode", "fuzzy"], "unknown mode 'fuzzy'", "choose from lexical, dense, hybrid, random"),
        (["pain", "--intervention", "asprin"], "no training trial has the", "similar names: aspirin"),
        ([" \x00 "], "the query has no words", "enter some words, such as a condition"),
        (["pain", "--index", "data/absent"], "no file data/absent.json", "run: dvc repro data/absent.json"),
    ],
)
def test_each_error_is_one_line_with_the_next_step(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["search", *arguments]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {message}")
    assert second == f"  next: {hint}"


def test_count_below_one_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search", "pain", "-k", "0"]) == 2
    assert "--help" in capsys.readouterr().err


def test_index_that_another_encoder_made_is_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("window: 128", "window: 64"))
    try:
        assert cli.run(["search", "pain"]) == 1
    finally:
        path.write_text(before)
    assert "was made with another encoder" in capsys.readouterr().err


def test_read_only_checkout_is_searched(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with read_only(checkout):
        assert cli.run(["search", "a question that no cache has seen", "--json"]) == 0
        printed = capsys.readouterr()
        assert len(json.loads(printed.out)) == 5
        with pytest.raises(OSError, match="Read-only"):
            (checkout / "probe").touch()
