"""The folder of a user's own files: `ingest` reads nothing else, for DVC sees no change elsewhere."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from trialforge.core.errors import ParameterError
from trialforge.ingest.params import RAW, IngestParams


def check_raw(params: IngestParams) -> None:
    """Raise an error where a parameter names a file that DVC does not see.

    Raises:
        ParameterError: a path leads out of RAW, or a folder in RAW is a link, which DVC does not follow.
    """
    for key in ("path", "labels_path", "top_path", "vocabulary"):
        path = getattr(params, key)
        if path and not Path(os.path.abspath(path)).is_relative_to(Path(RAW).absolute()):  # noqa: PTH100 - links stay
            raise ParameterError(
                f"`ingest.{key}`: {path} is outside {RAW}, so DVC would not see when it changes",
                hint=_bring(path),
            )
    for place, folders, _ in os.walk(RAW):
        for folder in (Path(place) / name for name in folders):
            if folder.is_symlink():
                raise ParameterError(
                    f"{folder} is a link to a folder, which DVC does not follow",
                    hint=f"link each of its files instead: rm {_quote(folder)} && "
                    f"cp -rs {_quote(folder.resolve())} {_quote(folder)}",
                )


def _bring(path: str) -> str:
    source = Path(path).expanduser()
    target = Path(RAW) / source.name
    return (
        f"cp -r {_quote(source)} {RAW}/ && dvc add {_quote(target)}, or link a file that is too large: "
        f"ln -s {_quote(source.absolute())} {RAW}/; then set the parameter to {target}"
    )


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
