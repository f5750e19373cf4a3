"""The classifier that a name and the parameters mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from trialforge.core.errors import LearningError, ParameterError
from trialforge.core.params import PARAMS_FILE, read_params
from trialforge.embedding.factory import hash_model, load_encoder, model_folder
from trialforge.learning.boosting import BoostingClassifier
from trialforge.learning.linear import SupportVectorClassifier, VectorClassifier, WordClassifier
from trialforge.learning.modelcard import ModelCard, read_card
from trialforge.learning.params import ClassifierParams
from trialforge.learning.transformer import TransformerClassifier

if TYPE_CHECKING:
    from trialforge.learning.classifier import Classifier


def _embedding_logreg(params: ClassifierParams) -> Classifier:
    chosen = params.embedding_logreg
    section = "learning.classifiers.embedding-logreg.encoder"
    return VectorClassifier(chosen, load_encoder(chosen.encoder, section=section))


CLASSIFIERS: dict[str, Callable[[ClassifierParams], Classifier]] = {
    "tfidf-logreg": lambda params: WordClassifier(params.tfidf_logreg),
    "tfidf-svm": lambda params: SupportVectorClassifier(params.tfidf_svm),
    "embedding-logreg": _embedding_logreg,
    "gradient-boosting": lambda params: BoostingClassifier(params.gradient_boosting),
    "transformer": lambda params: TransformerClassifier(params.transformer),
}


def make_classifier(name: str, params: ClassifierParams) -> Classifier:
    """Return a new classifier.

    Raises:
        ParameterError: no classifier has that name.
        LearningError: its encoder is not on this machine.
    """
    if name not in CLASSIFIERS:
        raise ParameterError(f"no classifier {name!r}; there are {', '.join(CLASSIFIERS)}")
    try:
        return CLASSIFIERS[name](params)
    except (OSError, ParameterError) as error:
        raise LearningError(f"classifier `{name}` can't be made: {error}") from error


def model_settings(name: str, params: ClassifierParams) -> dict[str, object]:
    """Return the parameters of classifier `name` as plain values."""
    settings: dict[str, object] = getattr(params, name.replace("-", "_")).model_dump(mode="json")
    return settings


def load_classifier(folder: Path) -> Classifier:
    """Return a trained classifier from the folder that holds it and its card.

    The folder may come from anywhere: nothing in it can run, and nothing that it names is downloaded.

    Raises:
        LearningError: the folder holds no trained model, or its encoder is not on this machine, or lies in a
            folder that params.yaml does not name.
    """
    card = read_card(folder)
    classifier = make_classifier(card.model, _params_of(card, folder))
    classifier.load(folder)
    return classifier


def _params_of(card: ModelCard, folder: Path) -> ClassifierParams:
    """Return what a card sets, with an encoder that lies on this machine."""
    settings = dict(card.settings)
    if card.model == "transformer":  # its encoder was trained along and lies in the folder too
        settings |= {"backend": "transformers", "model": str(folder)}
    try:
        params = ClassifierParams.model_validate({card.model: settings})
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise LearningError(f"{folder}: its card has a wrong setting, `{where}`: {fault['msg']}") from None
    encoder = params.embedding_logreg.encoder
    if card.model == "embedding-logreg" and encoder.backend in ("transformers", "sentence-transformers"):
        _check_own(encoder.model, folder)
        try:
            local = model_folder(encoder.model, download=False)
        except ParameterError as error:
            raise LearningError(f"{folder}: its encoder is not on this machine: {error}") from error
        pin = encoder.sha256 or hash_model(local)
        found = encoder.model_copy(update={"model": str(local), "sha256": pin})
        line = params.embedding_logreg.model_copy(update={"encoder": found})
        params = params.model_copy(update={"embedding_logreg": line})
    return params


def _check_own(encoder: str, folder: Path) -> None:
    """Refuse a folder that only a card names as its encoder: it may hold anything."""
    if not Path(encoder).is_dir():
        return
    named: Any = read_params() if PARAMS_FILE.is_file() else None
    for key in ("learning", "classifiers", "embedding-logreg", "encoder", "model"):
        named = named.get(key) if isinstance(named, dict) else None
    if not isinstance(named, str) or Path(named).resolve() != Path(encoder).resolve():
        raise LearningError(
            f"{folder}: the folder {encoder} is not the encoder that {PARAMS_FILE} names",
            hint="set learning.classifiers.embedding-logreg.encoder to it, if you trust what lies there",
        )
