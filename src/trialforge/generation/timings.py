"""What differs from run to run (seconds, throughput, cache use), kept out of every file that DVC compares."""

from __future__ import annotations

from pathlib import Path

from trialforge.files import write_json
from trialforge.generation.attempts import Tally
from trialforge.generation.calls import find_project

TIMINGS_FOLDER = Path(".trialforge/timings")


def write_timings(stage: str, tally: Tally, seconds: float) -> None:
    """Write into the project the stage's times and what the caches saved; tokens of replayed answers cost nothing now."""
    sent, cached = tally.prompt_tokens, tally.cached_tokens
    values = {
        "seconds": round(seconds, 2),
        "calls": tally.asked,
        "calls_from_cache": tally.replayed,
        "prompt_tokens_sent": sent,
        "prompt_tokens_evaluated": sent - cached,
        "prompt_tokens_from_prefix_cache": cached,
        "prefix_share": round(cached / sent, 4) if sent else None,
        "completion_tokens": tally.completion_tokens,
        "completion_tokens_per_second": round(tally.completion_tokens / seconds, 1) if seconds else None,
    }
    write_json(values, find_project(Path.cwd()) / TIMINGS_FOLDER / f"{stage}.json")
