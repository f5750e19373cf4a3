"""The page of `dvc plots show` in a real browser: it draws every plot and asks nothing of a network."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chromium import find_chromium, open_browser

ROOT = Path(__file__).parents[2]
OWN = ROOT / ".dvc" / "plots"


def test_the_page_is_what_the_locked_library_bundles() -> None:
    made = runpy.run_path(str(OWN / "make_page.py"))["make_page"]()
    assert (OWN / "page.html").read_text(encoding="utf-8") == made, "run: python .dvc/plots/make_page.py"


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine")
def test_plots_are_drawn_without_a_network(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "plots", tmp_path / "plots")
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)
    ours = (ROOT / ".dvc/config").read_text()
    (tmp_path / ".dvc/config").write_text(ours.replace("[core]", "[core]\n    no_scm = true"))
    shutil.copytree(OWN, tmp_path / ".dvc/plots", dirs_exist_ok=True)
    subprocess.run(["dvc", "plots", "show", "--out", "drawn"], cwd=tmp_path, check=True, capture_output=True)
    with open_browser(tmp_path / "profile") as page:
        page.send("Network.emulateNetworkConditions", offline=True, latency=0,
                  downloadThroughput=-1, uploadThroughput=-1)  # fmt: skip
        page.send("Page.navigate", url=(tmp_path / "drawn/index.html").as_uri())
        page.wait_for("document.querySelectorAll('.vega-embed canvas, .vega-embed svg').length >= 5")
        assert page.requests() == []
        assert [problem for problem in page.problems() if "ERR_" in problem or "rror" in problem] == []
        assert page.colours() > 5
