"""Asking until an answer is good: another seed for each attempt, and a reason for each that failed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from jsonschema import Draft202012Validator

from trialforge.core.errors import GenerationError
from trialforge.core.files import read_json, write_json
from trialforge.core.progress import Progress, format_seconds
from trialforge.core.rng import derive_seed
from trialforge.llm.backend import (
    Completion,
    Message,
    Request,
    Sampling,
    TextGenerator,
    ask_first_token,
)
from trialforge.llm.calls import CachedGenerator, find_project
from trialforge.trial.checks.record_checks import explain

T = TypeVar("T")
# Of `dry_allowed_length`. Below eight tokens a model writes around common phrases of the field, and badly.
_TIGHTER, _LEAST_ALLOWED = 0.7, 8
# What each attempt adds to the temperature, and up to where: else a small model says nearly the same again.
_HOTTER, _HOTTEST = 0.2, 1.0
_MOST_CHAINS = 1000  # that are under way together: the prompts of all need not be in memory
_UNREADABLE = {"length": "cut", "garbled": "garbled"}  # finish reasons of no use, and their faults
_NO_ANSWER = {*_UNREADABLE.values(), "not_json", "not_schema"}


class Fault(Exception):
    """Why an answer is no draft; asked again with another seed, and the reject reason in the end.

    `instead` is what is asked in place of the same question: for the texts at fault, if the rest is good.
    """

    def __init__(self, reason: str, instead: Question[Any] | None = None) -> None:
        super().__init__(reason)
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """What is asked, and how an answer becomes a value; `accept` raises Fault for one that is no good."""

    messages: tuple[Message, ...]
    schema: dict[str, Any]
    seed: int
    accept: Callable[[str], T]
    size: float = 1.0  # what it costs beside others of its stage
    told: bool = True  # whether a further attempt is told what was wrong with the one before

    def request(self, sampling: Sampling, attempt: int, fault: str | None = None) -> Request:
        """Return the call of one attempt; `fault` is what was wrong with the one before, and is told.

        Each attempt has a higher temperature than the one before. After a copy fewer tokens may repeat the
        prompt.
        """
        *before, last = self.messages
        hottest = max(_HOTTEST, sampling.temperature)
        heat = min(hottest, round(sampling.temperature + _HOTTER * attempt, 3))
        sampling = sampling.model_copy(update={"temperature": heat})
        if fault and fault.startswith("copied_"):
            most = sampling.dry_allowed_length
            allowed = min(most, max(_LEAST_ALLOWED, int(most * _TIGHTER**attempt)))
            sampling = sampling.model_copy(update={"dry_allowed_length": allowed})
        refused = f"\n(An earlier answer was refused: {explain(fault)}.)" if fault else ""
        return Request(
            (*before, Message(last.role, last.content + refused)),
            self.schema,
            sampling,
            seed=derive_seed(self.seed, "attempt", attempt),
            attempt=attempt,
        )


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The last attempt at a question: its value, or why there is none, and what to ask instead."""

    value: T | None
    fault: str | None
    attempt: int
    seed: int
    model_digest: str
    instead: Question[T] | None = None


# Questions that follow each other: it yields each, and is sent the answer.
Chain = Generator[Question[T], Answer[T], None]


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """A call in flight: the chain that waits for it, its question, and what is asked in this attempt."""

    chain: Chain[T]
    question: Question[T]
    asked: Question[T]
    attempt: int = 0


@dataclass(slots=True)
class Tally:
    """What the attempts came to; what was replayed or computed differs from run to run."""

    asked: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    valid_first: int = 0
    uncut_first: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    replayed: int = 0
    computed_prompt_tokens: int = 0
    computed_cached_tokens: int = 0
    computed_completion_tokens: int = 0

    def count(self, completion: Completion, attempt: int, fault: str | None) -> None:
        """Count one attempt."""
        self.asked += 1
        if fault is not None:
            self.faults[fault] += 1
        uncut = completion.finish_reason != "length"
        if attempt == 0 and uncut:
            self.uncut_first += 1
            self.valid_first += fault not in ("garbled", "not_json", "not_schema")
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        if completion.from_cache:
            self.replayed += 1
        else:
            self.computed_prompt_tokens += completion.prompt_tokens
            self.computed_cached_tokens += completion.cached_tokens
            self.computed_completion_tokens += completion.completion_tokens


class StageAsking:
    """Asks for a stage: tells what it will cost, shows progress, closes the generator and writes the times.

    Args:
        stage: its name.
        generator: closed on leaving the context.
        sizes: of all questions that are to be asked.
        at_once: how many calls are in flight together.
        kept: how many of the first attempts the call cache has; None where that is not known before.
    """

    def __init__(
        self,
        stage: str,
        generator: TextGenerator,
        sizes: Sequence[float],
        *,
        at_once: int = 1,
        kept: int | None = None,
    ) -> None:
        self.tally = Tally()
        self._stage = stage
        self._generator = generator
        self._progress = Progress(stage, len(sizes), work=sum(sizes), at_once=at_once)
        self._settled = 0
        sys.stderr.write(f"{stage}: {foretell(stage, len(sizes), kept, generator.model)}\n")

    def __enter__(self) -> StageAsking:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)
        self._generator.close()
        if error[0] is None:
            write_timings(self._stage, self.tally, self._progress.seconds, self._generator.model)

    def ask(self, questions: Sequence[Question[T]], sampling: Sampling, retries: int) -> list[Answer[T]]:
        """Return what `ask_all` returns.

        Raises:
            GenerationError: the engine itself fails.
        """
        return ask_all(self._generator, questions, sampling, retries, self.tally, self._report)

    def ask_chains(self, chains: Iterable[Chain[T]], sampling: Sampling, retries: int) -> None:
        """Ask the questions of all chains, as the function `ask_chains` does.

        Raises:
            GenerationError: the engine itself fails.
        """
        ask_chains(self._generator, chains, sampling, retries, self.tally, self._report)

    def ask_once(self, requests: Sequence[Request]) -> list[Completion]:
        """Return the answer to each request, whatever it is.

        Raises:
            GenerationError: the engine itself fails.
        """
        found: dict[int, Completion] = {}
        for index, completion in self._generator.complete(requests):
            found[index] = completion
            self.tally.count(completion, 0, None)
            note = f"{self.tally.replayed} cache hits"
            self._progress.advance(timed=not completion.from_cache, note=note)
        return [found[index] for index in range(len(requests))]

    def skip(self, sizes: Sequence[float]) -> None:
        """Count questions that need not be asked any more."""
        self._progress.advance(len(sizes), work=sum(sizes), timed=False)

    def _report(self, completion: Completion, settled: Question[Any] | None) -> None:
        self._settled += settled is not None
        tally = self.tally
        speed = tally.computed_completion_tokens / max(self._progress.seconds, 1e-9)
        note = f"{speed:.0f} tokens/s, {tally.replayed} cache hits, {tally.asked - self._settled} retries"
        work = settled.size if settled else 0.0
        self._progress.advance(
            int(settled is not None), work=work, timed=not completion.from_cache, note=note
        )


def ask_for_stage(
    stage: str,
    generator: CachedGenerator,
    questions: Sequence[Question[T]],
    sampling: Sampling,
    retries: int,
    *,
    at_once: int,
) -> tuple[list[Answer[T]], Tally]:
    """Return the answers to questions that are all known at the start, and their tally.

    Raises:
        GenerationError: the engine itself fails.
    """
    kept = generator.count_kept([question.request(sampling, 0) for question in questions])
    sizes = [question.size for question in questions]
    with StageAsking(stage, generator, sizes, at_once=at_once, kept=kept) as asking:
        answers = asking.ask(questions, sampling, retries)
    return answers, asking.tally


def ask_first_tokens(
    stage: str, generator: CachedGenerator, chats: Sequence[Sequence[Message]], *, at_once: int
) -> list[Completion]:
    """Return, for each chat, how an answer to it would begin; as `ask_for_stage` otherwise.

    Raises:
        GenerationError: the engine itself fails, or tells no probabilities.
    """
    calls = [ask_first_token(chat) for chat in chats]
    kept = generator.count_kept(calls)
    with StageAsking(stage, generator, [1.0] * len(calls), at_once=at_once, kept=kept) as asking:
        return asking.ask_once(calls)


def ask_all(
    generator: TextGenerator,
    questions: Sequence[Question[T]],
    sampling: Sampling,
    retries: int,
    tally: Tally,
    report: Callable[[Completion, Question[T] | None], None] = lambda _completion, _settled: None,
) -> list[Answer[T]]:
    """Return one answer a question, in order; whatever fails is asked again, `retries` times at most.

    Raises:
        GenerationError: the engine itself fails.
    """
    answers: dict[int, Answer[T]] = {}

    def ask_one(index: int, question: Question[T]) -> Chain[T]:
        answers[index] = yield question

    chains = [ask_one(index, question) for index, question in enumerate(questions)]
    ask_chains(generator, chains, sampling, retries, tally, report)
    return [answers[index] for index in range(len(questions))]


def ask_chains(
    generator: TextGenerator,
    chains: Iterable[Chain[T]],
    sampling: Sampling,
    retries: int,
    tally: Tally,
    report: Callable[[Completion, Question[T] | None], None] = lambda _completion, _settled: None,
) -> None:
    """Ask the questions of all chains, side by side: what follows from an answer is asked at once.

    Whatever fails is asked again, `retries` times at most: as before, or what its fault says instead.
    `report` hears of each completion, and of the question that is settled by it.

    Raises:
        GenerationError: the engine itself fails.
    """
    chains = iter(chains)
    while some := list(islice(chains, _MOST_CHAINS)):
        _ask_some(generator, some, sampling, retries, tally, report)


def _ask_some(
    generator: TextGenerator,
    chains: Sequence[Chain[T]],
    sampling: Sampling,
    retries: int,
    tally: Tally,
    report: Callable[[Completion, Question[T] | None], None],
) -> None:
    requests: list[Request] = []
    calls: list[_Call[T]] = []

    def put(call: _Call[T], told: str | None = None) -> None:
        requests.append(call.asked.request(sampling, call.attempt, told))
        calls.append(call)

    def advance(chain: Chain[T], answer: Answer[T] | None) -> None:
        with suppress(StopIteration):
            question = chain.send(answer)  # type: ignore[arg-type]  # None starts it
            put(_Call(chain, question, question))

    for chain in chains:
        advance(chain, None)
    answered = 0
    for place, completion in generator.complete(requests):
        answered += 1
        call = calls[place]
        answer = _read(call, requests[place].seed, completion)
        settled = answer.fault is None or call.attempt == retries
        tally.count(completion, call.attempt, answer.fault)
        report(completion, call.question if settled else None)
        if settled:
            advance(call.chain, answer)
        else:
            again = replace(call, asked=answer.instead or call.question, attempt=call.attempt + 1)
            put(again, answer.fault if again.asked.told else None)
    if answered < len(requests):
        raise GenerationError(f"{generator.engine} left {len(requests) - answered} calls without an answer")


def _read(call: _Call[T], seed: int, completion: Completion) -> Answer[T]:
    value: T | None = None
    instead: Question[T] | None = None
    fault = _UNREADABLE.get(completion.finish_reason)
    if fault is None:
        try:
            value, fault = call.asked.accept(completion.text), None
        except Fault as error:
            fault, instead = str(error), error.instead
    if fault in _NO_ANSWER and call.asked.told:
        instead = call.asked
    return Answer(value, fault, call.attempt, seed, completion.model_digest, instead)


TIMINGS_FOLDER = Path(".trialforge/timings")


def write_timings(stage: str, tally: Tally, seconds: float, model: str) -> None:
    """Write the stage's times into the project; tokens are those that were computed now, not replayed."""
    sent, cached = tally.computed_prompt_tokens, tally.computed_cached_tokens
    computed = tally.computed_completion_tokens
    values = {
        "model": model,
        "seconds": round(seconds, 2),
        "calls": tally.asked,
        "calls_from_cache": tally.replayed,
        "prompt_tokens_sent": sent,
        "prompt_tokens_evaluated": sent - cached,
        "prompt_tokens_from_prefix_cache": cached,
        "prefix_share": round(cached / sent, 4) if sent else None,
        "completion_tokens": computed,
        "completion_tokens_per_second": round(computed / seconds, 1) if seconds and computed else None,
    }
    write_json(values, find_project(Path.cwd()) / TIMINGS_FOLDER / f"{stage}.json")


def foretell(stage: str, calls: int, kept: int | None, model: str) -> str:
    """Return how many calls a stage makes, how many are kept, and the time that its last rate here gives."""
    told, them = f"{calls} calls; what the cache has of them takes no time", "all of them"
    if kept is not None:
        told, them = f"{calls} calls, {kept} of them answered from the cache", "the others"
    if calls == kept:
        return f"{told}; none is paid for, but for those that are asked again"
    seconds = expect_seconds(stage, calls - (kept or 0), model)
    if seconds is None:
        return f"{told}; how long {model} takes for {them} is not known on this machine yet"
    return f"{told}; {them} would take about {format_seconds(seconds)} at the rate of the last run here"


def expect_seconds(stage: str, calls: int, model: str) -> float | None:
    """Return how long so many calls of a stage take at the rate of its last run here.

    None where that asked another model, or answered everything from the cache.
    """
    path = find_project(Path.cwd()) / TIMINGS_FOLDER / f"{stage}.json"
    last = read_json(path) if path.is_file() else {}
    paid = last.get("calls", 0) - last.get("calls_from_cache", 0)
    return float(last["seconds"]) / paid * calls if paid and last.get("model") == model else None


def parse_answer(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft that an answer holds; what an engine let through is checked again.

    Raises:
        Fault: the answer is no JSON, or not by the schema.
    """
    try:
        draft = json.loads(text)
    except ValueError as error:
        raise Fault("not_json") from error
    if next(Draft202012Validator(schema).iter_errors(draft), None) is not None:
        raise Fault("not_schema")
    return dict(draft)
