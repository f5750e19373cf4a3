"""ingest, split and plan as DVC runs them: equal bytes twice, and nothing held out in what learning reads."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.stages.in_process import run_stage
from trialforge.core.files import hash_file, read_json, write_parquet
from trialforge.split.plan import PLAN_SCHEMA
from trialforge.split.split import SPLIT_SCHEMA
from trialforge.trial.record import REGISTRATION_FIELDS, TRIAL_SCHEMA

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canaryzebra"


def ingest(folder: Path) -> None:
    run_stage(
        folder,
        "ingest",
        "--trials",
        "trials.parquet",
        "--refused",
        "refused.parquet",
        "--metrics",
        "ingest.json",
    )


def split_and_plan(folder: Path) -> None:
    names = {"train": "train", "validation": "validation", "test": "test", "held-back": "held_back"}
    parts = [text for part, name in names.items() for text in (f"--{part}", f"{name}.parquet")]
    metrics = ("--drafts", "drafts.parquet", "--metrics", "split.json", "--presence", "presence.csv")
    run_stage(folder, "split", "trials.parquet", "--split", "split.parquet", *parts, *metrics)
    blocks = ("--blocks", "blocks.parquet")
    run_stage(folder, "plan", "train.parquet", "--plan", "plan.parquet", *blocks, "--metrics", "plan.json")


def make_folder(folder: Path, strategy: str = "temporal") -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ingest"]["simulated_trials"] = 300
    params["split"]["strategy"] = strategy
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("corpus") / "one")
    ingest(folder)
    split_and_plan(folder)
    return folder


def test_the_tables_have_their_columns(ran: Path) -> None:
    trials = pl.read_parquet(ran / "trials.parquet")
    assert set(trials.columns) == {*TRIAL_SCHEMA, "normalized_interventions", "official_part"}
    assert (trials["source"] == "simulated").all()
    assert pl.read_parquet_schema(ran / "split.parquet") == pl.Schema(SPLIT_SCHEMA)
    assert pl.read_parquet_schema(ran / "plan.parquet") == pl.Schema(PLAN_SCHEMA)
    for part in ("train", "validation", "test"):
        table = pl.read_parquet(ran / f"{part}.parquet")
        assert table.columns == [*REGISTRATION_FIELDS, "normalized_interventions", "label"]
        assert table.height > 0


def test_the_metrics_name_the_tables_they_were_computed_on(ran: Path) -> None:
    for name, table in (("ingest", "trials"), ("split", "train"), ("plan", "train")):
        told = json.loads((ran / f"{name}.json").read_text())["made_from"]
        assert told == {table: hash_file(ran / f"{table}.parquet")}
    plots = json.loads((ran / "split.json").read_text())["plots"]
    assert plots == {"presence.csv": hash_file(ran / "presence.csv")}


def test_the_metrics_tell_the_best_reachable_score(ran: Path) -> None:
    assert 0.75 < read_json(ran / "ingest.json")["simulated_best_roc_auc"] < 0.9
    sizes = read_json(ran / "split.json")
    assert sizes["train"]["trials"] > sizes["test"]["trials"] > sizes["validation"]["trials"]
    assert read_json(ran / "plan.json")["targets"] > 0


def test_the_same_inputs_give_the_same_bytes(ran: Path, tmp_path: Path) -> None:
    again = make_folder(tmp_path / "again")
    ingest(again)
    split_and_plan(again)
    for path in sorted(filter(Path.is_file, ran.iterdir())):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


@pytest.mark.parametrize("strategy", ["temporal", "intervention", "random"])
def test_a_canary_in_every_held_out_trial_is_in_nothing_that_learning_reads(
    ran: Path, tmp_path: Path, strategy: str
) -> None:
    folder = make_folder(tmp_path / strategy, strategy)
    trials = pl.read_parquet(ran / "trials.parquet")
    write_parquet(trials, folder / "trials.parquet")
    split_and_plan(folder)
    split = pl.read_parquet(folder / "split.parquet")
    held_out = split.filter(pl.col("part").is_in(["validation", "test"]))["nct_id"]
    mark = pl.col("nct_id").is_in(held_out.implode())
    texts = ("title", "official_title", "summary", "detailed_description", "criteria")
    # An intervention of the canary's would move trials where interventions part them.
    lists = ["conditions", "keywords", *([] if strategy == "intervention" else ["normalized_interventions"])]
    planted = trials.with_columns(
        pl.when(mark)
        .then(pl.concat_str(name, pl.lit(f" {CANARY}."), ignore_nulls=True))
        .otherwise(name)
        .alias(name)
        for name in texts
    ).with_columns(
        pl.when(mark).then(pl.concat_list(name, pl.lit(CANARY))).otherwise(name).alias(name) for name in lists
    )
    write_parquet(planted, folder / "trials.parquet")
    before = (folder / "train.parquet").read_bytes(), (folder / "plan.parquet").read_bytes()
    split_and_plan(folder)
    again = pl.read_parquet(folder / "split.parquet")
    assert again.equals(split)
    assert ((folder / "train.parquet").read_bytes(), (folder / "plan.parquet").read_bytes()) == before
    assert CANARY not in str(pl.read_parquet(folder / "train.parquet").to_dicts())
    assert CANARY not in str(pl.read_parquet(folder / "plan.parquet").to_dicts())
    assert CANARY in str(pl.read_parquet(folder / "test.parquet").to_dicts())
