"""Reasons: why trials like the exemplars succeeded or failed, each citing what it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.core.rng import derive_seed
from trialforge.generation.asking import Answer, Fault, Question, Tally, parse_answer
from trialforge.generation.exemplars import FRAME_TOKENS, count_at_most, fit_to_budget, name_set
from trialforge.generation.params import ReasoningParams
from trialforge.generation.prompts import (
    exemplar_subject,
    exemplar_values,
    neutralize,
    render,
    target_line,
)
from trialforge.generation.record import tidy
from trialforge.generation.schema import bounded_string, closed_object
from trialforge.generation.view import view_trial
from trialforge.trial.checks.exemplars import copied_codes
from trialforge.trial.checks.language import has_other_script
from trialforge.trial.label_words import label_verb
from trialforge.trial.text import plain_text

PROMPT = "reason.jinja"
# What a reason may be about, and the field that it then rests on; the first `reasoning.count` are asked.
ASPECTS: dict[str, str] = {
    "participants": "criteria",
    "endpoint": "primary_outcomes",
    "comparison": "arms",
    "question": "summary",
    "size": "enrolment_planned",
    "masking": "masking",
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
_NO_SENTENCE = re.compile(r"[{}\[\]_|]|;\s*;|\.;|(?:\d+[;,]\s*){3}")
Trials = Sequence[Mapping[str, Any]]


def reasons_schema(aspects: Sequence[str], label: int, exemplars: int) -> dict[str, Any]:
    """Return the JSON schema of one reason for each aspect; without exemplars they cite nothing."""
    properties: dict[str, Any] = {}
    for aspect in aspects:
        properties[_question(aspect, label)] = bounded_string("reason")
        if exemplars:
            aliases = [*_PLACES[:exemplars], _ALL]
            properties[f"{aspect}_from"] = {"type": "string", "enum": aliases}
    return closed_object(properties)


def _question(aspect: str, label: int) -> str:
    """A key that asks for a cause: under the bare aspect a small model recites the exemplar's line."""
    return f"how_{aspect}_led_to_{'success' if label else 'failure'}"


def view_aspects(trial: Mapping[str, Any]) -> dict[str, str]:
    """Return a trial's title and each aspect that it tells of as a line, shortened as in a draft."""
    view = view_trial(trial, ("title", "summary", "design", "primary_outcomes", "inclusion", "exclusion"))
    design = view.get("design", {})
    said = {
        "title": view.get("title", ""),
        "participants": "; ".join(view.get("inclusion", []))
        + (f"; not: {'; '.join(view['exclusion'])}" if "exclusion" in view else ""),
        "endpoint": "; ".join(" in ".join(item.values()) for item in view.get("primary_outcomes", [])),
        "comparison": " against ".join(arm["label"] for arm in design.get("arms", [])),
        "question": view.get("summary", ""),
        "size": str(trial["enrolment_planned"] or ""),
        "masking": design.get("masking", ""),
    }
    return {name: f"{name}: {neutralize(text)}" for name, text in said.items() if text}


def choose_aspects(views: Sequence[Mapping[str, str]], count: int) -> list[str]:
    """Return the first aspects that most exemplars tell of; what no exemplar tells of can't be cited."""
    told = {name: sum(name in view for view in views) for name in ASPECTS}
    best = sorted(ASPECTS, key=lambda name: 2 * told[name] < len(views))[:count]
    return [name for name in best if told[name] or not views]


def ask_reasons(
    intervention: str, label: int, trials: Trials, params: ReasoningParams, seed: int, context_tokens: int
) -> Question[list[dict[str, Any]]]:
    """Return the question for one exemplar set; `trials` are its exemplars in prompt order."""
    views = [view_aspects(trial) for trial in trials]
    aspects = choose_aspects(views, params.count)
    lines = [{name: view[name] for name in ("title", *aspects) if name in view} for view in views]
    fitted = fit_to_budget(lines, count_at_most, context_tokens - params.sampling.max_tokens - FRAME_TOKENS)
    schema = reasons_schema(aspects, label, len(trials))
    messages = render(
        PROMPT,
        exemplars=[
            exemplar_values(
                trial,
                "\n".join([target_line(*exemplar_subject(trial, intervention)), *view.values()]),
                params.label_wording,
            )
            for trial, view in zip(trials, fitted.records, strict=True)
        ],
        position=params.label_position,
        intervention=neutralize(intervention),
        aspects=aspects,
        verb=label_verb(label, params.label_wording),
    )
    own_seed = derive_seed(seed, "reason", intervention, label, *sorted(trial["nct_id"] for trial in trials))
    shown = [line for view in views for line in view.values()]
    keys = {aspect: _question(aspect, label) for aspect in aspects}
    return Question(messages, schema, own_seed, _accept(schema, keys, trials, shown, intervention))


def _accept(
    schema: Mapping[str, Any], keys: dict[str, str], trials: Trials, shown: Sequence[str], asked: str
) -> Callable[[str], list[dict[str, Any]]]:
    lines = [plain_text(line) for line in shown]

    def accept(text: str) -> list[dict[str, Any]]:
        reply = parse_answer(text, schema)
        reasons = {
            plain_text(reply[key]): read_reason(aspect, reply[key], reply.get(f"{aspect}_from"), trials)
            for aspect, key in reversed(keys.items())
            if is_sentence(reply[key])
            and not any(plain_text(reply[key]) in line for line in lines)
            and not copied_codes(reply[key], trials, asked)
        }
        if 2 * len(reasons) < len(keys):
            raise Fault("no_reasons")
        return [*reversed(reasons.values())]

    return accept


def is_sentence(text: str) -> bool:
    """Tell whether text reads as a sentence: mostly words, without the marks of lists and of JSON."""
    words = text.split()
    plain = [word for word in words if word.strip(".,;:()%'\"").replace("-", "").isalpha()]
    return (
        len(plain) >= max(4, len(words) / 2) and not _NO_SENTENCE.search(text) and not has_other_script(text)
    )


def read_reason(aspect: str, said: str, alias: str | None, trials: Trials) -> dict[str, Any]:
    """Return the reason about an aspect with its citations as registry ids, each checked."""
    cited = [trial for place, trial in zip(_PLACES, trials, strict=False) if alias in (_ALL, place)]
    name = ASPECTS[aspect]
    return {
        "text": tidy(said),
        "citations": [
            {"nct_id": trial["nct_id"], "field": name, "true": supports(trial[name], said)} for trial in cited
        ],
    }


def supports(value: Any, reason: str) -> bool:
    """Tell whether a reason rests on a field: they share a telling word (4 letters or more) or a number."""
    return bool(_words(" ".join(_values(value))) & _words(reason))


def _values(value: Any) -> Iterator[str]:
    """What a field says, without the names of its parts: every list of arms has a `description`."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _values(part)
    elif value is not None:
        yield str(value)


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
