"""The page in a real browser: silent, offline, inert, and its filters work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import Page, find_chromium, open_browser
from tests.unit.reporting import sample
from trialforge.reporting.params import ReportParams
from trialforge.reporting.report import build_report

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine")
ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(
        build_report(sample.make_inputs(60), ReportParams(max_records=50), LOCK), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("profile")) as page:
        page.resize(1280, 900)
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Page:
    browser.events.clear()
    browser.open(report)
    return browser


def count(page: Page) -> str:
    text: str = page.evaluate("document.getElementById('count').textContent")
    return text


def choose(page: Page, name: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const box = document.getElementById('by-{name}'); box.value = '{value}';"
        " box.dispatchEvent(new Event('change')); })()"
    )


def search(page: Page, words: str) -> None:
    page.evaluate(
        f"(() => {{ const box = document.getElementById('find'); box.value = '{words}';"
        " box.dispatchEvent(new Event('input')); })()"
    )


def test_console_is_silent_and_nothing_is_asked_of_a_network(page: Page) -> None:
    assert page.problems() == []
    assert page.requests() == []


def test_planted_markup_is_inert_and_shown_as_text(page: Page) -> None:
    search(page, "Record 0")
    assert page.evaluate("window.pwned") is None
    assert "<script>window.pwned=1</script>" in page.evaluate("document.getElementById('record').innerText")
    assert page.evaluate("document.querySelectorAll('#record script, #record img').length") == 0


def test_page_says_that_it_holds_the_first_of_more(page: Page) -> None:
    assert count(page) == "50 of 50 records; this page has the first 50 of 60"


def test_filters_narrow_the_list(page: Page) -> None:
    choose(page, "label", "success")
    assert count(page).startswith("25 of 50")
    assert "requested label: success" in page.evaluate("document.getElementById('record').innerText")
    choose(page, "label", "")
    choose(page, "intervention", "lintorol")
    assert count(page).startswith("25 of 50")
    choose(page, "verdict", "rejected")
    assert count(page).startswith("1 of 50")
    assert "minimum age above maximum" in page.evaluate("document.getElementById('record').innerText")
    page.evaluate("document.getElementById('clear').click()")
    page.wait_for("document.getElementById('count').textContent.startsWith('50 of 50')")


def test_search_needs_every_word(page: Page) -> None:
    search(page, "lintorol RECORD 33")
    assert count(page).startswith("1 of 50")
    search(page, "nothing-has-this-word")
    assert count(page).startswith("0 of 50")
    assert "No matching records" in page.evaluate("document.getElementById('record').innerText")


def test_exemplars_are_shown_one_beside_the_record_and_shared_runs_marked(page: Page) -> None:
    choose(page, "intervention", "verazumab")
    page.evaluate("document.querySelectorAll('.switch button')[1].click()")
    text = page.evaluate("document.querySelector('.compare > header + header').innerText")
    assert "NCT90000001 (simulated, success)" in text
    assert page.evaluate("document.querySelectorAll('.compare mark').length") > 0


def test_records_are_reached_by_keyboard(page: Page) -> None:
    page.evaluate("document.querySelectorAll('#list button')[3].focus()")
    for kind in ("keyDown", "keyUp"):
        page.send(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            text="\r",
            windowsVirtualKeyCode=13,
        )
    assert page.evaluate("document.activeElement.id") == "record"
    assert "Record 3" in page.evaluate("document.getElementById('record').innerText")


def hover(page: Page, at: tuple[float, float]) -> None:
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])


def find_mark(page: Page) -> tuple[float, float]:
    """The middle of a point of the first plot, brought into view, in the window."""
    box = page.evaluate(
        "(() => { const mark = document.querySelector('.plot .mark-symbol path');"
        " mark.scrollIntoView({ block: 'center', behavior: 'instant' });"
        " const box = mark.getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    return box[0], box[1]


SHOWN = "getComputedStyle(document.getElementById('vg-tooltip-element')).visibility === 'visible'"


def test_a_tooltip_stands_beside_the_mark_and_goes_when_the_mouse_does(page: Page) -> None:
    at = find_mark(page)
    hover(page, at)
    page.wait_for(f"document.getElementById('vg-tooltip-element') && {SHOWN}", 5)
    left, top, right, bottom = page.evaluate(
        "(() => { const box = document.getElementById('vg-tooltip-element').getBoundingClientRect();"
        " return [box.left, box.top, box.right, box.bottom]; })()"
    )
    near = 30
    assert left - near <= at[0] <= right + near
    assert top - near <= at[1] <= bottom + near
    assert (left >= 0, right <= 1280) == (True, True)
    assert page.evaluate("document.getElementById('vg-tooltip-element').innerText").strip()
    hover(page, (2, 2))
    page.wait_for(f"!({SHOWN})", 5)


def test_a_tooltip_of_a_phone_is_within_its_screen(page: Page) -> None:
    page.resize(390, 844, phone=True)
    try:
        hover(page, find_mark(page))
        page.wait_for(f"document.getElementById('vg-tooltip-element') && {SHOWN}", 5)
        box = page.evaluate("document.getElementById('vg-tooltip-element').getBoundingClientRect().toJSON()")
    finally:
        page.resize(1280, 900)
    assert box["left"] >= 0
    assert box["right"] <= 390
    assert box["bottom"] <= 844


def test_a_tooltip_has_the_colours_of_the_page(page: Page) -> None:
    paint = "getComputedStyle(document.getElementById('vg-tooltip-element'))"
    seen = set()
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        hover(page, (2, 2))
        hover(page, find_mark(page))
        page.wait_for(f"document.getElementById('vg-tooltip-element') && {SHOWN}", 5)
        seen.add(tuple(page.evaluate(f"[{paint}.color, {paint}.backgroundColor]")))
    page.prefer("light")
    assert len(seen) == 2
    assert not any("rgba(0, 0, 0, 0)" in colours for colours in seen)


def test_an_address_that_is_no_record_hinders_nothing(browser: Page, report: Path) -> None:
    """`#%` is no valid encoding, and a link to a section is no record."""
    for wrong in ("#%", "#synthetic", "#SYN-000000000000000000"):
        browser.events.clear()
        browser.open(report, wrong)
        assert count(browser).startswith("50 of 50")
        assert browser.problems() == []


def test_colours_follow_the_system_and_the_button(page: Page) -> None:
    paint = "getComputedStyle(document.body).backgroundColor"
    page.prefer("light")
    light = page.evaluate(paint)
    page.prefer("dark")
    dark = page.evaluate(paint)
    assert light != dark
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(paint) == light
    page.prefer("light")


def test_phone_needs_no_sideways_scrolling(page: Page) -> None:
    """Neither as it opens nor with every table open; a wide table scrolls in its own box."""
    page.resize(390, 844, phone=True)
    try:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.evaluate("scrollTo(200, 0)")
        assert page.evaluate("scrollX") == 0
    finally:
        page.resize(1280, 900)


def test_no_legend_is_cut_on_a_phone(browser: Page, report: Path) -> None:
    browser.resize(390, 844, phone=True)
    try:
        browser.open(report)
        over = browser.evaluate(
            "[...document.querySelectorAll('.plot')]"
            ".filter((plot) => [...plot.querySelectorAll('.role-legend')]"
            ".some((one) => one.getBoundingClientRect().right > plot.getBoundingClientRect().right + 1))"
            ".map((plot) => plot.dataset.plot)"
        )
    finally:
        browser.resize(1280, 900)
    assert over == []


@pytest.mark.parametrize("section", ["answer", "records", "fidelity", "synthetic"])
def test_no_part_of_the_page_is_blank(section: str, page: Page) -> None:
    page.evaluate(f"document.getElementById('{section}').scrollIntoView({{ behavior: 'instant' }})")
    assert page.colours() > 30


def test_a_blank_page_would_be_seen(browser: Page, tmp_path: Path) -> None:
    (tmp_path / "blank.html").write_text("<html data-ready=1 data-plots=1><body></body></html>")
    browser.open(tmp_path / "blank.html")
    assert browser.colours() == 1


def test_prints_without_its_controls(page: Page) -> None:
    page.prefer("light", media="print")
    try:
        for part in (".filters", ".list", ".top"):
            assert page.evaluate(f"getComputedStyle(document.querySelector('{part}')).display") == "none"
    finally:
        page.prefer("light")


def test_the_print_has_the_whole_report_and_one_record(page: Page, tmp_path: Path) -> None:
    """60 records would fill hundreds of sheets: the browser of records prints the chosen one alone."""
    pdf, sheets = page.print()
    assert pdf.startswith(b"%PDF-")
    assert 3 <= sheets <= 15
    few = tmp_path / "few.html"
    few.write_text(build_report(sample.make_inputs(2), ReportParams(max_records=50), LOCK), encoding="utf-8")
    page.open(few)
    assert abs(page.print()[1] - sheets) <= 1


def test_a_record_is_read_when_it_is_chosen_and_not_before(browser: Page, tmp_path: Path) -> None:
    """A block that can't be read hinders neither the page nor the records of other blocks."""
    page = build_report(sample.make_inputs(160), ReportParams(max_records=160), LOCK)
    broken = re.sub(r'(id="records-1">)\[.*?(</script>)', r"\1no JSON\2", page)
    assert broken != page
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")
    browser.events.clear()
    browser.open(path)
    assert count(browser) == "160 of 160 records"
    choose(browser, "intervention", "lintorol")
    for number, places in ((2, 59), (0, 4)):
        browser.evaluate("document.getElementById('more').click()")
        browser.evaluate(f"document.querySelectorAll('#list button')[{places}].click()")
        text = browser.evaluate("document.getElementById('record').innerText")
        assert f"Record {2 * places + 1} " in text, number
    assert browser.problems() == []
    search(browser, "lintorol")
    assert browser.problems() != []


def test_opens_with_thousands_of_records(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(
        build_report(sample.make_inputs(3358), ReportParams(max_records=4000), LOCK), encoding="utf-8"
    )
    browser.events.clear()
    browser.open(path)
    assert count(browser) == "3358 of 3358 records"
    assert browser.problems() == []


def test_accessible_by_axe(page: Page) -> None:
    """Needs axe-core from npm: AXE_CORE names its axe.min.js."""
    axe = os.environ.get("AXE_CORE")
    if not axe:
        pytest.skip("AXE_CORE is not set: npm install axe-core and name its axe.min.js")
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        page.evaluate(Path(axe).read_text(encoding="utf-8") + ";0")
        found = page.evaluate(
            "axe.run().then((result) => result.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))"
        )
        assert [fault for fault in found if fault[0] in {"serious", "critical"}] == []
