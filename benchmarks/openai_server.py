"""llama.cpp's own server by `llm.backend: openai`, against the same server asked within its process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.generation import MODEL, PARAMS, Run, Server, draft_request, rate, say, timed
from trialforge.llm.backend import Completion, Request
from trialforge.llm.openai import OpenAIGenerator, request_fields
from trialforge.llm.params import LlmParams

CALLS = 24  # a round: three for each slot
ROUNDS = 3
NAME = str(MODEL.path)
HEEDED = {"top_p": True, "top_k": True, "min_p": True}


def requests_of(number: int) -> list[Request]:
    """Calls whose prompts no other round has, so that no prefix is in the cache."""
    return [draft_request(1000 * number + call, 0) for call in range(CALLS)]


def ask_in_process(server: Server, requests: list[Request]) -> Run:
    def ask(request: Request) -> Completion:
        body = request_fields(request, NAME, HEEDED, PARAMS.context_tokens)
        reply: dict[str, Any] = server.handle({**body, "stream": False})
        usage, choice = reply["usage"], reply["choices"][0]
        return Completion(
            choice["message"]["content"],
            usage["prompt_tokens"],
            0,
            usage["completion_tokens"],
            MODEL.digest,
            choice["finish_reason"],
        )

    with ThreadPoolExecutor(PARAMS.slots) as pool:
        return timed(lambda: list(pool.map(ask, requests)))


def main() -> None:
    server = Server(PARAMS.slots, reuse=True, exact=False)
    params = LlmParams(
        backend="openai",
        model=NAME,
        context_tokens=PARAMS.context_tokens,
        slots=PARAMS.slots,
        call_seconds=3600,
    )
    begun = time.perf_counter()
    generator = OpenAIGenerator(params, [f"{server.address}/v1"])
    generator.check_servers()
    list(generator.complete([draft_request(7, 7)]))
    say(f"what the server heeds was found in {time.perf_counter() - begun:.1f} s, once a stage")
    ours: Run = (0.0, [])
    bare: Run = (0.0, [])
    for number in range(ROUNDS):
        seconds, done = ask_in_process(server, requests_of(2 * number))
        bare = (bare[0] + seconds, bare[1] + done)
        asked = requests_of(2 * number + 1)
        seconds, done = timed(lambda asked=asked: [one for _, one in generator.complete(asked)])
        ours = (ours[0] + seconds, ours[1] + done)
    generator.close()
    say(
        f"llm.backend openai: {rate(ours):.1f} tokens a second",
        f"llama.cpp's server in its process {rate(bare):.1f}",
        f"ratio {rate(ours) / rate(bare):.2f} (at least 0.95)",
    )
