"""How near are the structured fields of records to those of one train trial?"""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS
from trialforge.quality.skeletons import CATEGORIES, NUMBERS, nearest_skeletons, worst_skeletons
from trialforge.trial.record import Arm, Endpoint, Trial, trials_to_frame
from trialforge.trial.text import filled_fields

Parts = dict[str, pl.DataFrame]
WHOLE = {
    "allocation": "Randomized", "intervention_model": "Parallel", "masking": "Double",
    "primary_purpose": "Treatment", "sex": "All", "healthy_volunteers": False, "sponsor_class": "Industry",
    "arms": [Arm(label="A", type="Experimental"), Arm(label="B", type="Placebo Comparator")],
    "primary_outcomes": [Endpoint(measure="Pain")],
    "secondary_outcomes": [Endpoint(measure="Sleep"), Endpoint(measure="Mood")],
    "criteria": "Inclusion Criteria:\n- adult\n- in pain\nExclusion Criteria:\n- pregnant",
    "minimum_age": 18.0, "maximum_age": 75.0, "enrolment_planned": 99,
}  # fmt: skip


def make(*changes: dict[str, object]) -> pl.DataFrame:
    return trials_to_frame(
        [Trial.model_validate({"nct_id": f"N{at}", "source": "aact"} | one) for at, one in enumerate(changes)]
    )


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    return Case(*(Side(frame, scale) for frame in (records, parts["train"], parts["validation"])))


def measure(case: Case, name: str) -> float:
    return METRICS[f"privacy.{name}"].measure(case).value


def test_the_distance_is_gowers() -> None:
    train = make(WHOLE, WHOLE | {"minimum_age": 38.0, "maximum_age": None, "sex": "Male"})
    fields = len(CATEGORIES) + len(NUMBERS)
    same, older, masked, unsaid, empty = nearest_skeletons(
        make(
            WHOLE,
            WHOLE | {"minimum_age": 23.0},
            WHOLE | {"masking": "None", "arms": WHOLE["arms"][:1]},  # type: ignore[index]
            WHOLE | {"healthy_volunteers": None},
            {},
        ),
        train,
    )
    assert fields == 16
    assert same == 0
    assert older == pytest.approx(5 / 20 / fields)
    # Masking, kinds of arms, and their number, which does not vary in train: log 2 in units of 1.
    assert masked == pytest.approx((1 + 1 + 0.6931) / fields, abs=1e-4)
    assert unsaid == pytest.approx(1 / fields)
    assert empty == 1


def test_what_no_side_has_is_left_out() -> None:
    bare = {"enrolment_planned": 20, "criteria": "Inclusion Criteria:\n- adult"}
    train = make(bare, bare | {"enrolment_planned": 200})
    assert nearest_skeletons(make(bare | {"sex": "All"}), train)[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("field", ["arms", "primary_outcomes", "secondary_outcomes", "criteria"])
def test_one_item_more_is_no_equal_skeleton(field: str) -> None:
    more = {
        "arms": [*WHOLE["arms"], Arm(label="C", type="Other")],
        "primary_outcomes": [Endpoint(measure="Pain"), Endpoint(measure="Falls")],
        "secondary_outcomes": [],
        "criteria": f"{WHOLE['criteria']}\n- surgery",
    }
    assert nearest_skeletons(make(WHOLE | {field: more[field]}), make(WHOLE))[0] > 0.01


def test_records_with_the_fields_of_a_train_trial_are_found(parts: Parts, params: QualityParams) -> None:
    """Half of the records have new texts around the fields of one train trial each."""
    worded = [pl.lit("Other words").alias(name) for name in ("title", "summary", "detailed_description")]
    planted = parts["train"].head(20).with_columns(worded, nct_id=pl.format("SYN-{}", "nct_id"))
    case = make_case(pl.concat([planted, parts["synthetic"].head(20)]), parts, params)
    clean = make_case(parts["synthetic"], parts, params)
    assert measure(case, "skeleton_equal") >= 0.5 > 0.2 > measure(clean, "skeleton_equal")
    assert measure(case, "skeleton_distance") < measure(clean, "skeleton_distance") / 2
    assert measure(case, "real_skeleton_distance") == measure(clean, "real_skeleton_distance")
    assert worst_skeletons(case)[0].startswith("SYN-")


def test_real_trials_are_as_far_as_other_real_trials(parts: Parts, params: QualityParams) -> None:
    case = make_case(parts["test"], parts, params)
    for name in ("skeleton_distance", "skeleton_equal"):
        assert measure(case, name) == pytest.approx(measure(case, f"real_{name}"), abs=0.05)
