"""Skeletons: form without the label, blocks of different trials that fit together, sound arms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.unit.split.pools import make_pool, simulated_pool
from trialforge.split.params import PlanParams
from trialforge.split.plan import PLAN_SCHEMA, plan_targets
from trialforge.split.skeletons import Donorhood, count_words
from trialforge.trial.checks.form import form_checks
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.target import names_intervention
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.skeleton import Skeleton, filled_fields

PARAMS = PlanParams(min_success=3, min_failure=3, interventions=3, records=8, arms=("retrieval-reasoning",))
FORM = (
    "title", "official_title", "summary", "detailed_description", "keywords", "primary_outcomes",
    "secondary_outcomes", "inclusion", "exclusion",
)  # fmt: skip


@pytest.fixture(scope="module")
def train() -> pl.DataFrame:
    return simulated_pool(260, 3)


@pytest.fixture(scope="module")
def plan(train: pl.DataFrame) -> list[dict[str, Any]]:
    return plan_targets(train, PARAMS, 7).to_dicts()


def draws(train: pl.DataFrame, label: int, count: int = 12) -> Iterator[tuple[dict[str, Any], Skeleton]]:
    """Targets of a label, each with a skeleton; the draws are the same for either label."""
    donors = Donorhood(train, 600)
    for number, trial in enumerate(train.head(count).to_dicts()):
        names = [name for name in trial["normalized_interventions"] if name != "placebo"]
        target = {"intervention": names[0], "conditions": trial["conditions"], "phase": trial["phase"]}
        target["label"] = label
        yield target, donors.draw(target, trial, np.random.default_rng(number))


def test_form_says_nothing_of_the_label(train: pl.DataFrame) -> None:
    for (_, success), (_, failure) in zip(draws(train, 1), draws(train, 0), strict=True):
        assert success.model_dump(include=set(FORM)) == failure.model_dump(include=set(FORM))
        assert success.donors.criteria == failure.donors.criteria


def test_form_is_the_same_where_every_other_trial_ended_otherwise(train: pl.DataFrame) -> None:
    turned = train.with_columns(label=1 - pl.col("label"))
    for (_, one), (_, other) in zip(draws(train, 1), draws(turned, 1), strict=True):
        assert one.model_dump(include=set(FORM)) == other.model_dump(include=set(FORM))
    drawn = [(one, other) for (_, one), (_, other) in zip(draws(train, 1), draws(turned, 0), strict=True)]
    assert all(one == other for one, other in drawn)


def test_substance_is_that_of_trials_of_the_label(train: pl.DataFrame) -> None:
    labels = dict(train.select("nct_id", "label").iter_rows())
    for label in (0, 1):
        for _, skeleton in draws(train, label):
            donors = skeleton.donors
            assert {labels[name] for name in (donors.design, donors.eligibility, donors.size)} == {label}


def test_hardly_two_blocks_are_of_one_trial(plan: list[dict[str, Any]]) -> None:
    """The design is always one of the intervention: where few have so many arms, it may be used twice."""
    for target in plan:
        donors = target["skeleton"]["donors"]
        assert len(set(donors.values())) >= len(donors) - 1


def test_a_lone_trial_gives_all_blocks() -> None:
    """A pool that has no other trial is no error."""
    one = {"nct_id": "A", "label": 1, "interventions": [{"name": "aspirin"}], "conditions": ["pain"]}
    train = make_pool([one | {"normalized_interventions": ["aspirin"], "title": "Aspirin for pain"}])
    target = {"intervention": "aspirin", "conditions": ["pain"], "phase": None, "label": 1}
    skeleton = Donorhood(train, 600).draw(target, train.row(0, named=True), np.random.default_rng(1))
    assert set(skeleton.donors.model_dump().values()) == {"A"}
    assert skeleton.title == 3


def test_arms_are_sound_and_one_gets_what_was_asked_for(plan: list[dict[str, Any]]) -> None:
    checks = {check.reason: check.found for check in form_checks(CheckParams())}
    for target in plan:
        skeleton = target["skeleton"]
        arms = [arm | {"label": "", "description": None} for arm in skeleton["arms"]]
        assert not checks["idle_arm"]({"arms": arms})
        assert not checks["same_arms"]({"arms": arms})
        names = [one["name"] for one in skeleton["interventions"]]
        assert names_intervention(names[0], target["intervention"])
        assert len(set(map(str.lower, names))) == len(names)
        if arms:
            given = {name for arm in arms for name in arm["interventions"]}
            assert names[0] in given <= set(names)


def test_numbers_are_those_of_trials_alike(train: pl.DataFrame) -> None:
    """Every trial here is of one drug, phase and condition: all are as near."""
    rows = [
        {
            "nct_id": f"A{n}",
            "label": n % 2,
            "phase": "Phase 2",
            "conditions": ["pain"],
            "interventions": [{"name": "Aspirin"}],
            "normalized_interventions": ["aspirin"],
            "minimum_age": (18.0, 40.0, 65.0)[n % 3],
            "maximum_age": (50.0, None, 80.0)[n % 3],
            "enrolment_planned": 20 + 10 * n,
        }
        for n in range(20)
    ]
    train = make_pool(rows)
    enrolled = []
    for number in range(40):
        target = {"intervention": "aspirin", "conditions": ["pain"], "phase": "Phase 2", "label": 1}
        skeleton = Donorhood(train, 600).draw(target, train.row(1, named=True), np.random.default_rng(number))
        enrolled.append(skeleton.enrolment_planned)
        assert skeleton.minimum_age in (18.0, 40.0, 65.0)
        assert skeleton.maximum_age in (50.0, None, 80.0)
        assert skeleton.maximum_age is None or (skeleton.minimum_age or 0) < skeleton.maximum_age
    assert set(enrolled) <= {row["enrolment_planned"] for row in rows if row["label"] == 1}
    assert len(set(enrolled)) > 5


def test_what_is_written_in_one_answer_has_a_bounded_number_of_words() -> None:
    """A long header is made of texts each of which has room alone, and so are arms beside endpoints."""
    texts = ("title", "official_title", "summary", "detailed_description")
    kinds: list[dict[str, Any]] = [
        dict.fromkeys(texts, "word " * 30),
        dict.fromkeys(texts, "Aspirin for pain") | {"primary_outcomes": [{"measure": "word " * 30}]},
        {"arms": [{"label": "word " * 30, "type": "Experimental", "interventions": ["aspirin"]}]},
    ]
    given = {"interventions": [{"name": "aspirin"}], "normalized_interventions": ["aspirin"]}
    train = make_pool({"nct_id": f"A{n}", "label": n // 3 % 2} | given | kinds[n % 3] for n in range(30))
    donors, subject = Donorhood(train, 50), train.row(0, named=True)
    target = {"intervention": "aspirin", "conditions": [], "phase": None, "label": 1}
    drawn = [donors.draw(target, subject, np.random.default_rng(number)) for number in range(30)]
    assert {sum(getattr(one, name) or 0 for name in texts) for one in drawn} == {0, 12}
    design = {(len(one.primary_outcomes), sum(arm.label for arm in one.arms)) for one in drawn}
    assert design == {(0, 0), (0, 30), (1, 0)}


def test_a_corpus_of_four_fields_gives_skeletons_of_four_fields() -> None:
    rows = [
        {
            "nct_id": f"A{n}",
            "label": n % 2,
            "phase": "Phase 2",
            "conditions": ["pain"],
            "interventions": [{"name": "aspirin"}],
            "normalized_interventions": ["aspirin"],
            "criteria": "Inclusion Criteria:\n- Pain\nExclusion Criteria:\n- Ulcer",
        }
        for n in range(12)
    ]
    for target in plan_targets(make_pool(rows), PARAMS, 1).to_dicts():
        skeleton = target["skeleton"]
        filled = {name for name, value in skeleton.items() if value not in (None, [], 0)}
        assert filled == {"interventions", "inclusion", "exclusion", "donors"}
        assert filled_fields(skeleton) == ["inclusion", "exclusion", "criteria"]


def test_a_corpus_of_all_fields_gives_skeletons_with_what_it_has(
    train: pl.DataFrame, plan: list[dict[str, Any]]
) -> None:
    trials = {row["nct_id"]: row for row in train.to_dicts()}
    assert {name for target in plan for name in filled_fields(target["skeleton"])} == {
        "title", "summary", "criteria", "inclusion", "exclusion",
    }  # fmt: skip
    for target in plan:
        skeleton, donors = target["skeleton"], target["skeleton"]["donors"]
        assert skeleton["title"] == count_words(trials[donors["texts"]]["title"])
        items = split_criteria(trials[donors["criteria"]]["criteria"])
        assert [len(skeleton[name]) for name in ("inclusion", "exclusion")] == [len(side) for side in items]
        told = trials[donors["endpoints"]]["primary_outcomes"]
        assert [one["measure"] for one in skeleton["primary_outcomes"]] == [
            count_words(one["measure"]) for one in told
        ]
        assert skeleton["sponsor_class"] == trials[donors["size"]]["sponsor_class"]


def test_a_seed_gives_its_skeletons_in_any_order_of_trials(train: pl.DataFrame) -> None:
    one, again = (plan_targets(trials, PARAMS, 7) for trials in (train, train.reverse()))
    assert one.equals(again)
    assert one.schema == pl.Schema(PLAN_SCHEMA)
    other = plan_targets(train, PARAMS, 8)
    assert not one["skeleton"].equals(other["skeleton"])


def test_a_name_that_stands_twice_leaves_the_target_first() -> None:
    """Registry records list one drug in two spellings; the arms must still get it."""
    rows = [
        {
            "nct_id": f"A{n}",
            "label": n % 2,
            "interventions": [{"name": name} for name in ("Aspirin", "Placebo", "aspirin")],
            "normalized_interventions": ["aspirin"],
            "arms": [
                {"label": "Aspirin", "type": "Experimental", "interventions": ["Aspirin"]},
                {"label": "Placebo", "type": "Placebo Comparator", "interventions": ["Placebo"]},
            ],
        }
        for n in range(12)
    ]
    target = {"intervention": "aspirin", "conditions": [], "phase": None, "label": 1}
    train = make_pool(rows)
    skeleton = Donorhood(train, 600).draw(target, train.row(0, named=True), np.random.default_rng(1))
    assert [one.name for one in skeleton.interventions] == ["Aspirin", "Placebo"]
    assert [arm.interventions for arm in skeleton.arms] == [["Aspirin"], ["Placebo"]]


def two_diseases() -> pl.DataFrame:
    """Trials of one drug for two diseases of one phase; four of a label and disease."""
    prostate: dict[str, Any] = {
        "conditions": ["Prostate Cancer"],
        "sex": "Male",
        "minimum_age": 40.0,
        "maximum_age": 80.0,
    }
    children: dict[str, Any] = {
        "conditions": ["Childhood Leukemia"], "sex": "All", "minimum_age": 1.0, "maximum_age": 17.0,
    }  # fmt: skip
    beside = {"Prostate Cancer": "Radiotherapy", "Childhood Leukemia": "Asparaginase"}
    given = {"phase": "Phase 2", "normalized_interventions": ["docetaxel"], "healthy_volunteers": False}
    return make_pool(
        given
        | disease
        | {
            "nct_id": f"A{number:02}",
            "label": number // 2 % 2,
            "interventions": [
                {"name": "Docetaxel", "type": "Drug"}, {"name": beside[disease["conditions"][0]]},
            ],
        }
        for number, disease in enumerate([prostate, children] * 8)
    )  # fmt: skip


def test_who_may_take_part_and_what_is_given_fit_the_disease() -> None:
    train = two_diseases()
    donors = Donorhood(train, 600)
    for number, subject in enumerate(train.to_dicts()):
        target = {"intervention": "docetaxel", "label": subject["label"]}
        skeleton = donors.draw(target, subject, np.random.default_rng(number))
        assert skeleton.sex == subject["sex"]
        assert (skeleton.minimum_age, skeleton.maximum_age) == (
            subject["minimum_age"], subject["maximum_age"],
        )  # fmt: skip
        assert skeleton.interventions[1].name == subject["interventions"][1]["name"]


def test_conditions_and_drug_that_no_other_trial_has_together_keep_their_own_design() -> None:
    """Bevacizumab was tried in sepsis once; what is given beside it in cancer has no place there."""
    lone = {
        "nct_id": "B1", "label": 1, "conditions": ["Sepsis"], "phase": "Phase 2",
        "normalized_interventions": ["docetaxel"], "interventions": [{"name": "Docetaxel"}],
    }  # fmt: skip
    train = pl.concat([two_diseases(), make_pool([lone])])
    subject = train.row(train.height - 1, named=True)
    for number in range(8):
        target = {"intervention": "docetaxel", "label": 1}
        skeleton = Donorhood(train, 600).draw(target, subject, np.random.default_rng(number))
        assert [one.name for one in skeleton.interventions] == ["Docetaxel"]
        assert skeleton.donors.design == "B1"


@pytest.mark.parametrize(
    ("given", "stands_in"),
    [
        ([("Cabazitaxel", "Drug"), ("Prednisone", "Drug")], True),
        ([("Endoscope", "Device")], False),  # not of the kind of the target's intervention
        ([("Placebo", "Drug"), ("Endoscope", "Device")], False),  # nor where a control is named first
        ([("Placebo", "Drug")], False),
        ([("Placebo", "Other"), ("Cabazitaxel", "Drug"), ("Prednisone", "Drug")], True),
        ([("Cabazitaxel", "Drug"), ("Placebo for cabazitaxel", "Drug")], False),  # named after it
    ],
)
def test_an_intervention_stands_in_for_another_one_of_its_kind(
    given: list[tuple[str, str]], stands_in: bool
) -> None:
    """A design with another drug for the same disease is taken if the target's can take the drug's place."""
    other = {
        "nct_id": "B1", "label": 1, "conditions": ["Prostate Cancer"], "phase": "Phase 2",
        "normalized_interventions": ["cabazitaxel"], "allocation": "Randomized",
        "interventions": [{"name": name, "type": kind} for name, kind in given],
    }  # fmt: skip
    train = pl.concat([two_diseases(), make_pool([other])])
    subject = train.filter(nct_id="A02").row(0, named=True)
    target = {"intervention": "docetaxel", "label": 1}
    donors = Donorhood(train, 600)
    drawn = [donors.draw(target, subject, np.random.default_rng(number)) for number in range(30)]
    taken = [one for one in drawn if one.donors.design == "B1"]
    assert bool(taken) == stands_in
    for one in taken:
        names = [name for name, _ in given]
        assert {shape.name for shape in one.interventions} == {*names, "Docetaxel"} - {"Cabazitaxel"}
        assert one.interventions[0].type == "Drug"


def test_blocks_come_from_the_nearest_trials() -> None:
    """Asthma trials are many and near, those of pain further: no block comes from them."""
    near = {"conditions": ["Severe Asthma"], "phase": "Phase 2", "normalized_interventions": ["drug"]}
    far = {"conditions": ["Back Pain"], "phase": "Phase 3", "normalized_interventions": ["other"]}
    train = make_pool(
        kind | {"nct_id": f"{name}{number:02}", "label": number % 2, "interventions": [{"name": name}]}
        for name, kind in (("drug", near), ("other", far))
        for number in range(24)
    )
    donors = Donorhood(train, 600)
    seen: set[str] = set()
    for number in range(40):
        skeleton = donors.draw(
            {"intervention": "drug", "label": 1}, train.row(1, named=True), np.random.default_rng(number)
        )
        seen |= set(skeleton.donors.model_dump().values())
    assert {name[:4] for name in seen} == {"drug"}
    assert len(seen) == 24  # of either label, and all that are as near


def test_few_near_trials_are_filled_up_by_the_next() -> None:
    """Five trials give a block: the two with the same condition, and three of those with the phase alone."""
    kinds = [(["Severe Asthma"], "Phase 2")] * 3 + [(["Back Pain"], "Phase 2")] * 3
    kinds += [(["Gout"], "Phase 3")] * 20
    train = make_pool(
        {"nct_id": f"A{number:02}", "label": 1, "conditions": conditions, "phase": phase}
        for number, (conditions, phase) in enumerate(kinds)
    )
    donors = Donorhood(train, 600)
    drawn = [
        donors.draw({"intervention": "drug", "label": 1}, train.row(0, named=True), np.random.default_rng(n))
        for n in range(60)
    ]
    assert {one.donors.texts for one in drawn} == {"A01", "A02", "A03", "A04", "A05"}


def test_form_is_drawn_alike_for_subjects_of_either_label() -> None:
    """Label and form have nothing to do with each other here; nor have they in skeletons."""
    stream = np.random.default_rng(5)
    labels = stream.permutation([0, 1] * 60)
    train = make_pool(
        {
            "nct_id": f"A{number:03}",
            "label": int(label),
            "conditions": ["Asthma"],
            "phase": "Phase 2",
            "title": "word " * int(stream.integers(1, 9)),
            "arms": [{"label": "word " * (number % 3 + 1), "type": "Experimental", "interventions": ["x"]}],
            "interventions": [{"name": "x"}],
            "normalized_interventions": ["x"],
        }
        for number, label in enumerate(labels)
    )
    donors = Donorhood(train, 600)
    shares = {}
    for label in (0, 1):
        subjects = train.filter(label=label).to_dicts()
        drawn = [
            donors.draw({"intervention": "x", "label": label}, subject, np.random.default_rng(number))
            for number, subject in enumerate(subjects * 4)
        ]
        ends = dict(train.select("nct_id", "label").iter_rows())
        shares[label] = np.mean([ends[one.donors.texts] for one in drawn])
        assert {len(one.arms) for one in drawn} == {1}
    assert abs(shares[0] - shares[1]) < 0.12
    assert 0.4 < shares[1] < 0.6


def test_arms_are_listed_where_the_form_has_them() -> None:
    """The design may depend on the label; whether there are arms, and how long their texts are, may not."""
    arm = {"label": "Aspirin daily", "type": "Experimental", "interventions": ["aspirin"]}
    given = {
        "conditions": ["Pain"], "phase": "Phase 2", "normalized_interventions": ["aspirin"],
        "interventions": [{"name": "aspirin"}],
    }  # fmt: skip
    train = make_pool(
        given | {"nct_id": f"A{number:02}", "label": int(number < 3), "arms": [arm] if number < 3 else []}
        for number in range(60)
    )
    donors = Donorhood(train, 600)
    target = {"intervention": "aspirin", "label": 1}
    drawn = [donors.draw(target, train.row(0, named=True), np.random.default_rng(n)) for n in range(80)]
    assert np.mean([len(one.arms) for one in drawn]) < 0.2


def test_enrolment_is_near_its_donors() -> None:
    """The five nearest trials are of 10 to 810 participants; between these, others have other numbers."""
    near = [{"conditions": ["Gout"], "enrolment_planned": 10 + 200 * number} for number in range(5)]
    far = [{"conditions": ["Pain"], "enrolment_planned": 10 + 10 * number} for number in range(90)]
    rows = [{"conditions": ["Gout"], "enrolment_planned": 5}, *near, *far]
    train = make_pool(row | {"nct_id": f"A{number:02}", "label": 1} for number, row in enumerate(rows))
    donors = Donorhood(train, 600)
    for number in range(40):
        skeleton = donors.draw(
            {"intervention": "x", "label": 1}, train.row(0, named=True), np.random.default_rng(number)
        )
        drawn = rows[int(skeleton.donors.size[1:])]["enrolment_planned"]
        assert abs((skeleton.enrolment_planned or 0) - drawn) <= 20


def test_ages_stay_those_of_children() -> None:
    """Trials without a youngest age are of children, up to 17 years, or open to everybody."""
    rows = [{"maximum_age": 17.0}] * 8 + [{"maximum_age": None}] * 40
    train = make_pool(
        row | {"nct_id": f"A{number:02}", "label": 1, "conditions": ["Leukemia"]}
        for number, row in enumerate(rows)
    )
    donors = Donorhood(train, 600)
    for number, subject in enumerate(train.to_dicts()):
        target = {"intervention": "x", "label": 1}
        assert (
            donors.draw(target, subject, np.random.default_rng(number)).maximum_age == subject["maximum_age"]
        )


def own_drug(condition: str, drug: str, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "nct_id": f"{drug}-{condition}-{number}", "label": 1, "phase": "Phase 2",
            "conditions": [condition],
            "normalized_interventions": [drug], "interventions": [{"name": drug, "type": "Drug"}],
        }  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "others", "designs"),
    [
        # The same drug in the same field comes before another drug for another cancer.
        ("Lung Cancer", {("Breast Cancer", "x"): 4, ("Colon Cancer", "y"): 9}, {"x-Breast Cancer"}),
        # Another drug for the same disease comes before the same drug for another one.
        ("Lung Cancer", {("Breast Cancer", "x"): 4, ("Lung Cancer", "y"): 9}, {"y-Lung Cancer"}),
        # Where the field is not known, it is the same drug in any.
        ("Quux", {("Foo", "x"): 4, ("Bar", "y"): 9}, {"x-Foo"}),
    ],
)
def test_a_design_is_of_the_disease_or_of_the_drug_in_its_field(
    subject: str, others: dict[tuple[str, str], int], designs: set[str]
) -> None:
    rows = [row for (condition, drug), count in others.items() for row in own_drug(condition, drug, count)]
    train = make_pool([*own_drug(subject, "x", 1), *rows])
    own = train.filter(nct_id=f"x-{subject}-0").row(0, named=True)
    donors = Donorhood(train, 600)
    drawn = [donors.draw({"intervention": "x", "label": 1}, own, np.random.default_rng(n)) for n in range(20)]
    assert {one.donors.design.rpartition("-")[0] for one in drawn} == designs
    assert {one.interventions[0].name for one in drawn} == {"x"}
