"""What a user brings lies in data/raw: DVC sees each change of it, and brings it wherever a stage runs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
from dvc.repo import Repo

from tests.stages.small_run import ROOT, git, make_clone, may, run
from tests.unit.ingest.made_records import study_text
from tests.unit.ingest.registry_server import Registry, serve

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
A, B = "NCT00000001", "NCT00000002"
PARAMS = {"ingest.source": "registry", "ingest.labels": ["csv"]}
RAW = Path("data/raw")


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, ["dvc", *arguments])


def ran(said: str) -> bool:
    return "Running stage 'ingest'" in said


def labels(folder: Path) -> list[tuple[str, int | None]]:
    return pl.read_parquet(folder / "data/trials.parquet").select("nct_id", "label").rows()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two trials and their labels, added to DVC and pushed to a folder; nothing has run."""
    folder = make_clone(tmp_path_factory.mktemp("raw") / "project", PARAMS)
    (folder / RAW / "trials").mkdir()
    (folder / RAW / "trials/ctg-studies (1).jsonl").write_bytes(study_text(A) + b"\n" + study_text(B))
    (folder / RAW / "labels.csv").write_text(f"nct_id,label\n{A},1\n{B},0\n")
    dvc(folder, "remote", "add", "--default", "shelf", str(folder.parent / "shelf"))
    dvc(folder, "add", "data/raw/trials/ctg-studies (1).jsonl", "data/raw/labels.csv")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "My trials")
    dvc(folder, "push")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(made, tmp_path / "project", symlinks=True)


def test_git_has_the_notes_and_none_of_the_data(made: Path) -> None:
    assert [name for name in git(made, "ls-files", "-z", "data").split("\0") if name] == [
        "data/raw/.gitkeep",
        "data/raw/labels.csv.dvc",
        "data/raw/trials/ctg-studies (1).jsonl.dvc",
    ]
    assert git(made, "status", "--short") == ""


@pytest.fixture
def ingested(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with every kind of file, one of them a link, in which a quick command ran as `ingest`."""
    (project / RAW / "top").mkdir()
    (project / RAW / "top/x_train.csv").write_text("nctid\n")
    (project / RAW / "names.csv").write_text("Common name,Synonyms\n")
    (project.parent / "large.xml").write_bytes(b"<clinical_study/>")
    (project / RAW / "trials/large.xml").symlink_to(project.parent / "large.xml")
    graph = (project / "dvc.yaml").read_text()
    start, end = graph.index("    cmd: >-"), graph.index("    deps:")
    quick = "mkdir -p metrics && touch data/trials.parquet data/refused.parquet metrics/ingest.json"
    (project / "dvc.yaml").write_text(f"{graph[:start]}    cmd: {quick}\n{graph[end:]}")
    monkeypatch.chdir(project)
    dvc(project, "repro", "ingest")
    return project


def test_a_changed_byte_reruns_ingest_whatever_file_it_is_in(ingested: Path) -> None:
    def changed() -> bool:
        with Repo(ingested) as repo:
            return "ingest" in repo.status(targets=["ingest"])

    assert not changed()
    files = [path for path in (ingested / RAW).rglob("*") if path.is_file() and path.suffix != ".dvc"]
    assert {"labels.csv", "names.csv", "x_train.csv", "large.xml"} < {path.name for path in files}
    for file in files:
        before = file.read_bytes()
        file.write_bytes(before[:-1] + b"#" if before else b"#")
        assert changed(), file
        file.write_bytes(before)
        assert not changed(), file


def test_an_edited_label_is_read(project: Path) -> None:
    assert ran(dvc(project, "repro", "ingest"))
    assert labels(project) == [(A, 1), (B, 0)]
    assert not ran(dvc(project, "repro", "ingest"))
    table = project / RAW / "labels.csv"
    table.write_text(table.read_text().replace(f"{B},0", f"{B},1"))
    assert ran(dvc(project, "repro", "ingest"))
    assert labels(project) == [(A, 1), (B, 1)]


@pytest.mark.parametrize(
    "queued", [pytest.param(False, id="temp"), pytest.param(True, id="queue", marks=pytest.mark.full)]
)
def test_an_experiment_that_runs_in_a_copy_has_the_files(queued: bool, project: Path) -> None:
    setting = ["--name", "apart", "-S", "ingest.significance=0.04"]
    dvc(project, "exp", "run", "--queue" if queued else "--temp", *setting, "ingest")
    if queued:
        dvc(project, "exp", "run", "--run-all")
    assert not (project / "data/trials.parquet").exists()
    (experiment,) = git(project, "for-each-ref", "--format=%(refname)", "refs/exps/*/*/apart").split()
    metrics = json.loads(git(project, "show", f"{experiment}:metrics/ingest.json"))
    assert metrics["label"] == {"failure": 1, "success": 1}


def test_a_clone_pulls_the_files(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(made), str(tmp_path / "clone"))
    dvc(tmp_path / "clone", "pull", "--allow-missing")
    assert ran(dvc(tmp_path / "clone", "repro", "ingest"))
    assert labels(tmp_path / "clone") == [(A, 1), (B, 0)]


def test_a_worktree_pulls_the_files(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "-q", str(tmp_path / "beside"))
    dvc(tmp_path / "beside", "pull", "--allow-missing")
    assert ran(dvc(tmp_path / "beside", "repro", "ingest"))
    assert labels(tmp_path / "beside") == [(A, 1), (B, 0)]


@pytest.mark.skipif(not may("-U", "--map-user=1234"), reason="needs a user who may not write everywhere")
def test_files_are_read_from_a_cache_that_is_read_only(project: Path) -> None:
    dvc(project, "config", "cache.type", "symlink")
    dvc(project, "checkout", "--relink", "--allow-missing")
    assert (project / RAW / "labels.csv").is_symlink()
    cache = project / ".dvc/cache"
    run(project, ["chmod", "-R", "a-w", str(cache)])
    try:
        command = ["unshare", "-U", "--map-user=1234", "dvc", "repro", "--no-commit", "ingest"]
        run(project, command, USER="other")
    finally:
        run(project, ["chmod", "-R", "u+w", str(cache)])
    assert labels(project) == [(A, 1), (B, 0)]


def test_what_is_fetched_is_added_to_dvc_and_ready_to_commit(tmp_path: Path) -> None:
    project = make_clone(tmp_path / "project", {"ingest.source": "registry"})
    studies = [json.loads(study_text(nct_id)) for nct_id in (A, B)]
    (project / "ids.txt").write_text(f"{A}\n")
    fetch = [sys.executable, "-m", "trialforge.app.cli", "fetch", "--as-registered", "--ids", "ids.txt"]
    with serve(Registry(studies, histories={A: [studies[0]]})) as registry:
        said = run(project, fetch, REGISTRY_URL=registry.url)
    assert "1 trials in data/raw/trials/trials.jsonl.gz" in said
    git(project, "add", "-A", "data/raw/trials")
    assert git(project, "diff", "--cached", "--name-only").split() == [
        "data/raw/trials/trials.jsonl.gz.dvc",
        "data/raw/trials/trials.jsonl.gz.manifest.json",
    ]
    assert ran(dvc(project, "repro", "ingest"))
    assert [nct_id for nct_id, _ in labels(project)] == [A]
    refused = pl.read_parquet(project / "data/refused.parquet")
    assert refused.is_empty(), "the notes beside the file are no records"


def test_a_name_as_a_browser_gives_it_is_set_by_an_experiment(project: Path) -> None:
    shutil.copy(ROOT / "params.yaml", project / "params.yaml")
    git(project, "commit", "-qam", "As shipped")
    name = "ctg studies (1), ~naïve a=b [2].jsonl"
    (project / RAW / name).write_bytes(study_text(A))
    path = f'ingest.path="data/raw/{name}"'
    dvc(project, "exp", "run", "-S", "ingest.source=registry", "-S", path, "ingest")
    assert labels(project) == [(A, None)]
    moved = [line.split() for line in git(project, "diff", "--numstat", "params.yaml").splitlines()]
    assert moved == [["2", "2", "params.yaml"]]
