from __future__ import annotations

import pytest

from trialforge.core.errors import ArtifactError
from trialforge.scoring.summary import summarise

MADE = {"made_from": {"synthetic": "b" * 64}}

SCORE = MADE | {
    "primary": {
        "metric": "pr_auc",
        "model": "tfidf-svm",
        "arm": "augmented",
        "against": "real",
        "effect": -0.01234,
        "low": -0.02,
        "high": 0.0049,
    },
    "pr_auc": {"tfidf-svm.real": 0.71239, "tfidf-svm.augmented": 0.7, "tfidf-logreg.real": 0.9},
}


def test_the_summary_follows_the_declared_comparison() -> None:
    found = summarise(
        MADE | {"accepted": 24, "acceptance_rate": 0.9231}, MADE | {"fidelity.form_auc": 0.99934}, SCORE
    )
    assert found == {
        "synthetic": 24,
        "acceptance_rate": 0.923,
        "copied_ngrams": None,
        "membership_gain": None,
        "form_auc": 0.999,
        "style_auc": None,
        "content_auc": None,
        "label_fidelity": None,
        "pr_auc.real": 0.712,
        "pr_auc.augmented": 0.7,
        "effect": -0.012,
        "low": -0.02,
        "high": 0.005,
    }


def test_a_summary_of_several_runs_is_refused() -> None:
    other = {"made_from": {"synthetic": "a" * 64}}
    refused = "metrics/quality.json was computed from another version of data/synthetic.parquet"
    with pytest.raises(ArtifactError, match=refused) as caught:
        summarise(MADE, other, SCORE)
    assert "dvc repro measure" in str(caught.value.hint)
