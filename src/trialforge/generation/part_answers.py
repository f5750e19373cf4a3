"""What becomes of an answer to a part: rules mend and drop what they can, and what is left is asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from trialforge.generation.asking import Fault, Question, parse_answer
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
from trialforge.generation.record import Draft
from trialforge.trial.checks.check import Check
from trialforge.trial.checks.form import FIELDS_COLUMN
from trialforge.trial.checks.record_checks import CHECKED_SCHEMA, find_faults
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.target import TARGET_COLUMNS
from trialforge.trial.record import Row
from trialforge.trial.skeleton import filled_fields


@dataclass(frozen=True, slots=True)
class Settled:
    """An answer after the rules: its texts, the faults left, and which of its texts are cut or copied."""

    texts: dict[str, Any]
    faults: list[str]
    faulty: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Whether a text is cut, before anything else is looked at, or else copied."""
        return "cut" if self.faults[0].startswith("cut_") else "copied"


# The kind of fault and the schema of the texts that were just shown to be mended.
Mended = tuple[str, Row]


@dataclass(frozen=True, slots=True)
class PartAnswers:
    """Accepts the answers to a part of a draft, or says what to ask instead.

    Attributes:
        draft: with the parts before.
        schema: of the whole part.
        seed: of the part.
        exemplars: the rows of those that the prompt shows.
        checks: what one of them finds at fault is asked again.
        reference: what rules mend an answer by.
        pending: the reasons against a record that a later part may still mend.
        ask: returns the question for some fields of the part, given the texts that stay.
    """

    draft: Draft
    schema: Row
    seed: int
    exemplars: Sequence[Row]
    checks: Sequence[Check]
    reference: Reference
    pending: set[str]
    ask: Callable[[Row, Sequence[str]], Question[dict[str, Any]]]

    def accept(self, answer: Row, mended: Mended | None = None) -> dict[str, Any]:
        """Return texts and record of a good answer.

        Raises:
            Fault: the answer is at fault; it says what to ask instead.
        """
        settled = self._settle(answer)
        texts, faulty = settled.texts, settled.faulty
        if not settled.faults:
            return {"texts": texts, "record": self.draft.record_with(texts)}
        if faulty and (settled.kind, schema_of(faulty, self.schema)) == mended:  # the model can't mend them
            fewer = without_items(texts, faulty, self.schema)
            if fewer != texts:
                return self.accept(fewer, mended)
        # What is told of a copy lets the model repeat less of its prompt.
        fault = next(filter(_is_copy, settled.faults), settled.faults[0])
        raise Fault(fault, self._ask_again(settled, mended))

    def _settle(self, answer: Row) -> Settled:
        """Mend and drop by rule what can be."""
        schema, skeleton = self.schema, self.draft.target["skeleton"]
        answer = {name: answer[name] for name in schema["properties"]}
        answer = right_spelling(answer, self.draft.record_with({}), self.reference.words)
        written, cut = end_texts(without_items(answer, repeated_texts(answer), schema), schema)
        written = without_items(written, cut, schema, LEAST_UNMENDED)
        if cut := left_in(written, cut):
            return Settled(written, [f"cut_{name}" for name in cut], cut)
        fit = without_unfit(written, schema, self.draft.record_with(written), self.reference.kinds)
        written = without_spares(fit, {}, skeleton)
        faults = self._find_faults(written)
        fields = {name for fault in faults if _is_copy(fault) for name in self._fields_of(fault)}
        copied = copied_texts(fit, self.exemplars) if fields else {}
        copied = {name: texts for name, texts in copied.items() if name in fields}
        if not copied:
            return Settled(written, faults)
        fewer = without_spares(fit, copied, skeleton)
        fewer = without_items(fewer, left_in(fewer, copied), schema, LEAST_UNMENDED)
        left = self._find_faults(fewer)
        if {*left} <= {*faults}:  # else it needs what was dropped
            written, faults = fewer, left
        return Settled(written, faults, left_in(written, copied))

    def _ask_again(self, settled: Settled, mended: Mended | None) -> Question[dict[str, Any]] | None:
        """Return the question for the texts at fault, where others of the part can stay as they are.

        If nothing but sentences and criteria is copied or cut, these are shown to be mended, unless they just
        were. Otherwise all fields at fault are written anew together.
        """
        texts, faulty, kind = settled.texts, settled.faulty, settled.kind
        found = [
            {*faulty} if kind == "cut" else {*self._fields_of(fault)} & {*texts} for fault in settled.faults
        ]
        anew = set[str]().union(*found)
        if all(found) and can_mend(faulty) and anew <= {*faulty}:
            asked = schema_of(faulty, self.schema)

            def accept(text: str) -> dict[str, Any]:
                return self.accept(replaced_texts(texts, parse_answer(text, asked)), (kind, asked))

            if (kind, asked) != mended:
                return Question(mending_messages(faulty, kind), asked, self.seed, accept, told=False)
        if not all(found) or len(anew) == len(texts):
            return None
        kept = {name: value for name, value in texts.items() if name not in anew}
        return self.ask(kept, [name for name in texts if name in anew])

    def _fields_of(self, fault: str) -> Sequence[str]:
        """Return the fields that a check's reason is about."""
        return next(check.fields for check in self.checks if check.reason == fault)

    def _find_faults(self, texts: Row) -> list[str]:
        """Return what validation would find, but for what a later part may still mend."""
        found = find_record_faults(self.draft.record_with(texts), self.draft.target, self.checks)
        return [name for name in found if name not in self.pending]


def _is_copy(fault: str) -> bool:
    return fault.startswith("copied_")


def find_record_faults(record: Row, target: Row, checks: Sequence[Check]) -> list[str]:
    """Return the reasons against a record, by all checks that need no other record."""
    beside = {column: target[name] for name, column in TARGET_COLUMNS.items()}
    beside[FIELDS_COLUMN] = filled_fields(target["skeleton"])
    lineage = {"normalized_interventions": [target["intervention"]], "label": target["label"]}
    row = {**record, **beside, **lineage, "exemplars": target["exemplars"]}
    return list(find_faults(pl.DataFrame([row], schema=CHECKED_SCHEMA), checks)[0])
