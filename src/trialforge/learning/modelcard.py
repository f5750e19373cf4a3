"""The card of a trained model: what it is, what it learned from, and what reads it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.files import write_json, write_text
from trialforge.core.params import Section
from trialforge.learning.params import ModelName
from trialforge.learning.storage import read_value
from trialforge.trial.record import TEXT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trialforge.learning.cells import Cell

FILE = "model.json"
CARD = """# {model}, arm `{arm}`

Gives the probability that a clinical trial succeeds, from what is known at its registration.

| | |
| --- | --- |
| classifier | `{model}` |
| settings | `{settings}` |
| trained on | {train} |
| labels | {labels} |
| chosen by | {validation} real validation trials |
| text fields | {fields} |
| held-out trials scored | {test}; figures with intervals are in `metrics/score.json` |

Not for decisions about patients, trials or money. It ranks trials of the kind it was trained on and
knows nothing of others; a probability is calibrated only as far as the reliability diagram shows.

`trialforge predict --model FOLDER/{arm} FILE` scores new trials.
"""


class ModelCard(Section):
    """What `predict` must know of a model: which classifier it is, its parameters, and the text it reads."""

    model: ModelName
    arm: str
    settings: dict[str, Any]
    fields: list[str]


def write_card(folder: Path, cell: Cell, fields: Sequence[str], scores: pl.DataFrame) -> None:
    """Write `README.md` for people and `model.json` for `read_card`."""
    train = cell.task.train
    origins = ", ".join(
        f"{count} {origin}" for origin, count in train["origin"].value_counts().sort("origin").rows()
    )
    positive = int(train["label"].sum())
    write_json(
        {"model": cell.model, "arm": cell.arm, "settings": cell.settings, "fields": list(fields)},
        folder / FILE,
    )
    text = CARD.format(
        model=cell.model,
        arm=cell.arm,
        settings=cell.settings,
        train=origins,
        labels=f"{positive} successes, {train.height - positive} failures",
        validation=cell.task.validation.height,
        fields=", ".join(fields),
        test=scores.filter(pl.col("part") == "test").height,
    )
    write_text(text, folder / "README.md")


def read_card(folder: Path) -> ModelCard:
    """Return what `write_card` wrote in `model.json`.

    Raises:
        LearningError: the folder holds no trained model, or its card says what none can say.
    """
    if not (folder / FILE).is_file():
        found = sorted(path.parent.as_posix() for path in folder.glob(f"**/{FILE}"))
        raise LearningError(
            f"{folder} holds no trained model" + (f"; there are {', '.join(found[:8])}" if found else ""),
            hint="run: dvc repro, or name one of the folders under models/",
        )
    card = read_value(folder / FILE, ModelCard)
    unknown = sorted(set(card.fields) - set(TEXT_FIELDS))
    if unknown:
        raise LearningError(f"{folder / FILE}: no text field {unknown[0]!r} is known at registration")
    return card
