"""What differs from run to run (seconds, throughput, cache use), kept out of every file that DVC compares."""

from __future__ import annotations

from pathlib import Path

from trialforge.core.files import write_json
from trialforge.generation.attempts import Tally
from trialforge.llm.calls import find_project

TIMINGS_FOLDER = Path(".trialforge/timings")


def write_timings(stage: str, tally: Tally, seconds: float) -> None:
    """Write the stage's times into the project; tokens are those that were computed now, not replayed."""
    sent, cached = tally.computed_prompt_tokens, tally.computed_cached_tokens
    computed = tally.computed_completion_tokens
    values = {
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
