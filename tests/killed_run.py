"""A small run of the real engine that a kill may hit at any moment: CALLS_FILE LOG ANSWERS [NUMBER]."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from trialforge.core.files import write_json
from trialforge.llm.backend import Completion, Message, Request, Sampling
from trialforge.llm.calls import CachedGenerator, CallCache
from trialforge.llm.embedded import EmbeddedGenerator, Engine
from trialforge.llm.models import find_model
from trialforge.llm.params import LlmParams

SLOTS = 4
PARAMS = LlmParams(context_tokens=512, slots=SLOTS)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string", "minLength": 20, "maxLength": 80}},
    "required": ["title"],
    "additionalProperties": False,
}


class LoggingEngine(EmbeddedGenerator):
    """The engine, with one line in a file for each call that starts and so is paid for."""

    log: Path

    def _answer(self, engine: Engine, slot: int, request: Request, stop: threading.Event) -> Completion:
        with self.log.open("a") as file:
            file.write(f"{request.seed}\n")
        return super()._answer(engine, slot, request, stop)


def small_requests(number: int) -> list[Request]:
    """Calls in groups of three that share their start."""
    texts = [
        f"Exemplar {i // 3}: a randomized trial of drug {i // 3} in adults. Write a title, {i}."
        for i in range(number)
    ]
    return [
        Request((Message("user", text),), SCHEMA, Sampling(max_tokens=40), seed)
        for seed, text in enumerate(texts)
    ]


def main(calls: Path, log: Path, answers: Path, number: int) -> None:
    engine = LoggingEngine(find_model(PARAMS), PARAMS)
    engine.log = log
    generator = CachedGenerator(engine, CallCache(calls))
    texts = {index: completion.text for index, completion in generator.complete(small_requests(number))}
    generator.close()
    write_json([texts[index] for index in range(number)], answers)


class Ended(NamedTuple):
    """The final file of a run, the calls paid for, and the kills that hit it before its end."""

    answers: bytes
    paid: int
    kills: int


def run_with_kills(folder: Path, number: int, kills: int, seed: int) -> Ended:
    """Run to the end; before it kill at random moments, `kills` times or as often as there is work left."""
    import random
    import subprocess
    import time

    chance = random.Random(seed)
    calls, log, answers = folder / "calls.sqlite", folder / "log", folder / "answers.json"
    command = [sys.executable, "-m", "tests.killed_run", str(calls), str(log), str(answers), str(number)]
    log.touch()
    hits = 0
    for _ in range(kills):
        process = subprocess.Popen(command)
        before = log.stat().st_size
        while process.poll() is None and log.stat().st_size == before:
            time.sleep(0.01)  # a kill while the model loads would show nothing
        time.sleep(chance.uniform(0, 1))
        process.kill()
        hits += process.wait() < 0  # else it had ended by itself
        if answers.is_file():
            break
    subprocess.run(command, check=True)
    return Ended(answers.read_bytes(), len(log.read_text().splitlines()), hits)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
