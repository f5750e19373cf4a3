"""Download real trials from the registry page by page, and join the pages into one file."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

from trialforge.app.registry_api import NotFoundError, RegistryApi, TokenError, Version
from trialforge.app.registry_history import first_version
from trialforge.core.errors import ArtifactError, IngestError, ParameterError
from trialforge.core.files import atomic_path, hash_file, write_json
from trialforge.ingest.ctgov_json import study_id
from trialforge.ingest.json_stream import find_encoding
from trialforge.trial.record import Phase, Status
from trialforge.trial.registry_ids import NCT_ID

PAGE_SIZE = 500
MOST_STUDIES = 5_000_000  # if the registry gives no number: ten times what it has
_CHECKED_EVERY = 20  # pages between two checks of the data timestamp
_RESTARTS = 3
_IDS_A_PAGE = 100  # keeps addresses short enough
_HISTORIES = 20  # first versions saved together; each takes two requests
Report = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """What to fetch; empty attributes do not restrict. Values are those of a Trial, such as `Phase 2`.

    Attributes:
        started_from: the first start date.
        started_to: the last start date.
        ids: ids of trials; the other attributes restrict these.
    """

    condition: str = ""
    intervention: str = ""
    statuses: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    started_from: date | None = None
    started_to: date | None = None
    ids: tuple[str, ...] = ()

    def parameters(self) -> dict[str, str]:
        """Return the query as parameters of the API.

        Raises:
            ParameterError: a status or phase does not exist.
        """
        advanced = []
        if self.phases:
            phases = (_code(phase, "phase", get_args(Phase)) for phase in self.phases)
            # The API lists a trial of two phases under both.
            both = (" AND ".join(f"AREA[Phase]{part}" for part in phase.split("/")) for phase in phases)
            advanced.append("(" + " OR ".join(f"({one})" for one in both) + ")")
        if self.started_from or self.started_to:
            first, last = self.started_from or "MIN", self.started_to or "MAX"
            advanced.append(f"AREA[StartDate]RANGE[{first},{last}]")
        statuses = [_code(status, "status", get_args(Status)) for status in self.statuses]
        named = {
            "query.cond": self.condition,
            "query.intr": self.intervention,
            "filter.overallStatus": ",".join(statuses),
            "filter.advanced": " AND ".join(advanced),
            "filter.ids": ",".join(self.ids),
        }
        return {name: value for name, value in named.items() if value}


def _code(word: str, kind: str, allowed: tuple[str, ...]) -> str:
    """Return the API's code of a word: `Phase 1/Phase 2` is PHASE1/PHASE2, `N/A` is NA."""
    found = next((known for known in allowed if known.casefold() == word.casefold()), None)
    if found is None:
        raise ParameterError(f"unknown {kind} {word!r}; choose from {', '.join(allowed)}")
    if kind == "phase":
        codes = {"N/A": "NA", "Early Phase 1": "EARLY_PHASE1"}
        return codes.get(found, found.upper().replace(" ", ""))
    code = found.upper().replace(",", "").replace(" ", "_")
    return code.removesuffix("_STATUS")


def parse_day(text: str) -> date | None:
    """Return a date written as `2015-01-31`; None if the text is empty.

    Raises:
        ParameterError: the text is not a date.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ParameterError(f"{text!r} is not a date; write it like 2015-01-31") from error


def read_ids(path: Path) -> tuple[str, ...]:
    """Return the distinct ids of a text file with one id per line; the first line may be a heading.

    Raises:
        ParameterError: the file can't be read, has no id, or has a line that is not an id.
    """
    try:
        data = path.read_bytes()
        text = data.decode(find_encoding(data) or "utf-8-sig")
        lines = [line.strip().upper() for line in text.splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"--ids: {path} can't be read: {error}") from error
    if lines and re.fullmatch(r"NCT[ _]?(ID|NUMBER)?", lines[0]):
        lines[0] = ""
    for number, line in enumerate(lines, start=1):
        if line and not re.fullmatch(NCT_ID, line):
            raise ParameterError(f"--ids: line {number} of {path} is {line!r}, not an id like NCT01234567")
    if not any(lines):
        raise ParameterError(f"--ids: {path} has no ids")
    return tuple(dict.fromkeys(filter(None, lines)))


@dataclass(frozen=True, slots=True)
class _State:
    """The progress of a download, saved with its pages so that it can continue after a kill."""

    query: dict[str, str]
    maximum: int | None
    version: Version
    pages: int = 0
    count: int = 0
    total: int | None = None
    token: str | None = None
    complete: bool = False


def fetch_trials(
    query: RegistryQuery,
    out: Path,
    api: RegistryApi,
    *,
    maximum: int | None = None,
    page_size: int = PAGE_SIZE,
    as_registered: bool = False,
    progress: Report = lambda done, total: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Download studies to `out` (JSON lines, gzip), write a manifest next to it, and return the manifest.

    What was fetched before a kill stays in `.<out>.part`, and the same query continues from there. If the
    registry's data change during the download, it starts again, so a file never mixes versions of the data.

    Args:
        query: what to fetch.
        out: the file, a `.jsonl.gz`.
        api: the registry.
        maximum: the largest number of studies to fetch.
        page_size: studies per page, at most 1,000.
        as_registered: fetch each study as it was first posted.
        progress: called with the number of studies done and, if the registry gives it, their total.

    Raises:
        IngestError: the registry can't be reached, refuses the query or changes too often.
    """
    if not out.name.endswith(".jsonl.gz"):
        raise ParameterError(f"{out} must end in .jsonl.gz, the format of the download")
    folder = out.with_name(f".{out.name}.part")
    page_size = min(page_size, maximum or page_size, _IDS_A_PAGE if query.ids else page_size)
    for _ in range(_RESTARTS + 1):
        version = api.version()
        start = _State(query.parameters(), maximum, version)
        state = _resume(folder, start, any_day=as_registered) or _restart(folder, start)
        finished = _download(state, folder, api, page_size, progress)
        if finished:
            pages = [_page(folder, number) for number in range(finished.pages)]
            listed = [study_id(study) for study in _read(pages)]
            first = _fetch_first(listed, folder, api, progress) if as_registered else None
            return _assemble(finished, folder, out, listed, first)
        _restart(folder, start)
    raise IngestError(
        f"the registry's data changed {_RESTARTS + 1} times during the download", hint="try again later"
    )


def _download(
    state: _State, folder: Path, api: RegistryApi, page_size: int, progress: Report
) -> _State | None:
    """Fetch the missing pages; return None if the data changed during the download."""
    progress(state.count, _goal(state))
    while not state.complete:
        left = page_size if state.maximum is None else min(page_size, state.maximum - state.count)
        try:
            studies, token, total = _take_page(state, api, page_size)
        except TokenError:
            if state.token is None:
                raise
            return None
        state = _keep(state, studies[:left], token, total, folder)
        most = MOST_STUDIES if state.total is None else state.total
        if state.count > most and not state.complete:
            raise IngestError(
                f"the registry says that it has {most} studies, but sent {state.count} and announces more",
                hint=f"check what answers at that address; to start again, remove {folder}",
            )
        progress(state.count, _goal(state))
        if (state.complete or state.pages % _CHECKED_EVERY == 0) and api.version() != state.version:
            return None
    return state


def _take_page(state: _State, api: RegistryApi, size: int) -> tuple[list[Any], str | None, int | None]:
    """Return studies, the token to continue with, and the total; ids are requested in batches of `size`."""
    if "filter.ids" not in state.query:
        return api.page(state.query, size, state.token)
    ids = state.query["filter.ids"].split(",")
    start = int(state.token or 0)
    some = {**state.query, "filter.ids": ",".join(ids[start : start + size])}
    studies, _, _ = api.page(some, size, None)
    return studies, str(start + size) if start + size < len(ids) else None, len(ids)


def _fetch_first(ids: list[str], folder: Path, api: RegistryApi, progress: Report) -> list[Path]:
    """Fetch the missing first versions, and return all files; some studies have no first version."""
    parts = []
    for start in range(0, len(ids), _HISTORIES):
        progress(start, len(ids))
        parts.append(folder / f"first-{start:06d}.jsonl.gz")
        if not parts[-1].is_file():
            _write(_first_versions(ids[start : start + _HISTORIES], api), parts[-1])
    progress(len(ids), len(ids))
    return parts


def _first_versions(ids: Iterable[str], api: RegistryApi) -> Iterator[dict[str, Any]]:
    for nct_id in ids:
        try:
            yield first_version(api, nct_id)
        except NotFoundError:
            continue  # listed in the manifest


def _write(studies: Iterable[Any], path: Path) -> None:
    lines = (json.dumps(study, ensure_ascii=False, separators=(",", ":")) for study in studies)
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed)


def _read(parts: Iterable[Path]) -> Iterator[Any]:
    for part in parts:
        with gzip.open(part, "rt", encoding="utf-8", newline="\n") as lines:
            yield from map(json.loads, lines)


def _keep(state: _State, studies: list[Any], token: str | None, total: int | None, folder: Path) -> _State:
    _write(studies, _page(folder, state.pages))
    count = state.count + len(studies)
    kept = replace(
        state,
        pages=state.pages + 1,
        count=count,
        total=state.total if total is None else total,
        token=token,
        complete=token is None or count == state.maximum,
    )
    write_json(asdict(kept), folder / "state.json")
    return kept


def _goal(state: _State) -> int | None:
    goals = [goal for goal in (state.maximum, state.total) if goal is not None]
    return min(goals, default=None)


def _page(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.jsonl.gz"


def _resume(folder: Path, start: _State, *, any_day: bool) -> _State | None:
    """Return the saved state if it is of the same query and the same data.

    A complete list may be of any day if only first versions are wanted, because these don't change.
    """
    try:
        kept = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        state = _State(**{**kept, "version": Version(*kept["version"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    same = (state.query, state.maximum) == (start.query, start.maximum)
    of_now = state.version == start.version or (any_day and state.complete)
    return (
        state
        if same and of_now and all(_page(folder, number).is_file() for number in range(state.pages))
        else None
    )


def _restart(folder: Path, start: _State) -> _State:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return start


def _assemble(
    state: _State, folder: Path, out: Path, listed: list[str], first: list[Path] | None
) -> dict[str, Any]:
    """Join the parts (joined gzip files are one file), write the manifest, then delete the parts."""
    parts = [_page(folder, number) for number in range(state.pages)] if first is None else first
    written = listed if first is None else [study_id(study) for study in _read(first)]
    asked = state.query["filter.ids"].split(",") if "filter.ids" in state.query else []
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())
    manifest = {
        "query": state.query, "maximum": state.maximum, "count": len(written), "total": state.total,
        "as_registered": first is not None, "not_found": sorted({*asked, *listed} - {*written}),
        "api_version": state.version.api, "data_timestamp": state.version.data,
        "file": out.name, "sha256": hash_file(out),
    }  # fmt: skip
    write_json(manifest, out.with_name(f"{out.name}.manifest.json"))
    shutil.rmtree(folder)
    return manifest


def add_to_dvc(out: Path) -> Path | None:
    """Run `dvc add` on a file and return its `.dvc` file; None outside DVC repositories.

    Raises:
        ArtifactError: DVC fails; the message says why.
    """
    if not any((parent / ".dvc").is_dir() for parent in out.absolute().parents):
        return None
    command = [sys.executable, "-m", "dvc", "add", "--quiet", out.name]
    done = subprocess.run(command, cwd=out.absolute().parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ArtifactError(
            f"{out} was written, but DVC could not add it: {done.stderr.strip()}",
            hint=f"dvc add {shlex.quote(str(out))}",
        )
    return out.with_name(f"{out.name}.dvc")
