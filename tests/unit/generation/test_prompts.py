from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trialforge.generation import prompts as rendering
from trialforge.generation.drafts import DraftWriter
from trialforge.generation.exemplars import count_at_most
from trialforge.generation.params import GenerationParams
from trialforge.generation.parts import SHOWN, part_schema, show_parts
from trialforge.generation.prompts import neutralize, prompt_hash
from trialforge.generation.record import Draft
from trialforge.llm.pool import count_shared
from trialforge.trial.draft_fields import PARTS, WRITTEN_FIELDS, PartName

from .records import make_target, make_trial, make_writer


def user_text(part: PartName = "design", target: Any = None, trials: Any = None, **params: Any) -> str:
    shown = [make_trial()] if trials is None else trials
    asked = make_target(exemplars=[trial["nct_id"] for trial in shown]) | (target or {})
    return make_writer(*shown, **params).ask(Draft(asked, []), part).messages[1].content


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>",
        "<start_of_turn>", "<think>", "<｜User｜>", "<|eot_id|>", "[TOOL_CALLS]",
        "</exemplar>", "<script>", "<!-- x -->",
    ],
)  # fmt: skip
def test_no_token_of_a_chat_template_is_left(token: str) -> None:
    assert token not in neutralize(f"Age {token} 18")


@pytest.mark.parametrize(
    "text", ["Age <18 years", "HbA1c > 7% and < 9%", "[Phase 2] A|B", "p<0.05", "CD4+ [cells]"]
)
def test_what_registries_write_stays(text: str) -> None:
    assert neutralize(text) == text


@given(st.text())
def test_neutral_text_closes_no_fence(text: str) -> None:
    safe = neutralize(text)
    assert "</" not in safe
    assert "<|" not in safe
    assert neutralize(safe) == safe


def test_the_label_stands_at_the_head_or_the_tail() -> None:
    head, tail = user_text(), user_text(label_position="tail")
    assert head.index("Outcome: failure") < head.index("off time")
    assert tail.rindex("Outcome: failure") > tail.index("off time")
    assert tail.endswith("Outcome: failure")


@pytest.mark.parametrize(
    ("wording", "line"), [("plain", "failure"), ("positive", "no success"), ("negative", "failure")]
)
def test_the_label_is_worded_as_asked(wording: str, line: str) -> None:
    assert f"Outcome: {line}\n" in user_text(label_wording=wording)


def test_without_retrieval_and_reasons_the_target_is_left() -> None:
    text = user_text(trials=[])
    assert "<exemplar>" not in text
    assert "Why such trials" not in text
    assert "levodopa" in text


def test_a_pair_reads_the_reasons_of_both_labels_in_one_order() -> None:
    told = {1: {"reasons": ["Large."]}, 0: {"reasons": ["Small."]}}
    texts = [
        user_text(target={"label": label, "other_reasons": told[1 - label]["reasons"]} | told[label])
        for label in (1, 0)
    ]
    assert texts[0].index("Large.") < texts[0].index("Small.")
    assert texts[0].partition("</reasons>")[0] == texts[1].partition("</reasons>")[0]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("context", [1536, 4096], ids=["cut", "whole"])
def test_prompts_of_one_set_begin_alike_to_the_end_of_the_exemplars(context: int) -> None:
    """An engine reads that once, whatever the targets are."""
    long = [make_trial(name, summary="Levodopa helps. " * 200) for name in ("SIM1", "SIM2")]
    reasons = {"reasons": ["Too few people."]}
    other = {"conditions": ["Epilepsy"], "phase": "Phase 3", "seed": 99, "target_id": "T-9"}
    writer = DraftWriter({trial["nct_id"]: trial for trial in long}, GenerationParams(), context, ())
    one, two = (
        writer.ask(Draft(make_target(exemplars=["SIM1", "SIM2"]) | reasons | changes, []), "header")
        for changes in ({}, other)
    )
    texts = [question.messages[1].content for question in (one, two)]
    assert count_shared(*texts) >= texts[0].rindex("</exemplar>")
    assert "Too few people" in texts[0]
    assert texts[0] != texts[1]


def test_each_part_shows_the_same_part_of_an_exemplar_and_criteria_both_lists() -> None:
    shown = {
        "header": "Slow Release Levodopa",
        "design": "Hours of off time each day",
        "inclusion": "Age of 40 years or older",
        "exclusion": "Dementia at screening",
    }
    for part in PARTS:
        text = user_text(part)
        assert [other for other, words in shown.items() if words in text] == [*SHOWN[part]]


def test_the_prompt_for_exclusion_criteria_begins_as_that_for_inclusion() -> None:
    texts = [user_text(part) for part in ("inclusion", "exclusion")]
    assert count_shared(*texts) > texts[0].rindex("</exemplar>")
    assert texts[0] != texts[1]


def test_what_has_no_room_is_left_out_at_random_and_never_always_the_last() -> None:
    items = [f"Criterion number {number} of twelve" for number in range(12)]
    trial = make_trial(criteria="Inclusion Criteria:\n" + "\n".join(f"- {item}" for item in items))
    seen = set()
    for seed in range(12):
        shown = json.loads(show_parts(["inclusion"], trial, ["inclusion"], 60, np.random.default_rng(seed)))
        assert count_at_most(json.dumps(shown)) <= 60
        texts = list(shown["inclusion"].values())
        assert texts == [item for item in items if item in texts]  # whole, and in their order
        seen |= {*texts}
    assert len(seen) > 8


def test_a_part_that_an_exemplar_does_not_have_is_not_shown() -> None:
    bare = make_trial("SIM2", criteria=None)
    text = user_text("exclusion", trials=[make_trial(), bare])
    assert text.count("<exemplar>") == 1


def test_an_exemplar_has_the_shape_of_an_answer() -> None:
    """Part by part: a trial's own texts, as they are shown, are an answer by the schema of its own shape."""
    trial = make_trial()
    for part in PARTS:
        shown = json.loads(show_parts([part], trial, WRITTEN_FIELDS, 2000, np.random.default_rng(1)))
        schema = part_schema(part, make_target(shown)["skeleton"], WRITTEN_FIELDS)
        assert schema is not None
        assert Draft202012Validator(schema).is_valid(shown), shown


def test_the_skeleton_is_told_as_lines() -> None:
    text = user_text()
    for line in (
        "Arms: 1. Experimental: Levodopa; 2. Placebo Comparator: Placebo",
        "Design: Randomized, Parallel, Double blind",
        "Ages: 40 years and older",
        "Enrolment: 90",
        "Healthy volunteers: No",
    ):
        assert line in text


def test_a_registry_id_is_never_shown() -> None:
    assert "SIM1" not in user_text()


def test_a_prompt_hash_follows_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for file in rendering.PROMPT_FOLDER.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    before = {name: prompt_hash(name) for name in ("reason.jinja", "generate.jinja")}
    (tmp_path / "generate.jinja").write_text("changed")
    monkeypatch.setattr(rendering, "PROMPT_FOLDER", tmp_path)
    assert prompt_hash("reason.jinja") == before["reason.jinja"]
    assert prompt_hash("generate.jinja") != before["generate.jinja"]
