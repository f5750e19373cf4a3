"""Real trials from the registry: page by page, kept as they come, one whole file at the end."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

from trialforge.app.registry_api import RegistryApi, TokenError, Version
from trialforge.core.errors import IngestError, ParameterError
from trialforge.core.files import atomic_path, hash_file, write_json
from trialforge.trial.record import Phase, Status

PAGE_SIZE = 500
MOST_STUDIES = 5_000_000  # where the registry tells no number: ten times what it has
_CHECKED_EVERY = 20  # pages between two looks at the data timestamp
_RESTARTS = 3
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """What to fetch; an empty part does not restrict. Words are those of a Trial, as `Phase 2`.

    Attributes:
        started_from: first start date of a trial.
        started_to: last start date of a trial.
    """

    condition: str = ""
    intervention: str = ""
    statuses: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    started_from: date | None = None
    started_to: date | None = None

    def parameters(self) -> dict[str, str]:
        """Return the query in the API's own words.

        Raises:
            ParameterError: a status or phase does not exist.
        """
        advanced = []
        if self.phases:
            phases = (_code(phase, "phase", get_args(Phase)) for phase in self.phases)
            # A trial of two phases is found under both words.
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
        }
        return {name: value for name, value in named.items() if value}


def _code(word: str, kind: str, allowed: tuple[str, ...]) -> str:
    """Return the API's code of a word: `Phase 1/Phase 2` is PHASE1/PHASE2, `N/A` is NA."""
    found = next((known for known in allowed if known.casefold() == word.casefold()), None)
    if found is None:
        raise ParameterError(f"no {kind} {word!r}; there are {', '.join(allowed)}")
    if kind == "phase":
        codes = {"N/A": "NA", "Early Phase 1": "EARLY_PHASE1"}
        return codes.get(found, found.upper().replace(" ", ""))
    code = found.upper().replace(",", "").replace(" ", "_")
    return code.removesuffix("_STATUS")


def parse_day(text: str) -> date | None:
    """Return the date of `2015-01-31`; None of an empty text.

    Raises:
        ParameterError: it is no date.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ParameterError(f"{text!r} is no date; write it as 2015-01-31") from error


@dataclass(frozen=True, slots=True)
class _State:
    """How far a download is; it lies beside its pages, so that a killed one goes on."""

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
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Download studies to `out` (JSON lines, gzip) with a manifest beside it, and return the manifest.

    What was fetched before a kill is kept in `<out>.part`, and the same query goes on from there. When
    the registry's data change on the way, the download starts again, so that a file is of one day.

    Args:
        query: what to fetch.
        out: the file, a `.jsonl.gz`.
        api: the registry.
        maximum: the most studies to fetch.
        page_size: studies a page, at most 1,000.
        progress: told the number of studies done, and of all if the registry told it.

    Raises:
        IngestError: the registry can't be reached, refuses the query or changes too often.
    """
    if not out.name.endswith(".jsonl.gz"):
        raise ParameterError(f"{out} must end in .jsonl.gz: that is what is written, and how it is read")
    folder = out.with_name(f"{out.name}.part")
    page_size = min(page_size, maximum or page_size)
    for _ in range(_RESTARTS + 1):
        version = api.version()
        start = _State(query.parameters(), maximum, version)
        state = _resume(folder, start) or _restart(folder, start)
        finished = _download(state, folder, api, page_size, progress)
        if finished:
            return _assemble(finished, folder, out)
        _restart(folder, start)
    raise IngestError(
        f"the registry's data changed {_RESTARTS + 1} times during the download", hint="try again later"
    )


def _download(
    state: _State, folder: Path, api: RegistryApi, page_size: int, progress: Progress
) -> _State | None:
    """Fetch the pages that are missing; None when the data changed on the way."""
    progress(state.count, _goal(state))
    while not state.complete:
        left = page_size if state.maximum is None else min(page_size, state.maximum - state.count)
        try:
            studies, token, total = api.page(state.query, page_size, state.token)
        except TokenError:
            if state.token is None:
                raise
            return None
        state = _keep(state, studies[:left], token, total, folder)
        most = MOST_STUDIES if state.total is None else state.total
        if state.count > most and not state.complete:
            raise IngestError(
                f"the registry has {most} studies by its own word, sent {state.count}, and announces more",
                hint=f"look at what answers there; to begin again, remove {folder}",
            )
        progress(state.count, _goal(state))
        if (state.complete or state.pages % _CHECKED_EVERY == 0) and api.version() != state.version:
            return None
    return state


def _keep(state: _State, studies: list[Any], token: str | None, total: int | None, folder: Path) -> _State:
    with atomic_path(_page(folder, state.pages)) as temporary:
        lines = (json.dumps(study, ensure_ascii=False, separators=(",", ":")) for study in studies)
        temporary.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0))
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


def _resume(folder: Path, start: _State) -> _State | None:
    """Return the state that was kept, if it is of the same query and the same data."""
    try:
        kept = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        state = _State(**{**kept, "version": Version(*kept["version"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    same = (state.query, state.maximum, state.version) == (start.query, start.maximum, start.version)
    return state if same and all(_page(folder, number).is_file() for number in range(state.pages)) else None


def _restart(folder: Path, start: _State) -> _State:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return start


def _assemble(state: _State, folder: Path, out: Path) -> dict[str, Any]:
    """Join the pages (gzip files joined are one) and write the manifest; only then let the pages go."""
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        for number in range(state.pages):
            file.write(_page(folder, number).read_bytes())
    manifest = {
        "query": state.query, "maximum": state.maximum, "count": state.count, "total": state.total,
        "api_version": state.version.api, "data_timestamp": state.version.data,
        "file": out.name, "sha256": hash_file(out),
    }  # fmt: skip
    write_json(manifest, out.with_name(f"{out.name}.manifest.json"))
    shutil.rmtree(folder)
    return manifest
