"""What `dvc repro` would run now, and how often it would call the language model: `trialforge plan`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_parquet
from trialforge.core.progress import format_seconds
from trialforge.generation.asking import expect_seconds
from trialforge.generation.zero_shot import ORDERS, ZeroShotParams, choose_trials, count_needed
from trialforge.llm.models import name_model
from trialforge.llm.params import LlmParams
from trialforge.trial.draft_fields import PARTS
from trialforge.trial.generation_arms import WITHOUT_PROSE, WITHOUT_REASONS

_ASKING = ("reason", "generate", "zero-shot")
_ANY = (10**6, 10**6)  # trials of each label, while their number is unknown


@dataclass(frozen=True, slots=True)
class Forecast:
    """One stage that would run.

    Attributes:
        stage: its name.
        why: `changed`, or the last of the stages before it that run.
        calls: the largest number of model calls, without retries; None for a stage that makes none.
        seconds: estimated from this model's last run here, if there was one; cached answers cost nothing.
    """

    stage: str
    why: str
    calls: int | None = None
    seconds: float | None = None


def forecast(root: Path, params: Mapping[str, Any]) -> list[Forecast]:
    """Return the stages that `dvc repro` would run, in running order.

    Raises:
        ArtifactError: the folder is not a DVC repository, or another process holds its lock.
    """
    order = stages_to_run(root)
    model = name_model(LlmParams.model_validate(params["llm"]))
    running = set(order)
    found = []
    for stage, why in order.items():
        calls = _count_calls(stage, root, params, running) if stage in _ASKING else None
        seconds = None if calls is None else expect_seconds(stage, calls, model)
        found.append(Forecast(stage, why, calls, seconds))
    return found


def stages_to_run(root: Path) -> dict[str, str]:
    """Return changed stages and those that follow them, with the reason, in running order."""
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with warnings.catch_warnings(), Repo(str(root)) as repo:
            warnings.simplefilter("ignore")  # deprecation warnings of DVC's libraries
            changed = {name.split(":")[-1] for name in repo.status()}
            graph = repo.index.graph  # from a stage to those that it depends on
            names = {stage: stage.addressing.split(":")[-1] for stage in graph}
            order = list(nx.dfs_postorder_nodes(graph))
    except DvcException as error:
        raise ArtifactError(f"DVC can't tell what changed: {error}", hint="trialforge doctor") from error
    found: dict[str, str] = {}
    for stage in order:
        before = [names[other] for other in graph.successors(stage) if names[other] in found]
        if names[stage] in changed:
            found[names[stage]] = "changed"
        elif before:
            found[names[stage]] = f"follows {max(before, key=list(found).index)}"
    return found


def _count_calls(stage: str, root: Path, params: Mapping[str, Any], running: set[str]) -> int:
    """Return the largest number of calls of a stage, from tables that stay as they are or params.yaml."""
    if stage == "zero-shot":
        asked, test = ZeroShotParams.model_validate(params["zero_shot"]), root / "data/test.parquet"
        if test.is_file() and "split" not in running:
            return len(ORDERS) * choose_trials(read_parquet(test), asked, int(params["seed"])).height
        return 0 if asked.half_width is None else len(ORDERS) * sum(count_needed(_ANY, asked.half_width))
    plan, path = params["plan"], root / "data/plan.parquet"
    skipped = [WITHOUT_PROSE] if stage == "generate" else WITHOUT_REASONS
    if "plan" not in running and path.is_file():
        targets = read_parquet(path, ["intervention", "label", "arm"])
        asked_of = targets.filter(~pl.col("arm").is_in(skipped))
        count, sets = asked_of.height, asked_of.n_unique()
    else:
        arms = sum(arm not in skipped for arm in plan["arms"])
        count = plan["interventions"] * plan["records"] * plan["generations"] * arms
        sets = min(count, 2 * plan["interventions"] * arms)
    if stage == "generate":
        return len(PARTS) * count * int(params["generation"].get("best_of", 1))
    return (sets if params["reasoning"]["share"] else count) * int(params["reasoning"]["count"])


def forecast_rows(found: list[Forecast]) -> list[tuple[str, ...]]:
    """Return each stage as a row: name, reason, calls, time."""
    return [
        (
            one.stage,
            one.why,
            "" if one.calls is None else f"{one.calls} calls",
            "" if one.calls is None else f"about {format_seconds(one.seconds)}" if one.seconds else "unknown",
        )
        for one in found
    ]
