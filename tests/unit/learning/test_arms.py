from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from trialforge.core.errors import LearningError
from trialforge.learning.arms import Draw, TrainingPool, choose_generation, compose, vocabulary
from trialforge.learning.params import TrainingArm
from trialforge.learning.tables import make_tables

FIELDS = ("phase", "criteria")


@pytest.fixture
def pool(parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame, held_back: pl.DataFrame) -> TrainingPool:
    drafts = held_back.with_columns(criteria=pl.lit("as a draft"))
    return make_tables(parts | {"held-back": held_back}, FIELDS, synthetic, as_drafts=drafts).pool


def origins(mix: pl.DataFrame) -> dict[str, int]:
    return dict(mix["origin"].value_counts().sort("origin").rows())


@pytest.mark.parametrize(
    ("arm", "counts"),
    [
        (TrainingArm(name="real"), {"real": 60}),
        (TrainingArm(name="synthetic", real=0.0, extra="synthetic"), {"synthetic": 20}),
        (TrainingArm(name="augmented", extra="synthetic"), {"real": 60, "synthetic": 20}),
        (TrainingArm(name="few", real_count=10), {"real": 10}),
        (
            TrainingArm(name="twice", real_count=10, extra="synthetic", extra_times=2.0),
            {"real": 10, "synthetic": 20},
        ),
        (TrainingArm(name="ratio", synthetic_share=0.4), {"real": 12, "synthetic": 8}),
        (TrainingArm(name="all-real", synthetic_share=0.0), {"real": 20}),
        (TrainingArm(name="copies", extra="duplicated"), {"duplicated": 20, "real": 60}),
        (TrainingArm(name="dropped", extra="word-dropout", extra_count=7), {"real": 60, "word-dropout": 7}),
        (TrainingArm(name="more-real", extra="held-back"), {"held-back": 20, "real": 60}),
        (TrainingArm(name="as-drafts", extra="held-back-as-drafts"), {"held-back-as-drafts": 20, "real": 60}),
    ],
    ids=lambda value: value.name if isinstance(value, TrainingArm) else None,
)
def test_an_arm_is_mixed_as_its_parameters_say(
    arm: TrainingArm, counts: dict[str, int], pool: TrainingPool
) -> None:
    assert origins(compose(arm, pool, Draw(1, 0))) == counts


def test_a_larger_draw_holds_the_smaller_of_the_same_seed(pool: TrainingPool) -> None:
    small, large = (
        set(compose(TrainingArm(name="few", real_count=count), pool, Draw(1, 0))["nct_id"])
        for count in (10, 25)
    )
    other = set(compose(TrainingArm(name="few", real_count=10), pool, Draw(1, 1))["nct_id"])
    assert small < large
    assert small != other


def test_shuffling_moves_labels_and_nothing_else(pool: TrainingPool) -> None:
    kept = compose(TrainingArm(name="a", real=0.0, extra="synthetic"), pool, Draw(1, 0))
    shuffled = compose(TrainingArm(name="b", real=0.0, extra="shuffled"), pool, Draw(1, 0))
    assert shuffled.drop("label").equals(kept.drop("label"))
    assert shuffled["label"].sum() == kept["label"].sum()
    assert shuffled["label"].to_list() != kept["label"].to_list()


@pytest.mark.parametrize("extra", ["duplicated", "word-dropout"])
def test_a_control_has_the_size_and_labels_of_what_it_stands_for(extra: str, pool: TrainingPool) -> None:
    arm = TrainingArm.model_validate({"name": "control", "extra": extra})
    copies = compose(arm, pool, Draw(1, 0)).filter(pl.col("origin") == extra)
    assert copies["label"].value_counts().sort("label").rows() == [(0, 10), (1, 10)]
    assert copies["nct_id"].n_unique() == 20


def test_word_dropout_leaves_words_out_and_adds_none(pool: TrainingPool) -> None:
    mix = compose(TrainingArm(name="control", extra="word-dropout"), pool, Draw(1, 0, word_dropout=0.5))
    texts = dict(pool.real.select("nct_id", "text").rows())
    copies = mix.filter(pl.col("origin") == "word-dropout").select("nct_id", "text").rows()
    whole = dropped = 0
    for name, text in copies:
        source = texts[name.split("#")[0]].split(" ")
        assert set(text.split(" ")) <= {*source, ""}
        whole, dropped = whole + len(source), dropped + len(source) - len(text.split(" "))
    assert 0.35 < dropped / whole < 0.65


def test_word_dropout_of_a_trial_is_the_same_in_every_pool_of_a_repetition(pool: TrainingPool) -> None:
    arm = TrainingArm(name="control", extra="word-dropout")
    few = pool.real.head(8)

    def texts(real: pl.DataFrame, repetition: int) -> set[tuple[str, str]]:
        mix = compose(arm, TrainingPool(real, pool.synthetic), Draw(1, repetition))
        added = mix.filter(pl.col("origin") == "word-dropout").select("nct_id", "text")
        return {(name.split("#")[0], text) for name, text in added.iter_rows()}

    all_eight, four = texts(few, 0), texts(few.head(4), 0)
    assert len(all_eight) > 15  # of 20 copies: those of a trial lack different words, mostly
    assert {found for found in all_eight if found[0] in set(few["nct_id"].head(4))} <= four
    assert len(all_eight & texts(few, 1)) < 5


def test_an_earlier_arm_has_no_trial_from_after_its_date(pool: TrainingPool, synthetic: pl.DataFrame) -> None:
    arm = TrainingArm(name="old", extra="synthetic", submitted_before=date(2015, 1, 1))
    mix = compose(arm, pool, Draw(1, 0))
    assert mix.height
    assert mix.filter(pl.col("submitted") >= date(2015, 1, 1)).is_empty()
    assert origins(mix)["synthetic"] < synthetic.height


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (TrainingArm(name="many", real_count=61), "arm `many` asks for 61 real trials and there are 60"),
        (
            TrainingArm(name="more", extra="synthetic", extra_count=21),
            "asks for 21 synthetic trials and there are 20",
        ),
    ],
)
def test_an_arm_that_asks_for_more_than_there_is_is_named(
    arm: TrainingArm, message: str, pool: TrainingPool
) -> None:
    with pytest.raises(LearningError, match=message):
        compose(arm, pool, Draw(1, 0))


def test_drafts_from_before_filtering_are_an_arm_of_their_own(
    parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame, make_trials: Callable[..., pl.DataFrame]
) -> None:
    refused = make_trials(6, "SYN-", 500).with_columns(
        pl.lit("retrieval-reasoning").alias("arm"),
        pl.lit(0, dtype=pl.Int64).alias("generation"),
        pl.Series("exemplars", [["NCT00000001"]] * 6),
    )
    pool = make_tables(parts, FIELDS, synthetic, pl.concat([synthetic, refused])).pool
    kept = compose(TrainingArm(name="kept", real=0.0, extra="synthetic"), pool, Draw(1, 0))
    drafts = compose(
        TrainingArm(name="drafts", real=0.0, extra="synthetic", filtered=False), pool, Draw(1, 0)
    )
    assert (kept.height, drafts.height) == (20, 26)


def test_drafts_written_without_an_exemplar_are_trained_on(
    parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame
) -> None:
    unaided = synthetic.with_columns(
        pl.lit("no-retrieval").alias("arm"), pl.Series("exemplars", [[]] * 20, dtype=pl.List(pl.String))
    )
    pool = make_tables(parts, FIELDS, unaided).pool
    for named in ("no-retrieval", None):  # by default the only one there is
        arm = TrainingArm(name="unaided", extra="synthetic", generation_arm=named)
        assert origins(compose(arm, pool, Draw(1, 0))) == {"real": 60, "synthetic": 20}


def test_positive_controls_are_the_same_held_back_trials_in_two_forms(pool: TrainingPool) -> None:
    drawn = []
    for extra in ("held-back", "held-back-as-drafts"):
        arm = TrainingArm.model_validate({"name": "control", "extra": extra})
        drawn.append(compose(arm, pool, Draw(1, 0)).filter(pl.col("origin") == extra))
    whole, drafts = drawn
    assert whole["nct_id"].to_list() == drafts["nct_id"].to_list()
    assert whole.join(pool.real, on="nct_id", how="semi").is_empty()
    assert drafts["text"].str.contains("as a draft").all()
    other = compose(TrainingArm(name="again", extra="held-back"), pool, Draw(1, 1))
    assert set(other["nct_id"]) != set(
        compose(TrainingArm(name="again", extra="held-back"), pool, Draw(1, 0))["nct_id"]
    )


def test_where_fewer_are_held_back_all_of_them_are_taken(pool: TrainingPool) -> None:
    few = replace(pool, held_back=pool.held_back.head(8)) if pool.held_back is not None else pool
    assert (
        origins(compose(TrainingArm(name="more-real", extra="held-back"), few, Draw(1, 0)))["held-back"] == 8
    )
    with pytest.raises(LearningError, match="arm `more-real` needs held-back real trials"):
        compose(TrainingArm(name="more-real", extra="held-back"), replace(pool, held_back=None), Draw(1, 0))


def label_share(mix: pl.DataFrame, origin: str) -> float:
    rows = mix.filter(pl.col("origin") == origin)
    weight = rows["weight"].to_numpy()
    return float((weight * rows["label"].to_numpy()).sum() / weight.sum())


@pytest.mark.parametrize(("shares", "expected"), [("real", 0.8), ("asked", 0.5), ("equal", 0.5)])
@pytest.mark.parametrize("extra", ["synthetic", "duplicated"])
def test_added_trials_weigh_as_many_as_they_are_and_have_the_label_shares_that_were_chosen(
    extra: str, shares: str, expected: float, pool: TrainingPool
) -> None:
    """Real trials succeed in 80%; the drafts are half and half."""
    successes, failures = (pool.real.filter(pl.col("label") == label) for label in (1, 0))
    skewed = replace(pool, real=pl.concat([successes.head(28), failures.head(7)]).sort("nct_id"))
    arm = TrainingArm.model_validate({"name": "augmented", "extra": extra, "label_shares": shares})
    mix = compose(arm, skewed, Draw(1, 0))
    assert label_share(mix, extra) == pytest.approx(expected)
    assert label_share(mix, "real") == pytest.approx(0.8)
    assert mix.filter(pl.col("origin") == extra)["weight"].sum() == pytest.approx(20)
    default = compose(
        arm.model_copy(update={"label_shares": None}),
        skewed,
        Draw(1, 0, label_shares=arm.label_shares or "real"),
    )
    assert default.equals(mix)


def test_words_come_from_real_texts_in_every_arm(pool: TrainingPool) -> None:
    arms = (
        TrainingArm(name="a"),
        TrainingArm(name="b", real=0.0, extra="synthetic"),
        TrainingArm(name="c", extra="duplicated"),
    )
    texts = [vocabulary(arm, pool).to_list() for arm in arms]
    assert texts[0] == texts[1] == texts[2] == pool.real["text"].to_list()
    earlier = vocabulary(TrainingArm(name="d", submitted_before=date(2015, 1, 1)), pool)
    assert 0 < earlier.len() < pool.real.height


def test_each_repetition_learns_from_one_generation_in_its_turn(pool: TrainingPool) -> None:
    assert pool.synthetic is not None
    twice = pl.concat(
        [
            pool.synthetic,
            pool.synthetic.head(14).with_columns(
                generation=pl.lit(1, dtype=pl.Int64), nct_id=pl.concat_str("nct_id", pl.lit("-b"))
            ),
        ]
    )
    both = replace(pool, synthetic=twice)
    arm = TrainingArm(name="augmented", extra="synthetic")
    sizes = [origins(compose(arm, both, Draw(1, repetition)))["synthetic"] for repetition in range(4)]
    assert sizes == [20, 14, 20, 14]
    assert [choose_generation(both, repetition) for repetition in range(3)] == [0, 1, 0]
