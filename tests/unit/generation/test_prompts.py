from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.generation import prompts as rendering
from trialforge.generation.drafts import ask_draft
from trialforge.generation.params import GenerationParams
from trialforge.generation.prompts import neutralize, prompt_hash
from trialforge.llm.pool import count_shared

from .records import TARGET, make_trial


def user_text(reasons: list[str] | None = None, trials: Any = None, **params: Any) -> str:
    shown = {"SIM1": make_trial()} if trials is None else trials
    return ask_draft(TARGET, reasons or [], shown, GenerationParams(**params), 4096, ()).messages[1].content


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
    text = user_text(trials={})
    assert "<exemplar>" not in text
    assert "Why such trials" not in text
    assert "levodopa" in text


def test_prompts_of_one_set_differ_only_in_their_last_lines() -> None:
    one = user_text(["Too few people."])
    other_target = TARGET | {"conditions": ["Epilepsy"], "phase": "Phase 3"}
    question = ask_draft(
        other_target, ["Too few people."], {"SIM1": make_trial()}, GenerationParams(), 4096, ()
    )
    other = question.messages[1].content
    assert count_shared(one, other) > len(one) - 80


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
