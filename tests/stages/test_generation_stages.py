"""plan to generate as DVC runs them, with the packaged model, in every arm and variant of the prompts."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from trialforge.core.files import read_json
from trialforge.generation import prompts as rendering
from trialforge.simulation.corpus import simulate
from trialforge.trial.record import REGISTRATION_SCHEMA

pytestmark = pytest.mark.timeout(900)  # a language model writes in it, on whatever else the machine does
ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ["retrieval-reasoning", "no-reasoning", "no-retrieval", "model-alone", "random-exemplars"]
ARMS = [*WRITTEN, "plan-alone"]
COMMANDS = {
    "plan": "train.parquet --plan plan.parquet --blocks blocks.parquet --metrics plan.json",
    "index": "train.parquet --index index --manifest index.json",
    "retrieve": "plan.parquet --train train.parquet --index index --manifest index.json"
    " --exemplars exemplars.parquet --metrics retrieval.json",
    "reason": "plan.parquet exemplars.parquet train.parquet --reasons reasons.parquet"
    " --metrics reasoning.json",
    "generate": "plan.parquet reasons.parquet train.parquet --generated generated.parquet"
    " --metrics generation.json",
}


class Project:
    """A folder of small tables and parameters, in which stages run as DVC runs them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        self.params = yaml.safe_load((ROOT / "params.yaml").read_text())
        self.set(
            "plan",
            min_success=1,
            min_failure=1,
            interventions=1,
            records=2,
            generations=1,
            arms=ARMS,
            label_shares="equal",
            max_words=50,
        )
        self.set("retrieval", top_k=2)
        self.params["retrieval"]["evaluation"] |= {"queries": 2, "trials": 10, "bootstrap": 5}
        self.set("reasoning", exemplars=2, count=1, retries=1)
        self.set("generation", retries=1, fields=["title", "summary", "inclusion", "exclusion"])
        self.params["generation"]["sampling"] |= {"max_tokens": 400}
        self.set("llm", context_tokens=1536, slots=8)

    def set(self, section: str, **values: Any) -> None:
        self.params[section] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params))

    def run(self, *stages: str) -> None:
        for name in stages:
            self._patch.setattr("sys.argv", [name, *COMMANDS[name].split()])
            importlib.import_module(f"stages.{name}").main()

    def generate_one(self) -> None:
        """Run `generate` for the target of one arm."""
        plan = self.table("plan")
        plan.filter(arm="retrieval-reasoning").write_parquet("plan.parquet")
        try:
            self.run("generate")
            check_rows(self)
        finally:
            plan.write_parquet("plan.parquet")

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{name}.parquet")

    def timings(self, stage: str) -> Any:
        return read_json(self.folder / f".trialforge/timings/{stage}.json")


def make_train() -> pl.DataFrame:
    """Eight simulated trials of one drug, half of them successes: texts that differ as registered ones do."""
    drug = pl.col("interventions").list.first().struct.field("name").str.to_lowercase()
    first = simulate(700, 5).filter(drug == "fluticasone").head(8)
    return first.select(
        *REGISTRATION_SCHEMA,
        label=pl.int_range(pl.len(), dtype=pl.Int64) % 2,
        normalized_interventions=pl.concat_list(drug),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose stages have all run once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("project")
        patch.chdir(folder)
        patch.setenv("HF_HUB_OFFLINE", "1")
        made = Project(folder, patch)
        make_train().write_parquet(folder / "train.parquet")
        made.run("plan")
        made.table("plan").filter(label=1).write_parquet("plan.parquet")
        made.run("index", "retrieve", "reason", "generate")
        yield made


def check_rows(project: Project) -> pl.DataFrame:
    """Every target has a row, with the plan's label: a good record, or a reason why there is none."""
    rows = project.table("generated").join(project.table("plan"), on="target_id", suffix="_planned")
    assert rows.height == project.table("plan").height
    assert (rows["label"] == rows["label_planned"]).all()
    assert (rows["nct_id"].is_null() == rows["reject_reason"].is_not_null()).all()
    assert rows["nct_id"].drop_nulls().str.contains("^SYN-[0-9a-f]{12}$").all()
    written = rows.filter(pl.col("arm").is_in(WRITTEN))
    origin = written.select("prompt_hash", "model_digest", "engine", "version", "sampling", "seed", "attempt")
    assert origin.null_count().sum_horizontal().item() == 0
    return rows


def check_asked_anew(project: Project) -> None:
    """Each part was; only what mends a text, whose prompt shows no exemplar, may be kept from before."""
    asked, parts = project.timings("generate"), read_json(project.folder / "generation.json")["parts"]
    assert asked["calls"] - asked["calls_from_cache"] >= parts > 0


def test_every_arm_runs_through_the_stages(project: Project) -> None:
    rows = check_rows(project)
    assert set(rows["arm"]) == set(ARMS)
    assert rows.filter(pl.col("arm").is_in(WRITTEN))["reject_reason"].is_null().any()
    shown = {arm: rows.filter(arm=arm)["exemplars"].to_list() for arm in ARMS}
    unshown = ["no-retrieval", "model-alone", "plan-alone"]
    assert {tuple(ids) for arm in unshown for ids in shown[arm]} == {()}
    assert all(len(ids) == 2 for arm in ARMS if arm not in unshown for ids in shown[arm])
    reasons = {row["arm"]: row for row in project.table("reasons").to_dicts()}
    for arm in ("no-reasoning", "model-alone", "plan-alone"):
        assert (reasons[arm]["reasons"], reasons[arm]["prompt_hash"]) == ([], None)
    assert reasons["no-retrieval"]["grounded"] is None


@pytest.mark.full
@pytest.mark.parametrize(
    "variant",
    [
        {"label_position": "tail", "label_wording": "positive", "exemplar_order": "shuffled"},
        {"label_position": "head", "label_wording": "negative", "exemplar_order": "mixed"},
    ],
)
def test_every_variant_of_the_prompt_runs_and_asks_anew(project: Project, variant: dict[str, str]) -> None:
    project.set("generation", **variant)
    project.generate_one()
    check_asked_anew(project)


@pytest.mark.full
def test_a_changed_word_of_the_generation_prompt_makes_no_reasoning_call(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.set("generation", label_position="head", label_wording="plain", exemplar_order="mixed")
    reasons = (project.folder / "reasons.parquet").read_bytes()
    shutil.copytree(rendering.PROMPT_FOLDER, tmp_path / "prompts")
    prompt = tmp_path / "prompts/generate.jinja"
    prompt.write_text(prompt.read_text().replace("one new trial", "one new study"))
    monkeypatch.setattr(rendering, "PROMPT_FOLDER", tmp_path / "prompts")
    project.run("reason")
    project.generate_one()
    asked = project.timings("reason")
    assert asked["calls"] == asked["calls_from_cache"] > 0
    assert (project.folder / "reasons.parquet").read_bytes() == reasons
    check_asked_anew(project)
