"""Generation: the embedded engine against llama.cpp's own server and the paper's way; drift; kills.

Validity and speed are of the last `dvc repro`, so run that first; drift and kills are of small calls.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks._pipeline_calls import RECORDS_A_SET, in_stage_order, pipeline_calls
from tests.killed_run import SLOTS, run_with_kills
from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_json
from trialforge.generation import prompts as rendering
from trialforge.generation.drafts import PROMPT
from trialforge.generation.parts import text_schema
from trialforge.generation.schema import closed_object
from trialforge.llm.backend import Completion, Message, Request, Sampling, TextGenerator
from trialforge.llm.calls import CachedGenerator, CallCache
from trialforge.llm.embedded import EmbeddedGenerator, request_json
from trialforge.llm.engine_process import make_exact
from trialforge.llm.models import find_model
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.params import LlmParams

METRICS = Path(__file__).resolve().parents[1] / "metrics/generation.json"
PARAMS = LlmParams(slots=8)
MODEL = find_model(PARAMS)
WORDS = ("patients", "randomized", "placebo", "blind", "efficacy", "safety", "dose", "arm", "criteria")
SCHEMA = closed_object({"title": text_schema(12), "summary": text_schema(40)})
Run = tuple[float, list[Completion]]


def draft_request(number: int, record: int, words: int = 150) -> Request:
    chosen = np.random.default_rng(number).choice(WORDS, words)
    text = f"Exemplars of real trials:\n{' '.join(chosen)}\nWrite a new trial, number {record}."
    messages = (Message("system", "You write new clinical trials."), Message("user", text))
    return Request(messages, SCHEMA, Sampling(max_tokens=32), seed=100 * number + record)


def timed(work: Callable[[], list[Completion]]) -> Run:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def engine(params: LlmParams) -> EmbeddedGenerator:
    return EmbeddedGenerator(MODEL, params)


def collect(generator: TextGenerator, requests: Sequence[Request]) -> Run:
    """Ask all, in time, and close the generator."""
    run = timed(lambda: [one for _, one in sorted(generator.complete(requests), key=lambda pair: pair[0])])
    generator.close()
    return run


def run_ours(requests: Sequence[Request], params: LlmParams = PARAMS) -> Run:
    """The way of the stages: an empty call cache, groups, all slots."""
    with tempfile.TemporaryDirectory() as folder:
        return collect(CachedGenerator(engine(params), CallCache(Path(folder) / "calls.sqlite")), requests)


class Server:
    """llama.cpp's server on all cores, with its own choice of slots: as it comes, or made exact."""

    def __init__(self, slots: int, *, reuse: bool, exact: bool) -> None:
        import xllamacpp

        settings = xllamacpp.CommonParams()
        settings.model.path = str(MODEL.path)
        settings.n_ctx, settings.n_parallel = PARAMS.context_tokens * slots, slots
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
        settings.fit_params, settings.warmup, settings.verbosity = False, False, 0
        if exact:
            make_exact(settings)
        self.slots, self.reuse = slots, reuse
        self._server = xllamacpp.Server(settings)

    @property
    def address(self) -> str:
        return str(self._server.listening_address)

    def handle(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._server.handle_chat_completions(body)

    def ask(self, request: Request) -> Completion:
        body = {**request_json(request), "stream": False, "cache_prompt": self.reuse}
        del body["stream_options"]
        reply = self.handle(body)
        usage, choice = reply["usage"], reply["choices"][0]
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        counts = usage["prompt_tokens"], cached, usage["completion_tokens"]
        return Completion(choice["message"]["content"], *counts, MODEL.digest, choice["finish_reason"])

    def run(self, requests: Sequence[Request]) -> Run:
        with ThreadPoolExecutor(self.slots) as pool:
            return timed(lambda: list(pool.map(self.ask, requests)))


def rate(run: Run) -> float:
    return sum(one.completion_tokens for one in run[1]) / run[0]


def evaluated(done: Sequence[Completion]) -> float:
    return 1 - sum(one.cached_tokens for one in done) / sum(one.prompt_tokens for one in done)


def say(*parts: str) -> None:
    print("; ".join(parts), flush=True)


def compare_speed() -> None:
    """The stages' calls in the stages' way, by llama.cpp's server, and one at a time as in the paper."""
    try:
        reasons, drafts = pipeline_calls()
    except ArtifactError as error:
        say(f"speed skipped: {error}")
        return
    ours, papers = zip(*(compare_engines(reasons, drafts, exact) for exact in (True, False)), strict=True)
    say(f"records an hour with llm.exact against the paper's way without it: ratio {ours[0] / papers[1]:.2f}")


def compare_engines(
    asked_reasons: Sequence[Request], asked_drafts: Sequence[Sequence[Request]], exact: bool
) -> tuple[float, float]:
    """Return the records an hour, ours and in the paper's way, of engines with equal settings."""
    params = PARAMS.model_copy(update={"exact": exact})
    parts = in_stage_order(asked_drafts, PARAMS.slots)
    reasons, drafts = run_ours(asked_reasons, params), run_ours(parts, params)
    bare = Server(PARAMS.slots, reuse=True, exact=exact).run(parts)
    say(
        f"llm.exact {exact}: drafts, tokens a second {rate(drafts):.1f}",
        f"llama.cpp's own server {rate(bare):.1f}",
        f"ratio {rate(drafts) / rate(bare):.2f} (at least 0.95)",
    )
    say(
        f"prompt tokens evaluated of those sent: {evaluated(reasons[1] + drafts[1]):.2f} (at most 0.4)",
        f"drafts alone {evaluated(drafts[1]):.2f}",
        f"llama.cpp's own choice of slots {evaluated(bare[1]):.2f}",
    )
    # The first record of each set: reasons for it alone, then the draft. Each further one costs as much.
    first = asked_drafts[::RECORDS_A_SET]
    each = len(asked_reasons) // len(first)
    calls = [
        call
        for place, draft in enumerate(first)
        for call in (*asked_reasons[place * each : (place + 1) * each], *draft)
    ]
    paper = Server(1, reuse=False, exact=exact).run(calls)
    found, base = len(asked_drafts) / (reasons[0] + drafts[0]) * 3600, len(first) / paper[0] * 3600
    say(
        f"records an hour: {found:.0f}",
        f"the paper's way {base:.0f}",
        f"ratio {found / base:.2f} (at least 2.5)",
    )
    return found, base


def drift_requests(number: int) -> list[Request]:
    return [draft_request(i // 5, i % 5) for i in range(number)]


def count_equal(run: Run, other: Run) -> int:
    return sum(one.text == two.text for one, two in zip(run[1], other[1], strict=True))


def turned(run: Run) -> Run:
    return run[0], run[1][::-1]


def measure_drift(number: int = 50) -> None:
    """Equal answers, however they are asked; and what `exact` costs."""
    requests, rates = drift_requests(number), []
    for exact in (True, False):
        params = PARAMS.model_copy(update={"exact": exact})
        many = run_ours(requests, params)
        alone = run_ours(requests, params.model_copy(update={"slots": 1, "threads": 1}))
        one_worker = params.model_copy(update={"threads": 2, "workers": 1})
        again = turned(run_ours(requests[::-1], one_worker))
        rates.append(rate(many))
        say(
            f"llm.exact {exact}: {rates[-1]:.1f} tokens a second",
            f"of {number} answers equal: alone {count_equal(many, alone)}",
            f"by one worker in reverse order {count_equal(many, again)}",
        )
    say(f"llm.exact gives {rates[0] / rates[1]:.2f} of the speed without it")


def measure_ollama_drift(number: int = 50) -> None:
    """The same of Ollama, four calls in flight and one: what `llm.slots: 1` costs."""
    if "OLLAMA_HOST" not in os.environ:
        say("drift of Ollama skipped: set OLLAMA_HOST")
        return
    requests, runs = drift_requests(number), []
    for slots, turn in ((4, 1), (4, -1), (1, 1), (1, -1)):
        params = LlmParams(backend="ollama", model="smollm2:135m", context_tokens=2560, slots=slots)
        found = collect(OllamaGenerator(params), requests[::turn])
        runs.append(found if turn > 0 else turned(found))
    for name, run, again in (("four in flight", *runs[:2]), ("one in flight", *runs[2:])):
        say(
            f"Ollama, {name}: {rate(run):.1f} tokens a second",
            f"equal in reverse order {count_equal(run, again)}",
        )
    say(f"equal alone and at four in flight {count_equal(runs[0], runs[2])} of {number}")


def measure_kills(number: int = 60, kills: int = 20) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        whole.mkdir()
        killed.mkdir()
        expected = run_with_kills(whole, number, 0, seed=1)
        found = run_with_kills(killed, number, kills, seed=1)
    say(
        f"{found.kills} kills of {kills} before the run's end",
        f"{found.paid - number} of {number} calls paid again, at most {found.kills * SLOTS} in flight",
        "files equal" if found.answers == expected.answers else "FILES DIFFER",
    )


def show_last_run() -> None:
    """What the metrics of the last `dvc repro` say of its drafts."""
    found = read_json(METRICS)
    say(
        f"last run, {found['targets']} targets: valid by schema at the first try, of the uncut, "
        f"{found['first_try_valid_share']:.1%} (100%)",
        f"accepted at the first try {found['first_try_accepted_share']:.1%}",
        f"given up {found['given_up_share']:.1%} (at most 2%)",
    )


def check_changed_word() -> None:
    """The calls that another word in the generation prompt makes new: drafts, and no reasons."""
    try:
        before = pipeline_calls()
    except ArtifactError as error:
        say(f"changed word skipped: {error}")
        return
    with tempfile.TemporaryDirectory() as folder:
        prompts = shutil.copytree(rendering.PROMPT_FOLDER, Path(folder) / "prompts")
        prompt = prompts / PROMPT
        prompt.write_text(prompt.read_text().replace("new trial", "new study"))
        with mock.patch.object(rendering, "PROMPT_FOLDER", prompts):
            after = pipeline_calls()
    reasons, drafts = (
        f"{sum(one != other for one, other in zip(*pair, strict=True))} of {len(pair[0])}"
        for pair in zip(before, after, strict=True)
    )
    say(
        f"a changed word in the generation prompt: asked anew are {reasons} calls for reasons (0)",
        f"{drafts} records",
    )


def main() -> None:
    show_last_run()
    check_changed_word()
    compare_speed()
    measure_drift()
    measure_ollama_drift()
    measure_kills()
