"""From targets to questions for the model, and from its answers to rows of the generated table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.generation.asking import Answer, Fault, Question, Tally, parse_answer
from trialforge.generation.exemplars import FRAME_TOKENS, count_at_most, fit_views, order_exemplars
from trialforge.generation.params import GenerationParams
from trialforge.generation.prompts import (
    exemplar_subject,
    exemplar_values,
    given_fields,
    neutralize,
    record_json,
    render,
    target_line,
)
from trialforge.generation.record import GENERATED_SCHEMA, draft_to_record, name_record
from trialforge.generation.schema import draft_schema
from trialforge.generation.view import view_trial
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.record_checks import CHECKED_SCHEMA, find_faults
from trialforge.trial.checks.target import TARGET_COLUMNS, names_intervention
from trialforge.trial.label_words import label_line, label_verb

PROMPT = "generate.jinja"
Row = Mapping[str, Any]


def ask_draft(
    target: Row,
    reasons: Sequence[str],
    trials: Mapping[str, Row],
    params: GenerationParams,
    context_tokens: int,
    checks: Sequence[Check],
) -> Question[dict[str, Any]]:
    """Return the question for one target; `trials` are the rows of its exemplars by id.

    A draft that one of the checks finds at fault is asked again.
    """
    given = given_fields(target["intervention"], target["conditions"], target["phase"])
    schema = draft_schema(params.fields, given)
    # The order follows from the set, not from the target, so that its prompts begin alike.
    order = order_exemplars(
        sorted(trials), {name: trial["label"] for name, trial in trials.items()}, params.exemplar_order, 0
    )
    # A small model repeats a title that it sees, so exemplars come without theirs.
    shown = [name for name in params.fields if name not in ("title", "official_title")]
    room = context_tokens - params.sampling.max_tokens - FRAME_TOKENS - sum(map(count_at_most, reasons))
    subjects = [exemplar_subject(trials[name], target["intervention"]) for name in order]
    views = [
        given_fields(*subject) | view_trial(trials[name], shown)
        for name, subject in zip(order, subjects, strict=True)
    ]
    exemplars = [
        exemplar_values(trials[name], record_json(view), params.label_wording)
        for name, view in zip(order, fit_views(views, room), strict=True)
    ]
    messages = render(
        PROMPT,
        exemplars=exemplars,
        position=params.label_position,
        reasons=[neutralize(reason) for reason in reasons],
        verb=label_verb(target["label"], params.label_wording),
        label=label_line(target["label"], params.label_wording),
        intervention=neutralize(target["intervention"]),
        target=target_line(target["intervention"], target["conditions"], target["phase"]),
    )

    def accept(text: str) -> dict[str, Any]:
        record = draft_to_record(
            parse_answer(text, schema),
            intervention=target["intervention"],
            intervention_type=_common_type(target["intervention"], trials.values()),
            conditions=target["conditions"],
            phase=target["phase"],
        )
        record["nct_id"] = name_record(record, target["target_id"])
        check_record(record, target, order, checks)
        # What measures of exposure need: exemplars as they stood in the prompt, in the order of their ids.
        by_id = {name: exemplar["record"] for name, exemplar in zip(order, exemplars, strict=True)}
        return record | {"shown": [by_id[name] for name in sorted(order)]}

    return Question(messages, schema, target["seed"], accept)


def check_record(record: Row, target: Row, exemplars: Sequence[str], checks: Sequence[Check]) -> None:
    """Check a record as validation will, by all that needs no other record.

    Raises:
        Fault: the first fault that is found.
    """
    beside = {column: target[name] for name, column in TARGET_COLUMNS.items()}
    lineage = {"normalized_interventions": [target["intervention"]], "label": target["label"]}
    row = {**record, **beside, **lineage, "exemplars": exemplars}
    faults = find_faults(pl.DataFrame([row], schema=CHECKED_SCHEMA), checks)[0]
    if len(faults):
        raise Fault(faults[0])


def generated_row(target: Row, answer: Answer[dict[str, Any]], origin: Row) -> dict[str, Any]:
    """Return a GENERATED_SCHEMA row; `origin` has what all records of a run share, and the reasons' id."""
    row: dict[str, Any] = dict.fromkeys(GENERATED_SCHEMA)
    if answer.value is not None:
        row |= answer.value
    copied = ("target_id", "intervention", "arm", "generation", "label", "exemplars")
    asked = {name: target[name] for name in copied}
    return (
        row
        | asked
        | dict(origin)
        | {
            "source": "synthetic",
            "normalized_interventions": [target["intervention"]],
            "reject_reason": answer.fault,
            "model_digest": answer.model_digest,
            "seed": answer.seed,
            "attempt": answer.attempt,
        }
    )


def _common_type(intervention: str, trials: Any) -> str | None:
    kinds = Counter(
        item["type"]
        for trial in trials
        for item in trial["interventions"] or []
        if item["type"] and names_intervention(item["name"], intervention)
    )
    return min(kinds, key=lambda kind: (-kinds[kind], kind)) if kinds else None


def assign_sets(plan: pl.DataFrame, reasons: pl.DataFrame) -> pl.DataFrame:
    """Return targets with `exemplars`, `reasons` (texts) and `reasons_id`, those of one set together.

    Raises:
        ArtifactError: a target has no row in the reasons.
    """
    texts = pl.col("reasons").list.eval(pl.element().struct.field("text"))
    sets = reasons.select("reasons_id", "exemplars", "targets", reasons=texts).with_row_index("set")
    owned = sets.explode("targets", empty_as_null=True, keep_nulls=True).rename({"targets": "target_id"})
    joined = plan.with_row_index("place").join(owned, on="target_id", how="left")
    lost = joined.filter(pl.col("reasons_id").is_null())["target_id"].to_list()
    if lost:
        raise ArtifactError(
            f"{len(lost)} targets have no reasons row, {lost[0]} first", hint="run: dvc repro reason"
        )
    return joined.sort("set", "place").drop("set", "place")


def measure_drafts(rows: Sequence[Row], tally: Tally) -> dict[str, int | float | None]:
    """Return the stage's metrics; nothing in them differs from run to run."""
    given_up = sum(row["reject_reason"] is not None for row in rows)
    return {
        "targets": len(rows),
        "accepted": len(rows) - given_up,
        "given_up": given_up,
        "given_up_share": round(given_up / len(rows), 4) if rows else None,
        "retries": tally.asked - len(rows),
        "first_try_valid_share": round(tally.valid_first / tally.uncut_first, 4)
        if tally.uncut_first
        else None,
        "first_try_accepted_share": round(
            sum(row["attempt"] == 0 and not row["reject_reason"] for row in rows) / len(rows), 4
        )
        if rows
        else None,
        "prompt_tokens_sent": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        **{f"fault_{name}": count for name, count in sorted(tally.faults.items())},
    }
