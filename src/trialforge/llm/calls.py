"""The call cache: every answer of a language model is kept for good, so that it is paid for once.

It lies in the project but outside every out of the pipeline, is written answer by answer, and survives a kill
at any moment.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trialforge.core.errors import ArtifactError, ParameterError
from trialforge.core.files import atomic_path, database_errors, hash_text
from trialforge.core.plain_text import is_text
from trialforge.llm.backend import Completion, Message, Request, TextGenerator, TokenLogprob

CALLS_FILE = Path(".trialforge/calls.sqlite")  # from the folder of the project
_EXPERIMENTS = (".dvc", "tmp", "exps")
KEY_VERSION = 1  # counts up when the meaning of a key changes
_TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, model_digest TEXT NOT NULL, engine TEXT NOT NULL,
    value BLOB NOT NULL, checksum TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What the call cache holds: entries, bytes on disk, tokens paid for, entries of each model digest."""

    entries: int
    disk_bytes: int
    prompt_tokens: int
    completion_tokens: int
    models: dict[str, int]


def find_project(folder: Path) -> Path:
    """Return the folder whose calls are kept for work in `folder`.

    It is `folder` itself, but for an experiment of `dvc exp run --queue` or `--temp`: DVC runs it in a copy
    below the project's `.dvc/tmp/exps` and throws away what the copy keeps.
    """
    for above in folder.parents:
        if above.parts[-len(_EXPERIMENTS) :] == _EXPERIMENTS:
            return above.parents[len(_EXPERIMENTS) - 1]
    return folder


def hash_call(model_digest: str, engine: str, request: Request) -> str:
    """Return the key of a call: the hash of all that decides its answer, and of nothing else.

    The order of the keys of a schema counts: the model writes the fields in it.
    """
    decisive = [
        KEY_VERSION,
        model_digest,
        engine,
        [[message.role, message.content] for message in request.messages],
        request.schema,
        sorted(request.sampling.model_dump().items()),
        request.seed,
        request.attempt,
        *([["top_tokens", request.top_tokens]] if request.top_tokens else []),
    ]
    return hash_text(json.dumps(decisive, ensure_ascii=False, separators=(",", ":")))


def checksum_value(key: str, value: bytes) -> str:
    """Return the SHA-256 that ties a stored value to its key."""
    return hashlib.sha256(key.encode() + value).hexdigest()


class CallCache:
    """Answers in one SQLite file; use from one thread, from as many processes as you like.

    Raises:
        ArtifactError: the file is no database, or is damaged as a whole.
        DiskError: the disk is full or read-only, or this user has no right to it.
    """

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        self.path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            if max_pages is not None:
                self._base.execute(f"PRAGMA max_page_count = {max_pages:d}")
            self._base.execute(_TABLE)

    def find(self, key: str) -> Completion | None:
        """Return the kept answer, or None if there is none, its checksum does not fit or it is no text."""
        with self._translated():
            row = self._base.execute(
                "SELECT CAST(value AS BLOB), checksum FROM calls WHERE key = ?", (key,)
            ).fetchone()
        if row is None or checksum_value(key, row[0]) != row[1]:
            return None
        value = json.loads(row[0])
        tokens = tuple(TokenLogprob(*pair) for pair in value.pop("first_tokens", ()))
        kept = Completion(**value, first_tokens=tokens)
        return replace(kept, from_cache=True) if is_text(kept.text) else None

    def keep(self, key: str, engine: str, completion: Completion) -> None:
        """Commit an answer to the disk before returning; an entry of the same key is replaced."""
        value = json.dumps(asdict(completion), sort_keys=True, ensure_ascii=False).encode()
        row = (key, completion.model_digest, engine, value, checksum_value(key, value), time.time())
        with self._translated():
            self._base.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?)", row)

    def measure(self) -> CacheStats:
        """Return what is kept."""
        with self._translated():
            entries, prompt, answer = self._base.execute(
                "SELECT count(*), coalesce(sum(value ->> 'prompt_tokens'), 0),"
                " coalesce(sum(value ->> 'completion_tokens'), 0)"
                " FROM (SELECT CAST(value AS TEXT) AS value FROM calls) WHERE json_valid(value)"
            ).fetchone()
            models = dict(
                self._base.execute(
                    "SELECT model_digest, count(*) FROM calls GROUP BY 1 ORDER BY 1"
                ).fetchall()
            )
        sizes = [Path(f"{self.path}{suffix}") for suffix in ("", "-wal")]
        disk_bytes = sum(path.stat().st_size for path in sizes if path.is_file())
        return CacheStats(entries, disk_bytes, prompt, answer, models)

    def find_corrupt(self) -> list[str]:
        """Return the keys of the entries whose value does not fit its checksum."""
        with self._translated():
            rows = self._base.execute("SELECT key, CAST(value AS BLOB), checksum FROM calls ORDER BY key")
            return [key for key, value, checksum in rows if checksum_value(key, value) != checksum]

    def drop(self, keys: Sequence[str]) -> None:
        """Remove entries by key."""
        with self._translated():
            self._base.executemany("DELETE FROM calls WHERE key = ?", [(key,) for key in keys])

    def prune(self, *, before: float | None = None, model_digest: str | None = None) -> int:
        """Remove entries made before a time (seconds since 1970), of a model, or both; give their space back.

        `model_digest` may be the start of a digest. Returns how many were removed; with neither, none is.
        """
        if before is None and model_digest is None:
            return 0
        with self._translated():
            removed = self._base.execute(
                "DELETE FROM calls WHERE (:before IS NULL OR created < :before)"
                " AND (:model IS NULL OR substr(model_digest, 1, length(:model)) = :model)",
                {"before": before, "model": model_digest},
            ).rowcount
            self._base.execute("VACUUM")
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return removed

    def export(self, path: Path) -> None:
        """Write all answers as one file, even while others are written: the newest may stand beside ours.

        Raises:
            ParameterError: there is a file already.
        """
        if path.exists():
            raise ParameterError(f"{path} already exists", hint="name another file with --to")
        with database_errors(path, "copy of the call cache"), atomic_path(path) as temporary:
            self._base.execute("VACUUM INTO ?", (str(temporary),))

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def _translated(self) -> AbstractContextManager[None]:
        return database_errors(self.path, "call cache")


class CachedGenerator:
    """A TextGenerator that asks its inner one only for what the cache lacks."""

    def __init__(self, inner: TextGenerator, cache: CallCache) -> None:
        self.engine, self.model, self.model_digest = inner.engine, inner.model, inner.model_digest
        self.context_tokens = inner.context_tokens
        self._inner, self._cache = inner, cache

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, template included."""
        return self._inner.count_tokens(messages)

    def count_kept(self, requests: Sequence[Request]) -> int:
        """Return how many of the requests the cache answers, or another of the same requests does."""
        keys = [hash_call(self.model_digest, self.engine, request) for request in requests]
        return len(keys) - sum(self._cache.find(key) is None for key in set(keys))

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield kept answers first, then new ones as they finish; each is committed before it is yielded.

        Of equal requests one is asked. What is no text is neither kept nor yielded, but that it was is.
        """
        asked: list[Request] = []
        keys: list[str] = []  # of `asked`
        equal: dict[str, list[int]] = {}  # requests that wait for one answer, by key
        known = 0

        def take_kept() -> Iterator[tuple[int, Completion]]:
            nonlocal known
            while known < len(requests):
                index, known = known, known + 1
                key = hash_call(self.model_digest, self.engine, requests[index])
                if key in equal:
                    equal[key].append(index)
                elif (kept := self._cache.find(key)) is not None:
                    yield index, kept
                else:
                    equal[key] = [index]
                    asked.append(requests[index])
                    keys.append(key)

        yield from take_kept()
        for place, completion in self._inner.complete(asked):
            key = keys[place]
            whole = is_text(completion.text)
            answer = completion if whole else replace(completion, text="", finish_reason="garbled")
            self._cache.keep(key, self.engine, answer)
            first, *others = equal.pop(key)
            yield first, answer
            for index in others:
                yield index, replace(answer, from_cache=True)
            yield from take_kept()

    def close(self) -> None:
        """Free the inner model and close the cache."""
        self._inner.close()
        self._cache.close()


def verify_cache(cache: CallCache) -> dict[str, Any]:
    """Remove what is corrupt, so that it is asked again, and return how many entries were whole and not."""
    corrupt = cache.find_corrupt()
    cache.drop(corrupt)
    return {"whole": cache.measure().entries, "corrupt": len(corrupt), "removed": corrupt}


def manage_cache(
    action: str,
    path: Path,
    *,
    days: float | None = None,
    model_digest: str | None = None,
    to: Path | None = None,
) -> dict[str, Any]:
    """Return what `stats`, `prune`, `verify` or `export` found in the cache at `path`.

    Raises:
        ArtifactError: there is no such file.
        ParameterError: `prune` was not told what to remove, or `export` where to write.
    """
    if not path.is_file():
        raise ArtifactError(f"no call cache {path}", hint="run: dvc repro reason")
    if action == "prune" and days is None and model_digest is None:
        raise ParameterError(
            "`cache prune` needs --days or --model", hint="trialforge cache stats lists models"
        )
    if action == "export" and to is None:
        raise ParameterError("`cache export` needs --to", hint="trialforge cache export --to calls.sqlite")
    with closing(CallCache(path)) as cache:
        if action == "export" and to is not None:
            cache.export(to)
            return {"file": str(to), "entries": cache.measure().entries}
        if action == "verify":
            return verify_cache(cache)
        if action == "prune":
            before = None if days is None else time.time() - days * 86_400
            return {"removed": cache.prune(before=before, model_digest=model_digest)}
        return asdict(cache.measure())
