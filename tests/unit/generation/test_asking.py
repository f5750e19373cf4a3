from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.llm.asking import answer
from trialforge.core.files import read_json, write_json
from trialforge.generation.asking import (
    TIMINGS_FOLDER,
    Fault,
    Question,
    Tally,
    ask_all,
    ask_for_stage,
    foretell,
    write_timings,
)
from trialforge.llm.backend import Message, Sampling
from trialforge.llm.calls import CachedGenerator, CallCache

from .records import QueuedGenerator

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def accept(text: str) -> str:
    if text == "bad":
        raise Fault("off-target")
    return text


def question(seed: int) -> Question[str]:
    return Question((Message("user", f"question {seed}"),), {"type": "string"}, seed, accept)


def test_after_a_copy_fewer_tokens_may_repeat_the_prompt() -> None:
    def allowed(length: int, *faults: str | None) -> list[int]:
        sampling = Sampling(dry_multiplier=0.8, dry_allowed_length=length)
        requests = (question(1).request(sampling, attempt, fault) for attempt, fault in enumerate(faults))
        return [request.sampling.dry_allowed_length for request in requests]

    copied = "copied_summary_text"
    assert allowed(20, None, copied, copied, copied, "cut_title") == [20, 14, 9, 8, 20]
    assert allowed(5, None, copied) == [5, 5]


def test_each_attempt_has_a_higher_temperature_up_to_a_bound() -> None:
    def heats(temperature: float) -> list[float]:
        sampling = Sampling(temperature=temperature)
        return [question(1).request(sampling, attempt).sampling.temperature for attempt in range(4)]

    assert heats(0.5) == [0.5, 0.7, 0.9, 1.0]
    assert heats(0.0)[0] == 0.0
    assert heats(1.2) == [1.2] * 4


def test_the_next_attempt_is_told_what_was_wrong_unless_its_question_tells_it() -> None:
    mend = Question((Message("user", "mend it"),), {"type": "string"}, 3, accept, told=False)

    def refuse(_text: str) -> str:
        raise Fault("no_title", mend)

    generator = QueuedGenerator("bad", "good", "any", "mended")
    ask_all(generator, [question(1)], Sampling(), 1, Tally())
    assert "An earlier answer was refused: off-target" in generator.history[1].messages[-1].content
    (answer,) = ask_all(generator, [replace(question(1), accept=refuse)], Sampling(), 1, Tally())
    assert answer.value == "mended"
    assert generator.history[3].messages == mend.messages


def test_a_bad_answer_is_asked_again_with_another_seed() -> None:
    generator = QueuedGenerator("good", "bad", "cut", "better")
    tally = Tally()
    answers = ask_all(generator, [question(1), question(2)], Sampling(), 4, tally)
    assert [(answer.value, answer.fault, answer.attempt) for answer in answers] == [
        ("good", None, 0),
        ("better", None, 2),
    ]
    assert [request.attempt for request in generator.history] == [0, 0, 1, 2]
    assert len({request.seed for request in generator.history}) == 4
    assert (tally.asked, tally.faults) == (4, {"off-target": 1, "cut": 1})
    assert (tally.prompt_tokens, tally.computed_cached_tokens) == (40, 16)


def test_what_is_bad_to_the_end_is_given_up_with_its_last_reason() -> None:
    generator = QueuedGenerator("bad", "bad", "cut")
    (answer,) = ask_all(generator, [question(1)], Sampling(), 2, Tally())
    assert (answer.value, answer.fault, answer.attempt) == (None, "cut", 2)


def test_each_settled_question_is_reported_once() -> None:
    heard: list[bool] = []
    ask_all(
        QueuedGenerator("bad", "good", "bad"), [question(1), question(2)], Sampling(), 1, Tally(),
        lambda _completion, settled: heard.append(settled is not None),
    )  # fmt: skip
    assert sorted(heard) == [False, True, True]


def test_seeds_follow_from_the_question_alone() -> None:
    one, other = QueuedGenerator("good"), QueuedGenerator("good", "good")
    ask_all(one, [question(5)], Sampling(), 0, Tally())
    ask_all(other, [question(4), question(5)], Sampling(), 0, Tally())
    assert one.history[0].seed == other.history[1].seed


def test_no_question_is_no_call() -> None:
    assert ask_all(QueuedGenerator(), [], Sampling(), 3, Tally()) == []


def test_what_was_replayed_is_no_work_of_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tally = Tally()
    for completion in (answer("new"), replace(answer("kept"), from_cache=True)):
        tally.count(completion, 0, None)
    assert (tally.asked, tally.prompt_tokens, tally.completion_tokens) == (2, 20, 6)
    write_timings("reason", tally, 0.5, "tiny")
    said = read_json(tmp_path / TIMINGS_FOLDER / "reason.json")
    assert (said["calls"], said["calls_from_cache"]) == (2, 1)
    assert (said["prompt_tokens_sent"], said["prompt_tokens_evaluated"]) == (10, 6)
    assert (said["completion_tokens"], said["completion_tokens_per_second"]) == (3, 6.0)


def test_before_the_first_call_a_stage_says_how_many_and_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def told(*seeds: int) -> str:
        generator = CachedGenerator(QueuedGenerator(*["good"] * 4), CallCache(tmp_path / "calls.sqlite"))
        ask_for_stage("generate", generator, [question(seed) for seed in seeds], Sampling(), 0, at_once=2)
        return capsys.readouterr().err.splitlines()[0]

    timings = tmp_path / TIMINGS_FOLDER / "generate.json"
    timed = {"seconds": 60, "calls": 4, "calls_from_cache": 1}
    write_json(timed | {"model": "another"}, timings)
    unknown = "how long queued takes for the others is not known on this machine yet"
    assert told(1, 2) == f"generate: 2 calls, 0 of them answered from the cache; {unknown}"
    write_json(timed | {"model": "queued"}, timings)
    rate = "would take about 40 s at the rate of the last run here"
    free_if_kept = "2 calls; what the cache has of them takes no time"
    assert foretell("generate", 2, None, "queued") == f"{free_if_kept}; all of them {rate}"
    assert told(1, 2, 3, 4) == f"generate: 4 calls, 2 of them answered from the cache; the others {rate}"
    free = "none is paid for, but for those that are asked again"
    assert told(1, 2) == f"generate: 2 calls, 2 of them answered from the cache; {free}"
