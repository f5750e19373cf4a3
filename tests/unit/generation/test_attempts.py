from __future__ import annotations

from trialforge.generation.attempts import Question, Tally, ask_all
from trialforge.generation.backend import Message, Sampling
from trialforge.generation.drafts import Fault

from .records import QueuedGenerator


def accept(text: str) -> str:
    if text == "bad":
        raise Fault("off-target")
    return text


def question(seed: int) -> Question[str]:
    return Question((Message("user", f"question {seed}"),), {"type": "string"}, seed, accept)


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
    assert (tally.prompt_tokens, tally.cached_tokens) == (40, 16)


def test_what_is_bad_to_the_end_is_given_up_with_its_last_reason() -> None:
    generator = QueuedGenerator("bad", "bad", "cut")
    (answer,) = ask_all(generator, [question(1)], Sampling(), 2, Tally())
    assert (answer.value, answer.fault, answer.attempt) == (None, "cut", 2)


def test_each_settled_question_is_reported_once() -> None:
    heard: list[bool] = []
    ask_all(
        QueuedGenerator("bad", "good", "bad"), [question(1), question(2)], Sampling(), 1, Tally(),
        lambda _completion, settled: heard.append(settled),
    )  # fmt: skip
    assert sorted(heard) == [False, True, True]


def test_seeds_follow_from_the_question_alone() -> None:
    one, other = QueuedGenerator("good"), QueuedGenerator("good", "good")
    ask_all(one, [question(5)], Sampling(), 0, Tally())
    ask_all(other, [question(4), question(5)], Sampling(), 0, Tally())
    assert one.history[0].seed == other.history[1].seed


def test_no_question_is_no_call() -> None:
    assert ask_all(QueuedGenerator(), [], Sampling(), 3, Tally()) == []
