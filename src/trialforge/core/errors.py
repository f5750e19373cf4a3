"""What can go wrong, as one family: each error says what is wrong and what to do next."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trialforge.core.secrets import hide_secrets

DEBUG_VARIABLE = "TRIALFORGE_DEBUG"
EXIT_FAULT = 70
# C0 and C1 controls, delete, those that turn the direction of what follows, separators of lines, and what
# nobody sees: the mark of byte order, and tags.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
    r"\U000e0000-\U000e007f]"
)


class TrialforgeError(Exception):
    """Root of all errors that a user can mend; none holds a secret of the environment.

    Args:
        message: what was wrong, with the file, record or parameter and its value.
        hint: the next step, usually a command; shown on its own line by the command line.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(hide_secrets(message))
        self.hint = hint and hide_secrets(hint)

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  next: {self.hint}" if self.hint else message


class ParameterError(TrialforgeError):
    """A value in params.yaml, or of an option, that can't be used."""


class ArtifactError(TrialforgeError):
    """A file that the pipeline made, or should have made, is absent or not what it claims to be."""


class DiskError(TrialforgeError):
    """A file or folder can't be used: the disk is full or read-only, or this user has no right to it."""


class WorkerError(TrialforgeError):
    """Workers, processes here or of a Dask cluster, can't do the pieces of work that they were given."""


class IngestError(TrialforgeError):
    """A source of trials can't be read at all; one bad record is refused and counted instead."""


class RetrievalError(TrialforgeError):
    """The search index or its server can't do what was asked."""


class GenerationError(TrialforgeError):
    """The language model, its server or its answers can't be used."""


class MetricError(TrialforgeError):
    """A measure can't be computed from what it was given."""


class GateError(MetricError):
    """A measure lies outside the bounds that params.yaml sets for it."""


class LearningError(TrialforgeError):
    """A classifier can't be trained, loaded or scored on what it was given."""


class ExportError(TrialforgeError):
    """A set of records can't be exported as asked."""


# The modules that each extra of the package brings.
_BROUGHT = {
    "elasticsearch": ("elasticsearch", "elastic_transport"),
    "ollama": ("ollama",),
    "openai": ("openai",),
    "dask": ("distributed", "dask"),
    "llm": ("xllamacpp",),
    "torch": ("torch", "transformers", "tokenizers", "sentence_transformers"),
    "report": ("altair", "vl_convert", "evaluate", "datasets"),
}
EXTRAS = {module: extra for extra, modules in _BROUGHT.items() for module in modules}


class MissingExtraError(TrialforgeError):
    """A part of the program needs packages that are not installed."""


@contextmanager
def name_missing_extra() -> Iterator[None]:
    """Turn the import error of an optional package into one that names the extra which brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        raise MissingExtraError(
            f"this needs the package {module!r}, which is not installed",
            hint=f"pip install 'trialforge[{EXTRAS[module]}]'",
        ) from error


# What polars and numpy say of a full disk, for they give no number: the last two are of a write that was cut.
_FULL = ("No space left", "requested and", "transport error")


def explain_disk(error: Exception, path: Path | None = None) -> DiskError:
    """Return the error for what the operating system refused.

    Args:
        error: an OSError, or an error of polars about one.
        path: what was written, for errors that name no file or a temporary one.
    """
    number = error.errno if isinstance(error, OSError) else None
    full = number in (errno.ENOSPC, errno.EDQUOT) or any(words in str(error) for words in _FULL)
    named = getattr(error, "filename", None)
    temporary = path is not None and named is not None and Path(named).name.startswith(f".{path.name}.")
    where = path if path is not None and (full or temporary or named is None) else named
    place = f"of {where}" if where else "that this runs on"
    kept = "what was finished before is kept"
    if full:
        return DiskError(
            f"no space left on the disk {place}: {kept}",
            hint="free space on that disk, then run the same command again",
        )
    why = getattr(error, "strerror", None) or str(error)
    mends = {
        errno.EROFS: "it is on a read-only disk: work in a copy elsewhere, or mount the disk for writing",
        errno.EACCES: "give this user permission to read and write there, then run the same command again",
        errno.EPERM: "give this user permission to read and write there, then run the same command again",
    }
    return DiskError(f"{where or 'a file'} can't be used: {why}; {kept}", hint=mends.get(number or 0))


def format_traceback() -> str:
    """Return the traceback of the exception that is handled now, without secrets."""
    return escape_controls(hide_secrets(traceback.format_exc()))


def describe_error(message: str, hint: str | None) -> str:
    """Return what went wrong on one line, and on the next what to do."""
    line = f"error: {escape_controls(' '.join(hide_secrets(message).split()))}"
    return f"{line}\n  next: {escape_controls(hide_secrets(hint))}" if hint else line


def escape_controls(text: str) -> str:
    """Return text with its control characters written out, but for line ends and tabs."""
    return _CONTROLS.sub(lambda found: _write_out(found[0]), text)


def _write_out(letter: str) -> str:
    """Return a letter as JSON has it: beyond the first plane as two halves."""
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
