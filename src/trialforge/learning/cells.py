"""One cell of an experiment: an arm, a model, a repetition; trained once, found again by what decides it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.files import hash_json, hash_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from trialforge.learning.classifier import Classifier, FitTask

PACKAGE = Path(__file__).parents[1]
# What tells people something: no score follows from it.
_DECIDES_NO_SCORE = {f"trialforge.core.{name}" for name in ("errors", "files", "pieces", "progress")}
_LIBRARIES = ("numpy", "polars", "scikit-learn", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is trained: examples, the model by name with its parameters as JSON, the seed."""

    arm: str
    model: str
    settings: dict[str, object]
    task: FitTask
    held_out: Mapping[str, pl.DataFrame]


@cache
def code_digest(module: str, *, encodes: bool, package: Path = PACKAGE) -> str:
    """Return the hash of the code and libraries that decide the scores of a classifier.

    It covers the classifier's module and what that imports, and the modules that mix arms and write texts; of
    these only what runs counts, so a changed comment or docstring trains nothing anew.

    Args:
        module: where the classifier's class is defined, as `trialforge.learning.linear`.
        encodes: whether it reads vectors of an encoder, which the factory hands to it.
        package: the folder of the package `trialforge`.
    """
    starts = ["trialforge.learning.arms", "trialforge.learning.tables", module]
    if encodes:
        starts += [f"trialforge.embedding.{path.stem}" for path in (package / "embedding").glob("*.py")]
    sources = _deciding_sources(starts, package)
    return hash_json(
        {
            "sources": {name: ast.unparse(_without_docstrings(source)) for name, source in sources.items()},
            "libraries": {name: version(name) for name in _LIBRARIES},
        }
    )


def _deciding_sources(starts: Sequence[str], package: Path) -> dict[str, ast.Module]:
    found: dict[str, ast.Module] = {}
    pending = list(starts)
    while pending:
        name = pending.pop()
        if name in found or name in _DECIDES_NO_SCORE:
            continue
        source = ast.parse((package.parent / Path(*name.split("."))).with_suffix(".py").read_text("utf-8"))
        found[name] = source
        imports = (node for node in ast.walk(source) if isinstance(node, ast.ImportFrom))
        pending += [node.module for node in imports if node.module and node.module.startswith("trialforge.")]
    return dict(sorted(found.items()))


def _without_docstrings(source: ast.Module) -> ast.Module:
    for node in ast.walk(source):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return source


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the hash of a table's values."""
    return hash_text(frame.write_ndjson())


def cell_key(cell: Cell, classifier: Classifier) -> str:
    """Return the hash of all that decides a cell's scores."""
    return hash_json(
        {
            "code": code_digest(type(classifier).__module__, encodes=classifier.encoder_digest is not None),
            "model": cell.model,
            "settings": cell.settings,
            "encoder": classifier.encoder_digest,
            "seed": cell.task.seed if classifier.seeded else None,
            "epoch_size": cell.task.epoch_size,
            "train": frame_digest(cell.task.train),
            "vocabulary": hash_json(cell.task.known_texts),
            "validation": frame_digest(cell.task.validation),
            "held_out": {part: frame_digest(frame) for part, frame in cell.held_out.items()},
        }
    )
