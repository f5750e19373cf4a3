"""Answers an hour against distilabel, both with Ollama, the same model and the same prompts.

The ratio is of answers, from the first call to the last answer: the seconds in which distilabel starts its
pipeline are printed, and not counted. Valid records are counted beside it: distilabel hands Ollama no schema.
An extra in an environment of its own: `uv venv DIR`, then
`uv pip install --python DIR/bin/python distilabel[ollama] setuptools requests`,
then TRIALFORGE_DISTILABEL=DIR/bin/python. Needs OLLAMA_HOST as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import jsonschema

from benchmarks._pipeline_calls import pipeline_calls
from benchmarks.generation import say
from trialforge.errors import TrialforgeError
from trialforge.generation.backend import Message, Request, Sampling
from trialforge.generation.llm_params import LlmParams
from trialforge.generation.ollama import OllamaGenerator, read_addresses, request_options

PYTHON = "TRIALFORGE_DISTILABEL"
MODEL = "smollm2:135m"
SAMPLING = Sampling(max_tokens=1024)  # Ollama lets the model write spaces: fewer cut every answer
RUN = Path(__file__).with_name("_distilabel_run.py")


def count_valid(texts: list[str], schema: object) -> int:
    checker = jsonschema.Draft202012Validator(schema)  # type: ignore[arg-type]
    valid = 0
    for text in texts:
        try:
            valid += checker.is_valid(json.loads(text))
        except ValueError:
            continue
    return valid


def run_theirs(python: str, requests: list[Request], params: LlmParams) -> tuple[float, list[str]]:
    """Return the seconds from the first call to the last answer, and the answers."""
    work = {
        "prompts": [request.messages[-1].content for request in requests],
        "options": request_options(requests[0], params.context_tokens),
        "slots": params.slots,
    }
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls.json"
        calls.write_text(json.dumps(work))
        done = subprocess.run(
            [python, str(RUN), str(calls), MODEL], check=True, capture_output=True, text=True
        )
    found = json.loads(done.stdout.splitlines()[-1])
    say(f"distilabel: {found['seconds'] - found['calls_seconds']:.1f} s to start and end its pipeline")
    return found["calls_seconds"], found["texts"]


def run_ours(requests: list[Request], params: LlmParams) -> tuple[float, list[str]]:
    generator = OllamaGenerator(params)
    start = time.perf_counter()
    texts = [completion.text for _, completion in generator.complete(requests)]
    seconds = time.perf_counter() - start
    generator.close()
    return seconds, texts


def main(number: int = 12) -> None:
    python = os.environ.get(PYTHON)
    if not python or "OLLAMA_HOST" not in os.environ:
        say(f"skipped: set OLLAMA_HOST, and {PYTHON} to the Python of an environment with distilabel[ollama]")
        return
    params = LlmParams(backend="ollama", model=MODEL, context_tokens=4096, slots=4)
    requests = [
        Request((Message("user", one.messages[-1].content),), one.schema, SAMPLING, one.seed)
        for one in pipeline_calls()[1][:number]
    ]
    try:
        ours, theirs = run_ours(requests, params), run_theirs(python, requests, params)
    except (TrialforgeError, subprocess.CalledProcessError) as error:
        say(f"failed at {', '.join(read_addresses())}: {error}")
        return
    for name, (seconds, texts) in {"trialforge": ours, "distilabel": theirs}.items():
        valid = count_valid(texts, requests[0].schema)
        say(
            f"{name}: {number / seconds * 3600:.0f} answers an hour",
            f"{valid / seconds * 3600:.0f} valid records an hour ({valid} of {number})",
        )
    say(f"ratio of answers an hour {theirs[0] / ours[0]:.2f} (at least 1.5)")
