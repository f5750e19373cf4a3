"""Any encoder that `transformers` loads, fine-tuned to tell the outcome of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.embedding.factory import check_pin, model_folder, packaged_model
from trialforge.learning.batches import Encoded, pad
from trialforge.learning.encoder_files import read_encoder, write_encoder
from trialforge.learning.explain import explain_fields
from trialforge.learning.finetune import fine_tune

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from torch import Tensor

    from trialforge.learning.classifier import Influence, Scores, Task
    from trialforge.learning.params import TransformerParams

PREDICT_BATCH = 32
# A window reads the last quarter of the one before again, so that what one cuts the other has whole.
OVERLAP = 4


def choose_device() -> str:
    """Return where models are trained: on a GPU if torch has one. Only a CPU gives equal bytes each time."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class TransformerClassifier:
    """A sequence classifier; long text is cut, or read in overlapping windows whose logits are averaged.

    Args:
        params: encoder, lengths and fine-tuning.
    """

    seeded = True

    def __init__(self, params: TransformerParams) -> None:
        self.params = params
        packaged = params.backend == "packaged"
        self._folder = packaged_model(params.model) if packaged else model_folder(params.model)
        self._model: Any = None

    @property
    def encoder_digest(self) -> str:
        """Hash of the files of the encoder that is fine-tuned; ParameterError if it is not the pinned one."""
        return check_pin(self._folder, self.params, "learning.classifiers.transformer")

    def fit(self, task: Task) -> None:
        """Fine-tune; the model of the least validation loss is kept."""
        self._open(self._folder, task.seed)
        fine_tune(self, task)

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""
        import torch

        texts = self.encode(examples["text"].to_list())
        order = np.argsort([text.length for text in texts], kind="stable")
        scores = np.zeros(len(texts))
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), PREDICT_BATCH):
                rows = order[start : start + PREDICT_BATCH]
                logits = self.logits([texts[row] for row in rows]).double()
                scores[rows] = torch.softmax(logits, dim=1)[:, 1].cpu().numpy()
        return scores

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return the fields whose absence changes each example's log-odds most."""
        return explain_fields(self.predict, examples, count)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), configuration and tokeniser."""
        write_encoder(self._model, self._tokenizer, self._pad, folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        network, self._tokenizer, self._pad = read_encoder(folder)
        self._model = network.to(choose_device())

    @property
    def model(self) -> Any:
        """The module that is trained."""
        return self._model

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return texts as windows of at most `max_tokens` tokens, which overlap by a quarter."""
        most = self.params.max_windows if self.params.long_texts == "window" else 1
        direction = (self._tokenizer.truncation or {}).get("direction", "right")
        self._tokenizer.enable_truncation(
            self.params.max_tokens, stride=self.params.max_tokens // OVERLAP, direction=direction
        )
        return [
            Encoded(tuple(tuple(window.ids) for window in [whole, *whole.overflowing][:most]))
            for whole in self._tokenizer.encode_batch(list(texts))
        ]

    def logits(self, texts: Sequence[Encoded]) -> Tensor:
        """Return (texts, 2): the mean over each text's windows."""
        import torch

        padded = pad(texts, self._pad)
        ids, mask, owners = (torch.from_numpy(part).to(self._model.device) for part in padded)
        each: Tensor = self._model(input_ids=ids, attention_mask=mask).logits
        total = each.new_zeros((len(texts), each.shape[1])).index_add(0, owners, each)
        return total / each.new_tensor([len(text.windows) for text in texts]).unsqueeze(1)

    def _open(self, folder: Path, seed: int) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        config = AutoConfig.from_pretrained(folder, num_labels=2, trust_remote_code=False)
        if self.params.attention_dropout is not None and hasattr(config, "attention_probs_dropout_prob"):
            config.attention_probs_dropout_prob = self.params.attention_dropout
        torch.manual_seed(seed)  # draws the new head
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self._pad = tokenizer.pad_token_id or 0
        self._tokenizer = tokenizer.backend_tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.params.max_tokens, direction=tokenizer.truncation_side)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, dtype="float32", trust_remote_code=False
        )
        self._model = model.to(choose_device())
