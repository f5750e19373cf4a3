"""Profiles: the parameters that tell a quick run from a real one, set together in params.yaml."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from trialforge.errors import ParameterError
from trialforge.files import write_text

PROFILES_FOLDER = Path("profiles")


def read_profile(name: str, folder: Path = PROFILES_FOLDER) -> dict[str, Any]:
    """Return the parameters of profile `name`: section -> key -> value.

    Raises:
        ParameterError: there is no such profile.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yaml"))) or "none"
        raise ParameterError(f"no profile {name!r} in {folder}; known are {known}")
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def list_keys(profile: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each (section, key) that a profile sets; all set the same, so that each undoes another."""
    for section, values in profile.items():
        for key in values:
            yield section, key


def apply_profile(profile: Mapping[str, Any], params: Path) -> dict[str, tuple[Any, Any]]:
    """Set a profile's parameters in params.yaml, comments kept, and return `section.key` -> (old, new).

    Raises:
        ParameterError: params.yaml lacks a key of the profile.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    document = editor.load(params.read_text(encoding="utf-8"))
    changed: dict[str, tuple[Any, Any]] = {}
    for section, key in list_keys(profile):
        if key not in document.get(section, {}):
            raise ParameterError(f"{params} has no `{section}.{key}`, which the profile sets")
        old, new = document[section][key], profile[section][key]
        if old != new:
            changed[f"{section}.{key}"] = (_plain(old), new)
            if isinstance(new, list):
                old[:] = new  # in place: the list keeps its layout and comments
            else:
                document[section][key] = new
    if changed:
        text = io.StringIO()
        editor.dump(document, text)
        write_text(text.getvalue(), params)
    return changed


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value
