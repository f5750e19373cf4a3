"""`trialforge compare`: two sets side by side, from files, from commits, and from somebody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dvc.repo import Repo

from tests.unit.quality.sections import VALIDATION, write_run
from trialforge.app import cli
from trialforge.app.compare import compare_records, comparison_rows
from trialforge.app.record_sets import read_reference, read_set
from trialforge.core.errors import ArtifactError
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS

# DVC's own tries warn of their next version.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, pl.DataFrame]) -> Iterator[Path]:
    """A folder with parameters, the real parts, a set and the copier's set: train trials word for word."""
    folder = tmp_path_factory.mktemp("compare")
    write_run(folder, parts)
    parts["train"].head(24).write_parquet(folder / "copies.parquet")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def compare(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(["compare", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    code, out, err = compare(capsys, *arguments, "--json")
    assert code == 0, err
    return {row["metric"]: row for row in json.loads(out)}


def lines_of(frame: pl.DataFrame, path: Path) -> None:
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in frame.iter_rows(named=True)))


@pytest.mark.usefixtures("folder")
def test_a_copier_is_told_from_an_honest_set_by_the_same_measures(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "data/synthetic.parquet", "copies.parquet")
    assert list(found) == list(METRICS)
    assert (found["privacy.copies"]["a_value"], found["privacy.copies"]["b_value"]) == (0, 1)
    coverage = found["fidelity.coverage"]
    assert coverage["a_low"] <= coverage["a_value"] <= coverage["a_high"]
    assert found["memorisation.any_100"]["b_value"] > 0
    assert "no record whose exemplars" in found["memorisation.shown_25"]["a_note"]


def test_json_lines_of_somebody_else_are_read_as_their_table_is(folder: Path) -> None:
    frame = pl.read_parquet("data/synthetic.parquet")
    lines_of(frame.drop("source"), folder / "theirs.jsonl")
    found = read_set("theirs.jsonl")
    assert set(found["source"]) == {"synthetic"}
    assert found.drop("source").equals(read_set("data/synthetic.parquet").drop("source"))


@pytest.mark.usefixtures("folder")
def test_the_table_shows_values_with_intervals_and_why_one_is_absent(params: QualityParams) -> None:
    names = ("fidelity.precision", "memorisation.longest_ngram", "memorisation.shown_25")
    some = {name: METRICS[name] for name in names}
    sets = read_set("copies.parquet"), read_set("data/synthetic.parquet")
    told: list[str] = []
    found = compare_records(
        sets, read_reference(Path("data"), 1, every=True), some, (params, VALIDATION), 1, told.append
    )
    assert told == list(names)
    precise, longest, shown = comparison_rows(found)
    assert precise[:4] == ("fidelity.precision", "higher", "1", "1 to 1")
    assert longest[3] == ""
    assert "no record whose exemplars" in shown[3]


@pytest.mark.usefixtures("folder")
def test_outs_of_two_commits_are_read_by_their_revision(
    parts: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nobody@example.org")
    subprocess.run(["git", "init", "-q", "."], check=True)
    with Repo.init(".") as repo:
        for number, name in enumerate(("train", "synthetic")):
            parts[name].write_parquet("set.parquet")
            repo.add("set.parquet")
            subprocess.run(["git", "add", "set.parquet.dvc"], check=True)
            subprocess.run(["git", "commit", "-q", "-m", f"set {number}"], check=True)
    for revision, name in (("HEAD~1", "train"), ("HEAD", "synthetic")):
        assert read_set(f"{revision}:set.parquet")["nct_id"].equals(parts[name]["nct_id"])
    with pytest.raises(ArtifactError, match="no commit 'nobranch'"):
        read_set("nobranch:set.parquet")
    with pytest.raises(ArtifactError, match=r"elsewhere\.parquet of commit HEAD can't be read"):
        read_set("HEAD:elsewhere.parquet")
    shutil.rmtree(".dvc/cache")
    Path("set.parquet").unlink()
    with pytest.raises(ArtifactError, match="neither locally nor on remote") as caught:
        read_set("HEAD~1:set.parquet")
    assert "dvc fetch" in str(caught.value)


LETTERS = "".join(json.dumps({"title": "abcdefgh"[n % 8], "label": n % 2}) + "\n" for n in range(24))


def test_titles_of_one_letter_lose_only_what_they_can_not_tell(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "letters.jsonl").write_text(LETTERS)
    found = measured(capsys, "letters.jsonl", "letters.jsonl")
    assert "empty vocabulary" in found["leakage.title_gap"]["a_note"]
    assert found["diversity.exact_copies"]["a_value"] is not None
    assert found["leakage.style_gap"]["a_value"] is not None


CASES = ROOT.parent / "shared" / "cases" / "12-compare"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
@pytest.mark.full
@pytest.mark.parametrize("path", sorted(CASES.glob("*.[cj]s*")), ids=lambda path: path.stem)
def test_odd_sets_give_a_value_or_say_why_not(path: Path, folder: Path, params: QualityParams) -> None:
    shutil.copy(path, folder)
    draws = params.model_copy(update={"bootstrap": 20, "permutations": 9, "folds": 2})
    found = compare_records(
        (read_set(path.name),) * 2,
        read_reference(Path("data"), 1, every=True),
        METRICS,
        (draws, VALIDATION),
        1,
    )
    assert found["metric"].to_list() == list(METRICS)
    for row in found.iter_rows(named=True):
        assert (row["a_value"] is None) == bool(row["a_note"])
        assert "nan" not in (row["a_note"] or "")
        assert not any(number != number for number in row.values())


def test_a_table_of_trials_as_csv_is_read_as_its_lines_are(folder: Path) -> None:
    (folder / "theirs.csv").write_text(
        "\ufefftitle,conditions,interventions,enrolment_planned,label\r\n"
        'One,"[""Cough""]","[""Drug A""]",12,1\r\n"Two\nlines",,,,0\r\n',
        newline="",
    )
    row = {"title": "One", "conditions": ["Cough"], "interventions": ["Drug A"]}
    lines = [row | {"enrolment_planned": 12, "label": 1}, {"title": "Two\nlines", "label": 0}]
    (folder / "same.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_set("theirs.csv").equals(read_set("same.jsonl"))
    assert read_set("theirs.csv")["interventions"][0][0]["name"] == "Drug A"


BAD = {
    "long.csv": ("title\none,two\n", "long.csv, line 2 is not a row of trials: it has more cells"),
    "latin.csv": ("title\n\udce9\n", "latin.csv is not a table in UTF-8"),
    "cell.csv": ("title,conditions\none,Cough\n", "cell.csv, line 2 is not a row of trials"),
    "absent.parquet": (None, "no file absent.parquet"),
    "set.tsv": ("a,b", "must end in one of .parquet, .jsonl"),
    "empty.jsonl": ("\n", "has no records"),
    "text.jsonl": ('{"title": "One"}\nnot json\n', "text.jsonl, line 2 is not a JSON object"),
    "list.jsonl": ("[1, 2]\n", "line 1 is not a JSON object"),
    "phase.jsonl": ('{"title": "One", "phase": "Phase 9"}\n', "line 1: `phase`"),
    "lineage.jsonl": ('{"title": "One", "exemplars": 3}\n', "exemplars"),
    "text.parquet": ("no table", "text.parquet is not a table of trials"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_set_that_can_not_be_read_is_named_with_its_fault(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = BAD[name]
    if content is not None:
        (folder / name).write_text(content, encoding="utf-8", errors="surrogateescape")
    code, _, err = compare(capsys, name, "copies.parquet")
    assert code == 1
    assert message in err


def test_sets_without_a_common_field_are_not_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.jsonl").write_text('{"summary": "One."}\n')
    (folder / "b.jsonl").write_text('{"criteria": "Two."}\n')
    code, _, err = compare(capsys, "a.jsonl", "b.jsonl")
    assert code == 1
    assert "A fills summary, B criteria" in err


@pytest.mark.usefixtures("folder")
def test_a_sample_of_the_reference_is_told_and_can_be_declined(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialforge.app.record_sets.MOST_REFERENCES", 30)
    monkeypatch.setattr("trialforge.quality.registry.METRICS", {"privacy.copies": METRICS["privacy.copies"]})
    code, out, err = compare(capsys, "copies.parquet", "data/synthetic.parquet")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "against a random sample: 30 of 60 train trials" in err
    code, _, err = compare(capsys, "copies.parquet", "data/synthetic.parquet", "--all")
    assert code == 0
    assert "random sample" not in err
