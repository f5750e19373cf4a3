"""Models on disk: arrays as safetensors, all else as JSON. What is read is data, and nothing in it can run.

A folder may come from anywhere, so a file is opened only by the name that this package gives it, is at most
`MOST_BYTES` long, and must hold the arrays and values that its reader asks for: no other name, type or shape,
and no NaN. Other files of the folder are never opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from trialforge.core.errors import LearningError, TrialforgeError
from trialforge.core.files import atomic_path, read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 1 << 30
Layout = Mapping[str, tuple[str, tuple[int | None, ...]]]
"""Name of an array -> its type, as safetensors calls it, and its shape; None is any length."""
T = TypeVar("T")

_HINT = "run: dvc repro, or get the folder of the model again"


def write_arrays(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors, whole or not at all."""
    from safetensors.numpy import save

    with atomic_path(path) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_arrays(path: Path, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file; names, types and shapes are compared before any is read.

    Raises:
        LearningError: the file is absent, damaged or too long, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    check_size(path, MOST_BYTES)
    try:
        with safe_open(path, framework="np") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            shapes = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in found.items()}
            if not _fits(shapes, layout):
                raise LearningError(f"{path} holds {_say(shapes)} instead of {_say(layout)}", hint=_HINT)
            arrays = {name: file.get_tensor(name) for name in layout}
    except (OSError, SafetensorError) as error:
        raise LearningError(f"{path} holds no weights: {error}", hint=_HINT) from error
    wrong = [name for name, array in arrays.items() if array.dtype.kind == "f" and np.isnan(array).any()]
    if wrong:
        raise LearningError(f"{path}: `{wrong[0]}` holds NaN", hint=_HINT)
    return arrays


def read_value(path: Path, kind: type[T]) -> T:
    """Return the value of a JSON file as `kind`, a type that pydantic checks.

    Raises:
        LearningError: the file is absent or too long, or holds something else.
    """
    check_size(path, MOST_BYTES)
    try:
        return TypeAdapter(kind).validate_json(read_bytes(path, MOST_BYTES), strict=True)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        where = f" at `{'.'.join(map(str, fault['loc']))}`" if fault["loc"] else ""
        raise LearningError(
            f"{path} is not what a model keeps there{where}: {fault['msg']}", hint=_HINT
        ) from None


def check_size(path: Path, most_bytes: int) -> None:
    """Check that there is a plain file of at most so many bytes.

    Raises:
        LearningError: there is none, or it is longer.
    """
    if not path.is_file():
        raise LearningError(f"no file {path}", hint=_HINT)
    size = path.stat().st_size
    if size > most_bytes:
        raise LearningError(f"{path} has {size} bytes; a model keeps at most {most_bytes} there", hint=_HINT)


@contextmanager
def naming_faults(what: str) -> Iterator[None]:
    """Raise a LearningError for whatever a foreign folder makes libraries raise: of that there is no list.

    Some end in a panic of Rust, which is no Exception.

    Args:
        what: says what went wrong, with the folder.
    """
    try:
        yield
    except (TrialforgeError, ModuleNotFoundError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise LearningError(f"{what}: {type(error).__name__}: {error}", hint=_HINT) from error


def _fits(shapes: Layout, layout: Layout) -> bool:
    return shapes.keys() == layout.keys() and all(
        shapes[name][0] == kind
        and len(shapes[name][1]) == len(shape)
        and all(due in (None, length) for length, due in zip(shapes[name][1], shape, strict=True))
        for name, (kind, shape) in layout.items()
    )


def _say(shapes: Layout) -> str:
    parts = [
        f"{name} ({kind}, {' x '.join('any' if length is None else str(length) for length in shape)})"
        for name, (kind, shape) in list(shapes.items())[:8]
    ]
    return ", ".join(parts) or "no arrays"
