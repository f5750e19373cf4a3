"""The wheel alone, without any extra, in an environment that holds only what it requires."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.stages.small_run import write_params
from tests.unit.ingest.made_records import study_record
from tests.unit.learning.conftest import build_trials
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_experiments

ROOT = Path(__file__).resolve().parents[2]


def add_required(found: Distribution, extras: Sequence[str], known: dict[str, Distribution]) -> None:
    """Add to `known` what a distribution with some of its extras requires on this machine, by name."""
    for line in found.requires or []:
        needed = Requirement(line)
        if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        if needed.name not in known:
            known[needed.name] = distribution(needed.name)
            add_required(known[needed.name], sorted(needed.extras), known)


def link_files(found: Distribution, site: Path) -> None:
    """Put a distribution's top-level folders and modules into an environment, as links."""
    for part in {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")}:
        source = Path(str(found.locate_file(part)))
        if source.exists() and not (site / part).exists():
            (site / part).symlink_to(source)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it requires; no package of an extra is there."""
    folder = tmp_path_factory.mktemp("bare")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True)
    venv.create(folder / "env", symlinks=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    shutil.unpack_archive(next(folder.glob("*.whl")), site, "zip")
    known: dict[str, Distribution] = {}
    add_required(Distribution.at(next(site.glob("trialforge-*.dist-info"))), [], known)
    for found in known.values():
        link_files(found, site)
    return folder / "env" / "bin" / "python"


def ask(python: Path, folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "trialforge", *arguments]
    return subprocess.run(
        command, cwd=folder, env={"HOME": str(folder)}, capture_output=True, text=True, check=False
    )


def answered(python: Path, folder: Path, *arguments: str) -> str:
    done = ask(python, folder, arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_package_of_an_extra_is_in_the_bare_environment(bare: Path, tmp_path: Path) -> None:
    modules = [
        "torch",
        "transformers",
        "elasticsearch",
        "ollama",
        "openai",
        "xllamacpp",
        "altair",
        "evaluate",
        "distributed",
    ]
    code = f"import importlib.util as u; print([m for m in {modules} if u.find_spec(m)])"
    done = subprocess.run(
        [bare, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_runs(bare: Path, tmp_path: Path) -> None:
    assert "trialforge fetch" in answered(bare, tmp_path, "--help")


def test_two_sets_are_compared(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for start, name in enumerate(("train", "validation", "test", "held_back", "held_back_drafts")):
        build_trials(40, start=100 * start).write_parquet(tmp_path / "data" / f"{name}.parquet")
    for start, name in ((700, "one"), (800, "other")):
        build_trials(20, prefix="SYN-", start=start).write_parquet(tmp_path / f"{name}.parquet")
    write_params(tmp_path, {"quality.bootstrap": 100, "quality.permutations": 19, "quality.folds": 2})
    found = json.loads(answered(bare, tmp_path, "compare", "one.parquet", "other.parquet", "--json"))
    assert any(row["a_value"] is not None for row in found)


def test_a_linear_model_predicts_new_trials(bare: Path, tmp_path: Path) -> None:
    parts = {name: build_trials(60, start=100 * start) for start, name in enumerate(("train", "validation"))}
    parts["test"] = build_trials(40, start=900)
    settings: dict[str, Any] = {
        "seeds": 1,
        "fields": ["phase", "criteria"],
        "real_experiments": ["real"],
        "models": ["tfidf-logreg"],
        "experiments": {"real": [{"name": "real"}]},
        "statistics": {"primary": {"arm": "real"}},
    }
    params = LearningParams.model_validate(settings)
    training = Training(params, ["real"], "tfidf-logreg", 1, tmp_path / "models", tmp_path / "store")
    train_experiments(training, make_tables(parts, params.fields))
    (tmp_path / "new.json").write_text(
        json.dumps([study_record(f"NCT0900000{number}") for number in range(3)])
    )
    asked = ("predict", "new.json", "--model", str(tmp_path / "models" / "real"), "--json")
    found = json.loads(answered(bare, tmp_path, *asked))
    with_all = [sys.executable, "-m", "trialforge", *asked]
    expected = subprocess.run(with_all, cwd=tmp_path, capture_output=True, check=True).stdout
    assert str(found).count("NCT09") == 3
    assert found == json.loads(expected)


def test_a_missing_extra_is_an_error_that_names_it(bare: Path, tmp_path: Path) -> None:
    params = (
        (ROOT / "params.yaml").read_text().replace("backend: embedded # embedded (", "backend: ollama # (")
    )
    (tmp_path / "params.yaml").write_text(params)
    done = ask(bare, tmp_path, ["pull"])
    assert done.returncode == 1
    assert "pip install 'trialforge[ollama]'" in done.stderr


def test_a_cluster_without_its_extra_is_an_error_that_names_it(bare: Path, tmp_path: Path) -> None:
    code = "from trialforge.core.pieces import map_in_order as m; list(m(str, range(3)))"
    address = {"DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:8786"}
    done = subprocess.run(
        [bare, "-c", code], cwd=tmp_path, env=address, capture_output=True, text=True, check=False
    )
    assert "pip install 'trialforge[dask]'" in done.stderr
