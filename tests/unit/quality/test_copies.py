"""Copiers of a field, of several and of whole records are refused; real trials that no one saw are not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from stages import measure
from tests.unit.quality.real_parts import Parts, find_shared, on_corpora, read_parts
from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import GateError, MetricError
from trialforge.core.files import write_json
from trialforge.quality import copies
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.copies import (
    compare_means,
    compare_ranks,
    copied_fields,
    copies_table,
    count_above,
    cut_alike,
    exceed_tail,
    largest_excess,
    likely_exemplars,
    worst_copies,
)
from trialforge.quality.one_trial import Sources
from trialforge.quality.params import QualityParams
from trialforge.trial.copies import number_items
from trialforge.trial.criteria import parse
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts
from trialforge.trial.text import filled_fields

pytestmark = pytest.mark.slow

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
EIGHTH = re.compile(r"(?s)((?:\S+\s+){7})\S+")
# What a copier makes of the criteria of a train trial, for each of its own records.
DISGUISES: dict[str, Callable[[str, str], str]] = {
    "capitals without marks": lambda copied, _: copied.upper().replace(",", "").replace(".", ""),
    "every eighth word": lambda copied, _: EIGHTH.sub(r"\1subsequently", copied),
    "one item in each record": lambda copied, own: f"{own}\n- {max(_items(copied), key=len, default='')}",
    "after its own": lambda copied, own: f"{own}\n{copied}",
}


def _items(text: str) -> list[str]:
    return [item.text for item in parse(text).items()]


@pytest.fixture
def sides(corpus: str, request: pytest.FixtureRequest, params: QualityParams) -> dict[str, Side]:
    """The parts of a corpus, read once for all tests that don't change them."""
    if corpus not in _READ:
        parts = read_parts(corpus, find_shared(corpus, request))
        scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
        _READ[corpus] = {name: Side(frame, scale) for name, frame in parts.items()}
    return _READ[corpus]


_READ: dict[str, dict[str, Side]] = {}


def make_case(records: pl.DataFrame, sides: dict[str, Side]) -> Case:
    """Records beside train and the held-out trials that they are not made of."""
    own = pl.concat_str(pl.lit("SYN-"), "nct_id").is_in(records["nct_id"].implode())
    held_out = [
        side.take(np.flatnonzero(~side.frame.select(own).to_series().to_numpy()))
        for side in (sides["validation"], sides["test"])
    ]
    return Case(Side(records, sides["train"].scale), sides["train"], *held_out)


def make_sides(parts: Parts, params: QualityParams) -> dict[str, Side]:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    return {name: Side(frame, scale) for name, frame in parts.items()}


def as_records(trials: pl.DataFrame) -> pl.DataFrame:
    return trials.with_columns(nct_id=pl.concat_str(pl.lit("SYN-"), "nct_id"), source=pl.lit("synthetic"))


def plant(
    parts: Parts, fields: tuple[str, ...], rate: float, disguise: Callable[[str, str], str] | None = None
) -> pl.DataFrame:
    """Held-out trials as records, of which a share has fields of a train trial."""
    honest = as_records(parts["test"].sample(RECORDS, seed=1))
    copies = round(rate * RECORDS)
    filled = parts["train"].filter(pl.col("criteria").str.len_chars() > 200)
    copied = filled.sample(copies, seed=1)
    planted = honest.head(copies).with_columns(copied[name] for name in fields)
    if disguise:
        pairs = zip(copied["criteria"], honest.head(copies)["criteria"], strict=True)
        changed = [disguise(text, own or "") for text, own in pairs]
        planted = planted.with_columns(pl.Series("criteria", changed, dtype=pl.String))
    return pl.concat([planted, honest.slice(copies)])


def read_frames(sides: dict[str, Side]) -> Parts:
    return {name: side.frame for name, side in sides.items()}


@on_corpora
@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        ("criteria", 0.1),
        pytest.param("criteria, arms and endpoints", 0.5, marks=pytest.mark.full),
        pytest.param("whole", 0.1, marks=pytest.mark.full),
    ],
)
def test_copiers_are_refused_and_named(kind: str, rate: float, sides: dict[str, Side]) -> None:
    """The other rates are in `python -m benchmarks copies`."""
    case = make_case(plant(read_frames(sides), COPIED[kind], rate), sides)
    found = copies_table(case).filter("certain")
    assert copied_fields(case).value == len(found) > 0
    assert set(found["field"]) <= {*COPIED[kind], "all fields"}
    assert "SYN-" in worst_copies(case)[0]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("corpus", ["top"], indirect=True)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_copiers_in_disguise_are_refused(disguise: str, sides: dict[str, Side]) -> None:
    records = plant(read_frames(sides), ("criteria",), 1.0, DISGUISES[disguise])
    assert "criteria" in copies_table(make_case(records, sides)).filter("certain")["field"]


@on_corpora
@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_trials_in_place_of_drafts_pass(part: str, sides: dict[str, Side]) -> None:
    """One half of them is measured beside the other, so that none is its own yardstick."""
    shuffled = sides[part].frame.sample(fraction=0.5, shuffle=True, seed=2)
    case = make_case(as_records(shuffled), sides)
    assert copied_fields(case).value == 0, copies_table(case).filter("certain").to_dicts()


@pytest.mark.parametrize("corpus", ["simulated"], indirect=True)
def test_of_many_held_out_trials_some_are_drawn(
    sides: dict[str, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copier is found beside these as well, and held-out trials still pass."""
    monkeypatch.setattr(copies, "MOST", 60)
    assert min(len(sides[name]) for name in ("validation", "test")) > copies.MOST
    planted = make_case(plant(read_frames(sides), ("title",), 0.5), sides)
    assert "title" in copies_table(planted).filter("certain")["field"]
    honest = make_case(as_records(sides["test"].frame.sample(fraction=0.5, seed=1)), sides)
    assert copied_fields(honest).value == 0


def test_what_a_record_was_shown_is_looked_in_as_well(params: QualityParams) -> None:
    parts = read_parts("simulated", None)
    honest = as_records(parts["test"].sample(RECORDS, seed=3))
    pairs = likely_exemplars(honest, parts["train"], 3, np.random.default_rng(1))
    names = pairs.with_columns(name=parts["train"]["nct_id"].gather(pairs["trial"]))
    exemplars = names.group_by("record", maintain_order=True).agg("name")["name"]
    honest = honest.with_columns(exemplars=exemplars)
    sides = make_sides(parts, params)
    assert copied_fields(make_case(honest, sides)).value == 0
    copied = parts["train"][exemplars.list.first().head(20).replace_strict(
        parts["train"]["nct_id"], pl.int_range(len(parts["train"]), eager=True)
    ).to_list()]  # fmt: skip
    planted = pl.concat([honest.head(20).with_columns(copied["summary"]), honest.slice(20)])
    case = make_case(planted, sides)
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
    called = {"tail": 0, "mean": 0, "ranks": 0}
    for _ in range(2000):
        ours, real = stream.beta(1, 4, 60), stream.beta(1, 4, 90)
        called["tail"] += exceed_tail(ours, real)[1] <= 0.05
        called["mean"] += compare_means(ours, real, np.arange(60) // 3) <= 0.05
        called["ranks"] += compare_ranks(ours, real, np.arange(60) // 3) <= 0.05
    assert max(called.values()) <= 0.05 * 2000


def test_ties_at_the_top_are_counted_and_not_passed_over() -> None:
    real = np.array([1.0] * 10 + [0.2] * 90)
    assert exceed_tail(real, real) == (0.1, 1.0)
    share, chance = exceed_tail(np.array([1.0] * 60 + [0.2] * 40), real)
    assert share == 0.6
    assert chance < 1e-6


@pytest.mark.parametrize(("usual", "is_copied"), [(0.3, True), (1.0, False)])
def test_a_field_that_real_trials_share_whole_reveals_no_copies(usual: float, is_copied: bool) -> None:
    """Texts of templates: the longest lie above all others by what one trial has, and are no copies."""
    scores = {name: np.linspace(0.1, 0.8, 200) for name in ("weight", "closest", "amount", "passage")}
    real = pl.DataFrame({"copied": np.full(200, usual), **scores})
    records = pl.DataFrame({"copied": [1.0] * 10, **{name: [0.9] * 3 + [0.3] * 7 for name in scores}})
    _, chance, _ = count_above("secondary_outcomes", records, real)
    assert (chance < 0.01) is is_copied


def test_records_that_share_exemplars_are_no_independent_ones() -> None:
    stream = np.random.default_rng(2)
    sets = np.arange(60) // 20
    ours = np.repeat([0.2, 0.4, 0.6], 20) + stream.normal(0, 0.01, 60)
    real = stream.normal(0.3, 0.05, 100)
    assert compare_means(ours, real, np.arange(60)) < 0.01 < compare_means(ours, real, sets)
    assert compare_ranks(ours + 0.1, real, np.arange(60)) < 0.01 < compare_ranks(ours + 0.1, real, sets)


def test_two_records_above_all_others_are_no_certainty() -> None:
    assert compare_ranks(np.ones(2), np.zeros(5), np.arange(2)) == pytest.approx(1 / 21)


def test_what_one_trial_has_counts_by_how_rare_it_is() -> None:
    """Sixty trials say `adults`, one says the rest; the words of two trials together are no copy of one."""
    adults = [(trial, "criteria", "adults with a disease") for trial in range(60)]
    own = [(7, "summary", "galanin lowers nightly tremor"), (8, "summary", "in siblings of pilots")]
    schema = {"record": pl.UInt32, "field": pl.String, "text": pl.String}
    theirs = pl.DataFrame([*adults, *own], schema=schema, orient="row").sort("record")
    texts = ["Galanin lowers tremor, nightly", "galanin in siblings", "adults with a disease", "new things"]
    ours = pl.DataFrame([(row, "title", text) for row, text in enumerate(texts)], schema=schema, orient="row")
    mine, known = number_items(ours, theirs)
    table = Sources(known).share_with_one(mine, None, "all fields")
    title = table.filter(field="title")
    rare = 4 * math.log(61 / 2)
    assert title["closest"].to_list() == pytest.approx(
        [rare / (rare + 10), rare / 2 / (rare * 3 / 4 + 10), 0, 0], abs=1e-4
    )
    assert title["amount"].to_list() == [0, 0, 0, 0]  # no three words in the same order
    assert table.filter(field="all fields")["closest"].to_list() == title["closest"].to_list()
    shown = pl.DataFrame({"record": [0, 1], "trial": [8, 8]}).cast(pl.UInt32)
    seen = Sources(known).share_with_one(mine, shown, "all fields").filter(field="title")
    assert seen["closest"][0] == 0
    assert seen["closest"][1] == title["closest"][1]


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
    held_back = parts["validation"].tail(20)
    frames = {
        "train": parts["train"], "validation": parts["validation"].head(-20), "test": test,
        "held-back": held_back, "drafts": as_drafts(held_back, WRITTEN_FIELDS), "synthetic": records,
    }  # fmt: skip
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
