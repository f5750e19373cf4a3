"""Fine-tuning that a kill can't undo: the state after each epoch, as one safetensors file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FILE = "state.safetensors"


@dataclass
class State:
    """Where fine-tuning is.

    Attributes:
        epoch: epochs done.
        losses: validation log-loss after each epoch.
        model, optimizer, best: tensors by name; `best` is the model of the least loss.
    """

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The epoch of the least validation loss, from 0."""
        return self.losses.index(min(self.losses))

    def exhausted(self, epochs: int, patience: int | None) -> bool:
        """Whether to stop: all epochs are done, or the loss has not fallen for `patience` of them."""
        if self.epoch >= epochs:
            return True
        if patience is None or not self.losses:
            return False
        return len(self.losses) - 1 - self.best_epoch >= patience


def write_state(state: State, folder: Path) -> None:
    """Write the state, whole or not at all."""
    from safetensors.torch import save

    groups = {"model": state.model, "optimizer": state.optimizer, "best": state.best}
    tensors = {
        f"{group}/{name}": tensor.contiguous().clone()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    about = json.dumps({"epoch": state.epoch, "losses": state.losses})
    with atomic_path(folder / FILE) as temporary:
        temporary.write_bytes(save(tensors, metadata={"about": about}))


def read_state(folder: Path) -> State | None:
    """Return the last state, or None if there is none."""
    from safetensors import safe_open

    if not (folder / FILE).is_file():
        return None
    with safe_open(folder / FILE, framework="pt") as file:
        about = json.loads(file.metadata()["about"])
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "best": {}}
        for key in file.keys():  # noqa: SIM118 - the file is no mapping
            group, name = key.split("/", 1)
            groups[group][name] = file.get_tensor(key)
    return State(about["epoch"], about["losses"], groups["model"], groups["optimizer"], groups["best"])
