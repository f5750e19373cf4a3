"""Any text model that `transformers` or `sentence-transformers` loads without code of the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trialforge.embedding.torch_encoder import TorchModel, mean_of_tokens

if TYPE_CHECKING:
    from torch import Tensor


def load_transformer(model: str) -> TorchModel:
    """Read a model of `transformers`; a text's vector is the mean of its last hidden states."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    network: Any = AutoModel.from_pretrained(model, dtype="float32", trust_remote_code=False).eval()

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        return mean_of_tokens(network(input_ids=ids, attention_mask=mask).last_hidden_state, mask)

    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    return TorchModel(tokenizer.backend_tokenizer, forward)


def load_sentence_transformer(model: str) -> TorchModel:
    """Read a model of `sentence-transformers`, with the pooling that it declares."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    network: Any = SentenceTransformer(model, device="cpu", trust_remote_code=False).float().eval()

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        vectors: Tensor = network({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return vectors

    return TorchModel(network.tokenizer.backend_tokenizer, forward)
