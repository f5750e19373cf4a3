"""The knobs of ingest: section `ingest` of params.yaml."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from trialforge.core.errors import ParameterError
from trialforge.core.params import Section, list_one
from trialforge.ingest.population import PopulationParams

RAW = "data/raw"  # the folder of a user's own files, a dependency of `ingest` in dvc.yaml
DEFAULT_PATH = f"{RAW}/trials"
DEFAULT_TABLES = {"csv": f"{RAW}/labels.csv", "top": f"{RAW}/top"}
StopReason = Literal["efficacy", "safety", "enrolment", "business", "other"]
LabelSource = Literal["csv", "results", "status", "top"]


def _refuse_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a source is listed twice")
    return names


class IngestParams(Section):
    """Where trials come from. Paths are a user's own files, so they are parameters."""

    source: Literal["simulated", "registry", "top"] = "simulated"
    path: str = DEFAULT_PATH
    top_path: str = DEFAULT_TABLES["top"]
    population: PopulationParams = PopulationParams()
    simulated_trials: int = Field(default=700, ge=1, le=1_000_000)
    labels: Annotated[
        tuple[LabelSource, ...],
        BeforeValidator(list_one),
        AfterValidator(_refuse_repeats),
        Field(min_length=1),
    ] = ("status",)
    label_rule: Literal["first", "vote"] = "first"
    labels_path: str = DEFAULT_TABLES["csv"]
    failure_reasons: tuple[StopReason, ...] = get_args(StopReason)
    significance: float = Field(default=0.05, gt=0, lt=1)
    vocabulary: str | None = None

    @field_validator("source", mode="before")
    @classmethod
    def name_registry(cls, source: object) -> object:
        """Refuse the names of single forms: `registry` reads all of them."""
        if source in ("ctgov-xml", "ctgov-json"):
            raise ValueError(
                f"`{source}` is now called `registry`, which reads every format of registry records"
            )
        return source

    @property
    def tables(self) -> dict[LabelSource, str]:
        """The label tables to read: those that are needed, that lie there, or that a user named."""
        paths: dict[LabelSource, str] = {"csv": self.labels_path, "top": self.top_path}
        needed = {*self.labels, self.source}
        return {
            name: path
            for name, path in paths.items()
            if name in needed or path != DEFAULT_TABLES[name] or Path(path).exists()
        }


def check_raw(params: IngestParams) -> None:
    """Raise an error where a parameter names a file that DVC does not see: it sees no change elsewhere.

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
