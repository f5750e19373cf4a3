"""The forward pass of BERT (Devlin 2018) in plain PyTorch, for the packaged sentence embedder.

`transformers` computes the same, but its import alone takes longer than embedding a thousand trials.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialforge.embedding.torch_encoder import TorchModel, mean_of_tokens

if TYPE_CHECKING:
    from torch import Tensor


def load_bert(folder: Path) -> TorchModel:
    """Read weights and tokeniser of a BERT with absolute positions, mean-pooled."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "model.safetensors")
    return TorchModel(Tokenizer.from_file(str(folder / "tokenizer.json")), bert_forward(weights, config))


def bert_forward(weights: dict[str, Tensor], config: dict[str, Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return `forward(ids, mask)`: the mean of the last layer's hidden states, one row a text."""
    from torch.nn import functional

    heads, epsilon = int(config["num_attention_heads"]), float(config["layer_norm_eps"])

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def normalise(x: Tensor, name: str) -> Tensor:
        shape = (x.shape[-1],)
        return functional.layer_norm(x, shape, weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)

    def attend(x: Tensor, bias: Tensor, name: str) -> Tensor:
        rows, length, width = x.shape
        query, key, value = (
            linear(x, f"{name}.self.{part}").view(rows, length, heads, width // heads).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        joined = linear(mixed.transpose(1, 2).reshape(rows, length, width), f"{name}.output.dense")
        return normalise(joined + x, f"{name}.output.LayerNorm")

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        name = "embeddings"
        x = weights[f"{name}.word_embeddings.weight"][ids]
        x = x + weights[f"{name}.position_embeddings.weight"][: ids.shape[1]]
        x = normalise(x + weights[f"{name}.token_type_embeddings.weight"][0], f"{name}.LayerNorm")
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e30
        for layer in range(int(config["num_hidden_layers"])):
            name = f"encoder.layer.{layer}"
            x = attend(x, bias, f"{name}.attention")
            inner = functional.gelu(linear(x, f"{name}.intermediate.dense"))
            x = normalise(linear(inner, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
        return mean_of_tokens(x, mask)

    return forward
