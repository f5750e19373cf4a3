"""The gates on copies and leaks: how many planted copiers are refused, and how many honest sets are.

Held-out real trials stand in place of drafts; a share of them has text of train trials in one of 11 ways.
`BENCH_COPIES=xml,top` names other corpora than the simulated one; real ones lie in TRIALFORGE_SHARED.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from tests.unit.quality.real_parts import Parts, read_parts
from trialforge.core.params import load_section
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.copies import copied_fields
from trialforge.quality.params import QualityParams
from trialforge.quality.tells import telling_features
from trialforge.trial.criteria import parse
from trialforge.trial.text import filled_fields
from trialforge.validation.params import ValidationParams

ROOT = Path(__file__).resolve().parents[1]
CORPORA = os.environ.get("BENCH_COPIES", "simulated").split(",")
RATES = (0.1, 0.2, 0.5, 1.0)
RECORDS, HONEST = 100, 20
JOINT = ("criteria", "arms", "primary_outcomes", "secondary_outcomes")
WHOLE = ("title", "official_title", "summary", "detailed_description", "interventions", "keywords", *JOINT)
FIELDS = {"criteria": ("criteria",), "summary": ("summary",), "joint": JOINT, "whole": WHOLE}
Rewrite = Callable[[list[str], list[str], np.random.Generator], list[str]]


def _alter(theirs: list[str], _: list[str], __: np.random.Generator) -> list[str]:
    words = [item.split() for item in theirs]
    return [
        " ".join(word if place % 8 else "respectively" for place, word in enumerate(one, 1)) for one in words
    ]


# What stands in a record's criteria, of the items of a train trial and its own.
REWRITES: dict[str, Rewrite] = {
    "capitals": lambda theirs, _, __: [item.upper().replace(",", "") for item in theirs],
    "shuffled": lambda theirs, _, stream: stream.permutation(theirs).tolist(),
    "every eighth word": _alter,
    "first half": lambda theirs, own, _: [*theirs[: len(theirs) // 2], *own[len(own) // 2 :]],
    "after its own": lambda theirs, own, _: [*own, *theirs],
    "longest item": lambda theirs, own, _: [*own, max(theirs, key=len, default="none")],
    "one item": lambda theirs, own, stream: [*own, *stream.permutation(theirs)[:1].tolist()],
}


def main() -> None:
    """Print one table a corpus."""
    params = load_section(QualityParams, "quality", ROOT / "params.yaml")
    validation = load_section(ValidationParams, "validation", ROOT / "params.yaml")
    shared = Path(os.environ.get("TRIALFORGE_SHARED", ROOT.parent / "shared")) / "data"
    for corpus in CORPORA:
        parts = read_parts(corpus, None if corpus == "simulated" else shared)
        scale = build_scale(filled_fields(parts["train"]), parts["train"], params, validation, 1)
        train = Side(parts["train"], scale)
        print(f"{corpus}: fields refused of copiers{''.join(f'{rate:>7.0%}' for rate in RATES)}", flush=True)
        for kind in (*FIELDS, *REWRITES):
            refused = [copied_fields(_beside(plant(parts, kind, rate), train, parts)).value for rate in RATES]
            print(f"{kind:<37}{''.join(f'{value:>7.0f}' for value in refused)}", flush=True)
        honest = [_beside(_draw(parts, seed), train, parts) for seed in range(HONEST)]
        print(f"honest sets refused: {sum(copied_fields(case).value > 0 for case in honest)} of {HONEST}")
        told = [telling_features(_label(case, seed)).value > 0 for seed, case in enumerate(honest)]
        print(f"honest sets with a feature that tells the label: {sum(told)} of {HONEST}", flush=True)


def plant(parts: Parts, kind: str, rate: float) -> pl.DataFrame:
    """Return held-out trials as records, of which a share copies from train in a way."""
    records, stream = _draw(parts, 1), np.random.default_rng(1)
    copies = round(rate * len(records))
    filled = parts["train"].filter(pl.col("criteria").str.len_chars() > 200)
    copied = filled.sample(copies, seed=1, with_replacement=copies > len(filled))
    planted = records.head(copies).with_columns(copied[name] for name in FIELDS.get(kind, ()))
    if kind in REWRITES:
        pairs = zip(copied["criteria"], planted["criteria"], strict=True)
        lists = [REWRITES[kind](_items(theirs), _items(own or ""), stream) for theirs, own in pairs]
        texts = ["\n".join(f"- {item}" for item in items) for items in lists]
        planted = planted.with_columns(pl.Series("criteria", texts, dtype=pl.String))
    return pl.concat([planted, records.slice(copies)])


def _items(text: str) -> list[str]:
    return [item.text for item in parse(text).items()]


def _draw(parts: Parts, seed: int) -> pl.DataFrame:
    return (
        parts["test"].sample(RECORDS, seed=seed).with_columns(pl.format("SYN-{}", "nct_id").alias("nct_id"))
    )


def _beside(records: pl.DataFrame, train: Side, parts: Parts) -> Case:
    """Return the records beside train and the held-out trials that they are not made of."""
    own = pl.format("SYN-{}", "nct_id").is_in(records["nct_id"].implode())
    left = (parts[name].filter(~own) for name in ("validation", "test"))
    return Case(Side(records, train.scale), train, *(Side(frame, train.scale) for frame in left))


def _label(case: Case, seed: int) -> Case:
    """Return the same with labels by lot, which nothing tells."""
    stream = np.random.default_rng(seed)
    sides = [
        Side(side.frame.with_columns(label=pl.Series(stream.integers(0, 2, len(side)))), side.scale)
        for side in (case.candidates, case.reference)
    ]
    return Case(*sides)
