"""Copiers of a field, of several and of whole records are refused; real trials that no one saw are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from stages import measure
from tests.unit.quality.real_parts import CORPORA, Parts, read_parts
from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import GateError, MetricError
from trialforge.core.files import write_json
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.copies import (
    compare_means,
    copied_fields,
    copies_table,
    cut_alike,
    exceed_tail,
    largest_excess,
    likely_exemplars,
    worst_copies,
)
from trialforge.quality.params import QualityParams
from trialforge.trial.text import filled_fields

ROOT = Path(__file__).resolve().parents[3]
JOINT = ("criteria", "arms", "primary_outcomes", "secondary_outcomes")
COPIED = {
    "criteria": ("criteria",),
    "criteria, arms and endpoints": JOINT,
    "whole": (
        "title",
        "official_title",
        "summary",
        "detailed_description",
        "interventions",
        "keywords",
        *JOINT,
    ),
}
RECORDS = 100
_READ: dict[str, Parts] = {}


@pytest.fixture
def corpus(request: pytest.FixtureRequest) -> Parts:
    name = request.param
    if name not in _READ:
        shared = None if name == "simulated" else request.getfixturevalue("shared_data")
        _READ[name] = read_parts(name, shared)
    return _READ[name]


def on_corpora(test: object) -> object:
    marks = {
        "simulated": (),
        "xml": (pytest.mark.shared, pytest.mark.slow),
        "top": (pytest.mark.shared, pytest.mark.slow),
    }
    params = [pytest.param(name, marks=marks[name]) for name in CORPORA]
    return pytest.mark.parametrize("corpus", params, indirect=True)(test)


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(filled_fields(records), parts["train"], params, VALIDATION, 1)
    sides = (
        Side(frame, scale) for frame in (records, *(parts[name] for name in ("train", "validation", "test")))
    )
    return Case(*sides)


def as_records(trials: pl.DataFrame) -> pl.DataFrame:
    return trials.with_columns(nct_id=pl.concat_str(pl.lit("SYN-"), "nct_id"), source=pl.lit("synthetic"))


def plant(parts: Parts, fields: tuple[str, ...], rate: float, seed: int = 1) -> pl.DataFrame:
    """Held-out trials as records, of which a share has fields of a train trial."""
    honest = as_records(parts["test"].sample(RECORDS, seed=seed))
    copies = round(rate * RECORDS)
    filled = parts["train"].filter(pl.col("criteria").str.len_chars() > 0)
    copied = filled.sample(copies, seed=seed)
    planted = honest.head(copies).with_columns(copied[name] for name in fields)
    return pl.concat([planted, honest.slice(copies)])


@on_corpora
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("kind", COPIED)
def test_copiers_are_refused_and_named(corpus: Parts, kind: str, rate: float, params: QualityParams) -> None:
    case = make_case(plant(corpus, COPIED[kind], rate), corpus, params)
    found = copies_table(case).filter("certain")
    assert copied_fields(case).value == len(found) > 0
    assert set(found["field"]) <= {*COPIED[kind], "all fields"}
    assert "SYN-" in worst_copies(case)[0]


@on_corpora
@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_trials_in_place_of_drafts_pass(corpus: Parts, part: str, params: QualityParams) -> None:
    """One half of them is measured beside the other, so that none is its own yardstick."""
    shuffled = corpus[part].sample(fraction=1, shuffle=True, seed=2)
    half = len(shuffled) // 2
    parts = corpus | {part: shuffled.slice(half)}
    case = make_case(as_records(shuffled.head(half)), parts, params)
    assert copied_fields(case).value == 0, copies_table(case).filter("certain").to_dicts()


def test_what_a_record_was_shown_is_looked_in_as_well(params: QualityParams) -> None:
    parts = read_parts("simulated", None)
    honest = as_records(parts["test"].sample(RECORDS, seed=3))
    pairs = likely_exemplars(honest, parts["train"], 3, np.random.default_rng(1))
    names = pairs.with_columns(name=parts["train"]["nct_id"].gather(pairs["trial"]))
    exemplars = names.group_by("record", maintain_order=True).agg("name")["name"]
    honest = honest.with_columns(exemplars=exemplars)
    assert copied_fields(make_case(honest, parts, params)).value == 0
    copied = parts["train"][exemplars.list.first().head(20).replace_strict(
        parts["train"]["nct_id"], pl.int_range(len(parts["train"]), eager=True)
    ).to_list()]  # fmt: skip
    planted = pl.concat([honest.head(20).with_columns(copied["summary"]), honest.slice(20)])
    case = make_case(planted, parts, params)
    found = copies_table(case).filter("certain")
    assert ("exemplars", "summary") in found.select("reference", "field").rows()
    assert set(found["field"]) <= {"summary", "all fields"}
    excess = largest_excess(case)
    assert excess.value > 0.05
    assert excess.low is not None
    assert excess.low > 0


def test_sets_that_copy_nothing_are_called_copied_in_at_most_5_percent() -> None:
    """By lot of one pool, so that nothing but chance tells records from the yardstick."""
    stream = np.random.default_rng(1)
    called = {"tail": 0, "mean": 0}
    for _ in range(2000):
        ours, real = stream.beta(1, 4, 60), stream.beta(1, 4, 90)
        called["tail"] += exceed_tail(ours, real)[1] <= 0.05
        called["mean"] += compare_means(ours, real, np.arange(60) // 3) <= 0.05
    assert max(called.values()) <= 0.05 * 2000


def test_ties_at_the_top_are_counted_and_not_passed_over() -> None:
    real = np.array([1.0] * 10 + [0.2] * 90)
    assert exceed_tail(real, real) == (0.1, 1.0)
    share, chance = exceed_tail(np.array([1.0] * 60 + [0.2] * 40), real)
    assert share == 0.6
    assert chance < 1e-6


def test_records_that_share_exemplars_are_no_independent_ones() -> None:
    stream = np.random.default_rng(2)
    sets = np.arange(60) // 20
    ours = np.repeat([0.2, 0.4, 0.6], 20) + stream.normal(0, 0.01, 60)
    real = stream.normal(0.3, 0.05, 100)
    assert compare_means(ours, real, np.arange(60)) < 0.01 < compare_means(ours, real, sets)


def test_real_trials_are_cut_to_what_records_hold() -> None:
    long = " ".join(f"w{number}" for number in range(40))
    items = pl.DataFrame(
        {"record": [0, 0, 0, 1], "field": ["criteria"] * 4, "text": [long, "adults", "no stent", long]}
    )
    like = pl.DataFrame(
        {"record": [0, 0], "field": ["criteria"] * 2, "text": ["adults who are well", long[:38]]}
    )
    items, like = (frame.cast({"record": pl.UInt32}) for frame in (items, like))
    cut = cut_alike(pl.concat([items, items.with_columns(field=pl.lit("summary"))]), like)
    most = len(long[:38].split())
    # Whole items that fit come first; where none does, the first is cut. What records lack is left out.
    left = " ".join(long.split()[:most])
    assert cut["field"].unique().to_list() == ["criteria"]
    assert cut.select("record", "text").rows() == [(0, "adults"), (0, "no stent"), (1, left)]


def test_likely_exemplars_share_what_a_search_would_find() -> None:
    parts = read_parts("simulated", None)
    pairs = likely_exemplars(parts["test"], parts["train"], 3, np.random.default_rng(1))
    assert pairs["record"].value_counts()["count"].unique().to_list() == [3]
    conditions = [
        set(one) & set(other)
        for one, other in zip(
            parts["test"]["conditions"].gather(pairs["record"]),
            parts["train"]["conditions"].gather(pairs["trial"]),
            strict=True,
        )
    ]
    assert np.mean([bool(common) for common in conditions]) > 0.9


def test_without_held_out_trials_there_is_no_yardstick(parts: Parts, params: QualityParams) -> None:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    with pytest.raises(MetricError, match="no held-out trials"):
        copied_fields(Case(Side(parts["synthetic"], scale), Side(parts["train"], scale)))


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "refused"), [(0.0, False), (0.1, True)])
def test_the_stage_refuses_a_copier_and_lets_held_out_trials_pass(
    rate: float, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = read_parts("simulated", None)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["quality"] |= {"bootstrap": 100, "permutations": 19, "max_trials_drawn": 10, "folds": 2}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    records = plant(parts, COPIED["whole"], rate)
    # The other held-out trials stay test trials.
    test = parts["test"].filter(~pl.concat_str(pl.lit("SYN-"), "nct_id").is_in(records["nct_id"].implode()))
    frames = {"train": parts["train"], "validation": parts["validation"], "test": test, "synthetic": records}
    frames |= {"exemplars": records.select("nct_id").clear(), "reasons": records.select("nct_id").clear()}
    for name, frame in frames.items():
        frame.write_parquet(f"{name}.parquet")
    write_json({"acceptance_rate": 1.0}, Path("validation.json"))
    inputs = [f"--{name}={name}.parquet" for name in frames if name != "synthetic"]
    call = ["synthetic.parquet", *inputs, "--validated=validation.json", "--metrics=q.json", "--plots=plots"]
    if not refused:
        measure.main(call)
    else:
        with pytest.raises(GateError, match=r"copies\.fields .* at most 0"):
            measure.main(call)
    assert pl.read_csv("plots/copies.csv")["certain"].any() == refused
