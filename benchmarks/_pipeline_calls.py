"""The calls of the `reason` and `generate` stages, from the outs of the last `dvc repro`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.generation.drafts import ask_draft
from trialforge.generation.params import GenerationParams, ReasoningParams
from trialforge.generation.reasons import ask_reasons, reason_line
from trialforge.generation.support import Background
from trialforge.llm.backend import Request
from trialforge.llm.params import LlmParams
from trialforge.split.params import PlanParams
from trialforge.split.plan import plan_targets

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDS_A_SET = 4  # as in profiles/paper.yaml


def pipeline_calls() -> tuple[list[Request], list[Request]]:
    """Return the first call for the reasons of each exemplar set, and those for its records, set by set.

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
        for target in targets.filter(intervention=group["intervention"], label=group["label"]).to_dicts():
            draft = ask_draft(target, said, known, generation, context, checks=())
            drafts.append(draft.request(generation.sampling, 0))
    return reasons, drafts
