"""A record from its skeleton and the texts that a model wrote, with its lineage and an id from both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from trialforge.core.files import hash_json
from trialforge.core.rng import derive_seed
from trialforge.trial.checks.form import is_misnamed
from trialforge.trial.criteria_lists import SIDES, join_criteria
from trialforge.trial.draft_fields import ENDPOINT_FIELDS, PROSE_FIELDS, TITLES
from trialforge.trial.record import REGISTRATION_SCHEMA, SYNTHETIC_PREFIX, Row

if TYPE_CHECKING:
    from trialforge.generation.asking import Answer

LINEAGE_SCHEMA: dict[str, pl.DataType] = {
    "normalized_interventions": pl.List(pl.String()), "label": pl.Int64(), "target_id": pl.String(),
    "intervention": pl.String(), "arm": pl.String(), "generation": pl.Int64(), "reject_reason": pl.String(),
    "exemplars": pl.List(pl.String()), "shown": pl.List(pl.String()), "reasons_id": pl.String(),
    "prompt_hash": pl.String(), "model": pl.String(), "model_digest": pl.String(), "engine": pl.String(),
    "version": pl.String(),
    "sampling": pl.String(), "seed": pl.Int64(), "attempt": pl.Int64(),
}  # fmt: skip
GENERATED_SCHEMA: dict[str, pl.DataType] = REGISTRATION_SCHEMA | LINEAGE_SCHEMA
_DECIDED = (
    "allocation", "intervention_model", "masking", "primary_purpose", "minimum_age", "maximum_age", "sex",
    "healthy_volunteers", "enrolment_planned", "sponsor_class", "condition_mesh", "intervention_mesh",
)  # fmt: skip
_MARKS = ".!?:"
_CLOSED = re.compile(r"[\s,;'\"]*[{}][\s,;'\"{}\]]*$")


def name_record(record: Row, target_id: str) -> str:
    """Return the id of a synthetic record: its content and target decide it."""
    content = {name: value for name, value in record.items() if name != "nct_id"}
    return f"{SYNTHETIC_PREFIX}{hash_json([content, target_id])[:12]}"


def build_record(target: Row, texts: Row) -> dict[str, Any]:
    """Return REGISTRATION_SCHEMA values of a target with the texts written so far, without an id.

    Args:
        target: what the plan says: `intervention`, `conditions`, `phase` and `skeleton`.
        texts: answers by field, as `parts` asks for them; a field that has none stays empty.
    """
    skeleton = target["skeleton"]
    record: dict[str, Any] = dict.fromkeys(REGISTRATION_SCHEMA) | {
        name: [] for name, dtype in REGISTRATION_SCHEMA.items() if dtype.base_type().__name__ == "List"
    }
    record |= {
        "source": "synthetic",
        "study_type": "Interventional",
        "phase": target["phase"],
        "conditions": list(target["conditions"]),
        **{name: skeleton[name] for name in _DECIDED},
        **{name: tidy(texts[name]) for name in TITLES if name in texts},
        **{name: _prose(texts[name]) for name in PROSE_FIELDS if name in texts},
        "keywords": [tidy(word) for word in texts.get("keywords", {}).values()],
        "interventions": [
            {**shape, "description": _text_at(texts, "interventions", place, "description")}
            for place, shape in _placed(skeleton["interventions"])
        ],
    }
    given = [one["name"] for one in record["interventions"]]  # the registry lists an arm's in this order
    if "arms" in texts or not skeleton["arms"]:
        arms = [
            {
                **shape,
                **{part: _text_at(texts, "arms", place, part) for part in ("label", "description")},
                "interventions": sorted(
                    shape["interventions"],
                    key=lambda name: given.index(name) if name in given else len(given),
                ),
            }
            for place, shape in _placed(skeleton["arms"])
        ]
        # The plan decides what an arm gets. A small model calls each control placebo, even if asked again.
        record["arms"] = [
            arm | {"label": " and ".join(arm["interventions"])} if is_misnamed(arm) else arm for arm in arms
        ]
    for name in ENDPOINT_FIELDS:
        record[name] = [
            {part: _text_at(texts, name, place, part) for part in ("measure", "time_frame", "description")}
            for place, _ in _placed(skeleton[name])
            if name in texts
        ]
    lists = [[tidy_criterion(item) for item in texts.get(name, {}).values()] for name in SIDES]
    record["criteria"] = join_criteria(*lists) or None
    return record


def _placed(shapes: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    return ((str(place), shape) for place, shape in enumerate(shapes, start=1))


def _text_at(texts: Row, name: str, place: str, part: str) -> str | None:
    value = texts.get(name, {}).get(place, {}).get(part)
    if isinstance(value, Mapping):
        unit = value["unit"] if value["number"] != 1 else value["unit"].removesuffix("s")
        return f"{value['number']} {unit}"
    return None if value is None else tidy(value)


def _prose(sentences: Mapping[str, str]) -> str:
    """Numbered sentences as one text."""
    return " ".join(end_sentence(tidy(text)) for text in sentences.values())


def tidy(text: str) -> str:
    """Return a text on one line, without the number or bullet that a model may put before it."""
    line = " ".join(text.split())
    return line.removeprefix("- ").strip()


def tidy_criterion(text: str) -> str:
    """Return a criterion on one line, without the mark that led on to the next one, or closed the answer."""
    return _CLOSED.sub("", tidy(text)).rstrip(" ,;")


def end_sentence(text: str) -> str:
    """Return a text with a mark at its end."""
    return text if text.endswith(tuple(_MARKS)) else f"{text.rstrip(',;')}."


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

    def record_with(self, texts: Row) -> dict[str, Any]:
        """Return the record of the texts so far and these."""
        record = build_record(self.target, {**self.texts, **texts})
        return record | {"nct_id": name_record(record, self.name)}

    def take(self, answer: Answer[dict[str, Any]]) -> None:
        """Take the answer to a part, or the fault of its last attempt."""
        self.retries += answer.attempt
        self.model_digest = answer.model_digest
        self.fault = answer.fault
        if answer.value is not None:
            self.texts |= answer.value["texts"]
            self.record = answer.value["record"]
