"""Encoders that run in PyTorch: tokens -> windows -> batches -> vectors, on the CPU in float32.

Each operation runs on one thread and the batches run side by side, one a core. So the sums inside a
vector do not depend on the number of cores, and short batches lose no time in waking threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trialforge.core.pieces import count_cores
from trialforge.embedding.windows import plan_batches, pool_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from trialforge.embedding.encoder import Matrix

BATCH_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class TorchModel:
    """A loaded model: its tokeniser, and `forward(ids, mask)` -> one vector a row."""

    tokenizer: Tokenizer
    forward: Callable[[Tensor, Tensor], Tensor]


class TorchEncoder:
    """Text to vectors by a model that is loaded at the first text.

    Args:
        load: reads the model.
        digest: hash of all that decides a vector.
        dimension: length of a vector.
        window: tokens computed together; a longer text is cut into windows, whose vectors are averaged
            by their tokens.
        max_windows: windows read of one text; the words after them do not count.
    """

    def __init__(
        self, load: Callable[[], TorchModel], *, digest: str, dimension: int, window: int, max_windows: int
    ) -> None:
        self.digest = digest
        self.dimension = dimension
        self._load, self._window, self._max_windows = load, window, max_windows
        self._model: TorchModel | None = None

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one float32 row of length 1 for each text, in the order given."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        if self._model is None:
            model = self._load()
            model.tokenizer.enable_truncation(max_length=self._window)
            model.tokenizer.no_padding()
            self._model = model  # last: pieces of work in other threads must not see half of it
        encodings = self._model.tokenizer.encode_batch(list(texts))
        windows = [
            (owner, window.ids)
            for owner, encoding in enumerate(encodings)
            for window in [encoding, *encoding.overflowing][: self._max_windows]
        ]
        owners = [owner for owner, _ in windows]
        vectors = _run(self._model.forward, [ids for _, ids in windows], self.dimension)
        return pool_windows(vectors, owners, [len(ids) for _, ids in windows], len(texts))


def _run(
    forward: Callable[[Tensor, Tensor], Tensor], windows: Sequence[Sequence[int]], dimension: int
) -> Matrix:
    import torch

    vectors = np.zeros((len(windows), dimension), dtype=np.float32)

    def run_batch(batch: tuple[int, list[int]]) -> None:
        length, rows = batch
        ids = torch.zeros((len(rows), length), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for position, row in enumerate(rows):
            count = len(windows[row])
            ids[position, :count] = torch.tensor(windows[row])
            mask[position, :count] = 1
        with torch.inference_mode():
            vectors[rows] = torch.nn.functional.normalize(forward(ids, mask).float(), dim=1).numpy()

    batches = plan_batches([len(window) for window in windows], BATCH_TOKENS)
    # PyTorch keeps this number for each calling thread: the rest of the process is left alone.
    with ThreadPoolExecutor(count_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(run_batch, batches))
    return vectors


def mean_of_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of each row's hidden states, padding left out: one vector a row."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
