"""Typed parameters: one frozen model for each section of params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from trialforge.core.errors import ParameterError

PARAMS_FILE = Path("params.yaml")
# Names that a params.yaml of an earlier version may have.
RENAMED = {
    "corpus": "ingest",
    "quality.validity": "checks",
    "quality.duplicates": "validation.duplicates",
    "quality.space": "validation.space",
}
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return the whole of params.yaml as plain values.

    Raises:
        ParameterError: the file is absent, is no YAML mapping, or uses a name that has changed.
    """
    if not path.is_file():
        raise ParameterError(f"no parameter file {path}", hint="run inside a checkout that has a params.yaml")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParameterError(f"{path} holds no sections")
    for old, new in RENAMED.items():
        if _holds(values, old.split(".")):
            raise ParameterError(f"{path}: `{old}` is called `{new}` now", hint="rename it in this file")
    return values


def _holds(values: Any, names: list[str]) -> bool:
    """Tell whether nested mappings have a value under the names."""
    for name in names:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def load_section(model: type[S], name: str, path: Path = PARAMS_FILE) -> S:
    """Return section `name` of params.yaml as `model`.

    Raises:
        ParameterError: the section is absent, or a key is unknown, absent or out of bounds.
    """
    values = read_params(path)
    if name not in values:
        raise ParameterError(f"{path} has no section `{name}`")
    try:
        return model.model_validate(values[name])
    except ValidationError as error:
        faults = "; ".join(
            f"`{'.'.join([name, *map(str, fault['loc'])])}`: {fault['msg']}{_got(fault['input'])}"
            for fault in error.errors()
        )
        raise ParameterError(f"{path}: {faults}") from error


def _got(value: object) -> str:
    """Return the words for a value that is wrong; of a whole section the message says what is wrong."""
    return "" if isinstance(value, dict) else f", got {value!r}"


def load_seed(path: Path = PARAMS_FILE) -> int:
    """Return the run's seed, the top-level key `seed`.

    Raises:
        ParameterError: it is absent, negative or no whole number.
    """
    seed = read_params(path).get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"{path}: `seed` must be a whole number of 0 or more, got {seed!r}")
    return seed
