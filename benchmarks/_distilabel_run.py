"""distilabel with Ollama over the calls in a JSON file; it has an environment of its own."""

import json
import os
import sys
import time
from pathlib import Path

from distilabel.models import OllamaLLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main(calls: Path, model: str) -> None:
    """Print the seconds of the run and the tokens of its answers, as JSON."""
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
            data=[{"instruction": text} for text in work["prompts"]], batch_size=work["slots"]
        )
        load >> TextGeneration(llm=llm, input_batch_size=work["slots"])
    start = time.perf_counter()
    rows = list(pipeline.run(use_cache=False)["default"]["train"])
    texts = [row["generation"] or "" for row in rows]
    sys.stdout.write("\n" + json.dumps({"seconds": time.perf_counter() - start, "texts": texts}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
