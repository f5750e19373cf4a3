"""What the browser of records holds."""

from __future__ import annotations

import json

from tests.unit.reporting import sample
from trialforge.reporting.records import (
    BLOCK_RECORDS,
    browse_records,
    judge,
    to_blocks,
    to_script_json,
)


def test_judge_gives_each_record_its_verdict_and_reason() -> None:
    tables = sample.make_tables(6)
    judged = judge(tables["generated"], tables["rejected"])
    assert judged["verdict"].to_list() == ["accepted", "rejected", *["accepted"] * 3, "given up"]
    assert judged["why"].to_list()[1] == ["minimum age above maximum"]
    assert judged["why"].to_list()[5] == ["answer cut at the length limit"]


def test_judge_without_validation_accepts_what_was_written() -> None:
    judged = judge(sample.generated_table(3), None)
    assert judged["verdict"].to_list() == ["accepted", "accepted", "given up"]


def test_records_hold_each_exemplar_once() -> None:
    held = browse_records(sample.make_tables(6), limit=100)
    assert len(held["records"]) == 6
    assert sorted(held["exemplars"]) == ["NCT90000000", "NCT90000001", "NCT90000002"]
    assert held["exemplars"]["NCT90000001"]["label"] == "success"
    first, second = held["reasons"]["reasons-1"]
    assert first["cites"] == [f'NCT90000001, primary_outcomes: "Hours off {sample.PLANTED}"']
    assert second["cites"] == []


def test_limit_keeps_the_first_and_tells_the_total() -> None:
    held = browse_records(sample.make_tables(6), limit=2)
    assert (len(held["records"]), held["total"]) == (2, 6)


def test_blocks_have_all_that_was_browsed() -> None:
    count = 2 * BLOCK_RECORDS + 5
    held = browse_records(sample.make_tables(count), limit=count)
    titles = {f"NCT{at:08}": f"Title {at}" for at in range(count)} | {
        "\ue000": "high",
        "\U0001f600": "higher",
    }
    index, blocks = to_blocks(held | {"titles": titles})
    records = [
        record | blocks[f"records-{at // index['size']}"][at % index["size"]]
        for at, record in enumerate(index["records"])
    ]
    assert records == held["records"]
    parts = [blocks[f"titles-{at}"] for at in range(len(index["first"]["titles"]))]
    assert {key: title for part in parts for key, title in part.items()} == titles
    assert [next(iter(part)) for part in parts] == index["first"]["titles"]
    # In JavaScript's order, by units of UTF-16, a surrogate stands before U+E000.
    assert [*parts[-1]][-2:] == ["\U0001f600", "\ue000"]
    assert not {"page", "lineage"} & {*index["records"][0]}


def test_no_stage_has_run_yet() -> None:
    assert browse_records({}, limit=5)["records"] == []


def test_script_json_can_not_end_its_element() -> None:
    text = to_script_json({"title": "</script><!-- \u2028 & é"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"title": "</script><!-- \u2028 & é"}
