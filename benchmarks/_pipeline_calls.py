"""The calls of the `reason` and `generate` stages, from the outs of the last `dvc repro`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.generation.drafts import DraftWriter
from trialforge.generation.params import GenerationParams, ReasoningParams
from trialforge.generation.parts import part_schema
from trialforge.generation.reasons import ask_reasons, reason_line
from trialforge.generation.record import Draft
from trialforge.generation.support import Background
from trialforge.llm.backend import Request
from trialforge.llm.params import LlmParams
from trialforge.split.params import PlanParams
from trialforge.split.plan import plan_targets
from trialforge.trial.draft_fields import PARTS

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDS_A_SET = 4  # as in profiles/paper.yaml


def pipeline_calls() -> tuple[list[Request], list[list[Request]]]:
    """Return the first call for the reasons of each exemplar set, and those for its records, set by set.

    A record has a call for each of its parts. Each is asked as if nothing had been written before.

    Raises:
        ArtifactError: the pipeline has not run here.
    """
    if not (DATA / "reasons.parquet").is_file():
        raise ArtifactError("no data/reasons.parquet", hint="run: dvc repro reason")
    reasoning, generation = (
        load_section(ReasoningParams, "reasoning"),
        load_section(GenerationParams, "generation"),
    )
    plan = load_section(PlanParams, "plan").model_copy(update={"records": RECORDS_A_SET})
    context, seed = load_section(LlmParams, "llm").context_tokens, load_seed()
    train = read_parquet(DATA / "train.parquet")
    sets = read_parquet(DATA / "reasons.parquet")
    shown = sets["exemplars"].explode(empty_as_null=True, keep_nulls=True)
    trials = {row["nct_id"]: row for row in train.filter(pl.col("nct_id").is_in(shown.implode())).to_dicts()}
    targets = plan_targets(train, plan, seed)
    background = Background(train, seed, trials)
    told = sets.select("reasons_id", pl.col("reasons").list.eval(reason_line()))
    lines = dict(told.iter_rows())
    reasons, drafts = [], []
    for group in sets.to_dicts():
        mine = [trials[name] for name in group["exemplars"]]
        why = ask_reasons(group, mine, background, reasoning, seed, context)
        reasons += [question.request(reasoning.sampling, 0) for question in why]
        said = lines[group["reasons_id"]]
        known = {trial["nct_id"]: trial for trial in mine}
        writer = DraftWriter(known, generation, context, checks=())
        shared = {"exemplars": group["exemplars"], "reasons": said, "other_reasons": []}
        shared |= {"reasons_id": group["reasons_id"]}
        for target in targets.filter(intervention=group["intervention"], label=group["label"]).to_dicts():
            draft = Draft(target | shared, [])
            parts = [part for part in PARTS if part_schema(part, target["skeleton"], generation.fields)]
            drafts.append([writer.ask(draft, part).request(generation.sampling, 0) for part in parts])
    return reasons, drafts


def in_stage_order(records: Sequence[Sequence[Request]], together: int) -> list[Request]:
    """Return the calls of records as the stage asks them: part by part, so many records together."""
    return [
        parts[place]
        for start in range(0, len(records), together)
        for place in range(len(PARTS))
        for parts in records[start : start + together]
        if place < len(parts)
    ]
