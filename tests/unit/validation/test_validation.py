"""Drafts with planted defects are rejected for them; what is like a real trial is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialforge.core.errors import MetricError
from trialforge.core.params import load_section
from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.ingest.source import Batch
from trialforge.simulation.corpus import simulate
from trialforge.split.blocks import BLOCK_SCHEMA
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import find_faults, record_checks
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.target import PROSE_REASONS, TARGET_COLUMNS
from trialforge.trial.criteria_lists import join_criteria, split_criteria
from trialforge.trial.leakage import registration_view
from trialforge.trial.people import scrub_people
from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.trial.skeleton import SKELETON_SCHEMA, Donors, Skeleton
from trialforge.validation.params import ValidationParams
from trialforge.validation.validate import (
    COPY_OF,
    REASONS,
    SIBLING_COPY,
    TRAIN_COPY,
    Validated,
    acceptance_metrics,
    rejection_table,
    validate,
)

ROOT = Path(__file__).resolve().parents[3]
BOUNDS = load_section(CheckParams, "checks", ROOT / "params.yaml")
PARAMS = load_section(ValidationParams, "validation", ROOT / "params.yaml")
NO_BLOCKS = pl.DataFrame(schema=BLOCK_SCHEMA)
Row = dict[str, Any]
# A record of every kind of text.
SKELETON = Skeleton(
    title=9, summary=40, interventions=[], arms=[], primary_outcomes=[], secondary_outcomes=[],
    inclusion=[5, 5], exclusion=[5, 5],
    donors=Donors(**dict.fromkeys(Donors.model_fields, "SIM1")),
).model_dump()  # fmt: skip


def as_trials(trials: pl.DataFrame) -> pl.DataFrame:
    """Trials as ingest and split leave them, with an outcome label."""
    collector = NameCollector()
    scrubbed, _ = scrub_people(trials)
    collector.add(scrubbed)
    named = add_normalized(scrubbed, collector.normalize())
    return registration_view(named).with_columns(label=pl.lit(1, pl.Int64))


def as_drafts(trials: pl.DataFrame) -> pl.DataFrame:
    """Trials as a generator would hand them in that writes like the registry."""
    named = pl.col("normalized_interventions").list.first()
    return trials.select(
        pl.concat_str(pl.lit("SYN-"), "nct_id").alias("nct_id"),
        pl.lit("synthetic").alias("source"),
        *[name for name in REGISTRATION_SCHEMA if name not in {"nct_id", "source"}],
        "normalized_interventions",
        "label",
        named.fill_null(pl.col("interventions").list.first().struct.field("name")).alias("intervention"),
        pl.concat_str(pl.lit("target-"), "nct_id").alias("target_id"),
        pl.lit("retrieval-reasoning").alias("arm"),
        pl.lit([], pl.List(pl.String)).alias("exemplars"),
        pl.lit("a model").alias("model"),
        pl.lit(None, pl.String).alias("reject_reason"),
    )


def judge(rows: pl.DataFrame, asked: pl.DataFrame, train: pl.DataFrame) -> Validated:
    """Validate rows against the targets that the records of `asked` meet."""
    return validate(rows, plan_of(asked), train, NO_BLOCKS, BOUNDS, PARAMS)


def plan_of(asked: pl.DataFrame, skeleton: dict[str, Any] = SKELETON) -> pl.DataFrame:
    """The plan that these records meet."""
    targets = asked.select("target_id", "intervention", "conditions", "phase", "label")
    # Criteria of one kind alone were asked for as such: a plan's skeletons are those of registered trials.
    sides = [all(split_criteria(text)) for text in asked["criteria"]]
    skeletons = [skeleton if both else skeleton | {"exclusion": []} for both in sides]
    return targets.with_columns(
        block=pl.lit(None, pl.Int64), skeleton=pl.Series(skeletons, dtype=pl.Struct(SKELETON_SCHEMA))
    )


def add_to(field: str, text: str) -> Callable[[Row], Row]:
    return lambda row: row | {field: f"{row[field]} {text}"}


def put(**values: Any) -> Callable[[Row], Row]:
    return lambda row: row | values


def name_something_real(row: Row) -> Row:
    texts = (
        "Patients of NCT01234567 may enter.",
        "See www.trialsite.org for details.",
        "Call +44 20 7946 0958 for details.",
        "Visits are at Massachusetts General Hospital in Boston.",
        "Principal investigator: Maria Lopez, MD.",
    )
    return add_to("summary", texts[int(row["place"]) % len(texts)])(row)


def break_time_frame(row: Row) -> Row:
    frames = ("Blue", "-3 months", "0 weeks", "900 years")
    frame = frames[int(row["place"]) % len(frames)]
    return row | {"primary_outcomes": [{"measure": "Survival", "time_frame": frame, "description": None}]}


def change_phase(row: Row) -> Row:
    return row | {"phase": "N/A" if row["phase"] == "Phase 4" else "Phase 4"}


def drop_exclusion(row: Row) -> Row:
    return row | {"criteria": "Inclusion Criteria:\n- Adults of 18 years or older with the condition"}


def break_enrolment(row: Row) -> Row:
    return row | {"enrolment_planned": (0, -40, 50_000_000)[int(row["place"]) % 3]}


SPANISH = (
    "Este estudio compara el tratamiento nuevo frente al placebo durante doce meses en pacientes adultos "
    "mayores con enfermedad grave. Los participantes deben firmar el consentimiento informado antes de "
    "comenzar; se excluyen mujeres embarazadas, menores y personas con insuficiencia renal avanzada. "
)
COPY = "a copy of a train trial"
DEFECTS: dict[str, tuple[Callable[[Row], Row], set[str]]] = {
    "another intervention": (
        put(
            interventions=[{"type": "Drug", "name": "Qazolimab", "description": None, "other_names": []}],
            normalized_interventions=["qazolimab"],
        ),
        {"off_intervention"},
    ),
    "another condition": (put(conditions=["Qazonitis"]), {"off_condition"}),
    "another phase": (change_phase, {"off_phase"}),
    "crossed ages": (put(minimum_age=70.0, maximum_age=18.0), {"impossible_age"}),
    "impossible enrolment": (break_enrolment, {"impossible_enrolment"}),
    "impossible time frame": (break_time_frame, {"unreadable_time_frame", "impossible_time_frame"}),
    "no exclusion": (drop_exclusion, {"one_sided_criteria"}),
    "another language": (
        put(summary=SPANISH, criteria=SPANISH),
        {"not_english"},
    ),
    "repetition": (put(summary="The drug is given daily to all of them. " * 20), {"repetition"}),
    "prompt echo": (add_to("summary", "Here is the JSON object of the trial."), {"prompt_echo"}),
    "a control character": (add_to("title", "\x08"), {"control_characters"}),
    "a real-looking name": (
        name_something_real, {"registry_id", "url", "site", "telephone", "person", "address"},
    ),
    COPY: (put(), {"near_copy_of_train"}),
}  # fmt: skip


def plant(drafts: pl.DataFrame, train: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """One defect in each draft, the kinds in turn, and the kind of each; a copy takes its draft's place."""
    kinds = [list(DEFECTS)[place % len(DEFECTS)] for place in range(len(drafts))]
    copied = as_drafts(train.slice(1)).rows(named=True)
    rows = []
    for place, (row, kind) in enumerate(zip(drafts.iter_rows(named=True), kinds, strict=True)):
        if kind == COPY:
            planted = copied[place] | {name: row[name] for name in ("nct_id", "target_id")}
        else:
            planted = DEFECTS[kind][0](row | {"place": place // len(DEFECTS)})
        rows.append({name: planted[name] for name in drafts.columns})
    return pl.DataFrame(rows, schema=drafts.schema), kinds


def count_caught(drafts: pl.DataFrame, train: pl.DataFrame) -> Counter[str]:
    """How many planted defects of each kind are rejected for a reason of their own."""
    planted, kinds = plant(drafts, train)
    copied = pl.Series([kind == COPY for kind in kinds])
    asked = pl.concat([planted.filter(copied), drafts.filter(~copied)])
    # One good draft among them: that none is valid would be an error.
    good = as_drafts(train.head(1))
    judged = judge(pl.concat([planted, good]), pl.concat([asked, good]), train.slice(1))
    found = dict(judged.rejected.select("nct_id", REASONS).iter_rows())
    return Counter(
        kind
        for nct_id, kind in zip(drafts["nct_id"], kinds, strict=True)
        if DEFECTS[kind][1] & set(found.get(nct_id, []))
    )


def find_prose_faults(trials: pl.DataFrame) -> pl.Series:
    """For each trial, what its prose does not name of its own fields."""
    drafts = as_drafts(trials)
    asked = drafts.with_columns(pl.col(name).alias(to) for name, to in TARGET_COLUMNS.items())
    checks = [check for check in record_checks(BOUNDS, {}, Reference()) if check.reason in PROSE_REASONS]
    return find_faults(asked, checks)


def name_target(trials: pl.DataFrame) -> pl.DataFrame:
    """The trials whose prose names what a plan would ask for; others have its brand name, or nothing."""
    return trials.filter(find_prose_faults(trials).list.len() == 0)


@pytest.fixture(scope="module")
def simulated() -> tuple[pl.DataFrame, pl.DataFrame]:
    trials = name_target(as_trials(simulate(700, 5)))
    return as_drafts(trials.head(200)), trials.slice(200)


def test_untouched_simulated_trials_are_refused_as_near_copies_alone(
    simulated: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    drafts, train = simulated
    rejected = judge(drafts, drafts, train).rejected
    assert set(rejected[REASONS].explode()) <= {"near_copy_of_train", "near_copy_of_sibling"}
    assert len(rejected) <= 10


def test_planted_defects_are_caught(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    found = count_caught(drafts, train)
    assert sum(found.values()) >= 195, found


@pytest.fixture(scope="module")
def registered(read_real: Callable[[str], Batch]) -> pl.DataFrame:
    """1,600 interventional trials of both registry files."""
    files = ("ctgov/AllPublicXML.sample.zip", "ctgov/studies_v2.jsonl.gz")
    trials = pl.concat(read_real(name).trials for name in files)
    shuffled = trials.filter(pl.col("study_type") == "Interventional").unique("nct_id").sort("nct_id")
    return as_trials(shuffled.sample(1600, seed=20412, shuffle=True))


@pytest.fixture(scope="module")
def real(registered: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """600 of them, whose prose names what a plan would ask for, as drafts; and the others like them."""
    naming = name_target(registered)
    return as_drafts(naming.head(600)), naming.slice(600)


@pytest.mark.shared
def test_real_trials_that_do_not_name_what_they_test_are_known(registered: pl.DataFrame) -> None:
    """A draft was asked for one intervention; a registered trial may list it and never speak of it."""
    counts = Counter(find_prose_faults(registered).explode().drop_nulls())
    bounds = {"unnamed_intervention": 0.32, "unnamed_condition": 0.06, "misnamed_phase": 0.015}
    assert {name: counts[name] for name in bounds if counts[name] > bounds[name] * len(registered)} == {}


@pytest.mark.shared
def test_untouched_real_trials_are_rarely_refused(real: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = real
    found = judge(drafts, drafts, train).rejected[REASONS].to_list()
    # People misspell drugs too, above all where train is small, and registrants contradict themselves.
    opposed = {"misnamed_design", "misdescribed_design", "misplaced_criteria", "excluded_condition"}
    misspelled = [reasons for reasons in found if reasons == ["misspelled_intervention"]]
    unlikely = [reasons for reasons in found if reasons == ["unlikely_criteria"]]
    contradict = [reasons for reasons in found if opposed & {*reasons}]
    assert len(misspelled) <= 0.03 * len(drafts), found
    assert len(unlikely) <= 0.02 * len(drafts), found
    assert len(contradict) <= 0.02 * len(drafts), found
    others = len(found) - len(misspelled) - len(unlikely) - len(contradict)
    assert others <= 0.025 * len(drafts), found


@pytest.mark.shared
def test_planted_defects_in_real_trials_are_caught(real: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = real
    found = count_caught(drafts.head(200), train)
    assert sum(found.values()) >= 195, found


def test_copies_within_the_set_name_their_elder(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    twin = drafts.slice(1, 1).with_columns(nct_id=pl.lit("SYN-twin"), target_id=pl.lit("target-twin"))
    twins = pl.concat([drafts.head(3), twin])
    rejected = judge(twins, twins, train).rejected
    assert rejected.select("nct_id", REASONS, COPY_OF).rows() == [
        ("SYN-twin", [SIBLING_COPY], drafts["nct_id"][1])
    ]


def test_copies_that_the_embedding_alone_finds_name_the_nearest(
    simulated: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    """Words in another order share no run of 5 words and have the same row in the space.

    Criteria stay on their sides, so that no other check finds them.
    """
    drafts, train = simulated

    def turn_text(text: str) -> str:
        return " ".join(reversed(text.split(" ")))

    def turn_criteria(text: str) -> str:
        return join_criteria(*([turn_text(item) for item in items] for items in split_criteria(text)))

    def turn(frame: pl.DataFrame) -> pl.DataFrame:
        turned = [
            pl.col(name).map_elements(turn_text, pl.String)
            for name in ("title", "summary", "detailed_description")
        ]
        criteria = pl.col("criteria").map_elements(turn_criteria, pl.String)
        return frame.with_columns(*turned, criteria, pl.lit(None, frame.schema["arms"]).alias("arms"))

    copy = turn(as_drafts(train.slice(7, 1)))
    twin = turn(drafts.slice(1, 1))
    twin = twin.with_columns(nct_id=pl.lit("SYN-twin"), target_id=pl.lit("target-twin"))
    asked = pl.concat([drafts.head(2), copy, twin])
    duplicates = {"max_cosine": 0.9, "max_jaccard": 1.0}
    params = PARAMS.model_copy(update={"duplicates": PARAMS.duplicates.model_copy(update=duplicates)})
    rejected = validate(asked, plan_of(asked), train, NO_BLOCKS, BOUNDS, params).rejected
    assert rejected.select("nct_id", REASONS, COPY_OF).rows() == [
        (copy["nct_id"][0], [TRAIN_COPY], train["nct_id"][7]),
        ("SYN-twin", [SIBLING_COPY], drafts["nct_id"][1]),
    ]


def test_rejections_are_counted_and_shared_by_reason(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    rows = drafts.head(8).with_columns(label=pl.int_range(8, dtype=pl.Int64) % 2)
    faulty = rows.with_columns(
        pl.when(pl.int_range(8) < 2)
        .then(pl.lit(-5))
        .otherwise("enrolment_planned")
        .alias("enrolment_planned"),
        pl.when(pl.int_range(8) == 1).then(130.0).otherwise("minimum_age").alias("minimum_age"),
        pl.when(pl.int_range(8) == 7).then(pl.lit("no answer")).alias("reject_reason"),
        pl.when(pl.int_range(8) < 4).then(pl.lit("one")).otherwise(pl.lit("two")).alias("model"),
    )
    validated = judge(faulty, rows, train)
    assert acceptance_metrics(faulty, validated) == {
        "drafts": 8, "accepted": 5, "acceptance_rate": 0.625,
        "acceptance_rate.success": 0.5, "acceptance_rate.failure": 0.75,
        "acceptance_rate.model.one": 0.5, "acceptance_rate.model.two": 0.75,
        "rejected.given_up": 1, "rejected.impossible_age": 1, "rejected.impossible_enrolment": 2,
        "rejected.opposed_age": 1,
        "rejection_rate.given_up": 0.125, "rejection_rate.impossible_age": 0.125,
        "rejection_rate.impossible_enrolment": 0.25, "rejection_rate.opposed_age": 0.125,
    }  # fmt: skip
    assert rejection_table(validated).rows() == [
        ("given_up", 1, "two", "retrieval-reasoning", 1),
        ("impossible_age", 1, "one", "retrieval-reasoning", 1),
        ("impossible_enrolment", 0, "one", "retrieval-reasoning", 1),
        ("impossible_enrolment", 1, "one", "retrieval-reasoning", 1),
        ("opposed_age", 1, "one", "retrieval-reasoning", 1),
    ]


def test_a_draft_of_no_target_is_an_error(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    with pytest.raises(MetricError, match="have no target in the plan"):
        judge(drafts.with_columns(target_id=pl.lit("stranger")), drafts, train)


@pytest.mark.parametrize(("absent", "refused"), [(None, True), ("title", False)])
def test_a_text_may_be_absent_where_the_skeleton_has_none(
    absent: str | None, refused: bool, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    drafts, train = simulated
    untitled = drafts.head(3).with_columns(title=pl.lit(None, pl.String))
    whole = drafts.slice(3, 1)
    plan = pl.concat([plan_of(untitled, SKELETON | ({absent: None} if absent else {})), plan_of(whole)])
    found = validate(pl.concat([untitled, whole]), plan, train, NO_BLOCKS, BOUNDS, PARAMS).rejected
    assert ("no_title" in found[REASONS].explode().to_list()) is refused


def test_a_record_that_copies_its_exemplars_summary_is_refused(
    simulated: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    drafts, train = simulated
    copied = drafts.head(1).with_columns(
        summary=pl.lit(train["summary"][0]), exemplars=pl.Series([[train["nct_id"][0]]])
    )
    asked = pl.concat([drafts.head(1), drafts.slice(3, 1)])
    found = judge(pl.concat([copied, drafts.slice(3, 1)]), asked, train.sort("nct_id")).rejected
    assert "copied_summary_text" in found[REASONS].explode().to_list()


def test_of_several_drafts_of_a_target_one_is_accepted(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """A sound draft is; one with a fault is out before they are compared."""
    train = simulated[1]
    shown = train["nct_id"].head(12).reshape((12, 1)).arr.to_list()
    first = simulated[0].head(12).with_columns(exemplars=shown)
    first = judge(first, first, train).synthetic
    strange = "Purple elephants juggle lanterns quietly while the others sleep in the garden all night."
    second = first.with_columns(
        nct_id=pl.concat_str("nct_id", pl.lit("-2")), summary=pl.concat_str("summary", pl.lit(f" {strange}"))
    )
    faulty = first.with_columns(
        nct_id=pl.concat_str("nct_id", pl.lit("-3")), title=pl.concat_str("title", pl.lit("\x08"))
    )
    judged = judge(pl.concat([second, faulty, first]), first, train)
    assert sorted(judged.synthetic["nct_id"]) == sorted(first["nct_id"])
    reasons = dict(judged.rejected.select("nct_id", REASONS).iter_rows())
    assert all(reasons[name] == ["not_best"] for name in second["nct_id"])
    assert all("not_best" not in reasons[name] for name in faulty["nct_id"])
    metrics = acceptance_metrics(pl.concat([second, faulty, first]), judged)
    assert metrics["drafts"] == 3 * metrics["accepted"] == 3 * first.height
    assert metrics["acceptance_rate"] == 1.0
