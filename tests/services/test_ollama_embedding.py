"""Embeddings by a real Ollama: its small language model gives vectors too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.ollama_model import MODEL
from trialforge.app.doctor import examine
from trialforge.core.errors import ParameterError, RetrievalError
from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams

pytestmark = pytest.mark.services
TEXTS = [
    "metformin in type 2 diabetes",
    "",
    "knee surgery " * 60,
    "α-β 試験 \x00 { }",
    "metformin in type 2 diabetes",
]


def make_params(**changes: object) -> EmbeddingParams:
    settings = {"backend": "ollama", "model": MODEL, "window": 32, "max_windows": 3}
    return EmbeddingParams.model_validate(settings | changes)


@pytest.fixture(autouse=True)
def _server(ollama_host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_host)


def test_of_several_hosts_the_first_embeds(ollama_host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST may name several for the language model; one must make all vectors."""
    monkeypatch.setenv("OLLAMA_HOST", f"{ollama_host}, http://127.0.0.1:9")
    assert load_encoder(make_params(), cache=None).encode(TEXTS[:1]).shape[0] == 1


def test_vectors_are_unit_rows_in_the_order_of_the_texts() -> None:
    encoder = load_encoder(make_params(), cache=None)
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[-1], atol=1e-5)
    assert vectors[0] @ vectors[2] < 0.999
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_encoder_does_not_wait_behind_chats_that_were_given_up(
    ollama_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server reads their prompts to the end, and holds the model for them for minutes."""
    monkeypatch.setattr("trialforge.embedding.ollama.ANSWER_SECONDS", 40.0)
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "a long and slow prompt " * 700}],
        "options": {"num_ctx": 4096},
    }
    for number in range(4):
        with suppress(httpx.ReadTimeout):  # the model is loaded before the first is given up
            httpx.post(f"{ollama_host}/api/chat", json=body, timeout=1 if number else 8, trust_env=False)
    assert load_encoder(make_params(), cache=None).encode(["metformin"]).shape[0] == 1


def test_digest_is_of_the_model_and_the_windows() -> None:
    digests = {load_encoder(make_params(window=window), cache=None).digest for window in (32, 32, 64)}
    assert len(digests) == 2


def test_missing_model_names_the_command_and_what_there_is() -> None:
    with pytest.raises(ParameterError, match=r"no 'no-such-model:latest'; it has: .*smollm2:135m") as caught:
        _ = load_encoder(make_params(model="no-such-model"), cache=None).digest
    assert caught.value.hint == "run: ollama pull no-such-model:latest"


def test_server_that_is_down_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    with pytest.raises(RetrievalError, match="does not answer") as caught:
        load_encoder(make_params(), cache=None).encode(["x"])
    assert "OLLAMA_HOST" in str(caught.value.hint)


def test_doctor_finds_the_encoder_on_the_first_host(ollama_host: str, tmp_path: Path) -> None:
    params = {"embedding": make_params().model_dump()}
    hosts = {"OLLAMA_HOST": f"{ollama_host},http://127.0.0.1:9"}
    found = [one for one in examine(tmp_path, params, hosts) if one.name.startswith("ollama")]
    assert [(one.name, one.state) for one in found][1:] == [("ollama models", "ok"), ("ollama", "note")]
    assert MODEL in found[1].detail
