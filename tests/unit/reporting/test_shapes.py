"""What stands beside real trials in the report, worked out by hand on a few of them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.unit.reporting import sample
from trialforge.reporting import charts
from trialforge.reporting.inputs import Inputs
from trialforge.reporting.sections import build_sections
from trialforge.reporting.shapes import funnel_rows, histogram_rows, reason_rows
from trialforge.trial.record import trials_to_frame


def trials(enrolments: list[int | None]) -> pl.DataFrame:
    return trials_to_frame(
        [sample.make_trial(f"NCT0000000{at}", enrolment_planned=count) for at, count in enumerate(enrolments)]
    )


def rows_of(spec: dict[str, Any], column: str) -> list[dict[str, Any]]:
    """The rows of the one data set of a picture that has the column."""
    (found,) = [rows for rows in spec["datasets"].values() if column in rows[0]]
    rows: list[dict[str, Any]] = found
    return rows


def test_both_sets_are_counted_in_the_same_bins() -> None:
    rows = histogram_rows({"train": trials([10, 10, 12, None]), "synthetic": trials([11, 12])})
    frame = rows["shapes/enrolment"]
    counted = frame.select("set", "from", "to", "share", "trials").rows()
    assert counted == [
        ("real", 10, 11, 0.6667, 2), ("real", 11, 12, 0.0, 0), ("real", 12, 13, 0.3333, 1),
        ("synthetic", 10, 11, 0.0, 0), ("synthetic", 11, 12, 0.5, 1), ("synthetic", 12, 13, 0.5, 1),
    ]  # fmt: skip
    assert frame["beyond"].to_list() == [0.0] * 6
    assert set(rows) == {f"shapes/{name}" for name in ("words", "items", "endpoints", "arms", "enrolment")}


def test_what_lies_beyond_the_axis_is_told() -> None:
    frame = histogram_rows(
        {"train": trials([*range(1, 100), 1_000_000]), "synthetic": trials([5])}
    )["shapes/enrolment"]  # fmt: skip
    assert frame["to"].max() < 200
    assert dict(frame.select("set", "beyond").unique().iter_rows()) == {"real": 0.01, "synthetic": 0.0}
    assert charts.draw_histograms(frame).to_dict()["encoding"]["x"]["title"] == "beyond the axis: 1% of real"


@pytest.mark.parametrize("name", ["train", "synthetic"])
def test_without_one_of_the_sets_nothing_is_drawn(name: str) -> None:
    tables = {"train": trials([1]), "synthetic": trials([1])}
    assert histogram_rows(tables | {name: trials([1]).clear()}) == {}
    del tables[name]
    assert histogram_rows(tables) == {}


def test_a_count_that_one_set_lacks_is_left_out() -> None:
    assert "shapes/enrolment" not in histogram_rows({"train": trials([None]), "synthetic": trials([1])})


def test_the_funnel_is_that_of_the_metrics() -> None:
    generation = {"targets": 24, "retries": 16, "given_up": 2, "fault_copied_title": 3}
    frame = funnel_rows({"generation": generation, "validation": {"accepted": 20}})["funnel/steps"]
    assert frame.rows() == [("targets", 24), ("attempts", 40), ("drafts", 22), ("accepted", 20)]
    assert funnel_rows({}) == {}


def test_reasons_say_what_they_led_to() -> None:
    generated = pl.DataFrame({"reject_reason": [None, "cut", "cut"]})
    rejections = pl.DataFrame({"reason": ["near_copy_of_trial"], "label": ["success"], "drafts": [4]})
    frame = reason_rows({"generation": {"fault_copied_title": 3}}, generated, rejections)["funnel/reasons"]
    assert frame.select("outcome", "count").rows() == [("rejected", 4), ("asked again", 3), ("given up", 2)]


def test_a_measure_beyond_the_axis_is_a_triangle_at_its_end_that_tells_its_place() -> None:
    frame = pl.DataFrame(
        {
            "metric": ["fidelity.a", "fidelity.b"],
            "worst": [0.0, 0.0],
            "ceiling": [1.0, 1.0],
            "at_size": [0.5, 7.0],
        }
    )
    drawn = rows_of(charts.draw_yardsticks(frame).to_dict(), "place")
    assert [(row["place"], row["shown"], row["beyond"]) for row in drawn] == [
        (0.5, 0.5, "inside"), (7.0, 1.5, "above"),
    ]  # fmt: skip


def test_years_have_their_place_on_the_axis_and_those_unknown_are_told() -> None:
    frame = pl.DataFrame({"year": ["2001", "2005", "none"], "trials": [1, 2, 3]})
    drawn = charts.draw_years(frame).to_dict()
    assert [row["year"] for row in rows_of(drawn, "year")] == [2001, 2005]
    assert drawn["encoding"]["x"]["type"] == "quantitative"
    assert drawn["encoding"]["x"]["title"] == "3 without a year"


def test_the_report_has_both_sections() -> None:
    inputs = sample.make_inputs()
    made = {section.key: section for section in build_sections(inputs, {})}
    assert [plot.key for plot in made["shapes"].plots][:1] == ["shapes-words"]
    assert build_sections(Inputs({}, {}, {}, {}), {})  # a run of which nothing is there yet


def test_net_benefit_that_lies_below_the_axis_is_told() -> None:
    rows = [
        ("real", 0.2, 0.3),
        ("all", 0.2, 0.4),
        ("all", 0.8, -1.5),
        ("all", 0.9, -4.0),
        ("real", 0.9, -0.2),
    ]
    frame = pl.DataFrame(rows, schema=["arm", "threshold", "net_benefit"], orient="row")
    frame = frame.with_columns(model=pl.when(pl.col("arm") == "real").then(pl.lit("tfidf-logreg")))
    told = "trials at or above this probability are taken; below the axis: 1 point of real, 2 points of all"
    drawn = charts.draw_net_benefit(frame).to_dict()
    assert drawn["layer"][1]["encoding"]["x"]["title"] == told
    assert [row["net_benefit"] for row in rows_of(drawn, "net_benefit")] == [0.3, 0.4]
    drawn = charts.draw_net_benefit(frame.head(2)).to_dict()
    assert drawn["layer"][1]["encoding"]["x"]["title"] == "trials at or above this probability are taken"
