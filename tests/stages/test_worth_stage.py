"""The study from split to worth: what a block's trials are written from, and what comes out of it.

No language model writes here: the prompts are made as the stages make them, and what it would have answered
is taken from the block's own trials.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.canaries import plant_canaries
from tests.stages.small_run import write_params
from tests.stages.test_canaries import run_stage
from trialforge.app.worth import read_worth
from trialforge.core.errors import ArtifactError
from trialforge.core.files import write_parquet
from trialforge.core.params import load_section
from trialforge.generation.asking import Question
from trialforge.generation.drafts import DraftWriter
from trialforge.generation.exemplars import exemplar_rows, exemplar_sets
from trialforge.generation.params import GenerationParams, ReasoningParams
from trialforge.generation.reasons import ask_reasons
from trialforge.generation.record import Draft
from trialforge.generation.support import Background
from trialforge.trial.draft_fields import PARTS

pytestmark = pytest.mark.timeout(900)
SIZES = {
    "ingest.simulated_trials": 260,
    "split.strategy": "random",
    "split.test_size": 0.2,
    "embedding.max_windows": 1,
    "retrieval.evaluation.queries": 5,
    "retrieval.evaluation.bootstrap": 20,
    "blocks.enabled": True,
    "blocks.size": 15,
    "blocks.records": 30,
    "study.sizes": [4],
    "study.curve": [1, 2, 4, 6],
    "study.pools": 8,
    "study.draws": 50,
    "study.penalties": [0.003],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to the exemplars, with a word of its own in each train trial."""
    folder = tmp_path_factory.mktemp("worth")
    write_params(folder, SIZES)
    for name in ("ingest", "split"):
        run_stage(folder, name)
    train = pl.read_parquet(folder / "data/train.parquet")
    planted, _ = plant_canaries(train, train["nct_id"], seed=1)
    write_parquet(planted, folder / "data/train.parquet")
    for name in ("plan", "index", "retrieve"):
        run_stage(folder, name)
    return folder


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"data/{name}.parquet")


def test_no_word_of_another_block_comes_into_a_prompt(ran: Path) -> None:
    train, plan, blocks = (table(ran, name) for name in ("train", "plan", "blocks"))
    reasoning = load_section(ReasoningParams, "reasoning", ran / "params.yaml")
    generation = load_section(GenerationParams, "generation", ran / "params.yaml")
    sets = exemplar_sets(plan, table(ran, "exemplars"), count=reasoning.exemplars, share=True).to_dicts()
    trials = exemplar_rows(train, sets)
    prompts: dict[int, list[str]] = {}
    targets = {row["target_id"]: row for row in plan.iter_rows(named=True)}
    background = Background(train, 1, trials)
    writer = DraftWriter(trials, generation, 4096, [])
    for group in sets:
        shown = [trials[name] for name in group["exemplars"]]
        asked: list[Question[Any]] = [*ask_reasons(group, shown, background, reasoning, 1, 4096)]
        for name in group["targets"]:
            told = {"exemplars": group["exemplars"], "reasons": [], "other_reasons": []}
            target = targets[name] | told
            asked += [writer.ask(Draft(target), part) for part in PARTS]
        words = [message.content.lower() for question in asked for message in question.messages]
        prompts.setdefault(group["block"], []).extend(words)
    _, canaries = plant_canaries(train, train["nct_id"], seed=1)
    block_of = dict(blocks.iter_rows())
    seen = {
        (block, block_of.get(nct_id))
        for block, texts in prompts.items()
        for nct_id, canary in canaries.items()
        if any(canary in text for text in texts)
    }
    assert {block for block, _ in seen} == set(blocks["block"])  # each block's own words do come through
    assert all(block == own for block, own in seen)


def test_the_study_runs_on_what_was_written_from_the_blocks(ran: Path) -> None:
    train, plan = table(ran, "train"), table(ran, "plan")
    shown = table(ran, "exemplars").filter(rank=1).select("target_id", exemplar="nct_id")
    written = plan.join(shown, on="target_id").select("target_id", "arm", "generation", "exemplar")
    synthetic = train.join(written, left_on="nct_id", right_on="exemplar").with_columns(
        pl.concat_list("nct_id").alias("exemplars"),
        pl.concat_str(pl.lit("SYN-"), pl.col("target_id").str.tail(12)).alias("nct_id"),
    )
    write_parquet(synthetic, ran / "data/synthetic.parquet")
    run_stage(ran, "worth")
    found, arms = read_worth(ran / "metrics", ran / "plots")
    assert found["blocks"] == table(ran, "blocks")["block"].n_unique()
    assert (found["real"], found["added"]) == (60, 120)
    assert found["answer"][0].startswith("At 60 real trials, 100 synthetic ones are worth")
    names = set(arms["arm"])
    assert {"real", "synthetic", "soft-labels", "best-half", "density-weights", "self-training"} <= names
    assert arms.filter(arm="best-half")["added"].to_list() == pytest.approx([60], abs=2)
    bare = arms.filter(arm="skeletons", real=60).row(0, named=True)  # of copies: phase, conditions, design
    assert bare["added"] == found["added"]
    copies = arms.filter(arm="synthetic", real=60).row(0, named=True)
    assert bare["roc_auc"] != copies["roc_auc"]
    assert copies["worth_low"] <= 0 <= copies["worth_high"]
    before = (ran / "plots/worth/arms.csv").read_bytes(), (ran / "metrics/worth.json").read_bytes()
    run_stage(ran, "worth")
    assert before == ((ran / "plots/worth/arms.csv").read_bytes(), (ran / "metrics/worth.json").read_bytes())


def test_without_blocks_there_is_no_study_and_the_command_says_so(ran: Path, tmp_path: Path) -> None:
    write_params(tmp_path, SIZES | {"blocks.enabled": False, "plan.min_success": 1, "plan.min_failure": 1})
    for path in (ran / "data").glob("*.parquet"):
        write_parquet(pl.read_parquet(path), tmp_path / "data" / path.name)
    for name in ("plan", "worth"):
        run_stage(tmp_path, name)
    assert table(tmp_path, "blocks").is_empty()
    assert json.loads((tmp_path / "metrics/worth.json").read_text())["blocks"] == 0
    with pytest.raises(ArtifactError, match="did not measure") as caught:
        read_worth(tmp_path / "metrics", tmp_path / "plots")
    assert "trialforge profile scarcity" in str(caught.value.hint)
