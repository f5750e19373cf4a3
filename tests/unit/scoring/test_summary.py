from __future__ import annotations

from trialforge.scoring.summary import summarise

SCORE = {
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
        {"accepted": 24, "acceptance_rate": 0.9231}, {"fidelity.two_sample_auc": 0.99934}, SCORE
    )
    assert found == {
        "synthetic": 24,
        "acceptance_rate": 0.923,
        "two_sample_auc": 0.999,
        "copied_ngrams": None,
        "membership_gain": None,
        "pr_auc.real": 0.712,
        "pr_auc.augmented": 0.7,
        "effect": -0.012,
        "low": -0.02,
        "high": 0.005,
    }
