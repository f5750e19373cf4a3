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
from trialforge.ingest.registry import JsonSource, XmlSource
from trialforge.simulation.corpus import simulate
from trialforge.trial.leakage import registration_view
from trialforge.trial.people import scrub_people
from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.validation.content import NAMING
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
PARAMS = load_section(ValidationParams, "validation", ROOT / "params.yaml")
Row = dict[str, Any]


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
        pl.lit("a model").alias("model"),
        pl.lit(None, pl.String).alias("reject_reason"),
    )


def judge(rows: pl.DataFrame, asked: pl.DataFrame, train: pl.DataFrame) -> Validated:
    """Validate rows against the targets that the records of `asked` meet."""
    plan = asked.select("target_id", "intervention", "conditions", "phase", "label")
    return validate(rows, plan, train, PARAMS)


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
    "a real-looking name": (name_something_real, set(NAMING)),
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


@pytest.fixture(scope="module")
def simulated() -> tuple[pl.DataFrame, pl.DataFrame]:
    trials = as_trials(simulate(700, 5))
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
def real(shared_data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """600 interventional trials of both registry files as drafts, and 250 others of these files."""
    sources = (
        XmlSource(shared_data / "ctgov/AllPublicXML.sample.zip"),
        JsonSource(shared_data / "ctgov/studies_v2.jsonl.gz"),
    )
    trials = pl.concat(batch.trials for source in sources for batch in source.batches())
    shuffled = trials.filter(pl.col("study_type") == "Interventional").unique("nct_id").sort("nct_id")
    shuffled = as_trials(shuffled.sample(850, seed=20412, shuffle=True))
    return as_drafts(shuffled.head(600)), shuffled.slice(600)


@pytest.mark.shared
def test_untouched_real_trials_are_rarely_refused(real: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = real
    rejected = judge(drafts, drafts, train).rejected
    # 5 of 200, asked of 600.
    assert len(rejected) <= 0.025 * len(drafts), rejected[REASONS].to_list()


@pytest.mark.shared
def test_planted_defects_in_real_trials_are_caught(real: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = real
    found = count_caught(drafts.head(200), train)
    assert sum(found.values()) >= 195, found


def reasons_of(row: Row, changed: dict[str, Any], train: pl.DataFrame) -> set[str]:
    """The reasons to reject a good draft with some values changed; another good one stands beside it."""
    draft = pl.DataFrame([row | changed], schema=as_drafts(train.head(1)).schema)
    other = as_drafts(train.head(1))
    judged = judge(pl.concat([draft, other]), pl.concat([draft, other]), train.slice(1))
    return set(judged.rejected.filter(target_id=row["target_id"])[REASONS].explode())


LANGUAGES = {
    "Spanish": SPANISH,
    "French": "Critères d'inclusion : âge de 18 ans ou plus avec une maladie active. Critères d'exclusion : "
    "femmes enceintes, allergie aux produits de l'étude, participation dans un autre essai.",
    "German": "Einschlusskriterien: Alter ab 18 Jahren mit aktiver Erkrankung und Zustimmung. "
    "Ausschlusskriterien: Schwangerschaft oder Stillzeit, Allergie gegen das Mittel, nicht bei Kindern.",
    "Polish": "Kryteria włączenia: wiek powyżej 18 lat oraz aktywna choroba. Kryteria wyłączenia: ciąża lub "
    "karmienie piersią, nie można zakwalifikować dzieci, udział w innym badaniu lub terapii.",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_criteria_of_another_language_alone_are_refused(
    language: str, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    drafts, train = simulated
    assert "not_english" in reasons_of(drafts.row(0, named=True), {"criteria": LANGUAGES[language]}, train)


def test_criteria_of_nouns_alone_are_english(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    names = ("Kidney", "Liver", "Heart", "Lung", "Parkinson", "Von Gierke")
    listed = "\n".join(f"- {name} disease" for name in names)
    nouns = f"Inclusion Criteria:\n- Active plaque psoriasis\n- Age 18 years\nExclusion Criteria:\n{listed}"
    assert reasons_of(drafts.row(0, named=True), {"criteria": nouns}, train) == set()


@pytest.mark.parametrize(
    ("ages", "bad"),
    [((130.0, None), True), ((None, 130.0), True), ((-1.0, None), True), ((18.0, None), False),
     ((70.0, 18.0), True), ((0.0, 17.0), False), ((None, 0.0), True), ((None, None), False)],
)  # fmt: skip
def test_ages_are_those_of_people(
    ages: tuple[float | None, float | None], bad: bool, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    drafts, train = simulated
    changed = dict(zip(("minimum_age", "maximum_age"), ages, strict=True))
    assert ("impossible_age" in reasons_of(drafts.row(0, named=True), changed, train)) == bad


@pytest.mark.parametrize(
    ("frame", "bad"),
    [("900 yrs", True), ("5000 wks", True), ("2000 mos", True), ("61y", True), ("up to 30,000 d", True),
     ("600000 h", True), ("5 yrs", False), ("52 wks", False), ("24 mos", False), ("AUC 0-72h", False),
     ("day 1 to day 28", False), ("2 y", False), ("-3 wks", True), ("0 hrs", True), ("in 2,000 men", False),
     ("cycle 1 of 90Y", False)],
)  # fmt: skip
def test_time_frames_are_read_with_the_units_that_people_write(
    frame: str, bad: bool, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    drafts, train = simulated
    changed = {"primary_outcomes": [{"measure": "Survival", "time_frame": frame, "description": None}]}
    assert ("impossible_time_frame" in reasons_of(drafts.row(0, named=True), changed, train)) == bad


def test_copies_within_the_set_name_their_elder(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    twins = pl.concat([drafts.head(3), drafts.slice(1, 1).with_columns(nct_id=pl.lit("SYN-twin"))])
    rejected = judge(twins, drafts, train).rejected
    assert rejected.select("nct_id", REASONS, COPY_OF).rows() == [
        ("SYN-twin", [SIBLING_COPY], drafts["nct_id"][1])
    ]


def test_copies_that_the_embedding_alone_finds_name_the_nearest(
    simulated: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    """Words in another order share no run of 5 words and have the same row in the space."""
    drafts, train = simulated

    def turn(frame: pl.DataFrame) -> pl.DataFrame:
        turned = [
            pl.col(name).str.split(" ").list.reverse().list.join(" ").alias(name)
            for name in ("title", "summary", "detailed_description", "criteria")
        ]
        return frame.with_columns(*turned, pl.lit(None, frame.schema["arms"]).alias("arms"))

    copy = turn(as_drafts(train.slice(7, 1)))
    twin = turn(drafts.slice(1, 1)).with_columns(nct_id=pl.lit("SYN-twin"))
    asked = pl.concat([drafts.head(2), copy])
    duplicates = {"max_cosine": 0.9, "max_jaccard": 1.0}
    params = PARAMS.model_copy(update={"duplicates": PARAMS.duplicates.model_copy(update=duplicates)})
    plan = asked.select("target_id", "intervention", "conditions", "phase", "label")
    rejected = validate(pl.concat([asked, twin]), plan, train, params).rejected
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
        "rejection_rate.given_up": 0.125, "rejection_rate.impossible_age": 0.125,
        "rejection_rate.impossible_enrolment": 0.25,
    }  # fmt: skip
    assert rejection_table(validated).rows() == [
        ("given_up", 1, "two", "retrieval-reasoning", 1),
        ("impossible_age", 1, "one", "retrieval-reasoning", 1),
        ("impossible_enrolment", 0, "one", "retrieval-reasoning", 1),
        ("impossible_enrolment", 1, "one", "retrieval-reasoning", 1),
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"nct_id": "NCT12345678"}, "identity"),
        ({"source": "ctgov-xml"}, "identity"),
        ({"phase": "Phase 9"}, "vocabulary"),
        ({"sex": "Any"}, "vocabulary"),
        ({"title": " "}, "no_title"),
        ({"summary": None}, "no_summary"),
        ({"criteria": ""}, "no_criteria"),
        ({"conditions": []}, "no_conditions"),
        ({"interventions": []}, "no_interventions"),
        ({"interventions": [{"type": "Drug", "name": " "}]}, "nameless_intervention"),
        ({"primary_outcomes": [{"measure": ""}]}, "nameless_endpoint"),
        ({"criteria": "Adults only"}, "short_criteria"),
        ({"summary": "Lorem ipsum dolor sit amet."}, "boilerplate"),
        ({"summary": "A trial of [insert drug] in adults."}, "boilerplate"),
        ({"criteria": "Inclusion Criteria:\n- TBD\nExclusion Criteria:\n- None"}, "boilerplate"),
        ({"title": "A trial of {drug_name} in adults"}, "boilerplate"),
    ],
)
def test_each_fault_of_form_has_its_reason(
    changed: Row, reason: str, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    drafts, train = simulated
    assert reason in reasons_of(drafts.row(0, named=True), changed, train)


def test_a_draft_of_no_target_is_an_error(simulated: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    drafts, train = simulated
    with pytest.raises(MetricError, match="of no target of the plan"):
        judge(drafts.with_columns(target_id=pl.lit("stranger")), drafts, train)
