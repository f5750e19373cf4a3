"""What is planted is read as such: copies, n-grams, canaries; and a broken gate says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from stages import measure
from tests.canaries import plant_canaries
from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import GateError, MetricError, ParameterError
from trialforge.core.files import write_json
from trialforge.core.params import load_section
from trialforge.quality.case import FREE_TEXTS, Case, Side, build_scale
from trialforge.quality.exposure import canary_share, rare_word_share
from trialforge.quality.leaks import outcome_share
from trialforge.quality.measurement import worst_records
from trialforge.quality.memorisation import (
    any_100,
    gap_to_test,
    longest_ngram,
    pool_50,
    real_unseen_25,
    shown_25,
    surely_known,
    unshown_25,
    worst_ngrams,
)
from trialforge.quality.params import NO_GATES, QualityParams
from trialforge.quality.privacy import PLANTED_RATES, calibration_table, copy_share, mark_copies
from trialforge.quality.registry import METRICS
from trialforge.trial.text import filled_fields

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
Parts = dict[str, pl.DataFrame]


def make_case(
    records: pl.DataFrame, parts: Parts, params: QualityParams, train: pl.DataFrame | None = None
) -> Case:
    train = parts["train"] if train is None else train
    scale = build_scale(filled_fields(train), train, params, VALIDATION, 1)
    sides = (Side(frame, scale) for frame in (records, train, parts["validation"], parts["test"]))
    return Case(*sides)


@pytest.mark.parametrize("rate", PLANTED_RATES)
def test_copies_planted_among_unseen_trials_read_as_their_rate(
    rate: float, parts: Parts, params: QualityParams
) -> None:
    honest = pl.concat([parts["test"], parts["synthetic"]]).head(100)
    case = make_case(honest, parts, params)
    honest = honest.filter(~mark_copies(case.candidates.texts, case))
    honest = pl.concat([honest, honest]).head(100)
    copies = round(rate * len(honest))
    planted = pl.concat([parts["train"].head(copies), honest.slice(copies)])
    found, clean = (copy_share(make_case(records, parts, params)) for records in (planted, honest))
    # Nothing but the copies is near train, so that the rate is read to the record.
    assert found.value - clean.value == pytest.approx(rate, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("held_out", [44, 80])
def test_the_calibration_of_a_run_reads_what_it_plants(
    held_out: int, parts: Parts, params: QualityParams
) -> None:
    few = parts | {"validation": parts["validation"].head(held_out)}
    table = calibration_table(make_case(parts["synthetic"], few, params))
    assert table["planted"].to_list() == list(PLANTED_RATES)
    assert table["n"].to_list() == [100] * 4
    # Held-out trials that are near-copies by chance may stand once more or less among the repeated ones.
    for planted, found in table.select("planted", "copies").iter_rows():
        assert found == pytest.approx(planted, abs=0.004)


def words(first: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(first, first + count))


def with_summary(frame: pl.DataFrame, texts: list[str]) -> pl.DataFrame:
    """Records whose prose is these texts alone."""
    named = frame.head(len(texts)).with_columns(summary=pl.Series(texts))
    others = [*(name for name in FREE_TEXTS if name in named.columns and name != "summary"), "interventions"]
    return named.with_columns(pl.lit(None, named.schema[name]).alias(name) for name in others)


def test_runs_of_50_and_100_words_are_told_by_where_they_come_from(
    parts: Parts, params: QualityParams
) -> None:
    source = {name: with_summary(parts[name], [words(place, 120)]) for name, place in
              (("train", 1000), ("validation", 2000), ("test", 3000))}  # fmt: skip
    records = with_summary(
        parts["synthetic"],
        [words(1000, 49), words(1000, 50), words(1010, 100), words(3000, 25), words(9000, 200),
         words(2000, 110)],
    ).with_columns(exemplars=pl.Series([[source["train"]["nct_id"][0]]] * 6))  # fmt: skip
    case = make_case(records, source, params)
    assert pool_50(case).value == pytest.approx(2 / 6)
    # One of train, one of the held-out trials.
    assert any_100(case).value == pytest.approx(2 / 6)
    assert longest_ngram(case).value == 100
    assert shown_25(case).value == pytest.approx(3 / 6)
    assert unshown_25(case).value == pytest.approx(1 / 6)
    ids = records["nct_id"]
    assert worst_ngrams(case, 2) == [
        f"{ids[5]}: 110 words of a validation trial", f"{ids[2]}: 100 words of a train trial",
    ]  # fmt: skip


def test_boilerplate_of_unseen_trials_is_told_from_memory_by_held_out_trials(
    parts: Parts, params: QualityParams
) -> None:
    source = {
        "train": with_summary(parts["train"], [words(1000, 60)]),
        "validation": with_summary(parts["validation"], [words(3000, 30), words(1000, 30), words(5000, 30)]),
        "test": with_summary(parts["test"], [f"{words(3000, 40)} {words(1000, 30)}"]),
    }
    case = make_case(with_summary(parts["synthetic"], [words(3005, 30), words(7000, 30)]), source, params)
    assert unshown_25(case).value == pytest.approx(1 / 2)
    # What train has as well does not count.
    assert real_unseen_25(case).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("field", ["detailed_description", "interventions"])
def test_no_rarely_filled_field_hides_a_copy_or_an_outcome(
    field: str, parts: Parts, params: QualityParams
) -> None:
    told = "The study was terminated early because of lack of efficacy."
    texts = [words(1000, 110), told, "", ""]
    record = {"type": "Drug", "name": "a drug", "other_names": []}
    value = pl.Series(texts) if field != "interventions" else pl.Series(
        [[record | {"description": text or None}] for text in texts], dtype=parts["train"].schema[field]
    )  # fmt: skip
    bare = with_summary(parts["synthetic"], [words(9000 + 50 * place, 20) for place in range(4)])
    train = with_summary(parts["train"], [words(1000, 120)])
    case = make_case(bare.with_columns(value.alias(field)), parts, params, train)
    assert any_100(case).value == pytest.approx(1 / 4)
    assert outcome_share(case).value == pytest.approx(1 / 4)


def test_a_run_goes_on_in_the_next_field_that_most_records_fill(parts: Parts, params: QualityParams) -> None:
    """Real trials have a text between the two that no record has."""
    between = {
        "secondary_outcomes": [[{"measure": "an outcome between them"}]],
        "criteria": [words(1060, 60)],
    }
    endpoint = pl.Series([[{"measure": words(1000, 60)}]], dtype=parts["train"].schema["primary_outcomes"])
    bare = {name: with_summary(parts[name], [""]) for name in ("train", "synthetic")}
    train = bare["train"].with_columns(
        endpoint.alias("primary_outcomes"),
        *(pl.Series(name, value, dtype=parts["train"].schema[name]) for name, value in between.items()),
    )
    records = bare["synthetic"].with_columns(
        endpoint.alias("primary_outcomes"), pl.Series("criteria", between["criteria"])
    )
    assert longest_ngram(make_case(records, parts, params, train)).value == 120


def test_runs_of_test_trials_open_the_gap_and_name_their_records(parts: Parts, params: QualityParams) -> None:
    source = {
        "train": with_summary(parts["train"], [words(1000 * place, 30) for place in (1, 2)]),
        "validation": parts["validation"],
        "test": with_summary(parts["test"], [words(1000 * place, 30) for place in (3, 4)]),
    }
    texts = [words(3000, 12), words(3000, 20), words(1000, 20), f"{words(2000, 13)} {words(4000, 25)}"]
    planted = make_case(with_summary(parts["synthetic"], texts), source, params)
    # The second alone knows a test trial and no train trial, the third a train trial alone.
    assert gap_to_test(planted).value == pytest.approx(0)
    knowing = make_case(with_summary(parts["synthetic"], [*texts[:2], texts[3]]), source, params)
    assert gap_to_test(knowing).value == pytest.approx(1 / 3)
    name = parts["synthetic"]["nct_id"][1]
    assert worst_records(knowing)["leakage.test_gap"] == [
        f"{name}: 20 words of a test trial, and no 13 of any of as many train trials"
    ]
    # One of three may be chance, and where validation trials have as much, the times have it.
    assert surely_known(knowing).value == 0
    told = [words(3000, 20), *[words(4000, 25)] * 7]
    records = with_summary(parts["synthetic"], told)
    assert surely_known(make_case(records, source, params)).value > 0.9
    newer = source | {"validation": with_summary(parts["validation"], told)}
    assert surely_known(make_case(records, newer, params)).value == 0


def test_canaries_planted_in_exemplars_are_counted_as_they_come_out(
    parts: Parts, params: QualityParams
) -> None:
    train, canaries = plant_canaries(parts["train"], parts["train"]["nct_id"], seed=3)
    shown = train["nct_id"].head(8).to_list()
    records = parts["synthetic"].head(4).with_columns(
        # Two exemplars each: the records repeat both canaries, one, that of another record, and none.
        exemplars=pl.Series([shown[2 * place : 2 * place + 2] for place in range(4)]),
        intervention=pl.lit("none of them"),
        summary=pl.Series([
            f"As {canaries[shown[0]]} and {canaries[shown[1]].upper()}.", f"As {canaries[shown[2]]}.",
            f"As {canaries[shown[0]]}.", "As none.",
        ]),
    )  # fmt: skip
    case = make_case(records, parts, params, train)
    found = canary_share(case)
    assert (found.value, found.n) == (3 / 8, 8)
    assert rare_word_share(case).value == pytest.approx(2 / 4)
    # A prompt that cut two of the three away, one of which a reason told, showed two.
    prompts = [[canaries[shown[0]], "cut"], ["cut", "cut"], ["cut", "cut"], ["cut", "cut"]]
    told = pl.DataFrame({"reasons_id": ["R-1"], "reasons": [[{"text": f"It had {canaries[shown[2]]}."}]]})
    cut = records.with_columns(shown=pl.Series(prompts), reasons_id=pl.Series(["R-0", "R-1", "R-0", "R-0"]))
    case = replace(make_case(cut, parts, params, train), reasons=told)
    found = canary_share(case)
    assert (found.value, found.n) == (1, 2)
    assert rare_word_share(case).value == pytest.approx(2 / 4)
    # Records that name no reasons were shown their exemplars alone.
    bare = make_case(cut.drop("reasons_id", strict=False), parts, params, train)
    found = canary_share(replace(bare, reasons=told))
    assert (found.value, found.n) == (1, 1)
    with pytest.raises(MetricError, match="no exemplar holds a planted canary"):
        canary_share(make_case(records, parts, params))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_broken_gate_fails_the_stage_with_a_table_of_what_by_how_much_and_which_records(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["quality"] |= {"bootstrap": 100, "permutations": 19, "max_trials_drawn": 10, "folds": 2}
    # A measure that is in the table of measures, not among the headlines.
    values["quality"]["gates"]["memorisation.train_50"] = {"max": 0.5}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    copies = parts["train"].head(12).with_columns(nct_id=pl.concat_str(pl.lit("SYN-"), "nct_id"))
    frames = {name: parts[name].head(40) for name in ("train", "validation", "test")}
    held_back = parts["validation"].tail(20)
    frames |= {"held-back": held_back, "drafts": held_back}
    frames |= {"synthetic": copies, "exemplars": copies.select("nct_id"), "reasons": copies.select("nct_id")}
    for name, frame in frames.items():
        frame.write_parquet(f"{name}.parquet")
    write_json({"acceptance_rate": 1.0}, Path("validation.json"))
    inputs = [f"--{name}={name}.parquet" for name in frames if name != "synthetic"]
    with pytest.raises(GateError) as caught:
        measure.main(
            ["synthetic.parquet", *inputs, "--validated=validation.json", "--metrics=q.json", "--plots=plots"]
        )
    message = str(caught.value)
    lines = {
        line.split()[0]: line.split()
        for line in message.splitlines()
        if line.startswith(("mem", "priv", "copies"))
    }
    assert lines["privacy.copies"][1:] == ["1", "at", "most", "0.01", "0.99"]
    assert lines["copies.fields"][2:5] == ["at", "most", "0"]
    assert lines["memorisation.train_50"][1:] == ["1", "at", "most", "0.5", "0.5"]
    assert f"{copies['nct_id'][0]}: 100% of the n-grams of {parts['train']['nct_id'][0]}" in message
    assert "words" in message
    assert "quality.gates in params.yaml" in message
    # The figures are there for whoever looks why.
    assert Path("q.json").is_file()


@pytest.mark.parametrize("name", NO_GATES)
def test_a_distance_to_the_closest_record_is_never_a_gate(name: str, tmp_path: Path) -> None:
    assert name in METRICS
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["quality"]["gates"][name] = {"max": 0.05}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(
        ParameterError, match=f"{name} is a distance to the closest record .* can't be a gate"
    ):
        load_section(QualityParams, "quality", tmp_path / "params.yaml")
