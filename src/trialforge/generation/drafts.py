"""From targets to questions for the model, part by part, and from its answers to generated rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.rng import derive_seed, random_stream
from trialforge.generation.asking import Answer, Chain, Fault, Question, StageAsking, Tally, parse_answer
from trialforge.generation.exemplars import FRAME_TOKENS, count_at_most, order_exemplars
from trialforge.generation.mending import (
    LEAST_UNMENDED,
    can_mend,
    copied_texts,
    end_texts,
    left_in,
    mending_messages,
    repeated_texts,
    replaced_texts,
    right_spelling,
    schema_of,
    without_items,
    without_spares,
    without_unfit,
)
from trialforge.generation.mending import PROMPT as MEND_PROMPT
from trialforge.generation.params import GenerationParams
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
from trialforge.generation.record import GENERATED_SCHEMA, build_record, name_record
from trialforge.generation.schema import closed_object
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.form import FIELDS_COLUMN
from trialforge.trial.checks.record_checks import CHECKED_SCHEMA, find_faults
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.target import PROSE_REASONS, TARGET_COLUMNS
from trialforge.trial.draft_fields import PARTS, PartName
from trialforge.trial.generation_arms import WITHOUT_PROSE
from trialforge.trial.label_words import label_line, label_verb, told_label
from trialforge.trial.record import Row
from trialforge.trial.skeleton import filled_fields

PROMPT = "generate.jinja"
PROMPTS = (PROMPT, MEND_PROMPT)
# What a record lacks while its criteria are not yet written.
_CRITERIA_REASONS = ("no_criteria", "one_sided_criteria", "short_criteria")


@dataclass(slots=True)
class Draft:
    """A record as it is written: its target, the texts so far, and the fault that it was given up for.

    `shown` is what the prompts of all parts show of each exemplar, by id; `number` tells the drafts of one
    target apart.
    """

    target: Row
    shown: list[str] = field(default_factory=list)
    number: int = 0
    texts: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None
    retries: int = 0
    model_digest: str | None = None

    @property
    def name(self) -> str:
        """The target's id; of a further draft with its number."""
        return f"{self.target['target_id']}/{self.number}" if self.number else self.target["target_id"]

    @property
    def seed(self) -> int:
        """The target's seed; of a further draft another one that follows from it."""
        seed = self.target["seed"]
        return derive_seed(seed, "draft", self.number) if self.number else seed

    def take(self, answer: Answer[dict[str, Any]]) -> None:
        """Take the answer to a part, or the fault of its last attempt."""
        self.retries += answer.attempt
        self.model_digest = answer.model_digest
        self.fault = answer.fault
        if answer.value is not None:
            self.texts |= answer.value["texts"]
            self.record = answer.value["record"]


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
        self._fields = {check.reason: check.fields for check in checks}
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
            draft.record = _named_record(draft, {})

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
        return Question(
            messages,
            asked,
            derive_seed(draft.seed, part),
            lambda text: self._accept(draft, part, {**(written or {}), **parse_answer(text, asked)}),
            count_words(schema),
        )

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

    def _accept(
        self, draft: Draft, part: PartName, answer: Row, mended: tuple[str, Row] | None = None
    ) -> dict[str, Any]:
        """Return texts and record of a good answer.

        `mended` are the kind of fault and the schema of the texts that were just shown to be mended.
        """
        schema = self._schema(draft.target, part) or {}
        written, faults, faulty = self._settle(draft, part, answer)
        if not faults:
            return {"texts": written, "record": _named_record(draft, draft.texts | written)}
        if faulty and (_kind(faults[0]), schema_of(faulty, schema)) == mended:  # the model can't mend them
            fewer = without_items(written, faulty, schema)
            if fewer != written:
                return self._accept(draft, part, fewer, mended)
        # What is told of a copy lets the model repeat less of its prompt.
        fault = next(filter(_is_copy, faults), faults[0])
        raise Fault(fault, self._ask_again(draft, part, written, faults, faulty, mended))

    def _settle(
        self, draft: Draft, part: PartName, answer: Row
    ) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
        """Mend and drop by rule what can be; return the texts, the faults left, and what is cut or copied."""
        schema, skeleton = self._schema(draft.target, part) or {}, draft.target["skeleton"]
        answer = {name: answer[name] for name in schema["properties"]}
        answer = right_spelling(answer, _named_record(draft, draft.texts), self._reference.words)
        written, cut = end_texts(without_items(answer, repeated_texts(answer), schema), schema)
        written = without_items(written, cut, schema, LEAST_UNMENDED)
        if cut := left_in(written, cut):
            return written, [f"cut_{name}" for name in cut], cut
        whole = _named_record(draft, draft.texts | written)
        fit = without_unfit(written, schema, whole, self._reference.kinds)
        written = without_spares(fit, {}, skeleton)
        faults = self._find_faults(draft, written, part)
        fields = {name for fault in faults if _is_copy(fault) for name in self._fields[fault]}
        if not fields:
            return written, faults, {}
        exemplars = [self._train[name] for name in draft.target["exemplars"]]
        copied = {name: texts for name, texts in copied_texts(fit, exemplars).items() if name in fields}
        fewer = without_spares(fit, copied, skeleton)
        fewer = without_items(fewer, left_in(fewer, copied), schema, LEAST_UNMENDED)
        left = self._find_faults(draft, fewer, part)
        if {*left} <= {*faults}:  # else it needs what was dropped
            written, faults = fewer, left
        return written, faults, left_in(written, copied)

    def _ask_again(
        self,
        draft: Draft,
        part: PartName,
        written: Row,
        faults: Sequence[str],
        faulty: Row,
        mended: tuple[str, Row] | None,
    ) -> Question[dict[str, Any]] | None:
        """Return the question for the texts at fault, where others of the part can stay as they are.

        If nothing but sentences and criteria is copied or cut, these are shown to be mended, unless they just
        were. Otherwise all fields at fault are written anew together.
        """
        schema = self._schema(draft.target, part) or {}
        kind = _kind(faults[0])
        found = [{*faulty} if kind == "cut" else {*self._fields[fault]} & {*written} for fault in faults]
        anew = set[str]().union(*found)
        if all(found) and can_mend(faulty) and anew <= {*faulty}:
            asked = schema_of(faulty, schema)

            def accept(text: str) -> dict[str, Any]:
                again = replaced_texts(written, parse_answer(text, asked))
                return self._accept(draft, part, again, (kind, asked))

            if (kind, asked) != mended:
                seed = derive_seed(draft.seed, part)
                return Question(mending_messages(faulty, kind), asked, seed, accept, told=False)
        if not all(found) or len(anew) == len(written):
            return None
        kept = {field: texts for field, texts in written.items() if field not in anew}
        return self.ask(draft, part, kept, [field for field in written if field in anew])

    def _find_faults(self, draft: Draft, written: dict[str, Any], part: PartName) -> list[str]:
        """Return what validation would find, but for what a later part may still mend."""
        target = draft.target
        left = [name for name in PARTS[PARTS.index(part) + 1 :] if self._writes(target, name)]
        pending: set[str] = set()
        if left:
            pending |= {*_CRITERIA_REASONS}
            if not (target["skeleton"]["title"] or target["skeleton"]["summary"]):
                pending |= {*PROSE_REASONS}
        record = _named_record(draft, draft.texts | written)
        return [name for name in find_record_faults(record, target, self._checks) if name not in pending]

    def _writes(self, target: Row, part: PartName) -> bool:
        return self._schema(target, part) is not None

    def _schema(self, target: Row, part: PartName) -> dict[str, Any] | None:
        return part_schema(part, target["skeleton"], self._params.fields)


def _named_record(draft: Draft, texts: Row) -> dict[str, Any]:
    record = build_record(draft.target, texts)
    return record | {"nct_id": name_record(record, draft.name)}


def _is_copy(fault: str) -> bool:
    return fault.startswith("copied_")


def _kind(fault: str) -> str:
    """Whether a text is cut, before anything else is looked at, or else copied."""
    return "cut" if fault.startswith("cut_") else "copied"


def find_record_faults(record: Row, target: Row, checks: Sequence[Check]) -> list[str]:
    """Return the reasons against a record, by all checks that need no other record."""
    beside = {column: target[name] for name, column in TARGET_COLUMNS.items()}
    beside[FIELDS_COLUMN] = filled_fields(target["skeleton"])
    lineage = {"normalized_interventions": [target["intervention"]], "label": target["label"]}
    row = {**record, **beside, **lineage, "exemplars": target["exemplars"]}
    return list(find_faults(pl.DataFrame([row], schema=CHECKED_SCHEMA), checks)[0])


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
