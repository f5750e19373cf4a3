"""Reasons: why trials like the exemplars succeeded or failed, each with the line that it rests on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.core.rng import derive_seed
from trialforge.generation.asking import Answer, Fault, Question, Tally, parse_answer
from trialforge.generation.exemplars import FRAME_TOKENS, count_at_most, name_set
from trialforge.generation.params import ReasoningParams
from trialforge.generation.prompts import (
    exemplar_subject,
    exemplar_values,
    neutralize,
    render,
    target_line,
)
from trialforge.generation.quotations import MOST_LINES, QUOTED_FIELDS, Lines, choose_lines
from trialforge.generation.schema import closed_object
from trialforge.generation.support import Background
from trialforge.llm.backend import Message
from trialforge.trial.checks.exemplars import copied_codes
from trialforge.trial.checks.language import has_other_script
from trialforge.trial.label_words import LABEL_WORDS, label_verb
from trialforge.trial.record import Row
from trialforge.trial.text import plain_text, word_ngrams

PROMPT = "reason.jinja"
# `quotation` stands word for word in `field` of trial `nct_id`. `rank`: of the field among the same one of
# 19 other interventions' trials, by how near the reason is to each; null without 19. `true`: it is 1.
REASON_STRUCT = pl.Struct({
    "text": pl.String(), "nct_id": pl.String(), "field": pl.String(), "quotation": pl.String(),
    "rank": pl.Int64(), "true": pl.Boolean(), "seed": pl.Int64(), "attempt": pl.Int64(),
})  # fmt: skip
REASONS_SCHEMA: dict[str, pl.DataType] = {
    "reasons_id": pl.String(), "intervention": pl.String(), "label": pl.Int64(), "arm": pl.String(),
    "exemplars": pl.List(pl.String()), "targets": pl.List(pl.String()), "reasons": pl.List(REASON_STRUCT),
    "grounded": pl.Float64(), "reject_reasons": pl.List(pl.String()), "prompt_hash": pl.String(),
    "model_digest": pl.String(),
}  # fmt: skip
FIELD_WORDS = {
    "criteria": "participants",
    "primary_outcomes": "endpoint",
    "arms": "comparison",
    "summary": "question",
}
_PLACES = "first second third fourth fifth sixth seventh eighth ninth tenth".split()  # noqa: SIM905
_NO_SENTENCE = re.compile(r"[{}\[\]_|]|;\s*;|\.;|(?:\d+[;,]\s*){3}")
_END = re.compile(r"[.!?](?=[\"')\u201d]*(?:\s|$))")
_NUMBERED = re.compile(r"^\s*(?:\d+[.)]|[-*\u2022])\s+")
# What only somebody could say who has seen the results; a registration has none.
_RESULT = re.compile(
    r"""\b(?:
    (?:stud(?:y|ies)|trials?|results?|data|findings?|evidence|treatment|drug|it|they)\s+(?:\w+\s+){0,2}?
        (?:show(?:ed|s|n)?|demonstrat\w+|found|prov(?:ed|en)|reveal\w+|confirm\w+|indicat\w+|reported)
  | (?:was|were|been|is|are|has|have)\s+(?:\w+ly\s+)?
        (?:shown|proven|found|observed|demonstrated|reported|published)
  | (?:significant(?:ly)?|statistically)\s+\w+
  | (?:improved|reduced|increased|decreased|lowered)\s+(?:by\s+)?\d
  | \d+(?:\.\d+)?\s?%\s+(?:of|in|reduction|increase)
  | p\s?[<=]\s?0?\.\d+
  | (?:was|were)\s+(?:\w+\s+)?(?:effective|ineffective|superior|inferior|well\s+tolerated)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ECHO = 5  # words of the question in a row
_RECITED = 8  # words in a row of a line that is not the one quoted
_OWN_WORDS = 4  # of a reason, beside those of its quotation and of the question
_LEAST, _MOST = 30, 240  # characters that may be written; what is kept ends at a sentence
Trials = Sequence[Row]


def ask_reasons(
    group: Mapping[str, Any],
    trials: Trials,
    background: Background,
    params: ReasoningParams,
    seed: int,
    context_tokens: int,
) -> list[Question[dict[str, Any]]]:
    """Return a question for each reason about one exemplar set; all begin alike, each is asked again alone.

    Args:
        group: the set's `intervention` and `label`.
        trials: its exemplars in prompt order; without any, the reasons quote nothing.
        background: what a reason is ranked against.
        params: how many reasons, and how they are asked for.
        seed: of the run.
        context_tokens: of the model.
    """
    intervention, label = group["intervention"], group["label"]
    room = context_tokens - params.sampling.max_tokens - FRAME_TOKENS
    shown = fit_lines(trials, intervention, room, seed)
    # A reason for failure rests on a trial that failed, wherever one is shown.
    alike = [trial["label"] == label for trial in trials]
    quotable = [lines if own or not any(alike) else {} for lines, own in zip(shown, alike, strict=True)]
    turns = share_lines(quotable, params.count)
    outcome = LABEL_WORDS[label]
    questions = []
    for turn, lines in enumerate(turns):
        fields = [field for field in QUOTED_FIELDS if any(field in own for own in lines)]
        if trials and not fields:
            continue
        messages = render(
            PROMPT,
            exemplars=[
                exemplar_values(trial, show_trial(trial, own, intervention), params.label_wording)
                for trial, own in zip(trials, shown, strict=True)
            ],
            position=params.label_position,
            contrast=any(alike) and not all(alike),
            intervention=neutralize(intervention),
            fields=[FIELD_WORDS[field] for field in fields],
            verb=label_verb(label, params.label_wording),
            outcome=outcome,
        )
        schema = reason_schema(lines, outcome)
        own_seed = derive_seed(
            seed, "reason", intervention, label, turn, *sorted(trial["nct_id"] for trial in trials)
        )
        accept = _accept(schema, trials, shown, _question_text(messages), intervention, background)
        questions.append(Question(messages, schema, own_seed, accept))
    return questions


def _question_text(messages: Sequence[Message]) -> str:
    return f"{messages[0].content} {messages[-1].content.rpartition('</exemplar>')[2]}"


def show_trial(trial: Row, lines: Lines, intervention: str) -> str:
    """Return an exemplar as the prompt shows it: what it is of, and the lines that can be quoted."""
    told = [target_line(*exemplar_subject(trial, intervention))]
    return "\n".join(
        told + [f"{FIELD_WORDS[field].capitalize()}: {'; '.join(own)}" for field, own in lines.items()]
    )


def fit_lines(trials: Trials, intervention: str, tokens: int, seed: int) -> list[Lines]:
    """Return as many lines of each field and trial as fit; where not even one does, the last fields go."""
    fields = list(QUOTED_FIELDS)
    most = MOST_LINES
    while True:
        lines = [
            {field: own[field] for field in fields if field in own}
            for own in choose_lines(trials, most, seed)
        ]
        shown = (show_trial(*pair, intervention) for pair in zip(trials, lines, strict=True))
        if not fields or sum(map(count_at_most, shown)) <= tokens:
            return lines
        if most > 1:
            most -= 1
        else:
            fields.pop()


def share_lines(lines: Sequence[Lines], count: int) -> list[list[Lines]]:
    """Return what each of `count` reasons may quote of each trial, so that no two rest on the same line.

    Each has fields of its own; where there are fewer fields than reasons, several share the lines of one.
    """
    fields = [field for field in QUOTED_FIELDS if any(field in own for own in lines)]
    owners = {field: [place % count] for place, field in enumerate(fields)}
    for turn in range(len(fields), count if fields else 0):
        owners[fields[turn % len(fields)]].append(turn)
    return [
        [
            {
                field: part
                for field, turns in owners.items()
                if turn in turns and (part := own.get(field, [])[turns.index(turn) :: len(turns)])
            }
            for own in lines
        ]
        for turn in range(count)
    ]


def reason_schema(lines: Sequence[Lines], outcome: str) -> dict[str, Any]:
    """Return the JSON schema of one reason: a trial, a field, one of its lines, and what that explains.

    A quotation can't be other than word for word. The key asks for a cause: under a bare "reason" a small
    model goes on reciting.
    """
    reason = {f"how_it_led_to_{outcome}": {"type": "string", "minLength": _LEAST, "maxLength": _MOST}}
    choices = [
        closed_object(
            {
                "trial": {"type": "string", "enum": [place]},
                "about": {"type": "string", "enum": [FIELD_WORDS[field]]},
                "quotation": {"type": "string", "enum": own},
                **reason,
            }
        )
        for place, trial in zip(_PLACES, lines, strict=False)
        for field, own in trial.items()
    ]
    if not choices:
        return closed_object(reason)
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _accept(
    schema: Mapping[str, Any],
    trials: Trials,
    shown: Sequence[Lines],
    question: str,
    intervention: str,
    background: Background,
) -> Callable[[str], dict[str, Any]]:
    names = {words: field for field, words in FIELD_WORDS.items()}

    def accept(text: str) -> dict[str, Any]:
        reply = parse_answer(text, schema)
        said = end_at_sentence(next(value for key, value in reply.items() if key.startswith("how_")))
        quotation = reply.get("quotation")
        check_reason(said, quotation, shown, question)
        if copied_codes(said, trials, intervention):
            raise Fault("copied_code")
        if trials and (background.rank_set(said, trials) or 1) > 1:
            raise Fault("any_trial")
        if quotation is None:
            return dict.fromkeys(("nct_id", "field", "quotation", "rank", "true")) | {"text": said}
        trial, field = trials[_PLACES.index(reply["trial"])], names[reply["about"]]
        rank = background.rank_field(said, trial, field)
        return {
            "text": said,
            "nct_id": trial["nct_id"],
            "field": field,
            "quotation": quotation,
            "rank": rank,
            "true": None if rank is None else rank == 1,
        }

    return accept


def end_at_sentence(text: str) -> str:
    """Return the whole sentences of a text.

    Raises:
        Fault: there is none, or what there is reads as none.
    """
    text = _NUMBERED.sub("", " ".join(text.split()))
    ends = [found.end() for found in _END.finditer(text)]
    said = text[: ends[-1]] if ends else ""
    words = said.split()
    plain = [word for word in words if word.strip(".,;:()%'\"").replace("-", "").isalpha()]
    if (
        len(plain) < max(4, len(words) / 2)
        or len(said) < _LEAST
        or _NO_SENTENCE.search(said)
        or has_other_script(said)
    ):
        raise Fault("no_sentence")
    return said


def check_reason(said: str, quotation: str | None, shown: Sequence[Lines], question: str) -> None:
    """Refuse what only repeats, and what nobody can know from a registration.

    Raises:
        Fault: `echo` of the question, `recital` of what the prompt shows, or `result` that is claimed.
    """
    if word_ngrams(said, _ECHO) & word_ngrams(question, _ECHO):
        raise Fault("echo")
    lines = {line for trial in shown for own in trial.values() for line in own} - {quotation}
    copied = any(word_ngrams(said, _RECITED) & word_ngrams(line, _RECITED) for line in lines)
    if copied or len(_words(said) - _words(quotation or "") - _words(question)) < _OWN_WORDS:
        raise Fault("recital")
    if _RESULT.search(said):
        raise Fault("result")


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in plain_text(text).split() if len(word) > 3}


def reasons_row(
    group: Mapping[str, Any], answers: Sequence[Answer[dict[str, Any]]], prompt_hash: str
) -> dict[str, Any]:
    """Return a REASONS_SCHEMA row; `answers` are about one exemplar set, none where nothing was asked."""
    reasons: dict[str, dict[str, Any]] = {}
    rejected = []
    for answer in answers:
        said = plain_text(answer.value["text"]) if answer.value else ""
        if answer.value is None or said in reasons:
            rejected.append(answer.fault or "repeated")
        else:
            reasons[said] = answer.value | {"seed": answer.seed, "attempt": answer.attempt}
    return {
        "reasons_id": name_set(group["intervention"], group["label"], group["arm"], group["exemplars"]),
        **{name: group[name] for name in ("intervention", "label", "arm", "exemplars", "targets")},
        "reasons": [*reasons.values()],
        "grounded": grounded_share(reasons.values()),
        "reject_reasons": rejected,
        "prompt_hash": prompt_hash if answers else None,
        "model_digest": answers[0].model_digest if answers else None,
    }


def reason_line() -> pl.Expr:
    """Return an expression on an element of `reasons`: it as a prompt says it, with field and quotation."""
    said = pl.element().struct
    field = said.field("field").replace_strict(FIELD_WORDS, return_dtype=pl.String)
    return pl.coalesce(
        pl.format('{} ({}: "{}")', said.field("text"), field, said.field("quotation")), said.field("text")
    )


def grounded_share(reasons: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the share of citations that are true, of those that could be ranked; None where none could."""
    truths = [reason["true"] for reason in reasons if reason["true"] is not None]
    return sum(truths) / len(truths) if truths else None


def measure_reasons(rows: Sequence[Mapping[str, Any]], tally: Tally) -> dict[str, Any]:
    """Return the stage's metrics; nothing in them differs from run to run."""
    reasons = [reason for row in rows for reason in row["reasons"]]
    rejected = Counter(fault for row in rows for fault in row["reject_reasons"])
    cited = [reason for reason in reasons if reason["field"] is not None]
    return {
        "reason_sets": len(rows),
        "reason_sets_without_reasons": sum(
            not row["reasons"] for row in rows if row["prompt_hash"] is not None
        ),
        "reasons": len(reasons),
        "reasons_missing": rejected.total(),
        **{f"reason_missing_{name}": count for name, count in sorted(rejected.items())},
        **{f"reason_fault_{name}": count for name, count in sorted(tally.faults.items())},
        "reason_attempts": tally.asked,
        "citations": len(cited),
        "citations_unranked": sum(reason["rank"] is None for reason in cited),
        "grounded_share": _rounded(grounded_share(cited)),
        "grounded_by_field": {
            field: _rounded(share)
            for field in QUOTED_FIELDS
            if (share := grounded_share(reason for reason in cited if reason["field"] == field)) is not None
        },
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
