"""Records an hour against distilabel with Ollama: the model, prompts and sampling of the last run for both.

A record is here the first part of one, an answer that holds to its schema. distilabel can't hand Ollama
one, so its answers are shorter and hardly any is a record: answers are counted beside.
Time is from the first call to the last answer; the
seconds in which distilabel starts its pipeline are printed, and not counted.
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
from dataclasses import replace
from pathlib import Path

import jsonschema

from benchmarks._pipeline_calls import pipeline_calls
from benchmarks.generation import say
from trialforge.core.errors import TrialforgeError
from trialforge.core.ollama_client import read_addresses
from trialforge.llm.backend import Request, TextGenerator
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.models import find_model
from trialforge.llm.ollama import OllamaGenerator, request_options
from trialforge.llm.params import LlmParams

PYTHON = "TRIALFORGE_DISTILABEL"
MODEL = "smollm2:135m"
MAX_TOKENS = 1024  # Ollama lets the model write spaces: fewer cut every answer
RUN = Path(__file__).with_name("_distilabel_run.py")


def is_record(text: str, schema: object) -> bool:
    try:
        return jsonschema.Draft202012Validator(schema).is_valid(json.loads(text))
    except ValueError:
        return False


def run_theirs(python: str, requests: list[Request], params: LlmParams) -> tuple[float, list[str]]:
    """Return the seconds from the first call to the last answer, and the answers."""
    work = {
        "prompts": [[message.content for message in request.messages] for request in requests],
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


def run_ours(requests: list[Request], generator: TextGenerator) -> tuple[float, list[str]]:
    start = time.perf_counter()
    texts = [one.text for _, one in sorted(generator.complete(requests), key=lambda pair: pair[0])]
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
        replace(one, sampling=one.sampling.model_copy(update={"max_tokens": MAX_TOKENS}))
        for one, *_ in pipeline_calls()[1][:number]
    ]
    embedded = LlmParams(context_tokens=4096)
    try:
        runs = {
            "trialforge with Ollama": run_ours(requests, OllamaGenerator(params)),
            "trialforge, embedded": run_ours(requests, EmbeddedGenerator(find_model(embedded), embedded)),
            "distilabel": run_theirs(python, requests, params),
        }
    except (TrialforgeError, subprocess.CalledProcessError) as error:
        say(f"failed at {', '.join(read_addresses())}: {error}")
        return
    for name, (seconds, texts) in runs.items():
        records = sum(is_record(text, one.schema) for text, one in zip(texts, requests, strict=True))
        say(
            f"{name}: {records / seconds * 3600:.0f} records an hour ({records} of {number})",
            f"{number / seconds * 3600:.0f} answers",
            f"{runs['distilabel'][0] / seconds:.2f} times distilabel's answers",
        )


if __name__ == "__main__":
    main()
