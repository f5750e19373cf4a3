from __future__ import annotations

import numpy as np
import pytest

from trialforge.embedding.factory import load_encoder, packaged_model
from trialforge.embedding.params import EmbeddingParams
from trialforge.errors import ParameterError


def test_packaged_model_absent_says_how_to_get_it() -> None:
    with pytest.raises(ParameterError, match=r"no installed package 'no-such-model'"):
        packaged_model("no-such-model")


def test_packaged_encoder_gives_unit_rows_that_know_meaning() -> None:
    encoder = load_encoder(EmbeddingParams())
    vectors = encoder.encode(["metformin in type 2 diabetes", "a drug for high blood sugar", "knee surgery"])
    assert vectors.shape == (3, encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
