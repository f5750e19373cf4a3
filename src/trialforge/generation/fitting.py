"""Exemplars cut to what the model's context has left for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.budget import fit_to_budget
from trialforge.generation.rendering import record_json

# Registry English has 3.5 or more in the vocabularies of the models tried, JSON and numbers included. The
# engine counts exactly before each call, and refuses what still doesn't fit.
BYTES_PER_TOKEN = 3
FRAME_TOKENS = 500  # of a prompt beside its exemplars' fields and its reasons, and of what the engine adds


def count_at_most(text: str) -> int:
    """Return a bound of the tokens of a text, which is the same for every model and costs no call."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def fit_views(views: Sequence[Mapping[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """Return exemplars in the shape of a draft that take at most `tokens` together.

    Fields go as `fit_to_budget` says, the last first; a text is cut at a word and marked, a list or a
    mapping that doesn't fit whole is left out.
    """
    texts = [{name: _text(name, value) for name, value in view.items()} for view in views]
    fitted = fit_to_budget(texts, count_at_most, tokens).records
    return [
        {
            name: value if kept[name] == text[name] else kept[name].removeprefix(f"{name} ")
            for name, value in view.items()
            if name in kept and (kept[name] == text[name] or isinstance(value, str))
        }
        for view, text, kept in zip(views, texts, fitted, strict=True)
    ]


def _text(name: str, value: Any) -> str:
    return f"{name} {value if isinstance(value, str) else record_json(value)}"
