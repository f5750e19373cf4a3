from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from tests.processes import is_alive, wait_until
from tests.unit.llm.asking import SCHEMA, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import MOST_TOKENS, Message, ask_first_token
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.engine_process import EngineProcess, EngineSettings
from trialforge.llm.models import ModelFile
from trialforge.llm.params import LlmParams


def children() -> list[int]:
    """The engine processes of this process."""
    table = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in map(int, table) if b"engine_process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


PREFIX = "Exemplars: " + "a randomized trial of placebo against metformin in adults with diabetes; " * 24
REQUESTS = [ask(f"{PREFIX} Write trial {number}.", seed=number, max_tokens=24) for number in range(8)]


@pytest.fixture(scope="module")
def alone(packaged_model: ModelFile) -> Iterator[EmbeddedGenerator]:
    """An engine that answers one call at a time, in one thread."""
    generator = EmbeddedGenerator(packaged_model, LlmParams(context_tokens=768, slots=1, threads=1))
    yield generator
    generator.close()


def test_answers_hold_to_the_schema_without_free_space(engine: EmbeddedGenerator) -> None:
    for _, completion in engine.complete([ask(seed=seed) for seed in range(6)]):
        assert completion.finish_reason == "stop"
        value = json.loads(completion.text)
        jsonschema.validate(value, SCHEMA)
        assert list(value) == ["phase", "title"]
        assert completion.text == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_a_seed_gives_the_same_answer_and_another_seed_another(engine: EmbeddedGenerator) -> None:
    texts = {
        index: completion.text
        for index, completion in engine.complete([ask(), ask(), ask(seed=2), ask(seed=3)])
    }
    assert texts[0] == texts[1]
    assert len(set(texts.values())) > 1


def test_slots_threads_order_and_prefix_cache_do_not_show(
    engine: EmbeddedGenerator, alone: EmbeddedGenerator
) -> None:
    together = {i: c.text for i, c in engine.complete(REQUESTS)}
    order = [5, 2, 7, 0]
    for index in order:
        ((_, completion),) = alone.complete([REQUESTS[index]])
        assert completion.text == together[index]


def test_first_tokens_are_equal_however_they_are_computed(
    engine: EmbeddedGenerator, alone: EmbeddedGenerator
) -> None:
    requests = [ask_first_token(request.messages) for request in REQUESTS[:4]]
    together = dict(engine.complete(requests))
    again = dict(alone.complete(requests[::-1]))
    for index, completion in together.items():
        tokens = completion.first_tokens
        assert tokens == again[3 - index].first_tokens
        assert (completion.text, completion.finish_reason) == ("", "stop")
        assert len(tokens) == MOST_TOKENS
        assert [item.logprob for item in tokens] == sorted((item.logprob for item in tokens), reverse=True)
        assert 0 < sum(math.exp(item.logprob) for item in tokens) <= 1


def test_a_shared_start_is_evaluated_once_a_slot(engine: EmbeddedGenerator) -> None:
    answers = [completion for _, completion in engine.complete(REQUESTS)]
    evaluated = sum(completion.prompt_tokens - completion.cached_tokens for completion in answers)
    assert evaluated < 0.75 * sum(completion.prompt_tokens for completion in answers)


def test_what_is_asked_again_finds_its_prompt_read(engine: EmbeddedGenerator) -> None:
    asked = [
        ask(f"{number} trials of drug {number} against placebo. " * 12, max_tokens=4) for number in range(4)
    ]
    list(engine.complete(asked))
    again = [replace(asked[number], seed=9, attempt=1) for number in (3, 1)]
    for _, completion in engine.complete(again):
        assert completion.prompt_tokens - completion.cached_tokens <= 4


def test_tokens_are_counted_as_the_engine_counts_them(engine: EmbeddedGenerator) -> None:
    ((_, completion),) = engine.complete([ask()])
    assert engine.count_tokens(ask().messages) == completion.prompt_tokens


def test_prompt_longer_than_the_context_is_refused(engine: EmbeddedGenerator) -> None:
    with pytest.raises(GenerationError, match=r"a prompt has 8\d\d tokens, but .* leaves room for 728"):
        list(engine.complete([ask("word " * 800)]))


def test_answer_that_is_cut_says_so(engine: EmbeddedGenerator) -> None:
    ((_, completion),) = engine.complete([ask(max_tokens=6)])
    assert completion.finish_reason == "length"
    assert completion.completion_tokens == 6


def test_answer_that_never_ends_is_stopped_by_the_clock(packaged_model: ModelFile) -> None:
    seconds = 6.0  # in which the model loads as well
    generator = EmbeddedGenerator(
        packaged_model, LlmParams(context_tokens=4096, slots=1, call_seconds=seconds)
    )
    endless = {"type": "array", "items": {"type": "integer"}, "minItems": 4000}
    start = time.monotonic()
    with pytest.raises(GenerationError, match=r"did not end within 6 s\n.*llm\.slots"):
        list(generator.complete([ask(schema=endless, max_tokens=4000)]))
    assert time.monotonic() - start < 30  # of the minutes that 4000 numbers take
    generator.close()


def test_leaving_early_frees_the_slots(engine: EmbeddedGenerator) -> None:
    answers = engine.complete(
        [ask("Tell a story.", seed=seed, schema=None, max_tokens=600) for seed in range(4)]
    )
    quick = engine.complete([ask(), *(ask(seed=seed, max_tokens=30) for seed in range(3))])
    next(iter(quick))
    quick.close()
    answers.close()
    assert len(list(engine.complete([ask()]))) == 1


def test_context_larger_than_the_model_was_made_for_is_refused(packaged_model: ModelFile) -> None:
    with pytest.raises(GenerationError, match=r"`llm\.context_tokens` is 9000, but .* was trained with 8192"):
        EmbeddedGenerator(packaged_model, LlmParams(context_tokens=9000, slots=1))


def test_template_tokens_are_counted(engine: EmbeddedGenerator) -> None:
    system = Message("system", "s")
    one = engine.count_tokens((system, Message("user", "hello")))
    two = engine.count_tokens((system, Message("user", "hello"), Message("user", "hello")))
    assert two - one >= 4


def test_engine_that_is_killed_is_named_and_the_next_run_goes_on(packaged_model: ModelFile) -> None:
    params, others = LlmParams(context_tokens=768, slots=2), set(children())
    generator = EmbeddedGenerator(packaged_model, params)
    mine = set(children()) - others
    stories = [ask("Tell a story.", seed=seed, schema=None, max_tokens=400) for seed in (1, 2)]
    killer = threading.Timer(1.5, lambda: [os.kill(child, signal.SIGKILL) for child in mine])
    killer.start()
    with pytest.raises(GenerationError, match=r"ended by SIGKILL(.|\n)*same command again to continue"):
        list(generator.complete(stories))
    generator.close()
    assert mine
    assert not mine & set(children())
    again = EmbeddedGenerator(packaged_model, params)
    assert len(list(again.complete([ask()]))) == 1
    again.close()


def test_engine_that_never_says_that_it_has_loaded_is_given_up(packaged_model: ModelFile) -> None:
    others = set(children())
    process = EngineProcess(EngineSettings(str(packaged_model.path), 256, 1, 1, exact=True, token="t"))
    wait_until(lambda: set(children()) - others)
    (engine,) = set(children()) - others
    os.kill(engine, signal.SIGSTOP)
    with pytest.raises(GenerationError, match=r"did not load within 0\.5 s\n.*llm\.call_seconds"):
        process.wait_for_address(0.5)
    assert not is_alive(engine)


LOADING = """
import os, time
from tests.processes import wait_until
from tests.unit.llm.test_embedded import children
from trialforge.llm.engine_process import EngineProcess, EngineSettings
process = EngineProcess(EngineSettings(os.environ["MODEL"], 256, 1, 1, exact=True, token="t"))
wait_until(children)
print(*children(), flush=True)
time.sleep(60)
"""


def test_engine_of_a_run_that_is_killed_while_the_model_loads_ends_with_it(tmp_path: Path) -> None:
    """The model is a pipe into which nobody writes: its loading never ends."""
    model = tmp_path / "model.gguf"
    os.mkfifo(model)
    environment = os.environ | {"MODEL": str(model)}
    with subprocess.Popen(
        [sys.executable, "-c", LOADING], stdout=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        engine = int(run.stdout.readline())
        wait_until(lambda: "xllamacpp" in Path(f"/proc/{engine}/maps").read_text())
        run.kill()
    try:
        wait_until(lambda: not is_alive(engine))
    finally:
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGKILL)


def test_engine_outlives_the_thread_that_started_it(packaged_model: ModelFile) -> None:
    made: list[EmbeddedGenerator] = []
    params = LlmParams(context_tokens=256, slots=1)
    maker = threading.Thread(target=lambda: made.append(EmbeddedGenerator(packaged_model, params)))
    maker.start()
    maker.join()
    assert made[0].count_tokens(ask().messages) > 0
    made[0].close()


ABANDONED = """
import os, time
from tests.unit.llm.test_embedded import children
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.params import LlmParams
from trialforge.llm.models import find_model
params = LlmParams(context_tokens=256, slots=2)
generator = EmbeddedGenerator(find_model(params), params)
print(*children(), flush=True)
time.sleep(60)
"""


def test_engines_of_a_killed_run_end_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", ABANDONED], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        engines = [int(pid) for pid in run.stdout.readline().split()]
        assert engines
        run.kill()
    wait_until(lambda: not any(map(is_alive, engines)))
