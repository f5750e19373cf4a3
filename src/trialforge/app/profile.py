"""Profiles: sets of parameters for a kind of run, applied to params.yaml together."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from trialforge.core.errors import ParameterError
from trialforge.core.files import write_text
from trialforge.core.params import ABSENT, find_value, read_params

PROFILES_FOLDER = Path("profiles")
DEFAULT = "quick"


def read_profile(name: str, folder: Path = PROFILES_FOLDER) -> dict[str, Any]:
    """Return the parameters that profile `name` sets: section -> key -> value.

    These are all parameters that any other profile than the default sets; those that this one lacks get the
    value of the default. So each profile undoes every other.

    Raises:
        ParameterError: there is no such profile, one sets a parameter that the default lacks, or is not YAML.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if name not in files:
        raise ParameterError(
            f"no profile {name!r} in {folder}; it has {', '.join(files) or 'none'}",
            hint="trialforge profile quick",
        )
    profiles = {stem: read_params(path) for stem, path in files.items()}
    default = profiles.get(DEFAULT, {})
    found: dict[str, Any] = {}
    for stem, profile in profiles.items():
        for path in list_keys(profile) if stem != DEFAULT else ():
            value = find_value(profiles[name], path, find_value(default, path))
            if value is ABSENT:
                raise ParameterError(f"{files[stem]} sets `{'.'.join(path)}`, which {DEFAULT}.yaml lacks")
            part = found
            for parent in path[:-1]:
                part = part.setdefault(parent, {})
            part[path[-1]] = value
    return found


def list_left(params: Path, profile: Mapping[str, Any], folder: Path = PROFILES_FOLDER) -> dict[str, Any]:
    """Return what the profile leaves different from the default: `section.key` -> value (None if missing)."""
    default, now, own = read_params(folder / f"{DEFAULT}.yaml"), read_params(params), set(list_keys(profile))
    paths = dict.fromkeys([*list_keys(default), *list_keys(now)])
    return {
        ".".join(path): find_value(now, path, None)
        for path in paths
        if path not in own and find_value(now, path) != find_value(default, path)
    }


def list_keys(profile: Mapping[str, Any], *parents: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value that a profile sets."""
    for key, value in profile.items():
        if isinstance(value, Mapping):
            yield from list_keys(value, *parents, key)
        else:
            yield (*parents, key)


def apply_profile(profile: Mapping[str, Any], params: Path) -> dict[str, tuple[Any, Any]]:
    """Set a profile's parameters in params.yaml, keep its comments, and return `section.key` -> (old, new).

    Raises:
        ParameterError: params.yaml lacks a key of the profile.
    """
    read_params(params)  # refuses what the editor can't handle
    editor = YAML()
    editor.default_flow_style = False  # as DVC writes the file, so nothing else changes
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
            if isinstance(new, list) and isinstance(old, list):
                old[:] = new  # in place: the list keeps its layout and comments
            else:
                part[key] = new
    if changed:
        text = io.StringIO()
        editor.dump(document, text)
        write_text(text.getvalue(), params)
    return changed


def _write_float(representer: Any, value: float) -> Any:
    """Write 0.00001 in full, not as 1e-05, which YAML 1.1 reads as a string."""
    return representer.represent_scalar("tag:yaml.org,2002:float", format(Decimal(repr(value)), "f"))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value
