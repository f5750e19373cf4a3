"""Ctrl-C in a real stage, in a terminal and in a pipe: it ends cleanly, says how to go on, and goes on."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.unit.generation.records import make_trial
from trialforge.llm.calls import CALLS_FILE, CallCache
from trialforge.trial.record import REGISTRATION_SCHEMA

ROOT = Path(__file__).resolve().parents[2]
SETS = 6
COMMAND = [
    sys.executable, "-m", "stages.reason", "plan.parquet", "exemplars.parquet", "train.parquet",
    "--reasons", "reasons.parquet", "--metrics", "reasoning.json",
]  # fmt: skip


def write_inputs(folder: Path) -> None:
    names = [f"drug{number}" for number in range(SETS)]
    plan = [{"target_id": f"T-{name}", "intervention": name, "label": 1, "arm": "plain"} for name in names]
    exemplars = [{"target_id": f"T-{name}", "nct_id": f"SIM-{name}", "rank": 1} for name in names]
    train = [make_trial(f"SIM-{name}", label=1) for name in names]
    schema = REGISTRATION_SCHEMA | {"label": pl.Int64()}
    unset = [pl.lit(None, pl.Int64).alias(name) for name in ("block", "pair")]
    pl.DataFrame(plan).with_columns(unset).write_parquet(folder / "plan.parquet")
    pl.DataFrame(exemplars).write_parquet(folder / "exemplars.parquet")
    pl.DataFrame([{name: row[name] for name in schema} for row in train], schema=schema).write_parquet(
        folder / "train.parquet"
    )
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["reasoning"] |= {"count": 1, "retries": 0}
    params["reasoning"]["sampling"] |= {"max_tokens": 80}
    params["llm"] |= {"slots": 1, "context_tokens": 1024}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@contextmanager
def started(folder: Path, terminal: bool) -> Iterator[tuple[subprocess.Popen[bytes], list[bytes]]]:
    """The running stage, and what it says as it says it."""
    mine, theirs = pty.openpty() if terminal else os.pipe()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "COLUMNS": "140",
        "TERM": "xterm",
        "HF_HUB_OFFLINE": "1",
    }
    process = subprocess.Popen(
        COMMAND, cwd=folder, env=environment, stderr=theirs, stdout=theirs, start_new_session=True
    )
    os.close(theirs)
    said: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):  # a terminal whose other end is closed
            while piece := os.read(mine, 4096):
                said.append(piece)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()
        listener.join()
        os.close(mine)


def count_answers(folder: Path) -> int:
    if not (folder / CALLS_FILE).is_file():
        return 0
    cache = CallCache(folder / CALLS_FILE)
    entries = cache.measure().entries
    cache.close()
    return entries


@pytest.mark.parametrize(
    "terminal", [True, pytest.param(False, marks=pytest.mark.full)], ids=["terminal", "pipe"]
)
def test_ctrl_c_ends_a_stage_cleanly_and_the_next_run_goes_on(tmp_path: Path, terminal: bool) -> None:
    write_inputs(tmp_path)
    with started(tmp_path, terminal) as (process, said):
        while process.poll() is None and count_answers(tmp_path) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    text = b"".join(said).decode().replace("\r", "")
    assert text.endswith("interrupted: all finished answers are kept\n  next: dvc repro reason\n")
    assert "Traceback" not in text
    assert ("━" in text) == terminal
    assert f"reason: {SETS} to do" in text or terminal
    assert not (tmp_path / "reasons.parquet").exists()
    kept = count_answers(tmp_path)
    assert 2 <= kept < SETS
    if terminal:
        return  # how it goes on is seen in the other case
    with started(tmp_path, terminal) as (process, said):
        assert process.wait(120) == 0
    assert count_answers(tmp_path) == SETS
    assert re.search(rf"{SETS} of {SETS}, \d+ tokens/s, {kept} cache hits", b"".join(said).decode())
    assert pl.read_parquet(tmp_path / "reasons.parquet").height == SETS
