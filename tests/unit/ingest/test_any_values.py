"""Records whose fields say anything at all: each is a valid trial, or a refused row."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ingest.made_records import study_record, study_text, xml_record
from trialforge.ingest.registry import Chunk, Found
from trialforge.ingest.source import BATCH_SCHEMA
from trialforge.trial.record import frame_to_trials

pytestmark = pytest.mark.slow

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["2015-13", "-3 Years", "PHASE9", "May 5, 2015", "N/A", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PLACES_IN_A_STUDY = sorted(
    f"{module}__{key}" for module, keys in study_record()["protocolSection"].items() for key in keys
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(PLACES_IN_A_STUDY), json_values, max_size=4), max_size=8))
def test_a_study_with_any_values_is_read_or_refused(changes: list[dict[str, Any]]) -> None:
    texts = [study_text(f"NCT{number:08d}", **values) for number, values in enumerate(changes)]
    check_each_is_read_or_refused(texts, "json")


TAGS = (
    "nct_id", "brief_title", "textblock", "overall_status", "start_date", "phase", "study_type", "allocation",
    "masking", "measure", "enrollment", "condition", "gender", "minimum_age", "keyword", "country",
)  # fmt: skip
xml_values = (
    st.text(max_size=30) | st.integers().map(str) | st.sampled_from(["<a/>", "&amp;", "&x;", "1e9 Years", ""])
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(TAGS), xml_values, max_size=4), max_size=8))
def test_a_record_with_any_values_is_read_or_refused(changes: list[dict[str, str]]) -> None:
    texts = [
        xml_record(**values).replace(b"NCT09000001", f"NCT{number:08d}".encode())
        for number, values in enumerate(changes)
        if all(text.isascii() or text.encode("utf-8", "ignore").decode() == text for text in values.values())
    ]
    check_each_is_read_or_refused(texts, "xml")


def check_each_is_read_or_refused(texts: list[bytes], form: str) -> None:
    found = [Found("all", str(number), form, text) for number, text in enumerate(texts)]
    batch = Chunk(found).read()
    assert batch.trials.schema == pl.Schema(BATCH_SCHEMA)
    assert len(frame_to_trials(batch.trials)) == batch.trials.height
    lost = set(batch.refused["file"]) - set(batch.trials["file"])
    assert {*batch.trials["file"], *lost} == {one.name for one in found}
