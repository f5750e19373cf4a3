"""Fine-tuning with equal steps in every arm, early stopping, and a state that survives a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.core.progress import Progress
from trialforge.core.rng import derive_seed, random_stream
from trialforge.learning.batches import bucket, draw_epoch
from trialforge.learning.checkpoint import State, read_state, write_state

if TYPE_CHECKING:
    from torch import Tensor

    from trialforge.learning.batches import Encoded
    from trialforge.learning.classifier import Task
    from trialforge.learning.params import TransformerParams
    from trialforge.learning.transformer import TransformerClassifier


def fine_tune(classifier: TransformerClassifier, task: Task) -> State:
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
                state.best = _copy(model.state_dict())
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
    task: Task,
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


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
