"""Any encoder model that `transformers` loads: mean of the last hidden states, made unit length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.embedding.windows import Batch, cut_windows, plan_batches, pool_windows
from trialforge.errors import ParameterError
from trialforge.files import hash_file, hash_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.embedding.encoder import Matrix

BATCH_TOKENS = 1024
_IDENTITY = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")


def hash_model(folder: Path, **settings: int) -> str:
    """Return the hash of a model's files and of the settings that decide its vectors."""
    names = sorted({path for pattern in _IDENTITY for path in folder.rglob(pattern) if path.is_file()})
    files = {path.relative_to(folder).as_posix(): hash_file(path) for path in names}
    return hash_json({"files": files, "settings": settings})


class TransformerEncoder:
    """A folder with a model and its tokeniser, on the CPU in float32.

    Args:
        folder: as `save_pretrained` writes it.
        window: tokens computed together; a longer text is cut into windows, whose vectors are averaged.
        max_windows: windows read of one text; what follows is not encoded.
    """

    def __init__(self, folder: Path, window: int, max_windows: int) -> None:
        self._folder, self._window, self._max_windows = folder, window, max_windows
        self._model: Any = None
        if not (folder / "config.json").is_file():
            raise ParameterError(f"`embedding.model`: {folder} holds no model (no config.json)")
        self.digest = hash_model(folder, window=window, max_windows=max_windows)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        self._load()
        return int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one float32 row of length 1 for each text, in the order given."""
        self._load()
        windows: list[list[int]] = []
        owners: list[int] = []
        for owner, tokens in enumerate(self._tokenise(texts)):
            cut = cut_windows(tokens, self._window - 2, self._max_windows)
            windows.extend(cut)
            owners.extend([owner] * len(cut))
        vectors = np.zeros((len(windows), self.dimension), dtype=np.float32)
        for batch in plan_batches([len(window) + 2 for window in windows], BATCH_TOKENS):
            real = [row for row in batch.rows if row >= 0]
            vectors[real] = self._encode_batch(windows, batch)[: len(real)]
        weights = [max(len(window), 1) for window in windows]
        return pool_windows(vectors, owners, weights, len(texts))

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        tokens: list[list[int]] = self._tokenizer(
            list(texts), add_special_tokens=False, verbose=False, return_attention_mask=False
        )["input_ids"]
        return tokens

    def _encode_batch(self, windows: list[list[int]], batch: Batch) -> NDArray[np.float32]:
        import torch

        ids = torch.full((len(batch.rows), batch.length), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for position, row in enumerate(batch.rows):
            inner = windows[row] if row >= 0 else []
            whole = [self._tokenizer.cls_token_id, *inner, self._tokenizer.sep_token_id]
            ids[position, : len(whole)] = torch.tensor(whole)
            mask[position, : len(whole)] = 1
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1)
            rows: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=1).numpy()
            return rows

    def _load(self) -> None:
        if self._model is not None:
            return
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(self._folder)
        self._model = AutoModel.from_pretrained(self._folder, dtype="float32").eval()
