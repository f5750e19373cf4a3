"""Whole experiments: what is refused first, what is never trained twice, how long an arm trains."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from trialforge.core.errors import LearningError, ParameterError
from trialforge.core.params import load_section
from trialforge.embedding.factory import hash_model
from trialforge.learning import cells
from trialforge.learning.linear import WordClassifier
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import Tables, make_tables
from trialforge.learning.training import Training, train_experiments

if TYPE_CHECKING:
    import polars as pl

    from trialforge.learning.classifier import FitTask

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FIELDS = ("phase", "criteria")
ARMS: list[dict[str, Any]] = [
    {"name": "synthetic", "real": 0.0, "extra": "synthetic"},
    {"name": "augmented", "extra": "synthetic"},
    {"name": "duplicated", "extra": "duplicated"},
]


@pytest.fixture
def tables(parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame) -> Tables:
    return make_tables(parts, FIELDS, synthetic)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of training examples of each fit that happens."""
    sizes: list[int] = []
    fit = WordClassifier.fit

    def count(self: WordClassifier, task: FitTask) -> None:
        sizes.append(task.train.height)
        fit(self, task)

    monkeypatch.setattr(WordClassifier, "fit", count)
    return sizes


def experiment(arms: list[dict[str, Any]], model: str = "tfidf-logreg", **changes: Any) -> LearningParams:
    return LearningParams.model_validate(
        {
            "seeds": 2,
            "fields": FIELDS,
            "real_experiments": [],
            "synthetic_experiments": ["tried"],
            "models": [model],
            "experiments": {"tried": arms},
            "statistics": {"primary": {"arm": "augmented", "against": "synthetic", "model": model}},
        }
        | changes
    )


def training(
    folder: Path, arms: list[dict[str, Any]], model: str = "tfidf-logreg", **changes: Any
) -> Training:
    return Training(
        experiment(arms, model, **changes), ["tried"], model, 1, folder / "models", folder / "store"
    )


def test_of_changed_arms_only_these_are_trained_again(
    tables: Tables, fitted: list[int], tmp_path: Path
) -> None:
    first = train_experiments(training(tmp_path, ARMS), tables)
    # Two seeds each; a mix that no draw changes is one cell of a model without chance.
    assert sorted(fitted) == [20, 80, 80, 80]
    fitted.clear()
    assert train_experiments(training(tmp_path, ARMS), tables).equals(first)
    assert fitted == []
    changed = [*ARMS[:2], {**ARMS[2], "extra_count": 12}]
    again = train_experiments(training(tmp_path, changed), tables)
    assert fitted == [72, 72]
    kept = ["synthetic", "augmented"]
    assert again.filter(again["arm"].is_in(kept)).equals(first.filter(first["arm"].is_in(kept)))


def test_of_changed_classifiers_only_these_are_trained_again(
    tables: Tables, fitted: list[int], tmp_path: Path
) -> None:
    train_experiments(training(tmp_path, ARMS[:2]), tables)
    fitted.clear()
    train_experiments(training(tmp_path, ARMS[:2], classifiers={"tfidf-svm": {"penalties": [0.5]}}), tables)
    assert fitted == []
    train_experiments(
        training(tmp_path, ARMS[:2], classifiers={"tfidf-logreg": {"penalties": [0.5]}}), tables
    )
    assert sorted(fitted) == [20, 80]


@pytest.mark.parametrize("model", ["transformer", "embedding-logreg"])
def test_replaced_weights_of_an_encoder_train_again(
    model: str, tables: Tables, tiny_encoder: Path, tmp_path: Path
) -> None:
    """The folder keeps its name; what it holds decides."""
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))

    def pinned() -> Training:
        encoder = {"backend": "transformers", "model": str(folder), "sha256": hash_model(folder)}
        knobs = {
            "transformer": {**encoder, "max_tokens": 16, "epochs": 1},
            "embedding-logreg": {"encoder": {**encoder, "window": 32}},
        }
        return training(tmp_path, ARMS[:2], model, classifiers=knobs, seeds=1)

    train_experiments(pinned(), tables)
    kept = set((tmp_path / "store").iterdir())
    train_experiments(pinned(), tables)
    assert set((tmp_path / "store").iterdir()) == kept
    weights = load_file(folder / "model.safetensors")
    save_file({name: 2 * tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    train_experiments(pinned(), tables)
    assert len(set((tmp_path / "store").iterdir()) - kept) == len(kept) == 2


WORDS, ENCODED = "trialforge.learning.linear", "trialforge.learning.transformer"


def digests(package: Path) -> dict[str, str]:
    """The digest of each classifier's code as it lies in a folder now."""
    return {
        module: cells.code_digest.__wrapped__(module, encodes=module == ENCODED, package=package)
        for module in (WORDS, ENCODED)
    }


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A copy of the code, which a test leaves as it was, and its digests."""
    copy = Path(shutil.copytree(cells.PACKAGE, tmp_path_factory.mktemp("code") / "trialforge"))
    return copy, digests(copy)


def digests_after(package: Path, changed: str, edit: Callable[[str], str]) -> dict[str, str]:
    """The digests with a file edited."""
    file = package / changed
    before = file.read_text()
    file.write_text(edit(before))
    try:
        return digests(package)
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("changed", "retrained"),
    [
        ("core/rng.py", {WORDS, ENCODED}),
        ("trial/text.py", {WORDS, ENCODED}),
        ("learning/arms.py", {WORDS, ENCODED}),
        ("learning/words.py", {WORDS}),
        ("learning/transformer.py", {ENCODED}),
        ("embedding/torch_encoder.py", {ENCODED}),
        ("core/progress.py", set()),
        ("learning/modelcard.py", set()),
        ("learning/predictions.py", set()),
    ],
)
def test_an_edit_retrains_what_it_decides_and_nothing_else(
    changed: str, retrained: set[str], package: tuple[Path, dict[str, str]]
) -> None:
    copy, before = package
    after = digests_after(copy, changed, lambda source: f"{source}\nCHANGED = 1\n")
    assert {module for module in before if before[module] != after[module]} == retrained


def test_a_changed_comment_retrains_nothing(package: tuple[Path, dict[str, str]]) -> None:
    copy, before = package
    assert digests_after(copy, "learning/linear.py", lambda source: f"{source}\n# A comment.\n") == before


def test_a_changed_docstring_retrains_nothing(package: tuple[Path, dict[str, str]]) -> None:
    copy, before = package
    first = (copy / "learning" / "linear.py").read_text().splitlines()[0]
    assert first.startswith('"""')
    edited = digests_after(
        copy, "learning/linear.py", lambda source: source.replace(first, '"""Other words."""', 1)
    )
    assert edited == before


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            {"name": "no-reasoning", "extra": "synthetic", "generation_arm": "no-reasoning"},
            r"arm `no-reasoning` has no data: no synthetic trial of generation arm `no-reasoning` "
            r"\(there are: retrieval-reasoning\)",
        ),
        ({"name": "one", "real_count": 1}, "arm `one` has one class only: all 1 trials have the label"),
        ({"name": "nothing", "real": 0.0}, "arm `nothing` has no labelled trial"),
        ({"name": "many", "real_count": 400}, "arm `many` asks for 400 real trials and there are 60"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_an_arm_that_can_not_be_trained_stops_all_before_any_is(
    arm: dict[str, Any], message: str, tables: Tables, fitted: list[int], tmp_path: Path
) -> None:
    with pytest.raises(LearningError, match=message):
        train_experiments(training(tmp_path, [*ARMS, arm]), tables)
    assert fitted == []


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        ({"arm": "augmented"}, r"augmented-against-real: arm `real` is not trained; trained are synthetic, "),
        ({"arm": "hybrid", "against": "synthetic"}, r"arm `hybrid` is not trained"),
        (
            {"arm": "augmented", "against": "synthetic", "model": "tfidf-svm"},
            r"model `tfidf-svm` is not trained; trained are tfidf-logreg",
        ),
    ],
)
def test_a_question_about_what_is_not_trained_is_refused_with_the_parameters(
    primary: dict[str, str], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        experiment(ARMS, statistics={"primary": primary})
    declared = {"arm": "augmented", "against": "synthetic"}
    with pytest.raises(ValidationError, match=message):
        experiment(ARMS, statistics={"primary": declared, "secondary": [primary]})


def test_the_controls_left_out_while_asked_about_are_named_on_one_line(tmp_path: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["learning"]["synthetic_experiments"] = ["ratio"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ParameterError, match="arm `augmented` is not trained") as refused:
        load_section(LearningParams, "learning", tmp_path / "params.yaml")
    assert len(str(refused.value)) < 600


def test_an_absent_encoder_stops_all_before_any_is_trained(tables: Tables, tmp_path: Path) -> None:
    absent = {"transformer": {"backend": "transformers", "model": str(tmp_path / "biobert")}}
    asked = training(tmp_path, ARMS, "transformer", classifiers=absent)
    with pytest.raises(LearningError, match=r"`transformer` can't be made.*biobert"):
        train_experiments(asked, tables)
    assert not (tmp_path / "models").exists()


def test_a_nan_score_is_refused_and_never_kept(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = WordClassifier.predict
    monkeypatch.setattr(WordClassifier, "predict", lambda self, rows: predict(self, rows) * float("nan"))
    with pytest.raises(LearningError, match="tfidf-logreg gave NaN scores for arm `synthetic`"):
        train_experiments(training(tmp_path, ARMS), tables)
    assert list(tmp_path.rglob("scores.parquet")) == []


def test_every_arm_gets_as_many_optimiser_steps(
    tables: Tables, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    class Counted(torch.optim.AdamW):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            steps.append(0)

        def step(self, *args: Any, **kwargs: Any) -> Any:
            steps[-1] += 1
            return super().step(*args, **kwargs)

    monkeypatch.setattr("torch.optim.AdamW", Counted)
    pin = {"model": str(tiny_encoder), "sha256": hash_model(tiny_encoder)}
    encoder = {"backend": "transformers", **pin, "max_tokens": 16, "epochs": 2}
    asked = training(tmp_path, ARMS, "transformer", classifiers={"transformer": encoder}, seeds=1)
    train_experiments(asked, tables)
    assert steps == [2 * 8] * 3  # 2 epochs of 60 examples in batches of 8, whether an arm has 20 or 80
