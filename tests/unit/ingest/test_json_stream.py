"""Studies are parted at the same places however the text arrives, and whatever stands around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.ingest.made_records import study_record
from trialforge.ingest.json_stream import split_studies
from trialforge.ingest.raw import MAX_RECORD, RecordError

pytestmark = pytest.mark.slow

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12)
    | st.sampled_from(['"', "\\", '\\"', "],[", "{", '{"protocolSection": ', "é", "\u2028"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
studies = st.builds(lambda inner, more: {"protocolSection": inner, **more}, values,
                    st.dictionaries(st.sampled_from(["hasResults", "derivedSection"]), values))  # fmt: skip
sizes = st.integers(1, 60)


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def split(text: bytes | str, size: int = 1000) -> list[Any]:
    """Each study as a value, anything else as text, and an error as its reason."""
    found: list[Any] = []
    for record in split_studies(pieces(text if isinstance(text, bytes) else text.encode(), size)):
        if isinstance(record, RecordError):
            found.append(record.reason)
            continue
        try:
            value = json.loads(record)
        except ValueError:
            value = None
        whole = isinstance(value, dict) and "protocolSection" in value
        found.append(value if whole else record.decode())
    return found


@given(st.lists(studies, max_size=5), sizes, st.sampled_from([None, 1]), st.booleans())
def test_items_of_a_list_are_parted(items: list[Any], size: int, indent: int | None, escaped: bool) -> None:
    assert split(json.dumps(items, indent=indent, ensure_ascii=escaped), size) == items


@given(st.lists(studies, min_size=1, max_size=5), sizes, st.sampled_from(["\n", "\r\n\n", "", " , \n"]))
def test_studies_one_after_another_are_parted(items: list[Any], size: int, between: str) -> None:
    assert split(between.join(map(json.dumps, items)), size) == items


@given(
    st.lists(studies, min_size=1, max_size=4), sizes, st.dictionaries(st.text(max_size=5), values, max_size=3)
)
def test_studies_of_pages_are_parted(items: list[Any], size: int, around: dict[str, Any]) -> None:
    around = {name: value for name, value in around.items() if name != "studies"}
    before = json.dumps({**around, "studies": items})
    after = json.dumps([{"studies": items, **around}] * 2)
    assert split(before, size) == items
    assert split(after, size) == items * 2


@given(st.lists(studies, min_size=1, max_size=4), sizes)
def test_studies_under_their_ids_are_parted(items: list[Any], size: int) -> None:
    keyed = {f"NCT{number:08d}": item for number, item in enumerate(items)}
    assert split(json.dumps(keyed | {"NCT99999999": {"a": 1}}), size) == [*items, '{"a": 1}']


@given(
    st.lists(studies, min_size=1, max_size=3),
    sizes,
    st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"]),
)
def test_studies_are_parted_in_every_encoding(items: list[Any], size: int, encoding: str) -> None:
    assert split(json.dumps(items, ensure_ascii=True).encode(encoding), size) == items


STUDY = study_record("NCT00000001")
TEXT = json.dumps(STUDY)


@pytest.mark.parametrize("cut", [40, 75, 76, 77, 200, 1000, 1001, 1002, 1003, 1004, len(TEXT) - 2])
@given(size=sizes)
@example(size=10_000)
def test_a_study_that_is_cut_costs_no_other(cut: int, size: int) -> None:
    torn = TEXT[:cut]
    first, second = split(f"{torn}\n{TEXT}\n", size)
    assert (first.strip(), second) == (torn.strip(), STUDY)
    found = split(f"[{TEXT}, {torn}", size)
    assert (found[0], len(found)) == (STUDY, 2)


def test_what_stands_in_the_place_of_a_study_is_told() -> None:
    assert split(f"{TEXT}\n{{]\n{TEXT}\n[]\n17\nnot json\n{TEXT}") == [
        STUDY,
        "{]",
        STUDY,
        "17\nnot json",
        STUDY,
    ]
    assert split(f'[{TEXT}, {{"a": NaN}}, , 5, "x", {TEXT}]') == [STUDY, '{"a": NaN}', "5", '"x"', STUDY]
    assert split(f'{{"a": "x\n{TEXT}') == ['{"a": "x', STUDY]
    assert split('{"a": [{"b": 1}]}') == ['{"a": [{"b": 1}]}']


def test_a_trailing_comma_and_an_empty_page_cost_nothing() -> None:
    assert split(f"[{TEXT},\n]") == [STUDY]
    assert split('{"studies": [], "nextPageToken": "x"}') == split("[]") == []


def test_a_page_that_breaks_off_after_a_study_is_told() -> None:
    assert split(f'{{"studies": [{TEXT}') == [STUDY, "malformed_json"]


def test_a_study_that_is_too_large_is_told_and_the_next_is_read() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"[" + TEXT.encode() + b', {"protocolSection": {"a": "'
        for _ in range(MAX_RECORD // 2**20 + 2):
            yield b"x" * 2**20
        yield b'"}}, ' + TEXT.encode() + b"]"

    found = list(split_studies(chunks()))
    assert [len(one) if isinstance(one, bytes) else one.reason for one in found] == [
        len(TEXT), "too_large", len(TEXT),
    ]  # fmt: skip
