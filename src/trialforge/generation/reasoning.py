"""Reasons: why trials like the exemplars succeeded or failed, each resting on fields that it cites."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
from jsonschema import Draft202012Validator

from trialforge.generation.attempts import Answer, Question, Tally
from trialforge.generation.draft_schema import DEFAULT_FIELDS
from trialforge.generation.drafts import Fault, view_trial
from trialforge.generation.exemplar_sets import name_set
from trialforge.generation.reasoning_params import ReasoningParams
from trialforge.generation.rendering import exemplar_values, label_verb, render
from trialforge.rng import derive_seed

PROMPT = "reason.jinja"
REASON_BOUND = 160
CITES_BOUND = 2
# Fields of a registered trial that a reason may cite, as the model sees them.
CITED_FIELDS = (
    "title", "summary", "masking", "allocation", "arms", "primary_outcomes", "criteria", "enrolment_planned",
)  # fmt: skip
REASONS_SCHEMA: dict[str, pl.DataType] = {
    "reasons_id": pl.String(), "intervention": pl.String(), "label": pl.Int64(), "arm": pl.String(),
    "exemplars": pl.List(pl.String()), "targets": pl.List(pl.String()),
    "reasons": pl.List(pl.Struct({
        "text": pl.String(),
        "citations": pl.List(pl.Struct({"nct_id": pl.String(), "field": pl.String(), "true": pl.Boolean()})),
    })),
    "grounded": pl.Float64(), "reject_reason": pl.String(), "prompt_hash": pl.String(),
    "model_digest": pl.String(), "seed": pl.Int64(), "attempt": pl.Int64(),
}  # fmt: skip
_WORD = re.compile(r"[^\W_]{4,}|\d+")
# Words too common in reasons to show that a reason rests on a field.
_COMMON = frozenset(
    """after also because been between both does failed failure from have into more only other outcome
    outcomes over participants patients results studies study subjects succeeded success successful such
    than that their there these they this those treatment trial trials under were which will with""".split()  # noqa: SIM905
)


def cites_of(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what can be cited, as `E1 criteria`: each exemplar's fields that have a value."""
    return [
        f"E{number} {name}"
        for number, trial in enumerate(trials, 1)
        for name in CITED_FIELDS
        if trial[name] not in (None, [], "")
    ]


def reasons_schema(count: int, cites: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of `count` reasons; without exemplars they cite nothing."""
    reason: dict[str, Any] = {"reason": {"type": "string", "minLength": 20, "maxLength": REASON_BOUND}}
    if cites:
        item = {"type": "string", "enum": list(cites)}
        reason = {"cites": {"type": "array", "minItems": 1, "maxItems": CITES_BOUND, "items": item}} | reason
    items = {"type": "object", "properties": reason, "required": list(reason), "additionalProperties": False}
    array = {"type": "array", "minItems": count, "maxItems": count, "items": items}
    answer = {"type": "object", "properties": {"reasons": array}, "required": ["reasons"]}
    return answer | {"additionalProperties": False}


def ask_reasons(
    intervention: str, label: int, trials: Sequence[Mapping[str, Any]], params: ReasoningParams, seed: int
) -> Question[list[dict[str, Any]]]:
    """Return the question for one exemplar set; `trials` are its exemplars in prompt order."""
    schema = reasons_schema(params.count, cites_of(trials))
    exemplars = [
        exemplar_values(number, trial, view_trial(trial, DEFAULT_FIELDS), params.label_wording)
        for number, trial in enumerate(trials, 1)
    ]
    messages = render(
        PROMPT,
        exemplars=exemplars,
        position=params.label_position,
        intervention=intervention,
        count=params.count,
        verb=label_verb(label, params.label_wording),
    )
    own_seed = derive_seed(seed, "reason", intervention, label, *sorted(trial["nct_id"] for trial in trials))
    return Question(messages, schema, own_seed, _accept(schema, trials))


def _accept(
    schema: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]
) -> Callable[[str], list[dict[str, Any]]]:
    validator = Draft202012Validator(schema)

    def accept(text: str) -> list[dict[str, Any]]:
        try:
            reply = json.loads(text)
        except ValueError as error:
            raise Fault("not-json") from error
        if next(validator.iter_errors(reply), None) is not None:
            raise Fault("not-schema")
        reasons = [read_reason(item, trials) for item in reply["reasons"]]
        if len({reason["text"].casefold() for reason in reasons}) < len(reasons):
            raise Fault("repeated-reasons")
        return reasons

    return accept


def read_reason(item: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a reason of an answer with its citations as registry ids, each checked."""
    citations = []
    for cite in dict.fromkeys(item.get("cites", [])):
        alias, name = cite.split(" ", 1)
        trial = trials[int(alias[1:]) - 1]
        citations.append(
            {"nct_id": trial["nct_id"], "field": name, "true": supports(trial[name], item["reason"])}
        )
    return {"text": " ".join(item["reason"].split()), "citations": citations}


def supports(value: Any, reason: str) -> bool:
    """Tell whether a reason rests on a field: they share a telling word (4 letters or more) or a number."""
    return bool(_words(json.dumps(value, ensure_ascii=False)) & _words(reason))


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text.casefold())} - _COMMON


def grounded_share(reasons: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of citations that are true; None where nothing is cited."""
    truths = [citation["true"] for reason in reasons for citation in reason["citations"]]
    return sum(truths) / len(truths) if truths else None


def reasons_row(
    group: Mapping[str, Any], answer: Answer[list[dict[str, Any]]] | None, prompt_hash: str | None
) -> dict[str, Any]:
    """Return a REASONS_SCHEMA row; `answer` is None where nothing was to be asked."""
    reasons = (answer.value if answer else None) or []
    return {
        "reasons_id": name_set(group["intervention"], group["label"], group["arm"], group["exemplars"]),
        **{name: group[name] for name in ("intervention", "label", "arm", "exemplars", "targets")},
        "reasons": reasons,
        "grounded": grounded_share(reasons),
        "reject_reason": answer.fault if answer else None,
        "prompt_hash": prompt_hash if answer else None,
        "model_digest": answer.model_digest if answer else None,
        "seed": answer.seed if answer else None,
        "attempt": answer.attempt if answer else None,
    }


def measure_reasons(rows: Sequence[Mapping[str, Any]], tally: Tally) -> dict[str, int | float | None]:
    """Return the stage's metrics; nothing in them differs from run to run."""
    citations = [cited for row in rows for reason in row["reasons"] for cited in reason["citations"]]
    true = sum(cited["true"] for cited in citations)
    return {
        "reason_sets": len(rows),
        "reasons": sum(len(row["reasons"]) for row in rows),
        "reason_sets_given_up": sum(row["reject_reason"] is not None for row in rows),
        "reason_retries": tally.asked - sum(row["attempt"] is not None for row in rows),
        "citations": len(citations),
        "grounded_share": round(true / len(citations), 4) if citations else None,
    }
