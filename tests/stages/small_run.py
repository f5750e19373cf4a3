"""The whole default graph in a clean folder of its own, at sizes that a test can wait for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Sizes, and one experiment and one classifier instead of two; every stage, backend, embedder and language
# model is the default one.
SIZES: dict[str, Any] = {
    "ingest.simulated_trials": 120,
    "split.test_size": 0.15,
    "plan.interventions": 1,
    "plan.records": 2,
    "plan.generations": 1,
    "plan.label_shares": "equal",
    "plan.min_success": 2,
    "plan.min_failure": 2,
    "embedding.max_windows": 1,
    "retrieval.top_k": 1,
    "retrieval.evaluation.queries": 5,
    "retrieval.evaluation.bootstrap": 20,
    "reasoning.exemplars": 1,
    "reasoning.count": 1,
    "reasoning.retries": 0,
    "reasoning.sampling.max_tokens": 120,
    # By these the small model writes a record of each label, which all that follows needs.
    "seed": 11,
    "generation.retries": 8,
    "generation.sampling.temperature": 1.0,
    "generation.sampling.repeat_penalty": 1.15,
    "generation.sampling.max_tokens": 400,
    "generation.fields": ["title", "summary", "primary_outcomes", "inclusion", "exclusion"],
    "zero_shot.half_width": 0.45,
    "quality.bootstrap": 100,
    "quality.permutations": 19,
    "quality.max_trials_drawn": 40,
    "learning.seeds": 1,
    "learning.synthetic_experiments": ["in-distribution"],
    "learning.models": ["tfidf-logreg"],
    "learning.statistics.secondary": [],
    "learning.statistics.draws": 200,
}
COPIED = (
    "src",
    "stages",
    "profiles",
    "dvc.yaml",
    "requirements.lock",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    "data/raw/.gitkeep",
)
SECRET = "planted-secret-7391"
SECRETS = {
    "ELASTICSEARCH_URL": f"https://user:{SECRET}@127.0.0.1:9",
    "ELASTICSEARCH_API_KEY": SECRET,
    "ELASTICSEARCH_PASSWORD": SECRET,
    "OLLAMA_HOST": f"http://user:{SECRET}@127.0.0.1:9",
    "OLLAMA_API_KEY": SECRET,
    "LLM_BASE_URL": f"http://user:{SECRET}@127.0.0.1:9/v1",
    "LLM_API_KEY": SECRET,
    "HF_TOKEN": f"hf_{SECRET}",
    "HTTPS_PROXY": f"http://user:{SECRET}@127.0.0.1:9",
}


@dataclass(frozen=True, slots=True)
class SmallRuns:
    """Two clean clones of this code, in which the default graph ran from nothing.

    Attributes:
        here: the run of a new account without any network. HF_HUB_OFFLINE is not set: nothing may need it.
        there: that of another person elsewhere, with HF_HUB_OFFLINE and with secrets in the environment.
        said: what the two runs printed.
        isolated: whether `here` really had no network, as this machine allows it.
        asked: how often `here` tried to reach an address that is not this machine's.
    """

    here: Path
    there: Path
    said: str
    isolated: bool
    asked: int


def make_clone(folder: Path, sizes: Mapping[str, Any] = SIZES) -> Path:
    """A repository of this very code, with the given parameters and nothing run."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    write_params(folder, sizes)
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "t")
    git(folder, "config", "user.email", "t@example.org")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Nothing has run")
    return folder


def write_params(folder: Path, sizes: Mapping[str, Any]) -> None:
    """Write params.yaml: the default parameters but for the given ones."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, value in sizes.items():
        *sections, key = name.split(".")
        place = params
        for section in sections:
            place = place[section]
        assert key in place, f"params.yaml has no {name}"
        place[key] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def new_account(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a person who has nothing yet: no settings, no caches, no servers."""
    home = folder.parent / f"{folder.name}-home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "HOME": str(home),
        **more,
    }


def run(folder: Path, command: Sequence[str], **more: str) -> str:
    """What a command says; it must succeed."""
    found = new_account(folder, **more)
    done = subprocess.run(command, cwd=folder, env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def git(folder: Path, *arguments: str) -> str:
    """Call git."""
    return run(folder, ["git", *arguments])


def may(*command: str) -> bool:
    """Whether this machine allows what `unshare` asks for."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", *command, "true"], capture_output=True, check=False).returncode == 0


PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"
# In a namespace without a route, each try to reach another machine is counted by the kernel.
ALONE = "ip link set lo up; dvc repro && cat /proc/net/snmp /proc/net/snmp6"


def count_refused(counters: str) -> int:
    """How many packets had nowhere to go, from the kernel's counters of IPv4 and IPv6."""
    names, values = re.findall(r"^Ip: (.*)$", counters, flags=re.MULTILINE)[-2:]
    found = dict(zip(names.split(), values.split(), strict=True))
    newer = re.search(r"^Ip6OutNoRoutes\s+(\d+)$", counters, flags=re.MULTILINE)
    return int(found["OutNoRoutes"]) + (int(newer[1]) if newer else 0)


def run_both(base: Path) -> SmallRuns:
    """Run the graph in two clones at once; each starts without a cache of any kind."""
    here, there = make_clone(base / "here"), make_clone(base / "elsewhere" / "another place")
    isolated, as_other = may("-rn"), may("-U", "--map-user=1234")
    alone = ["unshare", "-rn", "sh", "-c", ALONE] if isolated else ["dvc", "repro"]
    other = ["unshare", "-U", "--map-user=1234", "dvc", "repro"] if as_other else ["dvc", "repro"]
    # Each on its own core: threads that wait for each other across two runs would take minutes.
    cores = sorted(os.sched_getaffinity(0))
    elsewhere = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4242", "USER": "other"}
    elsewhere["HF_HUB_OFFLINE"] = "1"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PIN, str(core), *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder, core, command, environment in (
            (here, cores[0], alone, new_account(here, TZ="UTC", LC_ALL="C", PYTHONHASHSEED="0")),
            (there, cores[-1], other, new_account(there, **elsewhere, **SECRETS)),
        )
    ]
    said = [process.communicate()[0] for process in started]
    for process, words in zip(started, said, strict=True):
        assert process.returncode == 0, words[-5000:]
    for folder in (here, there):
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "A small run")
    asked = count_refused(said[0]) if isolated else 0
    return SmallRuns(here, there, "".join(said), isolated, asked)


def run_once(base: Path) -> SmallRuns:
    """The two runs, made by the first process of a test session that asks and shared by all."""
    kept = base / "runs.yaml"
    if not kept.is_file():
        runs = run_both(base)
        record = {"said": runs.said, "isolated": runs.isolated, "asked": runs.asked}
        record |= {"here": str(runs.here), "there": str(runs.there)}
        kept.write_text(yaml.safe_dump(record))
    found = yaml.safe_load(kept.read_text())
    return SmallRuns(**found | {"here": Path(found["here"]), "there": Path(found["there"])})
