"""Typed parameters: one frozen model for each section of params.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from trialforge.core.errors import ArtifactError, ParameterError
from trialforge.core.files import read_bytes

PARAMS_FILE = Path("params.yaml")
# Of a file of parameters: its length, and the values that it stands for when each alias is written out.
_MOST_BYTES, _MOST_VALUES = 1 << 20, 100_000
_MOST_DIGITS = 100
# Names that a params.yaml of an earlier version may have.
RENAMED = {
    "corpus": "ingest",
    "quality.validity": "checks",
    "quality.duplicates": "validation.duplicates",
    "quality.space": "validation.space",
    "learning.real_items": "learning.real_experiments",
    "learning.items": "learning.synthetic_experiments",
    "learning.statistics.family": "learning.statistics.secondary",
}
ABSENT = object()
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def list_one(value: Any) -> Any:
    """Return a name alone as a list of one, for a parameter that holds a list."""
    return [value] if isinstance(value, str) else value


class _Loader(yaml.SafeLoader):
    """Says where a value is none of its type; the library lets whatever Python raises through."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node."""
        kind = node.tag.rpartition(":")[2]
        if kind == "int" and len(node.value) > _MOST_DIGITS:
            raise yaml.constructor.ConstructorError(
                problem="the number is too long", problem_mark=node.start_mark
            )
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise yaml.constructor.ConstructorError(
                problem=f"no value of type {kind}", problem_mark=node.start_mark
            ) from error


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return the whole of params.yaml as plain values.

    Raises:
        ParameterError: the file is absent, is no YAML mapping, or uses a name that has changed.
    """
    if not path.is_file():
        raise ParameterError(f"no parameter file {path}", hint="run inside a checkout that has a params.yaml")
    values = _parse(path)
    if not isinstance(values, dict):
        raise ParameterError(f"{path} has no sections")
    for old, new in RENAMED.items():
        if find_value(values, old.split(".")) is not ABSENT:
            raise ParameterError(f"{path}: `{old}` is now called `{new}`", hint="rename it in this file")
    return values


def _parse(path: Path) -> Any:
    """Return the plain values of a file; a few lines of aliases can fill any memory, so they are counted."""
    try:
        loader = _Loader(read_bytes(path, _MOST_BYTES).decode())
        root = loader.get_single_node()
        if root is None:
            return None
        if _count_values(root, {}) > _MOST_VALUES:
            raise ParameterError(
                f"{path} expands to more than {_MOST_VALUES} values",
                hint="check its aliases, such as `*name`",
            )
        return loader.construct_document(root)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ParameterError(f"{path} is nested too deeply for a file of parameters") from error
    except ArtifactError as error:
        raise ParameterError(f"{error.args[0]}, which is too many for parameters") from error


def _count_values(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many values a node stands for, aliases written out; one inside itself is endless."""
    if id(node) not in counts:
        counts[id(node)] = _MOST_VALUES + 1  # while it is open
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for pair in inner for part in (pair if isinstance(pair, tuple) else (pair,))]
        counts[id(node)] = 1 + sum(_count_values(part, counts) for part in parts)
    return counts[id(node)]


def find_value(values: Any, names: Iterable[str], absent: Any = ABSENT) -> Any:
    """Return the value that names lead to through nested mappings, or `absent`."""
    for name in names:
        if not isinstance(values, Mapping) or name not in values:
            return absent
        values = values[name]
    return values


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
            f"`{'.'.join([name, *map(str, fault['loc'])])}`: {fault['msg']}"
            # Of a whole section the message says what is wrong.
            + ("" if isinstance(fault["input"], dict) else f", got {fault['input']!r}")
            for fault in error.errors()
        )
        raise ParameterError(f"{path}: {faults}") from error


def load_seed(path: Path = PARAMS_FILE) -> int:
    """Return the run's seed, the top-level key `seed`.

    Raises:
        ParameterError: it is absent, negative or no whole number.
    """
    seed = read_params(path).get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"{path}: `seed` must be a whole number, 0 or more, got {seed!r}")
    return seed
