"""Figures of another run are refused, and so are figures that do not say of which run they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from trialforge.core.errors import ArtifactError
from trialforge.core.files import hash_file, write_text
from trialforge.core.made_from import (
    check_alike,
    check_fit,
    check_plots,
    name_plots,
    only_figures,
)

HERE, OTHER = "a" * 64, "b" * 64
STAGES = [
    ("ingest", "trials", "ingest"), ("split", "train", "split"), ("plan", "train", "plan"),
    ("retrieval", "train", "retrieve"), ("reasoning", "reasons", "reason"),
    ("generation", "generated", "generate"), ("validation", "synthetic", "validate"),
    ("quality", "synthetic", "measure"), ("score", "synthetic", "score"), ("worth", "synthetic", "worth"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "table", "stage"), STAGES)
@pytest.mark.parametrize("told", [{}, {"made_from": {}}, {"made_from": {"other": HERE}}])
def test_figures_must_name_their_table(
    name: str, table: str, stage: str, told: dict[str, dict[str, str]]
) -> None:
    figures = {"targets": 99_999}
    check_fit({name: figures | {"made_from": {table: HERE}}}, {table: HERE})
    with pytest.raises(ArtifactError, match=f"metrics/{name}.json does not say which") as caught:
        check_fit({name: figures | told}, {table: HERE})
    assert caught.value.hint == f"run: dvc repro {stage}"
    check_fit({name: figures}, {})  # without the table there is nothing to be of


def test_the_summary_and_the_figures_of_a_user_name_nothing() -> None:
    check_fit({"summary": {"effect": 1}, "mine": {"figure": 1}}, {"synthetic": HERE})


@pytest.mark.parametrize(
    ("name", "plot", "stage"),
    [
        ("split", "split/presence.csv", "split"),
        ("validation", "validation/rejections.csv", "validate"),
        ("quality", "quality/measures.csv", "measure"),
        ("score", "learning/arms.csv", "score"),
        ("worth", "worth/arms.csv", "worth"),
    ],
)
def test_plots_of_another_run_are_refused(name: str, plot: str, stage: str, tmp_path: Path) -> None:
    path = tmp_path / "plots" / plot
    write_text("x\n1\n", path)
    metrics = {name: {"figure": 1} | name_plots(path)}
    at_hand = {plot: hash_file(path)}
    check_plots(metrics, at_hand)
    for refused in (metrics | {name: {"figure": 1}}, {}):
        with pytest.raises(ArtifactError, match=f"plots/{plot} was not written with metrics/{name}.json"):
            check_plots(refused, at_hand)
    with pytest.raises(ArtifactError) as caught:
        check_plots(metrics, {plot: OTHER})
    assert caught.value.hint == f"run: dvc repro {stage}"
    check_plots(metrics, {"mine/own.csv": OTHER})


def test_figures_stand_alone() -> None:
    assert only_figures({"figure": 1, "made_from": {"a": HERE}, "plots": {"b": HERE}}) == {"figure": 1}


def test_figures_of_several_runs_are_refused() -> None:
    one, other = ({"made_from": {"synthetic": digest}} for digest in (HERE, OTHER))
    check_alike({"validation": one, "quality": one, "summary": {}}, "HEAD")
    with pytest.raises(
        ArtifactError, match=r"quality\.json and metrics/validation\.json of HEAD are of diff"
    ):
        check_alike({"validation": one, "quality": other}, "HEAD")
