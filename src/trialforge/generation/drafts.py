"""From targets to questions for the model, part by part, and from its answers to generated rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.rng import derive_seed, random_stream
from trialforge.generation.asking import Chain, Question, StageAsking, Tally, parse_answer
from trialforge.generation.exemplars import FRAME_TOKENS, count_at_most, order_exemplars
from trialforge.generation.mending import PROMPT as MEND_PROMPT
from trialforge.generation.params import GenerationParams
from trialforge.generation.part_answers import PartAnswers
from trialforge.generation.parts import (
    SHOWN,
    ask_for,
    count_missing,
    count_words,
    part_schema,
    show_parts,
    tell_record,
    tell_skeleton,
)
from trialforge.generation.prompts import (
    exemplar_subject,
    exemplar_values,
    neutralize,
    render,
    target_line,
)
from trialforge.generation.reasons import reason_line
from trialforge.generation.record import GENERATED_SCHEMA, Draft
from trialforge.generation.schema import closed_object
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.target import PROSE_REASONS
from trialforge.trial.draft_fields import PARTS, PartName
from trialforge.trial.generation_arms import WITHOUT_PROSE
from trialforge.trial.label_words import label_line, label_verb, told_label
from trialforge.trial.record import Row

PROMPT = "generate.jinja"
PROMPTS = (PROMPT, MEND_PROMPT)
# What a record lacks while its criteria are not yet written.
_CRITERIA_REASONS = ("no_criteria", "one_sided_criteria", "short_criteria")


class DraftWriter:
    """Writes drafts part by part.

    Args:
        train: the exemplars' rows by id.
        params: section `generation`.
        context_tokens: that a prompt and its answer may fill.
        checks: what one of them finds at fault is asked again.
        reference: what rules mend an answer by.
    """

    def __init__(
        self,
        train: Mapping[str, Row],
        params: GenerationParams,
        context_tokens: int,
        checks: Sequence[Check],
        reference: Reference = Reference(),  # noqa: B008  # it is frozen
    ) -> None:
        self._train = train
        self._params = params
        self._context_tokens = context_tokens
        self._checks = checks
        self._reference = reference
        self._shown: dict[tuple[tuple[PartName, ...], tuple[str, ...]], dict[str, str]] = {}

    def write(self, targets: Sequence[Row], asking: StageAsking) -> list[Draft]:
        """Return `best_of` drafts of each target, written side by side."""
        numbers = range(self._params.best_of)
        drafts = [Draft(target, self.show_all(target), number) for target in targets for number in numbers]
        chains = (self._write(draft, asking) for draft in drafts)
        asking.ask_chains(chains, self._params.sampling, self._params.retries)
        return drafts

    def part_sizes(self, targets: Sequence[Row]) -> list[float]:
        """Return the words of each part of the targets, as a measure of its cost."""
        schemas = [self._schema(target, part) for target in targets for part in PARTS]
        return [count_words(schema) for schema in schemas if schema] * self._params.best_of

    def _write(self, draft: Draft, asking: StageAsking) -> Chain[dict[str, Any]]:
        for part in PARTS:
            schema = self._schema(draft.target, part)
            if schema and draft.fault is None:
                draft.take((yield self.ask(draft, part)))
            elif schema:
                asking.skip([count_words(schema)])
        if not draft.record and draft.fault is None:  # its skeleton has no text to write
            draft.record = draft.record_with({})

    def ask(
        self,
        draft: Draft,
        part: PartName,
        written: Row | None = None,
        anew: Sequence[str] = (),
    ) -> Question[dict[str, Any]]:
        """Return the question for a part of a draft that its skeleton has texts in.

        Args:
            draft: with the parts before.
            part: that is asked for.
            written: the texts of this part that stay as they are. The prompt does not show them: a small
                model makes a title of the summary that it reads.
            anew: its other fields; empty asks for the whole part.
        """
        target, params = draft.target, self._params
        schema = self._schema(target, part) or {}
        asked = closed_object({name: schema["properties"][name] for name in anew}) if anew else schema
        subject = target_line(target["intervention"], target["conditions"], target["phase"])
        reasons = {target["label"]: target["reasons"], 1 - target["label"]: target["other_reasons"]}
        told = [subject, tell_skeleton(target["skeleton"]), *target["reasons"], *target["other_reasons"]]
        left = self._room - sum(map(count_at_most, told))
        messages = render(
            PROMPT,
            exemplars=[
                self._tell(self._train[name], target, text)
                for name, text in self._show(target, SHOWN[part]).items()
                if text
            ],
            position=params.label_position,
            reasons=[
                (label_verb(label, params.label_wording), [neutralize(reason) for reason in reasons[label]])
                for label in (1, 0)
                if reasons[label]
            ],
            label=label_line(told_label(target["arm"], target["label"]), params.label_wording),
            target="\n".join(told[:2]),
            record=tell_record(draft.record, left) if draft.record else "",
            asked=ask_for(part, target["skeleton"], anew or params.fields),
        )
        seed = derive_seed(draft.seed, part)
        answers = PartAnswers(
            draft,
            schema,
            seed,
            [self._train[name] for name in target["exemplars"]],
            self._checks,
            self._reference,
            self._pending(target, part),
            lambda kept, fields: self.ask(draft, part, kept, fields),
        )
        return Question(
            messages,
            asked,
            seed,
            lambda text: answers.accept({**(written or {}), **parse_answer(text, asked)}),
            count_words(schema),
        )

    def _pending(self, target: Row, part: PartName) -> set[str]:
        """Return the reasons against a record that a later part may still mend."""
        if not any(self._schema(target, name) for name in PARTS[PARTS.index(part) + 1 :]):
            return set()
        if target["skeleton"]["title"] or target["skeleton"]["summary"]:
            return {*_CRITERIA_REASONS}
        return {*_CRITERIA_REASONS, *PROSE_REASONS}

    def show_all(self, target: Row) -> list[str]:
        """Return what the prompts of all parts show of each exemplar, in the order of their ids."""
        parts = [self._show(target, shown) for shown in dict.fromkeys(SHOWN.values())]
        return [
            "\n".join(filter(None, (part[name] for part in parts))) for name in sorted(target["exemplars"])
        ]

    @property
    def _room(self) -> int:
        """Tokens for the exemplars, and as many for the rest.

        What is shown of exemplars is the same in all prompts of a set: an engine need not read it again.
        """
        return (self._context_tokens - self._params.sampling.max_tokens - FRAME_TOKENS) // 2

    def _show(self, target: Row, parts: tuple[PartName, ...]) -> dict[str, str]:
        """What a prompt shows of each exemplar, by id in the order of the prompt; read once a set."""
        key = parts, tuple(target["exemplars"])
        if key not in self._shown:
            self._shown[key] = self._read_shown(*key)
        return self._shown[key]

    def _read_shown(self, parts: Sequence[PartName], exemplars: Sequence[str]) -> dict[str, str]:
        labels = {name: self._train[name]["label"] for name in exemplars}
        order = order_exemplars(sorted(labels), labels, self._params.exemplar_order, 0)
        return {
            name: show_parts(
                parts,
                self._train[name],
                self._params.fields,
                self._room // len(order),
                random_stream(0, "shown", *parts, name),
            )
            for name in order
        }

    def _tell(self, trial: Row, target: Row, text: str) -> dict[str, str]:
        """An exemplar: what it is a trial of, above its part."""
        subject = target_line(*exemplar_subject(trial, target["intervention"]))
        label = told_label(target["arm"], trial["label"])
        return exemplar_values({**trial, "label": label}, f"{subject}\n{text}", self._params.label_wording)

    def _schema(self, target: Row, part: PartName) -> dict[str, Any] | None:
        return part_schema(part, target["skeleton"], self._params.fields)


def generated_row(draft: Draft, origin: Row) -> dict[str, Any]:
    """Return a GENERATED_SCHEMA row; `origin` has what all records of a run share.

    A record without prose has of it the version alone: no model wrote it.
    """
    copied = ("target_id", "intervention", "arm", "generation", "label", "exemplars", "reasons_id")
    whole = draft.record if draft.fault is None else {}
    if draft.target["arm"] == WITHOUT_PROSE:
        origin = {"version": origin.get("version")}
    return (
        dict.fromkeys(GENERATED_SCHEMA)
        | whole
        | {name: draft.target[name] for name in copied}
        | dict(origin)
        | {
            "source": "synthetic",
            "seed": draft.seed,
            "normalized_interventions": [draft.target["intervention"]],
            "shown": draft.shown,
            "reject_reason": draft.fault,
            "model_digest": draft.model_digest,
            "attempt": draft.retries,
        }
    )


def assign_sets(plan: pl.DataFrame, reasons: pl.DataFrame) -> pl.DataFrame:
    """Return targets with `exemplars`, `reasons` (as the prompt says them) and `reasons_id`, by set.

    `other_reasons` are those of the other label about the same exemplars, for a target of a pair.

    Raises:
        ArtifactError: a target has no row in the reasons.
    """
    texts = pl.col("reasons").list.eval(reason_line())
    shown = pl.col("exemplars").list.join(" ")
    sets = reasons.select("reasons_id", "exemplars", "targets", reasons=texts).with_row_index("set")
    opposite = reasons.select(
        "intervention", "arm", shown=shown, label=1 - pl.col("label"), other_reasons=texts
    )
    owned = sets.explode("targets", empty_as_null=True, keep_nulls=True).rename({"targets": "target_id"})
    joined = plan.with_row_index("place").join(owned, on="target_id", how="left")
    lost = joined.filter(pl.col("reasons_id").is_null())["target_id"].to_list()
    if lost:
        raise ArtifactError(
            f"{len(lost)} targets have no row of reasons; the first is {lost[0]}",
            hint="run: dvc repro reason",
        )
    keys = ["intervention", "arm", "label", "shown"]
    opposite = opposite.unique(keys, keep="first", maintain_order=True)
    found = joined.with_columns(shown=shown).join(opposite, on=keys, how="left").drop("shown")
    other = pl.when(pl.col("pair").is_not_null()).then("other_reasons").fill_null([])
    return found.with_columns(other_reasons=other).sort("set", "place").drop("set", "place")


def measure_drafts(drafts: Sequence[Draft], tally: Tally) -> dict[str, int | float | None]:
    """Return the stage's metrics; nothing in them differs from run to run."""
    targets = {draft.target["target_id"] for draft in drafts}
    accepted = {draft.target["target_id"] for draft in drafts if draft.fault is None}
    given_up = len(targets) - len(accepted)
    retries = sum(draft.retries for draft in drafts)
    clean = sum(draft.retries == 0 and draft.fault is None for draft in drafts)
    parts = tally.asked - retries
    return {
        "targets": len(targets),
        "accepted": len(accepted),
        "given_up": given_up,
        "given_up_share": round(given_up / len(targets), 4) if targets else None,
        "parts": parts,
        "retries": retries,
        "texts_dropped": sum(
            count_missing(draft.texts, draft.target["skeleton"]) for draft in drafts if draft.fault is None
        ),
        "attempts_a_part": round(tally.asked / parts, 4) if parts else None,
        "first_try_valid_share": round(tally.valid_first / tally.uncut_first, 4)
        if tally.uncut_first
        else None,
        "first_try_accepted_share": round(clean / len(drafts), 4) if drafts else None,
        "prompt_tokens_sent": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        **{f"fault_{name}": count for name, count in sorted(tally.faults.items())},
    }
