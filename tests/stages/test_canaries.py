"""A canary in every validation and test trial comes out nowhere: not in index, prompts, records or models."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.canaries import find_canaries, plant_canaries
from tests.stages import in_process
from tests.stages.small_run import write_params
from trialforge.core.files import write_parquet
from trialforge.llm import calls
from trialforge.llm.backend import Request
from trialforge.llm.calls import hash_call

pytestmark = pytest.mark.timeout(900)  # a language model writes in it, on whatever else the machine does
ROOT = Path(__file__).resolve().parents[2]
POOL_WORD = "canaryinsideofthepool"
STAGES = (
    *("split", "plan", "index", "retrieve", "reason", "generate", "validate"),
    *("measure", "train-real"),
)
MODEL = "tfidf-logreg"
# The smallest that every stage can work with.
SIZES = {
    "ingest.simulated_trials": 160,
    "plan.min_success": 1,
    "plan.min_failure": 1,
    "plan.interventions": 1,
    "plan.records": 2,
    "plan.generations": 1,
    "plan.max_words": 50,
    "embedding.max_windows": 1,
    "retrieval.evaluation.queries": 5,
    "retrieval.evaluation.bootstrap": 100,
    "reasoning.count": 1,
    "reasoning.retries": 1,
    "generation.retries": 3,
    "generation.sampling.max_tokens": 400,
    "generation.fields": ["title", "summary", "inclusion", "exclusion"],
    "quality.bootstrap": 100,
    "quality.permutations": 19,
    "quality.max_trials_drawn": 20,
    "quality.gates": {},
    "learning.seeds": 1,
    "learning.models": [MODEL],
    "learning.statistics.secondary": [],
}


def run_stage(folder: Path, name: str) -> None:
    """Run the command of dvc.yaml, and write down every prompt: the call cache keeps its hash alone."""
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    _, _, module, *arguments = shlex.split(graph[name]["cmd"])

    def listen(model_digest: str, engine: str, request: Request) -> str:
        with (folder / "prompts.txt").open("a") as file:
            file.writelines(f"{message.content}\n" for message in request.messages)
        return hash_call(model_digest, engine, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "hash_call", listen)
        in_process.run_stage(folder, module.removeprefix("stages."), *arguments)


@dataclass(frozen=True)
class Run:
    """A whole small run, and the canary of each train trial and of each other one, dropped ones included."""

    folder: Path
    held_out: dict[str, str]
    train: dict[str, str]

    @property
    def files(self) -> dict[str, Path]:
        """Every file by its path, but the tables that hold the held-out trials themselves."""
        parts = ("trials", "held_back", "held_back_drafts", "validation", "test")
        source = {f"data/{name}.parquet" for name in parts}
        found = {
            str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()
        }
        return {name: path for name, path in found.items() if name not in source}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a canary of its own in each trial, and a word that all train trials have."""
    folder = tmp_path_factory.mktemp("canaries")
    write_params(folder, SIZES)
    run_stage(folder, "ingest")
    run_stage(folder, "split")
    split = pl.read_parquet(folder / "data/split.parquet")
    trials, canaries = plant_canaries(
        pl.read_parquet(folder / "data/trials.parquet"), split["nct_id"], seed=1
    )
    mine = pl.col("nct_id").is_in(split.filter(part="train")["nct_id"].to_list())
    planted = trials.with_columns(
        pl.when(mine).then(pl.concat_str(name, pl.lit(f" {POOL_WORD}"))).otherwise(name).alias(name)
        for name in ("title", "summary")
    )
    write_parquet(planted, folder / "data/trials.parquet")
    for name in STAGES:
        run_stage(folder, name)
    # Canaries make near-duplicates differ, so a few trials change their part: the part that was used counts.
    train = set(pl.read_parquet(folder / "data/split.parquet").filter(part="train")["nct_id"])
    return Run(
        folder,
        {name: word for name, word in canaries.items() if name not in train},
        {name: word for name, word in canaries.items() if name in train},
    )


def test_no_canary_of_a_held_out_trial_is_in_any_file(ran: Run) -> None:
    parts = [ran.folder / f"data/{name}.parquet" for name in ("validation", "test")]
    held_out = pl.concat(pl.read_parquet(path, columns=["nct_id"]) for path in parts)["nct_id"]
    assert len(held_out) > 50
    assert set(find_canaries(ran.held_out, parts)["nct_id"]) == set(held_out)
    assert find_canaries(ran.held_out, ran.files.values()).is_empty()


def test_what_is_planted_in_train_trials_is_found_where_they_are_used(ran: Run) -> None:
    """The other half of the proof: the search sees what there is to see."""

    def names_with(canaries: dict[str, str]) -> set[str]:
        found = set(find_canaries(canaries, ran.files.values())["path"])
        return {name for name, path in ran.files.items() if str(path) in found}

    shown = pl.read_parquet(ran.folder / "data/exemplars.parquet")["nct_id"].to_list()
    assert "prompts.txt" in names_with({name: ran.train[name] for name in shown})
    names = names_with({"": POOL_WORD})
    assert {"data/train.parquet", "prompts.txt"} <= names
    # A word's place in an index or in a model's vocabulary.
    assert any(name.startswith("data/index/") for name in names)
    assert any(name.startswith("models/") for name in names)


def test_every_stage_left_something_to_look_into(ran: Run) -> None:
    expected = ("plan", "exemplars", "reasons", "generated", "synthetic", f"predictions/real/{MODEL}")
    names = set(ran.files)
    assert {f"data/{name}.parquet" for name in expected} <= names
    assert {"metrics/quality.json", ".trialforge/calls.sqlite", ".trialforge/vectors.sqlite"} <= names


def test_the_run_measures_how_many_canaries_of_exemplars_came_out(ran: Run) -> None:
    measures = pl.read_csv(ran.folder / "plots/quality/measures.csv")
    exposed = measures.filter(metric="privacy.canaries").row(0, named=True)
    records = pl.read_parquet(ran.folder / "data/synthetic.parquet")
    reasons = pl.read_parquet(ran.folder / "data/reasons.parquet").select("reasons_id", told="reasons")
    records = records.join(reasons, on="reasons_id", how="left")
    prompts = {
        row["nct_id"]: str([row["shown"], row["told"]]).lower() for row in records.iter_rows(named=True)
    }
    texts = {row["nct_id"]: str(row).lower() for row in records.drop("shown", "told").iter_rows(named=True)}
    shown = records.select("nct_id", "exemplars").explode("exemplars").iter_rows()
    # What the form of a draft cuts away, no record could repeat.
    words = [(record, ran.train[trial]) for record, trial in shown if ran.train[trial] in prompts[record]]
    assert words
    out = [word in texts[record] for record, word in words]
    assert exposed["n"] == len(out)
    assert exposed["value"] == pytest.approx(sum(out) / len(out), abs=1e-4)
