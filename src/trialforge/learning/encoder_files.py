"""A fine-tuned encoder on disk: numbers of its configuration, weights, and the tokeniser's own JSON.

`from_pretrained` would read whatever else a folder holds: adapters, pickles, code, names of other models. So
the network is made from a configuration of plain fields, and its weights must be exactly those of the file.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import LearningError
from trialforge.core.files import atomic_path, write_json, write_text
from trialforge.learning.storage import check_size, naming_faults, read_value
from trialforge.learning.tokenizer_file import read_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
MOST_WEIGHT_BYTES = 16 << 30
# Larger than any vocabulary; a greater number in a configuration only fills the memory.
MOST = 10_000_000


def write_encoder(network: Any, tokenizer: Tokenizer, pad: int, folder: Path) -> None:
    """Write the three files."""
    import json

    from safetensors.torch import save
    from tokenizers import Tokenizer

    plain = {"model_type", *(field.name for field in fields(network.config))}
    config = json.loads(network.config.to_json_string())
    write_json({name: value for name, value in config.items() if name in plain}, folder / CONFIG)
    weights = {name: tensor.cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))
    padded = Tokenizer.from_str(tokenizer.to_str())
    padded.enable_padding(pad_id=pad)
    write_text(padded.to_str(pretty=True), folder / TOKENIZER)


def read_encoder(folder: Path) -> tuple[Any, Tokenizer, int]:
    """Return network, tokeniser and the number of the padding token, as `write_encoder` wrote them.

    Raises:
        LearningError: a file is absent, too long or damaged, or the three don't fit each other.
    """
    check_size(folder / WEIGHTS, MOST_WEIGHT_BYTES)
    with naming_faults(f"{folder} holds no encoder that can be read"):
        network = _read_network(folder)
        tokenizer, pad = read_tokenizer(folder / TOKENIZER, network.config.vocab_size)
    return network, tokenizer, pad


def _read_network(folder: Path) -> Any:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification

    names = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        stored = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
    config = _read_config(folder / CONFIG, tensors=len(stored))

    def make() -> Any:
        return AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32, trust_remote_code=False
        )

    with torch.device("meta"):  # shapes without memory: what they would take must be in the file
        due = {name: (names.get(one.dtype), tuple(one.shape)) for name, one in make().state_dict().items()}
    if stored != due:
        wrong = sorted({name for name, _ in stored.items() ^ due.items()})
        raise LearningError(f"{folder / WEIGHTS} does not fit {CONFIG}: {wrong[0]} and {len(wrong) - 1} more")
    network = make()
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network


def _read_config(path: Path, tensors: int) -> Any:
    from transformers import CONFIG_MAPPING

    values = read_value(path, dict[str, Any])
    kind = values.pop("model_type", None)
    if kind not in CONFIG_MAPPING:
        raise LearningError(f"{path}: {kind!r} is not a type of model that transformers knows")
    known = {field.name for field in fields(CONFIG_MAPPING[kind])}
    unknown = sorted(set(values) - known)
    if unknown:
        raise LearningError(f"{path}: {unknown[0]!r} is not a field of {kind}")
    for name, value in values.items():
        most = tensors if "layers" in name else MOST  # a layer without weights is none
        if any(abs(number) > most for number in _integers(value)):
            raise LearningError(f"{path}: `{name}` is out of bounds")
    return CONFIG_MAPPING[kind](**{**values, "num_labels": 2})


def _integers(value: Any) -> list[int]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [number for one in inner for number in _integers(one)]
    return [value] if isinstance(value, int) else []
