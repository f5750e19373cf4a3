"""Whole records in the browser of records: registry pages beside each other, sources, checks, copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.chromium import Page, find_chromium, open_browser
from tests.unit import whole_records
from tests.unit.reporting import sample
from trialforge.reporting.params import ReportParams
from trialforge.reporting.records import browse_records
from trialforge.reporting.report import build_report
from trialforge.trial.copies import measure_copies

Run = dict[str, pl.DataFrame]
NESTED = ("arms", "interventions", "primary_outcomes", "secondary_outcomes")


def plant(trials: pl.DataFrame) -> pl.DataFrame:
    """Put markup before every text of trials, nested ones included."""
    mark = pl.lit(f"{sample.PLANTED} ")
    texts = ("title", "official_title", "summary", "detailed_description")

    def parts(name: str) -> pl.Expr:
        fields = [field for field in trials.schema[name].inner.fields if field.dtype == pl.String]  # type: ignore[attr-defined]
        item = pl.element().struct
        free = [one.name for one in fields if one.name != "type"]
        return pl.col(name).list.eval(
            item.with_fields(*((mark + item.field(one)).alias(one) for one in free))
        )

    return trials.with_columns(
        *((mark + pl.col(name)).alias(name) for name in texts),
        *map(parts, NESTED),
        pl.col("keywords").list.eval((mark + pl.element()).alias("")),
        pl.col("criteria").str.replace_all("(?m)^- ", f"- {sample.PLANTED} "),
    )


@pytest.fixture(scope="module")
def run() -> Run:
    trials = plant(whole_records.simulated_trials())
    return whole_records.make_run(trials.head(80), trials.slice(80))


@pytest.fixture(scope="module")
def browser(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine")
    lock = (Path(__file__).parents[3] / "requirements.lock").read_text(encoding="utf-8")
    inputs = replace(sample.make_inputs(), tables=run)
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(build_report(inputs, ReportParams(max_records=50), lock), encoding="utf-8")
    with open_browser(tmp_path_factory.mktemp("profile")) as page:
        page.resize(1280, 900)
        page.open(path)
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    return browser


def text(page: Page, selector: str) -> str:
    found: str = page.evaluate(f"document.querySelector('{selector}').innerText")
    return found


def choose(page: Page, name: str) -> None:
    page.evaluate(f"document.querySelector('#list [data-id=\"{name}\"]').click()")


def test_each_record_has_its_sources_and_their_titles(run: Run) -> None:
    held = browse_records(run, 100)
    donors = dict(run["plan"].select("target_id", pl.col("skeleton").struct.field("donors")).iter_rows())
    for record in held["records"]:
        assert record["sources"] == list(donors[dict(record["lineage"])["target_id"]].values())
        assert set(record["sources"]) <= set(held["titles"])
    assert len(held["blocks"]) == len(held["records"][0]["sources"])


def test_a_run_without_a_plan_has_no_sources(run: Run) -> None:
    records = browse_records({name: table for name, table in run.items() if name != "plan"}, 100)["records"]
    assert records
    assert not any(record["sources"] for record in records)


def test_what_was_not_validated_has_no_checks(run: Run) -> None:
    assert browse_records(run, 1)["checks"]
    unseen = {name: table for name, table in run.items() if name not in ("rejected", "synthetic")}
    assert browse_records(unseen, 1)["checks"] == []


def test_copies_are_those_of_the_measure(run: Run) -> None:
    record = browse_records(run, 1)["records"][0]
    row = run["generated"].filter(nct_id=record["id"])
    shown = run["train"].filter(pl.col("nct_id").is_in(record["exemplars"]))
    found = measure_copies(row, shown)
    assert record["copied"] == (found["shared"].sum(), found["ngrams"].sum())
    assert record["copied"][0] > 0


def test_both_sides_have_the_layout_of_a_registry_page(page: Page, run: Run) -> None:
    choose(page, run["generated"]["nct_id"][0])
    assert "Synthetic record, not a registered trial" in text(page, ".compare > header")
    assert "Exemplar shown to the model: simulated" in text(page, ".compare > header + header")
    heads = page.evaluate("[...document.querySelectorAll('.compare > h4')].map((one) => one.innerText)")
    assert {"Overview", "Design", "Arms", "Primary outcomes", "Summary", "Inclusion criteria"} <= set(heads)
    cells = page.evaluate("document.querySelectorAll('.compare > .cell').length")
    assert cells == 2 * len(heads)
    labels = page.evaluate("[...document.querySelectorAll('.compare .inner')].map((one) => one.ariaLabel)")
    assert {"Interventions", "Arms", "Primary outcomes"} <= set(labels)


def test_planted_markup_is_inert_in_every_field(page: Page) -> None:
    page.evaluate("document.querySelectorAll('#record details').forEach((one) => { one.open = true; })")
    shown = text(page, "#record")
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('#record script, #record img').length") == 0
    assert shown.count("<script>window.pwned=1</script>") > 20
    assert page.problems() == []
    assert page.requests() == []


def test_what_stands_in_the_exemplars_is_marked_on_both_sides(page: Page, run: Run) -> None:
    """The browser marks as many n-grams as the measure counts: a copied item is marked from end to end."""
    row = run["generated"].row(0, named=True)
    choose(page, row["nct_id"])
    copied = next(line[2:] for line in row["criteria"].splitlines() if line.startswith("- "))
    marks = page.evaluate("[...document.querySelectorAll('.compare mark')].map((one) => one.textContent)")
    assert copied.strip("<.") in marks
    sides = page.evaluate(
        "[...document.querySelectorAll('.compare > .cell')].map((one) => one.querySelectorAll('mark').length)"
    )
    assert sum(sides[::2]) > 0
    assert sum(sides[1::2]) > 0


def test_sources_and_checks_are_listed(page: Page, run: Run) -> None:
    refused = run["rejected"]["nct_id"][0]
    choose(page, refused)
    page.evaluate("document.querySelectorAll('#record details').forEach((one) => { one.open = true; })")
    shown = text(page, "#record")
    assert "copied_title: its title is that of an exemplar, or a sentence of one" in shown
    failed = page.evaluate("document.querySelectorAll('#record td.bad').length")
    passed = page.evaluate("document.querySelectorAll('#record td.good').length")
    assert (failed, passed > 20) == (2, True)
    assert "All checks" in page.evaluate("document.querySelector('#record .scroll').ariaLabel")
    assert "near_copy_of_sibling\tnot checked" in shown
    plan = run["plan"].filter(target_id=run["rejected"]["target_id"][0])
    assert plan["skeleton"].struct.field("donors").struct.field("size")[0] in shown
    choose(page, run["generated"]["nct_id"][0])
    assert page.evaluate("document.querySelectorAll('#record td.bad').length") == 0
