"""Profiles: the parameters that tell a quick run from a real one, set together in params.yaml."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from trialforge.core.errors import ParameterError
from trialforge.core.files import write_text
from trialforge.core.params import read_params

PROFILES_FOLDER = Path("profiles")


def read_profile(name: str, folder: Path = PROFILES_FOLDER) -> dict[str, Any]:
    """Return the parameters of profile `name`: section -> key -> value.

    Raises:
        ParameterError: there is no such profile, or it is no YAML of parameters.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yaml"))) or "none"
        raise ParameterError(
            f"no profile {name!r} in {folder}; known are {known}", hint="trialforge profile quick"
        )
    return read_params(path)


def list_keys(profile: Mapping[str, Any], *parents: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value that a profile sets; all set the same, so that each undoes another."""
    for key, value in profile.items():
        if isinstance(value, Mapping):
            yield from list_keys(value, *parents, key)
        else:
            yield (*parents, key)


def apply_profile(profile: Mapping[str, Any], params: Path) -> dict[str, tuple[Any, Any]]:
    """Set a profile's parameters in params.yaml, comments kept, and return `section.key` -> (old, new).

    Raises:
        ParameterError: params.yaml lacks a key of the profile.
    """
    read_params(params)  # refuses what the editor can't bear
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(float, _write_float)
    document = editor.load(params.read_text(encoding="utf-8"))
    changed: dict[str, tuple[Any, Any]] = {}
    for *parents, key in list_keys(profile):
        part, values = document, profile
        for parent in parents:
            part, values = part.get(parent, {}), values[parent]
        name = ".".join([*parents, key])
        if key not in part:
            raise ParameterError(f"{params} has no `{name}`, which the profile sets")
        old, new = part[key], values[key]
        if old != new:
            changed[name] = (_plain(old), new)
            if isinstance(new, list):
                old[:] = new  # in place: the list keeps its layout and comments
            else:
                part[key] = new
    if changed:
        text = io.StringIO()
        editor.dump(document, text)
        write_text(text.getvalue(), params)
    return changed


def _write_float(representer: Any, value: float) -> Any:
    """Write 0.00001 so, not as 1e-05, which readers of YAML 1.1 take for a word."""
    return representer.represent_scalar("tag:yaml.org,2002:float", format(Decimal(repr(value)), "f"))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value
