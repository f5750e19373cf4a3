"""Weights on disk: safetensors for arrays, skops for trees; the same model gives the same bytes."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import LearningError
from trialforge.core.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_arrays(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors, whole or not at all."""
    from safetensors.numpy import save

    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays))


def read_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the named arrays of a safetensors file.

    Raises:
        LearningError: the file is absent or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise LearningError(f"{path} holds no weights: {error}", hint="run: dvc repro train") from error


def write_estimator(estimator: Any, path: Path) -> None:
    """Write a scikit-learn estimator as skops, without the memory addresses and times in it."""
    from skops.io import dumps

    with zipfile.ZipFile(BytesIO(dumps(estimator))) as archive:
        schema = archive.read("schema.json").decode()
        numbers: dict[str, str] = {}
        for found in re.findall(r'"__id__": (\d+)|"file": "(\d+)\.', schema):
            numbers.setdefault(found[0] or found[1], str(len(numbers) + 1))
        schema = re.sub(r'("__id__": |"file": ")(\d+)', lambda found: found[1] + numbers[found[2]], schema)
        members = {
            f"{numbers[Path(name).stem]}{Path(name).suffix}": archive.read(name)
            for name in archive.namelist()
            if name != "schema.json"
        }
    members["schema.json"] = json.dumps(json.loads(schema)).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), members[name])


def read_estimator(path: Path) -> Any:
    """Return an estimator of skops; types other than scikit-learn's own are refused.

    Raises:
        LearningError: the file is absent, damaged or names a type that is not trusted.
    """
    from skops.io import get_untrusted_types, load

    try:
        named = get_untrusted_types(file=path)
        # A partial only holds what it calls, which is looked at like all else.
        unknown = [name for name in named if name != "functools.partial" and not name.startswith("sklearn.")]
        if unknown:
            raise LearningError(f"{path} names types that are not trusted: {', '.join(sorted(unknown))}")
        return load(path, trusted=named)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise LearningError(f"{path} holds no estimator: {error}", hint="run: dvc repro train") from error
