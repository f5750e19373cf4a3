"""Profiles change parameters, and each undoes every other."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import modify_yaml

from trialforge.app import cli
from trialforge.app.profile import apply_profile, list_keys, list_left, read_profile
from trialforge.core.errors import ParameterError
from trialforge.core.params import load_section
from trialforge.ingest.params import IngestParams
from trialforge.learning.params import LearningParams
from trialforge.llm.params import LlmParams
from trialforge.retrieval.params import RetrievalParams

ROOT = Path(__file__).parents[3]
PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def read(name: str) -> dict[str, dict[str, object]]:
    return read_profile(name, ROOT / "profiles")


def test_quick_is_what_is_committed(params: Path) -> None:
    assert apply_profile(read("quick"), params) == {}
    assert params.read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_the_default_profile_is_all_of_params() -> None:
    whole = yaml.safe_load((ROOT / "profiles/quick.yaml").read_text())
    assert whole == yaml.safe_load((ROOT / "params.yaml").read_text())


def test_nothing_of_a_run_of_ones_own_is_left_without_a_word(
    params: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = yaml.safe_load(params.read_text())
    own = ["llm.model=own.gguf", "llm.sha256=ab", "llm.workers=2", "learning.word_dropout=0.5"]
    apply_overrides(str(params), [*own, "seed=7", "ingest.labels_path=data/raw/mine.csv"])
    shutil.copytree(ROOT / "profiles", params.parent / "profiles")
    monkeypatch.chdir(params.parent)
    assert cli.run(["profile", "quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["set"]) == {name.partition("=")[0] for name in own}
    assert found["left"] == {"seed": 7, "ingest.labels_path": "data/raw/mine.csv"}
    after = yaml.safe_load(params.read_text())
    after["seed"], after["ingest"]["labels_path"] = before["seed"], before["ingest"]["labels_path"]
    assert after == before
    assert cli.run(["profile", "quick"]) == 0
    assert "left" in capsys.readouterr().out


def test_a_parameter_that_only_one_side_has_is_left_and_told(params: Path) -> None:
    text = params.read_text()
    params.write_text(text.replace("  sniff: false", "  sniffs: false"))
    left = list_left(params, read("quick"), ROOT / "profiles")
    assert left == {"retrieval.elasticsearch.sniff": None, "retrieval.elasticsearch.sniffs": False}


@pytest.mark.parametrize("name", PROFILES)
def test_all_profiles_set_the_same_keys(name: str) -> None:
    assert set(list_keys(read(name))) == set(list_keys(read("quick")))


@pytest.mark.parametrize("name", ["real", "paper"])
def test_a_profile_is_valid_keeps_comments_and_is_undone(name: str, params: Path) -> None:
    before = yaml.safe_load(params.read_text())
    assert apply_profile(read(name), params)
    load_section(IngestParams, "ingest", params)
    load_section(LlmParams, "llm", params)
    load_section(RetrievalParams, "retrieval", params)
    learning = load_section(LearningParams, "learning", params)
    assert learning.classifiers.transformer.model == "dmis-lab/biobert-v1.1"
    text = params.read_text()
    assert text.count("#") == (ROOT / "params.yaml").read_text().count("#")
    apply_profile(read("quick"), params)
    assert yaml.safe_load(params.read_text()) == before
    assert re.sub(r"(?<=\S) +#", " #", params.read_text()) == (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("plan.records=5", "records", "5"),
        ("ingest.labels=[csv]", None, "- csv"),
        ("llm.sha256=ab", "sha256", "ab"),
        ("learning.classifiers.transformer.learning_rate=0.00001", "learning_rate", "0.00001"),
        ('split.test_from="2015-01-01"', "test_from", "'2015-01-01'"),
    ],
)
def test_dvc_changes_one_value_and_nothing_else(
    override: str, key: str | None, value: str, params: Path
) -> None:
    before = params.read_text().splitlines()
    with modify_yaml(str(params)):
        pass
    assert params.read_text().splitlines() == before
    apply_overrides(str(params), [override])
    after = params.read_text().splitlines()
    (changed,) = (place for place, line in enumerate(after) if line != before[place])
    assert after[changed].strip().startswith(f"{key}: {value}" if key else value)
    assert len(after) == len(before)


def test_a_profile_replaces_a_name_alone_by_its_list(params: Path) -> None:
    text = params.read_text()
    start, end = text.index("  labels: #"), text.index("  label_rule:")
    params.write_text(f"{text[:start]}  labels: status\n{text[end:]}")
    apply_profile(read("real"), params)
    assert load_section(IngestParams, "ingest", params).labels == ("results", "status")


def test_unknown_profile_and_unknown_key_are_errors(params: Path) -> None:
    with pytest.raises(ParameterError, match="it has paper, quick, real"):
        read("huge")
    with pytest.raises(ParameterError, match=r"no `ingest\.colour`"):
        apply_profile({"ingest": {"colour": "red"}}, params)
