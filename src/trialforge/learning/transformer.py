"""Any encoder that `transformers` loads, fine-tuned to tell the outcome of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.core.progress import Progress
from trialforge.core.rng import derive_seed, random_stream
from trialforge.embedding.factory import check_pin, model_folder, packaged_model
from trialforge.learning.batches import Encoded, bucket, draw_epoch, pad
from trialforge.learning.checkpoint import State, read_state, write_state
from trialforge.learning.encoder_files import read_encoder, write_encoder
from trialforge.learning.explain import explain_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from torch import Tensor

    from trialforge.learning.classifier import FitTask, Influence, Scores
    from trialforge.learning.params import TransformerParams

PREDICT_BATCH = 32
# A window reads the last quarter of the one before again, so that what one cuts the other has whole.
OVERLAP = 4


def choose_device() -> str:
    """Return where models are trained: on a GPU if torch has one. Only a CPU gives equal bytes each time."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class TransformerClassifier:
    """A sequence classifier; long text is cut, or read in overlapping windows whose logits are averaged."""

    seeded = True

    def __init__(self, params: TransformerParams) -> None:
        self.params = params
        packaged = params.backend == "packaged"
        self._folder = packaged_model(params.model) if packaged else model_folder(params.model)
        self.model: Any = None

    @property
    def encoder_digest(self) -> str:
        """Hash of the files of the encoder that is fine-tuned; ParameterError if it is not the pinned one."""
        pinned = self.params.model, self.params.sha256
        return check_pin(self._folder, *pinned, "learning.classifiers.transformer")

    def fit(self, task: FitTask) -> None:
        """Fine-tune; the model of the least validation loss is kept."""
        self.open_encoder(task.seed)
        fine_tune(self, task)

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""
        import torch

        texts = self.encode(examples["text"].to_list())
        order = np.argsort([text.length for text in texts], kind="stable")
        scores = np.zeros(len(texts))
        self.model.eval()
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
        write_encoder(self.model, self._tokenizer, self._pad, folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        network, self._tokenizer, self._pad = read_encoder(folder)
        self.model = network.to(choose_device())

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
        ids, mask, owners = (torch.from_numpy(part).to(self.model.device) for part in padded)
        each: Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        total = each.new_zeros((len(texts), each.shape[1])).index_add(0, owners, each)
        return total / each.new_tensor([len(text.windows) for text in texts]).unsqueeze(1)

    def open_encoder(self, seed: int) -> None:
        """Read the encoder's weights and tokeniser, and draw the weights of its new head from `seed`."""
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        config = AutoConfig.from_pretrained(self._folder, num_labels=2, trust_remote_code=False)
        if self.params.attention_dropout is not None and hasattr(config, "attention_probs_dropout_prob"):
            config.attention_probs_dropout_prob = self.params.attention_dropout
        torch.manual_seed(seed)  # draws the new head
        tokenizer = AutoTokenizer.from_pretrained(self._folder, trust_remote_code=False)
        self._pad = tokenizer.pad_token_id or 0
        self._tokenizer = tokenizer.backend_tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.params.max_tokens, direction=tokenizer.truncation_side)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            self._folder, config=config, dtype="float32", trust_remote_code=False
        )
        self.model = model.to(choose_device())


def fine_tune(classifier: TransformerClassifier, task: FitTask) -> State:
    """Train by AdamW with a linear schedule, and leave the weights of the least validation loss.

    An epoch is `task.epoch_size` examples in every arm: a small arm sees its examples more often, so
    that arms differ by what they learn from and not by how long. A patience gives that up: an arm may
    then stop before another. All draws of an epoch follow from its number, so a run that goes on after a
    kill ends in the same weights.
    """
    params, model = classifier.params, classifier.model
    texts = classifier.encode(task.train["text"].to_list())
    labels = task.train["label"].to_numpy()
    steps = -(-task.epoch_size // params.batch_size)
    optimizer = _make_optimizer(model, params)
    state = (task.scratch and read_state(task.scratch)) or State()
    if state.epoch:
        model.load_state_dict(state.model)
        _load_optimizer(optimizer, state.optimizer)
    with Progress("fine-tuning steps", (params.epochs - state.epoch) * steps) as progress:
        while not state.exhausted(params.epochs, params.patience):
            _train_epoch(classifier, optimizer, texts, labels, task, state.epoch, progress)
            scores = classifier.predict(task.validation)
            state.losses.append(log_loss(task.validation["label"].to_numpy(), scores))
            state.epoch += 1
            if state.best_epoch == len(state.losses) - 1:
                state.best = {name: one.detach().clone() for name, one in model.state_dict().items()}
            if task.scratch:
                state.model, state.optimizer = model.state_dict(), _optimizer_tensors(optimizer)
                write_state(state, task.scratch)
    model.load_state_dict(state.best)
    return state


def _train_epoch(
    classifier: TransformerClassifier,
    optimizer: Any,
    texts: list[Encoded],
    labels: np.ndarray,
    task: FitTask,
    epoch: int,
    progress: Progress,
) -> None:
    import torch

    params, model = classifier.params, classifier.model
    stream = random_stream(task.seed, "batches", epoch)
    order = draw_epoch(len(texts), task.epoch_size, stream)
    batches = bucket([text.tokens for text in texts], order, params.batch_size, stream)
    total = params.epochs * len(batches)
    torch.manual_seed(derive_seed(task.seed, "dropout", epoch))
    model.train()
    for number, rows in enumerate(batches):
        rate = scheduled_rate(epoch * len(batches) + number, total, params)
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = classifier.logits([texts[row] for row in rows])
        losses = torch.nn.functional.cross_entropy(
            logits, torch.from_numpy(labels[rows]).to(logits.device), reduction="none"
        )
        loss = (losses * torch.from_numpy(task.weights[rows]).to(losses)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        progress.advance(note=f"epoch {epoch + 1} of {params.epochs}")


def scheduled_rate(step: int, total: int, params: TransformerParams) -> float:
    """Return the learning rate of a step: linear warm-up, then linear decay to 0."""
    warm = round(params.warmup_share * total)
    if step < warm:
        return params.learning_rate * (step + 1) / warm
    return params.learning_rate * (total - step) / max(total - warm, 1)


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean log-loss of probabilities of label 1."""
    bounded = np.clip(scores, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(labels == 1, np.log(bounded), np.log(1 - bounded))))


def _make_optimizer(model: Any, params: TransformerParams) -> Any:
    import torch

    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    plain = ("bias", "LayerNorm.weight", "layer_norm.weight")  # as `Trainer` does: no decay of these
    groups = [
        {
            "params": [weight for name, weight in named if not name.endswith(plain)],
            "weight_decay": params.weight_decay,
        },
        {"params": [weight for name, weight in named if name.endswith(plain)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)


def _optimizer_tensors(optimizer: Any) -> dict[str, Tensor]:
    held = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, values in held.items() for name, value in values.items()}


def _load_optimizer(optimizer: Any, tensors: dict[str, Tensor]) -> None:
    held: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split("/")
        held.setdefault(int(number), {})[name] = tensor
    value = optimizer.state_dict()
    value["state"] = held
    optimizer.load_state_dict(value)
