"""Reasons: why trials like the exemplars succeeded or failed, each citing what it rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
from jsonschema import Draft202012Validator

from trialforge.generation.attempts import Answer, Question, Tally
from trialforge.generation.draft_schema import bounded_string, closed_object
from trialforge.generation.drafts import Fault, tidy, view_trial
from trialforge.generation.exemplar_sets import name_set
from trialforge.generation.reasoning_params import ReasoningParams
from trialforge.generation.rendering import exemplar_values, label_verb, neutralize, render
from trialforge.rng import derive_seed

PROMPT = "reason.jinja"
# What a reason may be about, and the field that it then rests on; the first `reasoning.count` are asked.
ASPECTS: dict[str, str] = {
    "participants": "criteria",
    "endpoint": "primary_outcomes",
    "comparison": "arms",
    "size": "enrolment_planned",
    "masking": "masking",
    "question": "summary",
}
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
# How an exemplar is cited; numbers would lead a small model to count on.
_ALL = "all trials"
_PLACES = tuple(
    f"the {place} trial"
    for place in "first second third fourth fifth sixth seventh eighth ninth tenth".split()  # noqa: SIM905
)
_WORD = re.compile(r"[^\W_]{4,}|\d+")
# Words too common in reasons to show that a reason rests on a field.
_COMMON = frozenset(
    """after also because been between both does failed failure from have into more only other outcome
    outcomes over participants patients results studies study subjects succeeded success successful such
    than that their there these they this those treatment trial trials under were which will with""".split()  # noqa: SIM905
)
Trials = Sequence[Mapping[str, Any]]


def reasons_schema(aspects: Sequence[str], exemplars: int) -> dict[str, Any]:
    """Return the JSON schema of one reason for each aspect; without exemplars they cite nothing."""
    properties: dict[str, Any] = {}
    for aspect in aspects:
        properties[aspect] = bounded_string("reason")
        if exemplars:
            aliases = [*_PLACES[:exemplars], _ALL]
            properties[f"{aspect}_from"] = {"type": "string", "enum": aliases}
    return closed_object(properties)


def view_aspects(trial: Mapping[str, Any], aspects: Sequence[str]) -> str:
    """Return a trial as a line for each aspect, neutralized and shortened as in a draft."""
    view = view_trial(trial, ("title", "summary", "design", "primary_outcomes", "inclusion", "exclusion"))
    design = view["design"]
    lines = {
        "participants": "; ".join(view.get("inclusion", []))
        + (f"; not: {'; '.join(view['exclusion'])}" if "exclusion" in view else ""),
        "endpoint": "; ".join(" in ".join(item.values()) for item in view.get("primary_outcomes", [])),
        "comparison": " against ".join(arm["label"] for arm in design["arms"]),
        "size": str(trial["enrolment_planned"] or ""),
        "masking": design["masking"] or "",
        "question": view.get("summary", ""),
    }
    shown = [f"{aspect}: {neutralize(lines[aspect])}" for aspect in aspects if lines[aspect]]
    return "\n".join([f"title: {neutralize(view.get('title', ''))}", *shown])


def ask_reasons(
    intervention: str, label: int, trials: Trials, params: ReasoningParams, seed: int
) -> Question[list[dict[str, Any]]]:
    """Return the question for one exemplar set; `trials` are its exemplars in prompt order."""
    aspects = list(ASPECTS)[: params.count]
    schema = reasons_schema(aspects, len(trials))
    messages = render(
        PROMPT,
        exemplars=[
            exemplar_values(trial, view_aspects(trial, aspects), params.label_wording) for trial in trials
        ],
        position=params.label_position,
        intervention=neutralize(intervention),
        aspects=aspects,
        verb=label_verb(label, params.label_wording),
    )
    own_seed = derive_seed(seed, "reason", intervention, label, *sorted(trial["nct_id"] for trial in trials))
    return Question(messages, schema, own_seed, _accept(schema, trials))


def _accept(schema: Mapping[str, Any], trials: Trials) -> Callable[[str], list[dict[str, Any]]]:
    validator = Draft202012Validator(schema)

    def accept(text: str) -> list[dict[str, Any]]:
        try:
            reply = json.loads(text)
        except ValueError as error:
            raise Fault("not-json") from error
        if next(validator.iter_errors(reply), None) is not None:
            raise Fault("not-schema")
        reasons = [read_reason(aspect, reply, trials) for aspect in ASPECTS if aspect in reply]
        if not all(_is_sentence(reason["text"]) for reason in reasons):
            raise Fault("no-sentence")
        distinct = {reason["text"].casefold(): reason for reason in reversed(reasons)}
        if len(distinct) < min(len(reasons), 2):
            raise Fault("repeated-reasons")
        return [reason for reason in reasons if reason in distinct.values()]

    return accept


def _is_sentence(text: str) -> bool:
    words = text.split()
    plain = [word for word in words if word.strip(".,;:()%'\"").replace("-", "").isalpha()]
    return len(plain) >= max(4, len(words) / 2) and not set("{}[]_|") & set(text)


def read_reason(aspect: str, reply: Mapping[str, str], trials: Trials) -> dict[str, Any]:
    """Return the reason about an aspect with its citations as registry ids, each checked."""
    alias = reply.get(f"{aspect}_from")
    cited = [trial for place, trial in zip(_PLACES, trials, strict=False) if alias in (_ALL, place)]
    name = ASPECTS[aspect]
    return {
        "text": tidy(reply[aspect], "reason"),
        "citations": [
            {"nct_id": trial["nct_id"], "field": name, "true": supports(trial[name], reply[aspect])}
            for trial in cited
        ],
    }


def supports(value: Any, reason: str) -> bool:
    """Tell whether a reason rests on a field: they share a telling word (4 letters or more) or a number."""
    return bool(_words(json.dumps(value, ensure_ascii=False)) & _words(reason))


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text.casefold()) if word not in _COMMON}


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
        **{f"reason_fault_{name}": count for name, count in sorted(tally.faults.items())},
        "reason_retries": tally.asked - sum(row["attempt"] is not None for row in rows),
        "citations": len(citations),
        "grounded_share": round(true / len(citations), 4) if citations else None,
    }
