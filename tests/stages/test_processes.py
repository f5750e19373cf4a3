"""A stage owns what it writes, ends with `dvc repro` that started it, and leaves nothing half-written."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.processes import is_alive, wait_until
from tests.stages.test_interrupt import COMMAND, ROOT, write_inputs
from tests.unit.llm.small_ollama import SmallOllama, serve
from trialforge.core.stage import LOCKS, claim_out

FORCED = '{"word":"zq7-vx","more":""}'  # the answer to the test of forcing
IMPATIENT = "import runpy, trialforge.core.stage as stage; stage.CLAIM_SECONDS = 0.5; "
INGEST = ["stages.ingest", "--trials", "trials.parquet", "--refused", "refused.parquet"]
INGEST += ["--metrics", "ingest.json"]


@pytest.fixture
def server() -> Iterator[SmallOllama]:
    """It answers the test of forcing, and then never again."""
    with serve(SmallOllama(parts=[FORCED], silent_after=1)) as state:
        yield state


@pytest.fixture
def folder(tmp_path: Path, server: SmallOllama, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where stage `reason` asks that server, and so goes on for ever."""
    write_inputs(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["llm"] |= {"backend": "ollama", "model": "m"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setenv("OLLAMA_HOST", server.address)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    return tmp_path


def owner(folder: Path) -> int:
    """The process that makes the reasons; 0 if there never was one."""
    found = [int(lock.read_text() or 0) for lock in (folder / LOCKS).glob("reasons.parquet-*")]
    return found[0] if found else 0


def test_ctrl_c_ends_a_stage_that_waits_for_an_answer(folder: Path, server: SmallOllama) -> None:
    with subprocess.Popen(COMMAND, cwd=folder, stderr=subprocess.PIPE, text=True) as stage:
        wait_until(lambda: len(server.asked) > 1)
        stage.send_signal(signal.SIGINT)
        _, said = stage.communicate(timeout=5)
    assert stage.returncode == 130
    assert said.endswith("interrupted: all finished answers are kept\n  next: dvc repro reason\n")
    assert server.unloaded == ["m"]


def test_sigterm_ends_a_stage_as_ctrl_c_does(folder: Path, server: SmallOllama) -> None:
    with subprocess.Popen(COMMAND, cwd=folder, stderr=subprocess.PIPE) as stage:
        wait_until(lambda: len(server.asked) > 1)
        stage.terminate()
        assert stage.wait(5) == 130
    assert server.unloaded == ["m"]


def write_graph(folder: Path) -> list[str]:
    """A project of DVC with that one stage; return the command that runs it."""
    stage = {"cmd": shlex.join(COMMAND), "outs": ["reasons.parquet", "reasoning.json"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"reason": stage}}))
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=folder, check=True)
    return [*dvc, "repro"]


SHELLS = ["/bin/sh", "/bin/bash"]  # the one starts a process, the other becomes it


@pytest.mark.parametrize("shell", SHELLS)
def test_stage_ends_when_dvc_alone_is_ended(folder: Path, server: SmallOllama, shell: str) -> None:
    environment = os.environ | {"SHELL": shell, "DVC_NO_ANALYTICS": "1"}
    with subprocess.Popen(write_graph(folder), cwd=folder, env=environment) as dvc:
        wait_until(lambda: len(server.asked) > 1)
        stage = owner(folder)
        assert is_alive(stage)
        dvc.terminate()
        assert dvc.wait(20) != 0
    wait_until(lambda: not is_alive(stage))
    assert server.unloaded == ["m"]


@pytest.mark.parametrize("shell", SHELLS)
def test_stage_goes_on_when_only_what_started_dvc_has_ended(
    folder: Path, server: SmallOllama, shell: str
) -> None:
    environment = os.environ | {"SHELL": shell, "DVC_NO_ANALYTICS": "1"}
    starter = f"import subprocess; print(subprocess.Popen({write_graph(folder)}).pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", starter],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout
        dvc = int(parent.stdout.readline())
        wait_until(lambda: len(server.asked) > 1)
        parent.kill()
        parent.stdout.close()
    time.sleep(2)
    assert is_alive(owner(folder))
    os.kill(dvc, signal.SIGTERM)
    wait_until(lambda: not is_alive(owner(folder)))


def test_stage_ends_when_what_started_it_is_killed(folder: Path, server: SmallOllama) -> None:
    starter = f"import subprocess; subprocess.run({COMMAND})"
    with subprocess.Popen([sys.executable, "-c", starter], cwd=folder) as parent:
        wait_until(lambda: len(server.asked) > 1)
        stage = owner(folder)
        assert is_alive(stage)
        parent.kill()
    wait_until(lambda: not is_alive(stage))


def test_out_that_another_process_makes_is_not_made_twice(folder: Path, server: SmallOllama) -> None:
    with subprocess.Popen(COMMAND, cwd=folder) as first:
        wait_until(lambda: len(server.asked) > 1)
        arguments = f"import sys; sys.argv[1:] = {COMMAND[3:]}; "
        second = [
            sys.executable,
            "-c",
            f"{IMPATIENT}{arguments}runpy.run_module('stages.reason', None, '__main__')",
        ]
        done = subprocess.run(second, cwd=folder, capture_output=True, text=True, check=False)
        first.kill()
    assert done.returncode == 1
    assert f"waiting for process {first.pid}, which is making reasons.parquet" in done.stderr
    assert f"error: process {first.pid} is already making reasons.parquet\n  next: wait for it" in done.stderr
    assert len(server.asked) == 2


def test_what_a_killed_ingest_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}

    def write_params(trials: int) -> None:
        params["ingest"]["simulated_trials"] = trials
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    def left() -> list[Path]:
        return list(tmp_path.glob(".trials.parquet.*"))

    write_params(20_000)
    with subprocess.Popen([sys.executable, "-m", *INGEST], cwd=tmp_path, env=environment) as killed:
        wait_until(left)
        killed.kill()
    assert left()
    write_params(50)
    subprocess.run([sys.executable, "-m", *INGEST], cwd=tmp_path, env=environment, check=True)
    assert not left()
    assert (tmp_path / "trials.parquet").is_file()


def test_only_the_temporary_files_of_an_out_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    swept = [".a.json.ab_12345.part", ".a.json.zyxw9876"]
    kept = [
        "a.json",
        ".a.json.mine",
        ".a.json.ab_12345.part.gz",
        ".xa.json.ab_12345.part",
        ".a.json.b.ab_12345.part",
    ]
    for name in (*swept, *kept):
        Path(name).write_text("text")
    assert claim_out("a.json") == Path("a.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, ".trialforge"])
    assert claim_out("a.json") == Path("a.json")  # once more in the same process
