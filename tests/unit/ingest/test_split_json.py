"""Records are parted at the same places however the text arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.ingest.raw import RecordError
from trialforge.ingest.split_json import split_records

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(['"', "\\", '\\"', "],[", "{"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@given(st.lists(values, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_items_of_a_list_are_parted(items: list[Any], size: int, indent: int | None) -> None:
    text = json.dumps(items, indent=indent).encode()
    found = list(split_records(pieces(text, size), "a.json"))
    assert [number for number, _ in found] == list(range(1, len(items) + 1))
    assert [json.loads(item) for _, item in found] == items


@given(st.lists(values, min_size=1, max_size=6), st.integers(1, 40))
def test_lines_are_parted(items: list[Any], size: int) -> None:
    text = "\n\n".join(map(json.dumps, items)).encode()
    found = list(split_records(pieces(text, size), "a.jsonl"))
    assert [number for number, _ in found] == list(range(1, 2 * len(items), 2))
    assert [json.loads(line) for _, line in found] == items


@given(st.lists(values, min_size=1, max_size=4), st.integers(1, 40), st.data())
def test_a_cut_list_is_told_after_its_whole_items(items: list[Any], size: int, data: st.DataObject) -> None:
    text = json.dumps(items).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    found = []
    with pytest.raises(RecordError, match="breaks off"):
        found.extend(item for item in split_records(pieces(text[:cut], size), "a.json"))
    assert len(found) <= len(items)


def test_any_other_text_is_one_record() -> None:
    assert list(split_records([b' {"a": 1}', b"\n"], "a.json")) == [(1, b' {"a": 1}\n')]
