"""Learning: how often nothing is called something, fine-tuning against plain `Trainer`, long texts."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from trialforge.core.params import load_section
from trialforge.core.rng import random_stream
from trialforge.embedding.factory import model_folder, packaged_model
from trialforge.learning.classifier import FitTask
from trialforge.learning.examples import make_examples
from trialforge.learning.factory import make_classifier
from trialforge.learning.params import Comparison, LearningParams, StatisticsParams
from trialforge.learning.transformer import TransformerClassifier, log_loss
from trialforge.scoring.bootstrap import draw_weights
from trialforge.scoring.comparisons import answer_each
from trialforge.scoring.scores import ArmScores, Resamples
from trialforge.simulation.corpus import simulate
from trialforge.simulation.model import best_roc_auc, success_probability
from trialforge.trial.leakage import registration_view

SEED = 31
COMPARISONS = 1000
TRAIN = int(os.environ.get("BENCH_FINETUNE_TRIALS", "96"))
HELD = TRAIN // 2
SEEDS = int(os.environ.get("BENCH_FINETUNE_SEEDS", "3"))


def main() -> None:
    """Print all figures."""
    _null_rates()
    _best_reachable()
    examples, _ = _examples(900)
    _long_texts(examples)
    _fine_tuning(examples)


def _null_rates() -> None:
    """Compare equally good arms of five seeds: significant by p, and claimed by the words of the report."""
    questions = StatisticsParams(primary=Comparison(arm="augmented"), draws=400)
    settings = (
        ("no chance in training", 0.0, 0.0, None), ("seeds differ a little", 0.1, 0.5, None),
        ("seeds differ a lot", 0.5, 0.5, None), ("clusters of four trials", 0.1, 0.5, 50),
    )  # fmt: skip
    for name, luck, noise, groups in settings:
        significant, claimed = [], []
        for number in range(COMPARISONS):
            stream = random_stream(SEED, "null", name, number)
            scores, clusters = _null_arms(stream, 200, luck, noise, groups)
            resamples = Resamples(draw_weights(clusters, 5, questions.draws, number))
            (answer,) = answer_each([questions.primary], scores, resamples, clusters, questions)
            significant.append(answer.p < 1 - questions.level)
            claimed.append(answer.verdict in ("better", "worse"))
        print(
            f"{COMPARISONS} null comparisons, five seeds, {name}: "
            f"{np.mean(significant):.1%} significant, {np.mean(claimed):.1%} claimed in words",
            flush=True,
        )


def _null_arms(
    stream: np.random.Generator, count: int, luck: float, noise: float, groups: int | None
) -> tuple[dict[tuple[str, str], ArmScores], np.ndarray]:
    labels = np.tile([0, 1], count // 2)
    shared = labels + stream.normal(size=count)
    names = np.arange(count) if groups is None else np.repeat(np.arange(groups), count // groups)
    arms = {}
    for arm in ("real", "augmented"):
        own = 0.3 * stream.normal(size=count)
        if groups is not None:
            own = own + 0.5 * stream.normal(size=groups)[names] * (1 - 2 * labels)
        seeds = luck * stream.normal(size=(5, 1)) * labels + noise * stream.normal(size=(5, count))
        arms["tfidf-logreg", arm] = ArmScores(
            "tfidf-logreg", arm, "null", labels, odds := shared + own + seeds, odds, np.full(5, 0.5)
        )
    return arms, names.astype(str)


def _params() -> LearningParams:
    return load_section(LearningParams, "learning")


def _examples(count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return examples of simulated trials, and the trials themselves."""
    trials = simulate(count, SEED)
    success = (pl.col("status") == "Completed").cast(pl.Int64).alias("label")
    view = registration_view(trials).with_columns(trials.select(success))
    return make_examples(view, _params().fields), trials.sort("nct_id")


def _best_reachable() -> None:
    examples, trials = _examples(7500)
    model = make_classifier("tfidf-logreg", _params().classifiers)
    model.fit(FitTask(examples[:5000], examples[5000:5500], 1, 5000))
    test = examples[5500:]
    reached = roc_auc_score(test["label"], model.predict(test))
    best = best_roc_auc(success_probability(trials)[5500:])
    print(f"tfidf-logreg, 5000 simulated trials: {reached:.4f}, best reachable {best:.4f}", flush=True)


def _long_texts(examples: pl.DataFrame) -> None:
    """Read the start of a text, or windows over all of it."""
    train, held, test = examples[:300], examples[300:400], examples[400:]
    params = _params().classifiers
    for windows in (1, 4):
        encoder = params.embedding_logreg.encoder.model_copy(update={"max_windows": windows, "window": 128})
        chosen = params.embedding_logreg.model_copy(update={"encoder": encoder})
        model = make_classifier("embedding-logreg", params.model_copy(update={"embedding_logreg": chosen}))
        _report(f"embedding-logreg, {windows} x 128 tokens", model, FitTask(train, held, 1, 300), test)
    for how in ("truncate", "window"):
        cut = params.transformer.model_copy(
            update={"max_tokens": 128, "long_texts": how, "max_windows": 3, "epochs": 2}
        )
        model = TransformerClassifier(cut)
        _report(f"transformer, 128 tokens, {how}", model, FitTask(train[:200], held, 1, 200), test[:200])


def _report(name: str, model: Any, task: FitTask, test: pl.DataFrame) -> None:
    start = time.perf_counter()
    model.fit(task)
    area = roc_auc_score(test["label"], model.predict(test))
    print(f"{name}: ROC-AUC {area:.4f}, {time.perf_counter() - start:.1f} s", flush=True)


def _fine_tuning(examples: pl.DataFrame) -> None:
    """Compare with `Trainer` as its guide uses it: every text padded to 512 tokens."""
    if find_spec("accelerate") is None:
        print("`Trainer` needs accelerate, which the project does not: the comparison is left out")
        print(
            "  uv pip install --target /tmp/accelerate --no-deps accelerate; PYTHONPATH=/tmp/accelerate ..."
        )
        return
    train, held = examples[:TRAIN], examples[TRAIN : TRAIN + HELD]
    chosen = _params().classifiers.transformer.model_copy(update={"max_tokens": 512, "epochs": 1})
    probe = TransformerClassifier(chosen)
    probe.open_encoder(0)
    tokens = sum(text.tokens for text in probe.encode(train["text"].to_list()))
    print(f"{TRAIN} texts, {tokens / TRAIN:.0f} tokens on average", flush=True)
    speeds: dict[str, list[float]] = {"ours": [], "Trainer": []}
    for seed in range(SEEDS):
        for name, fit in (("ours", _fit_ours), ("Trainer", _fit_trainer)):
            start, busy = time.perf_counter(), time.process_time()
            measure = fit(chosen, FitTask(train, held, seed, TRAIN))
            speeds[name].append(tokens / (time.perf_counter() - start))
            spent, loss = time.process_time() - busy, measure()
            about = f"{speeds[name][-1]:.0f} tokens of text/s, processor {spent:.0f} s, loss {loss:.4f}"
            print(f"  {name}, seed {seed}: {about}", flush=True)
    ratio = np.median(speeds["ours"]) / np.median(speeds["Trainer"])
    print(f"fine-tuning: {ratio:.2f} times Trainer")


def _fit_ours(params: Any, task: FitTask) -> Callable[[], float]:
    model = TransformerClassifier(params)
    model.fit(task)
    return lambda: log_loss(task.validation["label"].to_numpy(), model.predict(task.validation))


def _fit_trainer(params: Any, task: FitTask) -> Callable[[], float]:
    from datasets import Dataset
    from transformers import AutoTokenizer, Trainer, TrainingArguments

    packaged = params.backend == "packaged"
    folder = packaged_model(params.model) if packaged else model_folder(params.model)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = TransformerClassifier(params)
    model.open_encoder(task.seed)

    def encode(examples: pl.DataFrame) -> Dataset:
        found = tokenizer(examples["text"].to_list(), truncation=True, max_length=512, padding="max_length")
        return Dataset.from_dict({**found, "labels": examples["label"].to_list()})

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = TrainingArguments(
            output_dir=str(Path(folder)), num_train_epochs=params.epochs, seed=task.seed,
            per_device_train_batch_size=params.batch_size, learning_rate=params.learning_rate,
            weight_decay=params.weight_decay, lr_scheduler_type="linear", report_to="none", use_cpu=True,
            save_strategy="no", logging_strategy="no", disable_tqdm=True,
            per_device_eval_batch_size=32, eval_strategy="epoch",
        )  # fmt: skip
        trainer = Trainer(
            model=model.model,
            args=arguments,
            train_dataset=encode(task.train),
            eval_dataset=encode(task.validation),
        )
        trainer.train()
        return lambda: float(trainer.evaluate()["eval_loss"])


if __name__ == "__main__":
    main()
