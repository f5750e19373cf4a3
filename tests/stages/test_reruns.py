"""Only what changed reruns, and all of it: one input is changed at a time in a copy of the real graph.

The copy keeps every stage's deps, params and outs, but its commands only write each out, so that a whole run
takes seconds. What reruns is what DVC says has changed, and all that stands on it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from trialforge.app.plan import forecast

# DVC's own tries warn of their next version.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ROOT = Path(__file__).resolve().parents[2]
STUB = """
import pathlib, sys
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    path = path if path.suffix else path / "out.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
"""


def paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def stub_stage(stage: dict[str, Any]) -> dict[str, Any]:
    outs = [path for kind in ("outs", "metrics", "plots") for path in paths(stage.get(kind, []))]
    return {**stage, "cmd": f"python stub.py {' '.join(outs)}"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the graph, run once."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("src", "stages"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "requirements.lock", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    graph["stages"] = {name: stub_stage(stage) for name, stage in graph["stages"].items()}
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / "labels.csv").write_text("nct_id,label\n")
    (root / "stub.py").write_text(STUB)
    before = Path.cwd()
    os.chdir(root)
    try:
        Repo.init(no_scm=True)
        with Repo(root) as repo:
            repo.reproduce()
        yield root
    finally:
        os.chdir(before)


def rerun(copy: Path) -> set[str]:
    """The stages that `dvc repro` would run now: those whose inputs changed, and all that stands on them."""
    import networkx as nx

    with Repo(copy) as repo:
        changed = set(repo.status())
        graph = repo.index.graph.reverse()
        nodes = [node for node in graph if node.addressing in changed]
        found = set(nodes).union(*(nx.descendants(graph, node) for node in nodes))
        return {node.addressing for node in found}


def add_line(path: str) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        file = copy / path
        file.write_text(file.read_text() + "\n# changed\n")

    return change


def change_arm(copy: Path) -> None:
    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["learning"]["experiments"]["controls"][-1]["extra_count"] = 5
    (copy / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def set_param(section: str, key: str, value: Any) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        params = yaml.safe_load((copy / "params.yaml").read_text())
        assert key in params[section], f"no {section}.{key}"
        params[section][key] = value
        (copy / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    return change


def set_seed(copy: Path) -> None:
    params = yaml.safe_load((copy / "params.yaml").read_text())
    (copy / "params.yaml").write_text(yaml.safe_dump(params | {"seed": 7}, sort_keys=False))


LATE = {"reason", "generate", "validate", "measure"}
SCORED = {"score", "report"}
EARLY = {"ingest", "split", "plan", "index", "retrieve"}
ALL = EARLY | {"train-real", "train", "zero-shot", "worth", *SCORED} | LATE
LEARN = {"train"} | SCORED
JUDGE = {"validate", "measure", "worth"} | LEARN
WRITE = {"reason", "generate"} | JUDGE
GENERATION = {"zero-shot"} | WRITE  # a stage depends on whole packages
CASES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a table of labels": (add_line("data/raw/labels.csv"), ALL),
    "a source of trials": (set_param("ingest", "simulated_trials", 701), ALL),
    "the split": (set_param("split", "test_size", 0.31), ALL - {"ingest"}),
    "the seed": (set_seed, ALL),
    "the plan": (set_param("plan", "records", 4), {"plan", "retrieve"} | WRITE),
    "the blocks": (set_param("blocks", "size", 20), {"plan", "retrieve"} | WRITE),
    "what the study trains": (set_param("study", "pools", 12), {"worth", "report"}),
    "the embedder": (set_param("embedding", "max_windows", 1), {"index", "retrieve"} | WRITE),
    "how many exemplars": (set_param("retrieval", "top_k", 4), {"retrieve"} | WRITE),
    "the language model": (set_param("llm", "model", "other.gguf"), {"zero-shot"} | WRITE),
    "how many calls are in flight": (set_param("llm", "slots", 4), {"report"}),
    "a knob of reasoning": (set_param("reasoning", "retries", 5), WRITE),
    "a question to the model about test trials": (
        set_param("zero_shot", "half_width", 0.2),
        {"zero-shot"} | SCORED,
    ),
    "the search": (
        add_line("src/trialforge/retrieval/exemplars.py"),
        {"index", "retrieve"} | WRITE,
    ),
    "a word of the generation prompt": (
        add_line("src/trialforge/generation/templates/generate.jinja"),
        GENERATION,
    ),
    "how an exemplar stands in a prompt": (
        add_line("src/trialforge/generation/templates/exemplar.jinja"),
        GENERATION,
    ),
    "a stage's script": (add_line("stages/validate.py"), JUDGE),
    "the script of two stages": (add_line("stages/train.py"), {"train-real"} | LEARN),
    # The page lists versions. No stage is made again for another library: `dvc repro --force` does that.
    "a locked version": (add_line("requirements.lock"), {"report"}),
    "a word of the reasoning prompt": (
        add_line("src/trialforge/generation/templates/reason.jinja"),
        GENERATION,
    ),
    "a knob of generation": (set_param("generation", "retries", 5), {"generate"} | JUDGE),
    "a bound of the quality": (set_param("quality", "nearest", 6), {"measure"} | SCORED),
    "a bound of the checks": (set_param("checks", "max_enrolment", 999_999), {"generate"} | JUDGE),
    "what counts as a near-duplicate": (set_param("validation", "duplicates", {"max_jaccard": 0.9}), JUDGE),
    "a classifier's knob": (set_param("learning", "word_dropout", 0.3), {"train-real", "worth"} | LEARN),
    "what the model is asked about test trials": (
        add_line("src/trialforge/generation/templates/zero-shot.jinja"),
        GENERATION,
    ),
    "how scores are computed": (add_line("src/trialforge/scoring/bootstrap.py"), {"worth"} | SCORED),
    "the report's style": (add_line("src/trialforge/reporting/templates/report.css"), {"report"}),
    "the report's size": (set_param("report", "max_records", 5), {"report"}),
    "an export": (add_line("src/trialforge/exports/export.py"), set()),
}


def test_every_section_of_the_parameters_has_a_case() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    source = Path(__file__).read_text()
    sections = [name for name, values in params.items() if isinstance(values, dict)]
    assert [name for name in sections if f'set_param("{name}",' not in source] == []


def test_nothing_reruns_when_nothing_changed(copy: Path) -> None:
    assert rerun(copy) == set()


# A folder is one dependency, whichever of its files changed.
SAME_FOLDER = {
    "how an exemplar stands in a prompt", "a word of the reasoning prompt",
    "what the model is asked about test trials",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] if name in SAME_FOLDER else []) for name in CASES]
)
def test_one_changed_input_reruns_what_stands_on_it_and_nothing_else(name: str, copy: Path) -> None:
    change, expected = CASES[name]
    kept = {
        path: path.read_bytes()
        for path in copy.rglob("*")
        if path.suffix in {".py", ".yaml", ".css", ".jinja", ".lock", ".csv"} and path.name != "dvc.lock"
    }
    try:
        change(copy)
        # The page shows every parameter, so a change of any of them reruns it.
        with_page = expected | ({"report"} if expected else set())
        assert rerun(copy) == with_page
    finally:
        for path, data in kept.items():
            if path.read_bytes() != data:
                path.write_bytes(data)


def test_the_forecast_names_what_would_run_and_its_calls(copy: Path) -> None:
    kept = (copy / "params.yaml").read_bytes()
    try:
        set_param("plan", "records", 4)(copy)
        params = yaml.safe_load((copy / "params.yaml").read_text())
        found = forecast(copy, params)
        params["generation"]["best_of"] = 3
        thrice = {one.stage: one.calls for one in forecast(copy, params)}
        params["plan"]["arms"].append("plan-alone")
        bare = {one.stage: one.calls for one in forecast(copy, params)}
    finally:
        (copy / "params.yaml").write_bytes(kept)
    assert {one.stage for one in found} == {"plan", "retrieve"} | WRITE | {"report"}
    told = {one.stage: (one.why, one.calls) for one in found}
    assert told["plan"] == ("changed", None)
    assert told["generate"][1] == 3 * 4 * 2 * 4  # interventions, records, generations, parts
    assert thrice["generate"] == 3 * told["generate"][1]
    assert told["reason"] == ("follows retrieve", 3 * 4 * 2)  # one reason for each target
    assert bare == thrice  # no model writes a plan alone
    places = [one.stage for one in found]
    assert places.index("plan") < places.index("reason") < places.index("generate")
    assert forecast(copy, yaml.safe_load(kept)) == []


def test_a_changed_arm_reruns_no_stage_before_training(copy: Path) -> None:
    kept = (copy / "params.yaml").read_bytes()
    try:
        change_arm(copy)
        with Repo(copy) as repo:
            changed = {name.split(":")[-1] for name in repo.status()}
    finally:
        (copy / "params.yaml").write_bytes(kept)
    assert changed == {"report", "score", "train-real", "train"}
