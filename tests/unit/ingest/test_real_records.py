"""Real registry records: all are read, as another reader reads them, and broken ones break nothing."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.ingest import read_again
from trialforge.ingest.population import PopulationParams, left_out
from trialforge.ingest.registry import Chunk, Found
from trialforge.ingest.source import BATCH_SCHEMA, Batch
from trialforge.trial.record import frame_to_trials

pytestmark = pytest.mark.shared
XML = "ctgov/AllPublicXML.sample.zip"
API = "ctgov/studies_v2.jsonl.gz"
AACT = "aact/aact.sample.zip"
NOT_COMPARED = {"source", "file", *(name for name in BATCH_SCHEMA if name.startswith("label"))}


@pytest.fixture(scope="module")
def xml_trials(read_real: Callable[[str], Batch]) -> pl.DataFrame:
    batch = read_real(XML)
    assert batch.refused.is_empty()
    return batch.trials


@pytest.fixture(scope="module")
def api_trials(read_real: Callable[[str], Batch]) -> pl.DataFrame:
    batch = read_real(API)
    assert batch.refused.is_empty()
    return batch.trials


@pytest.fixture(scope="module")
def aact_trials(read_real: Callable[[str], Batch]) -> pl.DataFrame:
    batch = read_real(AACT)
    # One trial of 99,999,999 people.
    assert batch.refused.select("record", "reason").rows() == [("NCT03014427", "absurd_enrolment")]
    return batch.trials


def read_lines(shared_data: Path) -> list[bytes]:
    return gzip.decompress((shared_data / API).read_bytes()).splitlines()


def check_same(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(row) - NOT_COMPARED == set(expected)
    for name, value in expected.items():
        if isinstance(value, float):
            assert row[name] == pytest.approx(value), (row["nct_id"], name)
        else:
            assert row[name] == value, (row["nct_id"], name)


def test_every_xml_record_is_read(xml_trials: pl.DataFrame) -> None:
    assert xml_trials.height == xml_trials["nct_id"].n_unique() == 4665
    assert xml_trials.filter(status="Completed").height == 3887
    assert xml_trials.filter(status="Terminated").height == 318
    assert xml_trials.filter(status="Withdrawn").height == 96
    assert xml_trials["primary_analyses"].list.len().sum() > 200


def test_every_study_is_read(api_trials: pl.DataFrame) -> None:
    assert api_trials.height == api_trials["nct_id"].n_unique() == 388


def test_every_trial_of_aact_is_read(aact_trials: pl.DataFrame) -> None:
    assert aact_trials.height == aact_trials["nct_id"].n_unique() == 6697
    assert dict(aact_trials["study_type"].value_counts().iter_rows()) == {
        "Interventional": 5227, "Observational": 1469, "Expanded Access": 1,
    }  # fmt: skip
    assert aact_trials.filter(pl.col("phase").is_null()).height == 1470
    assert aact_trials.filter(phase="N/A").height == 2340, "N/A of before, Not Applicable of now"
    assert aact_trials.filter(status="Completed").height == 2183
    assert aact_trials["status"].null_count() == 2420
    assert aact_trials["conditions"].list.len().sum() == 11307
    assert aact_trials["interventions"].list.len().sum() == 11543
    outcomes = aact_trials.select(pl.col("primary_outcomes", "secondary_outcomes").list.len().sum()).row(0)
    assert outcomes == (7590, 15612)
    left, _ = left_out(PopulationParams())
    assert aact_trials.select(left.alias("why"))["why"].null_count() == 2887


@pytest.fixture(scope="module")
def aact_tables(shared_data: Path) -> read_again.Tables:
    return read_again.read_aact(shared_data / AACT)


def test_aact_fields_are_those_of_another_reader(
    aact_tables: read_again.Tables, aact_trials: pl.DataFrame
) -> None:
    ids = set(random.Random(50).sample(sorted(aact_tables["studies"]), 200))
    for row in aact_trials.filter(pl.col("nct_id").is_in(ids)).iter_rows(named=True):
        expected = read_again.read_aact_trial(row["nct_id"], aact_tables)
        assert {name: row[name] for name in expected} == expected


def test_no_word_of_aact_is_lost(aact_tables: read_again.Tables, aact_trials: pl.DataFrame) -> None:
    for nct_id, criteria, summary in aact_trials.select("nct_id", "criteria", "summary").iter_rows():
        for read, table, column in (
            (criteria, "eligibilities", "criteria"), (summary, "brief_summaries", "description"),
        ):  # fmt: skip
            (written,) = (row[column] for row in aact_tables[table][nct_id])
            assert read_again.words(read) == read_again.words(written), nct_id


def test_every_record_is_a_valid_trial(
    xml_trials: pl.DataFrame, api_trials: pl.DataFrame, aact_trials: pl.DataFrame
) -> None:
    assert len(frame_to_trials(aact_trials[::10])) == 670
    assert len(frame_to_trials(xml_trials[::10])) == 467
    assert len(frame_to_trials(api_trials)) == 388


def test_xml_fields_are_those_of_another_reader(shared_data: Path, xml_trials: pl.DataFrame) -> None:
    chosen = random.Random(50).sample(range(xml_trials.height), 50)
    with_results = (
        xml_trials.with_row_index().filter(pl.col("primary_analyses").list.len() > 0)["index"].to_list()
    )
    with zipfile.ZipFile(shared_data / XML) as file:
        names = file.namelist()
        for place in [*chosen, *with_results[:10]]:
            check_same(xml_trials.row(place, named=True), read_again.read_xml(file.read(names[place])))


def test_api_fields_are_those_of_another_reader(shared_data: Path, api_trials: pl.DataFrame) -> None:
    studies = [json.loads(text) for text in read_lines(shared_data)]
    with_results = [place for place, study in enumerate(studies) if "resultsSection" in study]
    for place in [*random.Random(50).sample(range(len(studies)), 50), *with_results]:
        check_same(api_trials.row(place, named=True), read_again.read_study(studies[place]))


def mutate(data: bytes, stream: random.Random) -> bytes:
    """Break a record in one of the ways in which files break."""
    text = bytearray(data)
    start, end = sorted(stream.randrange(len(text)) for _ in range(2))
    match stream.randrange(8):
        case 0:
            del text[end:]
        case 1:
            del text[start : min(end, start + 200)]
        case 2:
            text[start:start] = bytes(stream.randrange(256) for _ in range(stream.randrange(1, 20)))
        case 3:
            for _ in range(stream.randrange(1, 30)):
                text[stream.randrange(len(text))] = stream.randrange(256)
        case 4:
            text[start:start] = text[start : min(end, start + 500)]
        case 5:  # a value becomes another value
            quotes = [place for place, letter in enumerate(text) if letter in b'>"'][:-1]
            place = stream.choice(quotes) + 1
            text[place:place] = stream.choice(
                [b"-1", b"99999999999999999999", b"[]", b"NaN", b"<a>", b'":{', b"0"]
            )
        case 6:  # a number becomes another number
            digits = [place for place, letter in enumerate(text) if letter in b"0123456789"]
            text[stream.choice(digits)] = stream.choice(b"0123456789.-e")
        case _:
            text = (
                bytearray(stream.choice([b"[1]", b"{}", b"null", b'"a"', b"<a/>", b"\x00", b"\xff\xfe"]))
                + text[end:]
            )
    return bytes(text)


@pytest.mark.parametrize("kind", ["xml", "json"])
def test_broken_records_are_refused_or_read_and_raise_nothing(kind: str, shared_data: Path) -> None:
    stream = random.Random(1000)
    if kind == "xml":
        with zipfile.ZipFile(shared_data / XML) as file:
            originals = [file.read(name) for name in stream.sample(file.namelist(), 100)]
    else:
        originals = read_lines(shared_data)[::4]
    originals = [data for data in originals if len(data) < 60_000]
    broken = [
        Found("all", str(number), kind, mutate(stream.choice(originals), stream)) for number in range(500)
    ]
    batch = Chunk(broken).read()
    files = Counter(batch.trials["file"]) + Counter(set(batch.refused["file"]) - set(batch.trials["file"]))
    assert files == Counter(found.name for found in broken)
    assert batch.refused.height > 200
    assert batch.trials.height > 20
    frame_to_trials(batch.trials)
