from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from trialforge.app.profile import read_profile
from trialforge.core.errors import LearningError
from trialforge.embedding.factory import hash_model
from trialforge.learning import transformer
from trialforge.learning.checkpoint import State
from trialforge.learning.classifier import FitTask
from trialforge.learning.examples import make_examples
from trialforge.learning.factory import make_classifier
from trialforge.learning.params import ClassifierParams, TransformerParams
from trialforge.learning.transformer import TransformerClassifier

from .conftest import BAD, GOOD

if TYPE_CHECKING:
    import polars as pl

ROOT = Path(__file__).parents[3]
FIELDS = ("phase", "criteria")


@pytest.fixture
def params(tiny_encoder: Path) -> TransformerParams:
    return TransformerParams(
        backend="transformers",
        model=str(tiny_encoder),
        sha256=hash_model(tiny_encoder),
        max_tokens=32,
        epochs=6,
        learning_rate=1e-2,
    )


@pytest.fixture
def task(parts: dict[str, pl.DataFrame], tmp_path: Path) -> FitTask:
    examples = {part: make_examples(trials, FIELDS) for part, trials in parts.items()}
    return FitTask(
        examples["train"], examples["validation"], seed=3, epoch_size=60, scratch=tmp_path / "state"
    )


def fitted(params: TransformerParams, task: FitTask) -> TransformerClassifier:
    classifier = TransformerClassifier(params)
    classifier.fit(task)
    return classifier


def test_fine_tuning_learns_what_the_words_tell(
    params: TransformerParams, task: FitTask, parts: dict[str, pl.DataFrame]
) -> None:
    test = make_examples(parts["test"], FIELDS)
    scores = fitted(params, task).predict(test)
    right = (scores > 0.5) == (test["label"].to_numpy() == 1)
    assert right.mean() > 0.75


KILLED = """
import os, signal, sys
import polars as pl
from pathlib import Path
from trialforge.learning import checkpoint, transformer
from trialforge.learning.classifier import FitTask
from trialforge.learning.params import TransformerParams
from trialforge.learning.transformer import TransformerClassifier

folder = Path(sys.argv[1])
def write_and_die(state, where):
    checkpoint.write_state(state, where)
    if state.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
transformer.write_state = write_and_die
params = TransformerParams.model_validate_json((folder / "params.json").read_text())
train, held = (pl.read_parquet(folder / f"{name}.parquet") for name in ("train", "held"))
TransformerClassifier(params).fit(FitTask(train, held, seed=3, epoch_size=60, scratch=folder / "state"))
"""


def test_a_killed_process_loses_one_epoch_at_most(
    params: TransformerParams, task: FitTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted(params, task).predict(task.validation)
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "params.json").write_text(params.model_dump_json())
    task.train.write_parquet(folder / "train.parquet")
    task.validation.write_parquet(folder / "held.parquet")
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    trained: list[int] = []
    monkeypatch.setattr(transformer, "write_state", lambda state, _: trained.append(state.epoch))
    resumed = FitTask(task.train, task.validation, task.seed, task.epoch_size, folder / "state")
    # The other process may add with another number of threads, so equal but for the last digits.
    np.testing.assert_allclose(fitted(params, resumed).predict(task.validation), whole, atol=1e-3)
    assert trained == [3, 4, 5, 6]


def test_a_saved_model_scores_as_before(params: TransformerParams, task: FitTask, tmp_path: Path) -> None:
    classifier = fitted(params, task)
    folder = tmp_path / "model"
    folder.mkdir()
    classifier.save(folder)
    again = TransformerClassifier(params)
    again.load(folder)
    np.testing.assert_array_equal(again.predict(task.validation), classifier.predict(task.validation))
    assert str(tmp_path.parent) not in (folder / "config.json").read_text()


def test_windows_read_the_words_that_truncation_leaves_out(params: TransformerParams) -> None:
    text = ["stable " * 40]
    cut = TransformerClassifier(params)
    cut.open_encoder(0)
    wide = TransformerClassifier(params.model_copy(update={"long_texts": "window", "max_windows": 2}))
    wide.open_encoder(0)
    assert [len(window) for window in cut.encode(text)[0].windows] == [32]
    assert [len(window) for window in wide.encode(text)[0].windows] == [32, 20]
    assert tuple(wide.logits(wide.encode(text)).shape) == (1, 2)


def test_windows_overlap_by_a_quarter_so_that_no_phrase_is_cut_in_both(params: TransformerParams) -> None:
    words = [*f"{GOOD} {BAD}".split(), "inclusion", "phase", "1", "2"] * 6
    wide = TransformerClassifier(params.model_copy(update={"long_texts": "window", "max_windows": 3}))
    wide.open_encoder(0)
    tokenizer = Tokenizer.from_file(str(Path(params.model) / "tokenizer.json"))
    tokens = tokenizer.encode(" ".join(words), add_special_tokens=False).ids
    first, last = map(tokenizer.token_to_id, ("[CLS]", "[SEP]"))
    windows = wide.encode([" ".join(words)])[0].windows
    # 32 tokens, 2 of them special; 8 are read again by the next window, so that it starts 22 later.
    assert windows == tuple((first, *tokens[start : start + 30], last) for start in (0, 22, 44))
    assert wide.encode(["stable"])[0].windows == ((first, tokenizer.token_to_id("stable"), last),)


def test_two_fits_from_one_seed_give_the_same_bytes_on_a_cpu(
    params: TransformerParams, task: FitTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    tasks = [
        replace(task, scratch=tmp_path / name, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    one, two, other = (fitted(params, each).predict(task.validation).tobytes() for each in tasks)
    assert one == two
    assert one != other


def test_a_gpu_is_used_where_torch_has_one(
    params: TransformerParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device `meta` stands in for a GPU: it holds shapes alone."""
    classifier = TransformerClassifier(params)
    monkeypatch.setattr(transformer, "choose_device", lambda: "meta")
    classifier.open_encoder(0)
    assert classifier.model.device.type == "meta"

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        assert {input_ids.device.type, attention_mask.device.type} == {"meta"}
        return SimpleNamespace(logits=torch.zeros((len(input_ids), 2), device="meta"))

    monkeypatch.setattr(classifier.model, "forward", forward)
    assert classifier.logits(classifier.encode(["stable disease", "stable"])).device.type == "meta"
    monkeypatch.undo()
    assert transformer.choose_device() == ("cuda" if torch.cuda.is_available() else "cpu")


def test_an_absent_encoder_is_named_before_training(tmp_path: Path) -> None:
    params = ClassifierParams(
        transformer=TransformerParams(backend="transformers", model=str(tmp_path / "biobert"))
    )
    with pytest.raises(LearningError, match=r"`transformer` can't be made.*biobert"):
        make_classifier("transformer", params)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.5), (1, 1.0), (2, 1.0), (6, 0.5), (9, 0.125)], ids=lambda value: str(value)
)
def test_the_rate_warms_up_and_falls_to_nothing(step: int, rate: float) -> None:
    params = TransformerParams(learning_rate=1.0, warmup_share=0.2)
    assert transformer.scheduled_rate(step, 10, params) == pytest.approx(rate)


def test_training_stops_when_the_loss_has_not_fallen_for_long_enough() -> None:
    assert not State(epoch=2, losses=[0.6, 0.7]).exhausted(epochs=9, patience=2)
    assert State(epoch=3, losses=[0.6, 0.7, 0.8]).exhausted(epochs=9, patience=2)
    assert State(epoch=9, losses=[0.1]).exhausted(epochs=9, patience=2)


def test_without_patience_all_epochs_run_and_the_best_is_kept(
    params: TransformerParams, task: FitTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    monkeypatch.setattr(transformer, "log_loss", lambda *_: next(losses))
    classifier = TransformerClassifier(params)
    classifier.open_encoder(task.seed)
    state = transformer.fine_tune(classifier, task)
    assert (state.epoch, state.best_epoch) == (6, 0)
    kept = classifier.model.state_dict()
    assert all(kept[name].equal(tensor) for name, tensor in state.best.items())


@pytest.mark.parametrize(("dropout", "used"), [(None, 0.1), (0.0, 0.0)], ids=["the encoder's own", "none"])
def test_attention_is_dropped_as_the_encoder_says_unless_told_otherwise(
    dropout: float | None, used: float, params: TransformerParams
) -> None:
    classifier = TransformerClassifier(params.model_copy(update={"attention_dropout": dropout}))
    classifier.open_encoder(0)
    assert classifier.model.config.attention_probs_dropout_prob == used


def test_the_profiles_fine_tune_for_all_epochs_of_the_paper_with_the_dropout_of_the_encoder() -> None:
    for name in ("real", "paper"):
        chosen = read_profile(name, ROOT / "profiles")["learning"]["classifiers"]["transformer"]
        found = TransformerParams.model_validate(chosen)
        assert (found.epochs, found.patience, found.attention_dropout) == (7, None, None)
        assert (found.learning_rate, found.batch_size, found.weight_decay) == (1e-5, 8, 0.01)
        assert (found.max_tokens, found.warmup_share) == (512, 0.0)
