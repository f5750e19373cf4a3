"""distilabel with Ollama over the calls in a JSON file; it has an environment of its own."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distilabel.models import OllamaLLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts, StepInput
from distilabel.steps.tasks import TextGeneration


class TimedGeneration(TextGeneration):
    """The task, which tells of each batch when it began and ended: the run itself begins seconds earlier."""

    def process(self, inputs: StepInput) -> Iterator[list[dict[str, Any]]]:
        """Yield the batches with their times."""
        began = time.time()
        for rows in super().process(inputs):
            yield [{**row, "began": began, "ended": time.time()} for row in rows]


def main(calls: Path, model: str) -> None:
    """Print as JSON the answers, the seconds of the run, and those from the first call to the last answer."""
    work = json.loads(calls.read_text())
    host = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
    llm = OllamaLLM(
        model=model,
        host=host,
        timeout=900,
        generation_kwargs={"format": "json", "options": work["options"]},  # it takes no schema
    )
    with Pipeline(name="trials") as pipeline:
        load = LoadDataFromDicts(
            data=[{"system_prompt": system, "instruction": user} for system, user in work["prompts"]],
            batch_size=work["slots"],
        )
        load >> TimedGeneration(llm=llm, input_batch_size=work["slots"])
    start = time.perf_counter()
    rows = list(pipeline.run(use_cache=False)["default"]["train"])
    found = {
        "seconds": time.perf_counter() - start,
        "calls_seconds": max(row["ended"] for row in rows) - min(row["began"] for row in rows),
        "texts": [row["generation"] or "" for row in rows],
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
