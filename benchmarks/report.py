"""The report in a real browser: bytes of the page and seconds until it answers, beside an empty page."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.chromium import Page, find_chromium, open_browser
from tests.unit.reporting import sample
from trialforge.reporting.params import ReportParams
from trialforge.reporting.report import build_report

ROOT = Path(__file__).resolve().parents[1]
RECORDS = 10_000
READY = "document.documentElement?.dataset.ready === 'true'"
DRAWN = f"{READY} && document.documentElement.dataset.plots"


def _seconds(page: Page, path: Path, ready: str) -> float:
    page.send("Page.navigate", url="about:blank")
    page.wait_for("location.href === 'about:blank'")
    start = time.perf_counter()
    page.send("Page.navigate", url=path.resolve().as_uri())
    page.wait_for(f"location.href.endsWith('{path.name}') && {ready}")
    return time.perf_counter() - start


def _median(page: Page, path: Path, ready: str) -> float:
    return sorted(_seconds(page, path, ready) for _ in range(5))[2]


def main() -> None:
    if find_chromium() is None:
        print("no Chromium on this machine")
        return
    with tempfile.TemporaryDirectory() as name, open_browser(Path(name) / "profile") as page:
        empty, many = Path(name) / "empty.html", Path(name) / "many.html"
        empty.write_text("<!doctype html><title>empty</title>")
        lock = (ROOT / "requirements.lock").read_text()
        many.write_text(build_report(sample.make_inputs(RECORDS), ReportParams(max_records=RECORDS), lock))
        pages = [
            ("an empty page", empty, "document.readyState === 'complete'"),
            (f"a report of {RECORDS} records", many, READY),
        ]
        default = ROOT / "report" / "index.html"
        if default.is_file():
            pages.append(("the report of the default run", default, READY))
        for what, path, ready in pages:
            print(f"{what}: {path.stat().st_size / 1e6:.2f} MB, {_median(page, path, ready):.2f} s")
            if ready == READY:
                print(f"  until its plots are drawn as well: {_median(page, path, DRAWN):.2f} s")


if __name__ == "__main__":
    main()
