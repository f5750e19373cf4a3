"""Every classifier trained for real on a small corpus, then asked by the command line about new trials."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.ingest.made_records import study_record, study_text, xml_record
from tests.unit.ingest.registry_server import Registry, serve
from trialforge.app import cli
from trialforge.app.predict import predict_trials
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_experiments

from .conftest import BAD, GOOD, MODELS, Trained

Answer = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run `trialforge predict ... --json`: exit code, answer and error."""

    def ask(*arguments: str | Path) -> tuple[int, Any, str]:
        code = cli.run(["predict", *map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return ask


def study(number: int, criteria: str) -> dict[str, Any]:
    record = study_record(f"NCT0900000{number}")
    record["protocolSection"]["eligibilityModule"]["eligibilityCriteria"] = criteria
    record["protocolSection"]["designModule"]["phases"] = ["PHASE2" if criteria.endswith(GOOD) else "PHASE1"]
    return record


@pytest.mark.parametrize("name", MODELS)
def test_a_trained_model_tells_new_trials_apart_and_says_by_what(
    name: str, trained: Trained, answer: Answer, tmp_path: Path
) -> None:
    folder, predicted = trained(name)
    assert predicted["score"].is_between(0, 1).all()
    files = {path.suffix for path in folder.iterdir()}
    assert files <= {".json", ".md", ".safetensors"}
    card = (folder / "README.md").read_text()
    assert "| trained on | 60 real |" in card
    assert "| held-out trials scored | 40;" in card
    lines = [json.dumps(study(number, f"Inclusion: {words}")) for number, words in enumerate((GOOD, BAD), 1)]
    (tmp_path / "new.jsonl").write_text("\n".join(lines))
    code, found, error = answer(tmp_path / "new.jsonl", "--model", folder)
    assert code == 0, error
    good, bad = found["predictions"]
    assert (good["nct_id"], bad["nct_id"]) == ("NCT09000001", "NCT09000002")
    assert good["probability"] > bad["probability"]
    assert found["refused"] == []
    features = [one["feature"] for one in good["influences"]]
    assert features
    if name.startswith("tfidf"):
        assert any(word in GOOD for feature in features for word in feature.split())


def test_a_fine_tuned_model_needs_no_other_file_than_its_own(
    small_params: LearningParams, parts: dict[str, pl.DataFrame], tiny_encoder: Path, tmp_path: Path
) -> None:
    encoder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    chosen = small_params.classifiers.transformer.model_copy(update={"model": str(encoder)})
    classifiers = small_params.classifiers.model_copy(update={"transformer": chosen})
    there = small_params.model_copy(update={"classifiers": classifiers})
    training = Training(there, ["real"], "transformer", 1, tmp_path / "models", tmp_path / "store")
    before = train_experiments(training, make_tables(parts, small_params.fields))
    shutil.rmtree(encoder)
    found = predict_trials(tmp_path / "models/real", parts["test"])
    expected = before.filter(part="test").sort("nct_id")["score"].round(6).to_list()
    assert [one.probability for one in found] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("own_params")
def test_a_loaded_model_scores_as_when_it_was_trained(
    name: str, small_params: LearningParams, parts: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    """Of two categories, too, whose names JSON turns round."""
    mixed = {
        part: trials.with_columns(
            pl.Series(
                "allocation", ["Randomized" if text.endswith("sex") else None for text in trials["criteria"]]
            )
        )
        for part, trials in parts.items()
    }
    training = Training(small_params, ["real"], name, 1, tmp_path / "models", tmp_path / "store")
    predicted = train_experiments(training, make_tables(mixed, small_params.fields))
    found = predict_trials(tmp_path / "models/real", mixed["test"])
    expected = predicted.filter(part="test").sort("nct_id")["score"].round(6).to_list()
    assert [one.probability for one in found] == expected


@pytest.mark.parametrize("name", ["tfidf-logreg", "embedding-logreg", "gradient-boosting", "transformer"])
def test_a_trial_without_any_text_gets_a_score_that_no_word_moved(
    name: str,
    trained: Trained,
    parts: dict[str, pl.DataFrame],
) -> None:
    folder, _ = trained(name)
    bare = (
        parts["test"]
        .head(2)
        .with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("phase", "criteria"))
    )
    found = predict_trials(folder, bare)
    assert [0 <= one.probability <= 1 for one in found] == [True, True]
    if name != "gradient-boosting":
        assert [one.influences for one in found] == [(), ()]


def test_xml_json_and_fetched_records_of_one_trial_get_one_answer(
    trained: Trained,
    answer: Answer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = trained("tfidf-logreg")
    (tmp_path / "one.xml").write_bytes(xml_record("NCT09000001"))
    (tmp_path / "one.json").write_bytes(study_text("NCT09000001"))
    with serve(Registry([study_record("NCT09000001")])) as registry:
        monkeypatch.setenv("REGISTRY_URL", registry.url)
        names = (tmp_path / "one.xml", tmp_path / "one.json", "nct09000001")
        found = [answer(name, "--model", folder)[1]["predictions"][0] for name in names]
        assert registry.queries[0]["filter.ids"] == "NCT09000001"
        code, both, _ = answer("NCT09000001", "NCT09000009", "--model", folder)
    assert found[0]["probability"] == found[1]["probability"] == found[2]["probability"]
    assert code == 0
    assert [row["reason"] for row in both["refused"]] == ["not_found"]
    assert both["refused"][0]["record"] == "NCT09000009"


def test_a_table_for_people_names_the_trial_and_what_moved_it(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained("tfidf-logreg")
    (tmp_path / "new.json").write_text(json.dumps([study(1, GOOD), {"protocolSection": {}}]))
    assert cli.run(["predict", str(tmp_path / "new.json"), "--model", str(folder)]) == 0
    heading, row, refused = capsys.readouterr().out.splitlines()
    assert heading.split() == ["trial", "success", "main", "influences"]
    assert row.startswith("NCT09000001  0.")
    assert "+" in row
    assert "refused" in refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.json", None, "no file or folder"),
        ("NCT123", None, "no file or folder"),
        ("bad.json", b"{", "nothing can be read from bad.json"),
        ("bad.xml", b"<clinical_study>", "nothing can be read from bad.xml"),
        ("notes.txt", b"a", "text that is not a registry record"),
    ],
)
def test_what_holds_no_trial_is_an_error_that_names_it(
    name: str, content: bytes | None, message: str, answer: Answer, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, found, error = answer(tmp_path / name)
    assert (code, found) == (1, None)
    assert message in json.loads(error)["error"]
    assert name in json.loads(error)["error"]


def test_a_folder_without_a_model_or_with_a_foreign_one_is_refused(
    trained: Trained, answer: Answer, tmp_path: Path
) -> None:
    (tmp_path / "one.json").write_bytes(study_text("NCT09000001"))
    code, _, error = answer(tmp_path / "one.json", "--model", tmp_path)
    assert code == 1
    assert "holds no trained model" in error
    folder, _ = trained("gradient-boosting")
    (folder / "words.safetensors").write_bytes(b"no weights")
    code, _, error = answer(tmp_path / "one.json", "--model", folder)
    assert code == 1
    assert "holds no weights" in error


def test_the_same_training_gives_the_same_bytes(
    small_params: LearningParams, parts: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    for run in ("one", "two"):
        store = tmp_path / f"store-{run}"
        training = Training(small_params, ["real"], "gradient-boosting", 1, tmp_path / run, store)
        train_experiments(training, make_tables(parts, small_params.fields))
    one, two = tmp_path / "one", tmp_path / "two"
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files
    assert [file for file in files if (one / file).read_bytes() != (two / file).read_bytes()] == []
