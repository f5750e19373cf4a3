"""A part with a fault is refused with its reason; parts that are good become one record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialforge.generation.asking import Fault, StageAsking
from trialforge.generation.drafts import (
    DraftWriter,
    generated_row,
    measure_drafts,
)
from trialforge.generation.params import GenerationParams
from trialforge.generation.part_answers import find_record_faults
from trialforge.generation.record import GENERATED_SCHEMA, Draft
from trialforge.llm.backend import Completion, Message, Request
from trialforge.llm.calls import CachedGenerator, CallCache
from trialforge.llm.schemas import check_schema
from trialforge.trial.draft_fields import PARTS, PartName
from trialforge.trial.record import REGISTRATION_SCHEMA, Trial
from trialforge.trial.skeleton import without_prose

from .records import (
    TARGET,
    TEXTS,
    QueuedGenerator,
    make_checks,
    make_target,
    make_trial,
    make_writer,
    numbered,
    part_answer,
    write_draft,
)

EXEMPLAR = make_trial(
    official_title="Protocol EORTC-22922: Levodopa as COVID-19 Spreads",
    detailed_description="Every person takes levodopa four times a day for twelve weeks, and keeps a diary "
    "of the hours in which the medicine does not work at home and at the clinic.",
)


def write(**changes: Any) -> dict[str, Any]:
    """The record of the good texts with some changed, each with the room that it needs."""
    texts = TEXTS | changes
    return write_draft(make_writer(EXEMPLAR), make_target(texts), texts).record


def with_arms(*labels: str) -> dict[str, Any]:
    return numbered(*({"label": label} for label in labels))


def timed(frame: str) -> dict[str, Any]:
    return numbered({"measure": "Hours of off time each day", "time_frame": frame})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "title": "Carbidopa alone in Parkinson Disease",
                "summary": numbered("Carbidopa is compared with nothing at all."),
                "arms": with_arms("Carbidopa", "Nothing"),
            },
            "unnamed_intervention",
        ),
        (
            {
                "title": "Levodopa for Restless Legs",
                "summary": numbered("The study asks whether levodopa calms restless legs at night."),
                "inclusion": numbered("Restless legs for a year", "Adults who can consent"),
            },
            "unnamed_condition",
        ),
        ({"title": "A Phase III Trial of Levodopa in Parkinson Disease"}, "misnamed_phase"),
        ({"summary": numbered("A study of levodopa failed to help people at all.")}, "tells_outcome"),
        (
            {"summary": numbered("The trial of levodopa was stopped early because of slow accrual.")},
            "tells_outcome",
        ),
        ({"title": "SLOW release levodopa against wearing-off."}, "copied_title"),
        ({"inclusion": numbered("Adults here", "adults here.")}, "repeated_criteria"),
        (
            {
                "inclusion": numbered("Adults here", "Dementia now"),
                "exclusion": numbered("Dementia now", "Any cancer"),
            },
            "repeated_criteria",
        ),
        ({"title": "Levodopa in Parkinson Disease (Protocol EORTC-22922)"}, "copied_code"),
        ({"summary": numbered(EXEMPLAR["summary"].upper())}, "copied_summary"),
        (
            {"summary": numbered(f"With levodopa, {EXEMPLAR['detailed_description'][13:90]}.")},
            "copied_summary_text",
        ),
        (
            {"detailed_description": numbered(EXEMPLAR["detailed_description"])},
            "copied_detailed_description_text",
        ),
        (
            {"inclusion": numbered("Age of 40 years or older", "Parkinson Disease for years")},
            "copied_criteria_text",
        ),
        ({"title": "{{Levodopa}} in Parkinson Disease"}, "markup"),
        ({"summary": numbered("Levodopa as in NCT01234567 is studied in adults here.")}, "registry_id"),
        ({"summary": numbered("Levodopa 化疗 is studied in adults who are ill.")}, "other_script"),
        ({"arms": with_arms("Levodopa", "levodopa.")}, "repeated_arms"),
        ({"primary_outcomes": timed("Blue and green and red")}, "unreadable_time_frame"),
        ({"primary_outcomes": timed("up to 900 years after")}, "impossible_time_frame"),
        (
            {
                "exclusion": numbered(
                    "mujeres embarazadas o en la lactancia", "alergia a los productos del estudio"
                )
            },
            "not_english",
        ),
        ({"summary": numbered("Levodopa is given every day. " * 6)}, "repetition"),
        ({"summary": numbered("A trial of levodopa in [insert condition], which is TBD.")}, "boilerplate"),
        ({"summary": numbered("As an AI language model I describe a levodopa trial here.")}, "prompt_echo"),
        ({"summary": numbered("Ask for levodopa by (301) 496-8959 in all of the weeks.")}, "telephone"),
        ({"summary": numbered("Dr. Maria Lopez will give levodopa to adults in this trial.")}, "person"),
        ({"summary": numbered("Adults are given levodopa at Massachusetts General Hospital.")}, "site"),
    ],
)  # fmt: skip
def test_a_part_with_a_fault_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Fault, match=f"^{reason}$"):
        write(**change)


def test_the_part_that_has_the_fault_is_the_one_that_is_refused() -> None:
    writer, draft = make_writer(EXEMPLAR), Draft(TARGET, [])
    accepted = writer.ask(draft, "header").accept(json.dumps(part_answer("header")))
    assert accepted["record"]["criteria"] is None  # what a later part brings is no fault yet
    late = TEXTS | {"exclusion": numbered("Any cancer of any kind", "any cancer of any kind.")}
    with pytest.raises(Fault, match=r"^repeated_criteria$"):
        write_draft(writer, make_target(late), late)


def test_good_parts_become_a_record_with_all_that_the_plan_decides() -> None:
    record = write()
    frame = pl.DataFrame([record], schema=REGISTRATION_SCHEMA)
    Trial.model_validate(frame.row(0, named=True))
    assert re.fullmatch("SYN-[0-9a-f]{12}", record["nct_id"])
    assert record["source"] == "synthetic"
    assert (record["phase"], record["conditions"]) == ("Phase 2", ["Parkinson Disease"])
    assert (record["minimum_age"], record["enrolment_planned"]) == (40.0, 90)
    assert record["criteria"] == (
        "Inclusion Criteria:\n- Diagnosis of Parkinson Disease\n- Two off periods a day\n"
        "Exclusion Criteria:\n- Chronic obstructive pulmonary disease\n- Smoking within a year"
    )
    assert [(arm["type"], arm["interventions"]) for arm in record["arms"]] == [
        ("Experimental", ["Levodopa"]),
        ("Placebo Comparator", ["Placebo"]),
    ]
    assert write(title="Levodopa in Parkinson Disease During COVID-19")["title"].endswith("COVID-19")


def test_an_id_follows_from_the_texts_and_the_target() -> None:
    assert write()["nct_id"] == write()["nct_id"] != write(title="Levodopa Taken at Night")["nct_id"]
    other = make_target(target_id="T-2")
    assert write_draft(make_writer(EXEMPLAR), other).record["nct_id"] != write()["nct_id"]


def test_a_skeleton_without_a_text_is_asked_for_none_and_lacks_none() -> None:
    """As in a corpus of four fields."""
    bare = {"inclusion": TEXTS["inclusion"], "exclusion": TEXTS["exclusion"]}

    def bare_target(texts: dict[str, Any]) -> dict[str, Any]:
        return make_target(texts) | {"skeleton": make_target(texts)["skeleton"] | {"arms": []}}

    target = bare_target(bare)
    writer = make_writer(EXEMPLAR)
    sizes = writer.part_sizes([TARGET, target])
    assert len(sizes) == 4 + 2
    # Six words and a sentence; the arms and the endpoint; two lists.
    assert sizes[:4] == pytest.approx([6 + 13, 2 + 2 + 6 + 1 + 1, 4 + 5, 4 + 4], abs=1)
    record = write_draft(writer, target, bare).record
    assert (record["title"], record["summary"], record["arms"]) == (None, None, [])
    assert "Parkinson" in record["criteria"]
    lost = {"inclusion": numbered("Restless legs for a year", "Adults who can consent")} | {
        "exclusion": bare["exclusion"]
    }
    with pytest.raises(Fault, match=r"^unnamed_condition$"):
        write_draft(writer, bare_target(lost), lost)


@pytest.mark.parametrize(
    ("fields", "absent"), [(("title", "inclusion"), "summary, exclusion"), ((), "title")]
)
def test_fields_without_which_no_record_is_valid_can_not_be_left_out(
    fields: tuple[str, ...], absent: str
) -> None:
    with pytest.raises(ValueError, match=f"a valid record needs {absent}"):
        GenerationParams(fields=fields)


def test_fields_that_nothing_writes_are_named() -> None:
    with pytest.raises(ValueError, match="not sex"):
        GenerationParams(fields=("title", "summary", "inclusion", "exclusion", "sex"))


@pytest.mark.parametrize("part", PARTS)
def test_engines_can_force_every_part(part: PartName) -> None:
    check_schema(make_writer(EXEMPLAR).ask(Draft(TARGET, []), part).schema)


def test_later_parts_see_what_was_written_and_of_exemplars_the_criteria_alone() -> None:
    writer = make_writer(EXEMPLAR)
    written = part_answer("header") | part_answer("design") | part_answer("inclusion")
    draft = write_draft(writer, TARGET, written)
    asked = writer.ask(draft, "exclusion").messages[1].content
    shown, own = asked.split("</exemplar>")
    assert "Two off periods a day" not in own  # a small model writes them again
    assert "Dementia at screening" in shown
    assert "Age of 40 years" in shown
    assert "Slow Release" not in shown
    assert "Levodopa Inhaled Powder in Parkinson Disease" in own
    assert "Minutes until the off period ends" in own


@pytest.mark.parametrize("label", [0, 1])
def test_a_label_free_prompt_tells_no_label_of_target_or_exemplar(label: int) -> None:
    exemplar = make_trial(label=label)
    told, free = (
        make_writer(exemplar).ask(Draft(make_target(arm=arm, label=label)), "header").messages[1].content
        for arm in ("no-reasoning", "label-free")
    )
    outcomes = re.compile(r"^Outcome: (.*)$", re.MULTILINE)
    assert outcomes.findall(told) == [("failure", "success")[label]] * 2
    assert outcomes.findall(free) == ["not known"] * 2
    assert outcomes.sub("", told) == outcomes.sub("", free)


class EndOfRun(Exception):
    """The engine is gone."""


class Asked(QueuedGenerator):
    """Answers the parts of drafts in the order in which they are asked; stops where the queue ends.

    What follows from an answer is asked after what was asked before: two drafts take turns.
    """

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for index, request in enumerate(requests):
            if not self._answers:
                raise EndOfRun
            yield index, next(super().complete([request]))[1]


def write_all(generator: Any, targets: Sequence[dict[str, Any]]) -> tuple[list[Draft], Any]:
    writer = make_writer(EXEMPLAR)
    with StageAsking("generate", generator, writer.part_sizes(targets)) as asking:
        return writer.write(targets, asking), asking.tally


ANSWERS = {part: part_answer(part) for part in PARTS}
BAD = {"inclusion": numbered("Diagnosis of Parkinson Disease", "diagnosis of parkinson disease.")}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_the_part_that_failed_is_asked_again_and_told_why() -> None:
    generator = Asked(ANSWERS["header"], ANSWERS["design"], BAD, ANSWERS["inclusion"], ANSWERS["exclusion"])
    (draft,), tally = write_all(generator, [TARGET])
    assert (draft.fault, draft.retries, tally.asked) == (None, 1, 5)
    assert tally.faults == {"repeated_criteria": 1}
    first, again = (request.messages[-1].content for request in generator.history[2:4])
    assert again.startswith(first)
    assert "An earlier answer was refused" in again.removeprefix(first)
    assert "half of its criteria of a kind" in again.removeprefix(first)
    assert [request.attempt for request in generator.history] == [0, 0, 0, 1, 0]
    assert len({request.seed for request in generator.history}) == 5
    metrics = measure_drafts([draft], tally)
    assert (metrics["parts"], metrics["retries"], metrics["attempts_a_part"]) == (4, 1, 1.25)
    assert (metrics["accepted"], metrics["first_try_accepted_share"]) == (1, 0.0)


def test_a_target_whose_part_fails_to_the_end_is_given_up_alone() -> None:
    bad = [BAD] * 5
    other = make_target(target_id="T-2", seed=8)
    answers = [ANSWERS["header"]] * 2 + [ANSWERS["design"]] * 2
    generator = Asked(*answers, BAD, ANSWERS["inclusion"], BAD, ANSWERS["exclusion"], *bad[2:])
    drafts, tally = write_all(generator, [TARGET, other])
    assert [draft.fault for draft in drafts] == ["repeated_criteria", None]
    assert (drafts[0].retries, tally.asked) == (4, 3 * 2 + 4 + 1)
    rows = pl.DataFrame([generated_row(draft, {}) for draft in drafts], schema=GENERATED_SCHEMA)
    assert rows["reject_reason"].to_list() == ["repeated_criteria", None]
    assert rows["nct_id"].is_null().to_list() == [True, False]
    assert rows["title"].to_list() == [None, TEXTS["title"]]
    assert rows["target_id"].to_list() == ["T-1", "T-2"]
    assert rows["label"].to_list() == [0, 0]
    assert rows["normalized_interventions"].to_list() == [["levodopa"]] * 2
    metrics = measure_drafts(drafts, tally)
    assert (metrics["given_up"], metrics["given_up_share"], metrics["fault_repeated_criteria"]) == (1, 0.5, 5)


def test_several_drafts_of_a_target_differ_by_seed_and_id_and_the_first_is_that_of_one_alone() -> None:
    generator = Asked(*(answer for answer in ANSWERS.values() for _ in range(3)))
    writer = make_writer(EXEMPLAR, best_of=3)
    sizes = writer.part_sizes([TARGET])
    assert len(sizes) == 3 * len(PARTS)
    with StageAsking("generate", generator, sizes) as asking:
        drafts = writer.write([TARGET], asking)
    rows = [generated_row(draft, {}) for draft in drafts]
    (alone,), _ = write_all(Asked(*ANSWERS.values()), [TARGET])
    assert rows[0] == generated_row(alone, {})
    assert {row["target_id"] for row in rows} == {"T-1"}
    assert len({row["nct_id"] for row in rows}) == len({row["seed"] for row in rows}) == 3
    assert len({request.seed for request in generator.history}) == 3 * len(PARTS)
    metrics = measure_drafts(drafts, asking.tally)
    assert (metrics["targets"], metrics["accepted"], metrics["parts"]) == (1, 1, 12)


def test_what_was_interrupted_between_parts_goes_on_there(tmp_path: Path) -> None:
    """The calls of finished parts are replayed; the record is that of a run in one go."""
    whole, _ = write_all(Asked(*ANSWERS.values()), [TARGET])

    def cached(engine: Asked) -> CachedGenerator:
        return CachedGenerator(engine, CallCache(tmp_path / "calls.sqlite"))

    answers = list(ANSWERS.values())
    with pytest.raises(EndOfRun):
        write_all(cached(Asked(*answers[:2])), [TARGET])
    rest = Asked(*answers[2:])
    found, tally = write_all(cached(rest), [TARGET])
    assert [generated_row(draft, {}) for draft in found] == [generated_row(draft, {}) for draft in whole]
    assert (len(rest.history), tally.replayed) == (2, 2)


def test_a_plan_alone_becomes_a_record_without_a_call() -> None:
    bare = make_target(arm="plan-alone", exemplars=[])
    bare["skeleton"] = without_prose(bare["skeleton"])
    other = make_target(target_id="T-2")
    generator = Asked(*ANSWERS.values())
    (alone, written), tally = write_all(generator, [bare, other])
    assert tally.asked == len(PARTS)  # of the other one
    assert (alone.fault, written.fault) == (None, None)
    row = generated_row(alone, {"model": "a model", "version": "1"})
    assert row["nct_id"].startswith("SYN-")
    assert (row["model"], row["model_digest"], row["version"]) == (None, None, "1")
    assert generated_row(written, {"model": "a model"})["model"] == "a model"
    assert [one["name"] for one in row["interventions"]] == ["Levodopa", "Placebo"]
    assert (row["enrolment_planned"], row["title"], row["criteria"], row["arms"]) == (90, None, None, [])
    assert find_record_faults(alone.record, bare, make_checks()) == []


def test_a_row_keeps_what_the_prompts_of_all_parts_showed() -> None:
    writer = make_writer(EXEMPLAR)
    (shown,) = generated_row(write_draft(writer, TARGET), {})["shown"]
    for words in ("Slow Release Levodopa", "Hours of off time", "Age of 40 years", "Dementia at screening"):
        assert words in shown
    assert writer.show_all(make_target(exemplars=[])) == []


def test_a_run_without_exemplars_has_records_too() -> None:
    target = make_target(exemplars=[])
    writer = DraftWriter({}, GenerationParams(), 4096, make_checks())
    assert "<exemplar>" not in writer.ask(Draft(target, []), "header").messages[1].content
    assert write_draft(writer, target).record["title"] == TEXTS["title"]


def test_exemplars_have_the_room_that_a_context_leaves() -> None:
    long = make_trial(
        criteria="Inclusion Criteria:\n" + "\n".join(f"- Item {n} of the list" for n in range(500))
    )
    for context in (1536, 2560):
        writer = DraftWriter({"SIM1": long}, GenerationParams(), context, ())
        (message,) = writer.ask(Draft(TARGET, []), "inclusion").messages[1:]
        assert isinstance(message, Message)
        assert len(message.content.encode()) < 3 * (context - GenerationParams().sampling.max_tokens)
        assert "Item" in message.content
