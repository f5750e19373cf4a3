"""The dataset card: what the records are, where they come from, and what they must not be used for."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import polars as pl
from jinja2 import Environment, StrictUndefined

from trialforge.reporting.answer import describe_corpus
from trialforge.reporting.blocks import format_cell
from trialforge.reporting.inputs import Inputs
from trialforge.trial.record import REGISTRATION_FIELDS, SYNTHETIC_PREFIX, facet

# The measures that the card shows, in this order: `stage.metric` and its description.
SHOWN = (
    ("validation.acceptance_rate", "share of drafts that validation accepted"),
    ("quality.fidelity.precision", "precision: share of records near a real trial"),
    ("quality.fidelity.coverage", "coverage: share of real trials near a record"),
    (
        "quality.fidelity.form_auc",
        "ROC-AUC of distinguishing records from real trials by form; 0.5 is chance",
    ),
    ("quality.fidelity.style_auc", "the same by style"),
    ("quality.fidelity.content_auc", "the same by content"),
    (
        "quality.fidelity.label_fidelity",
        "ROC-AUC, within interventions, of predicting the requested label",
    ),
    ("quality.diversity.vendi", "Vendi score: effective number of distinct records"),
    ("quality.memorisation.longest_ngram", "longest n-gram shared with a training trial"),
    ("quality.privacy.copies", "share of near-copies of training trials, minus that among held-out trials"),
    (
        "quality.membership.gain",
        "ROC-AUC of guessing which trials the model was shown, minus that from the target alone",
    ),
    ("quality.leakage.words_gap", "ROC-AUC of predicting the label from words, minus that of real trials"),
    ("score.primary.effect", "change in the classifier's score when the records are added"),
    ("score.primary.low", "lower end of its interval"),
    ("score.primary.high", "upper end of its interval"),
    ("score.primary.verdict", "verdict on that change"),
)


def _size_category(count: int) -> str:
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for bound, name in bounds if count < bound), "100K<n<1M")


def plain_cell(text: object) -> str:
    """Return text that is safe in a Markdown table: one line, no markup."""
    line = " ".join(str(text).split())
    for character in "\\|`*_[]":
        line = line.replace(character, f"\\{character}")
    return line.replace("<", "&lt;").replace(">", "&gt;")


def _counts(records: pl.DataFrame) -> list[tuple[str, int, int]]:
    labelled = records.group_by("intervention").agg(
        success=(pl.col("label") == 1).sum(), failure=(pl.col("label") == 0).sum()
    )
    return [(str(name), int(good), int(bad)) for name, good, bad in labelled.sort("intervention").iter_rows()]


def _makers(records: pl.DataFrame) -> list[tuple[str, str, str]]:
    return sorted(records.select("model", "engine", "model_digest").drop_nulls().unique().iter_rows())


def build_card(inputs: Inputs, records: pl.DataFrame) -> str:
    """Return the card of `records` as Markdown with a YAML header; equal inputs give equal bytes."""
    corpus: Any = inputs.params.get("ingest", {})
    measured = inputs.measured
    found = [(measured.get(name), label) for name, label in SHOWN]
    template = (
        files("trialforge.reporting").joinpath("templates", "card.md.jinja").read_text(encoding="utf-8")
    )
    # Markdown, not HTML: what comes from a trial passes `plain`.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    environment.filters["plain"] = plain_cell
    return environment.from_string(template).render(
        count=records.height,
        size=_size_category(records.height),
        prefix=SYNTHETIC_PREFIX,
        simulated=corpus.get("source") == "simulated",
        corpus=describe_corpus(inputs.params),
        newest=inputs.newest_record,
        counts=_counts(records),
        makers=_makers(records),
        measures=[(label, format_cell(value)) for value, label in found if value is not None],
        fields=[(name, facet(name).heading or "") for name in REGISTRATION_FIELDS],
    )
