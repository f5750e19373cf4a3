"""Text of registries and files never acts on the terminal that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.ingest.made_records import study_record
from trialforge.app import cli
from trialforge.app.printing import align, emit, print_error
from trialforge.core.errors import escape_controls

# Clears the screen, sets its title, goes up, turns text round, and the one-byte form of the same (C1).
EVIL = (
    "\x1b[2J\x1b]0;title\x07up\x1b[A\rover\x9b31mred\x7f\x08\u202egnp.exe\u2066\x00\u061c\u2028\u2029\ufeff"
    "\U000e0001\U000e0041\U000e007f"
)
ACTS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\u2028\u2029\ufeff\U000e0000-\U000e007f]"
)


def test_controls_are_written_out_and_plain_text_is_left() -> None:
    assert escape_controls("\x1b[2J\x9b") == "\\u001b[2J\\u009b"
    plain = "naïve β-blocker ≥ 5 µg\n\ttab, 日本語"
    assert escape_controls(plain) == plain
    assert not ACTS.search(escape_controls(EVIL))
    assert json.loads(f'"{escape_controls(chr(0xE0041))}"') == chr(0xE0041)


@pytest.mark.parametrize("as_json", [True, False])
def test_answers_and_errors_are_shown_without_acting(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    emit({"title": EVIL}, as_json=as_json, text=f"a title: {EVIL}")
    print_error(f"no trial {EVIL}", f"look at {EVIL}", as_json=as_json)
    out, err = capsys.readouterr()
    assert not ACTS.search(out + err)
    if as_json:
        assert json.loads(out) == {"title": EVIL}
        assert json.loads(err)["error"] == f"no trial {EVIL}"


def test_a_cell_stays_in_its_row() -> None:
    assert align([("one\ntwo", "x"), ("three", EVIL)]).count("\n") == 1


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_record_of_the_registry_is_refused_without_acting(
    as_json: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = study_record("NCT09000001")
    record["protocolSection"]["identificationModule"]["nctId"] = f"NCT{EVIL}"
    (tmp_path / f"{EVIL.replace(chr(0), '')}.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    assert cli.run(["predict", ".", *as_json]) == 1
    assert not ACTS.search("".join(capsys.readouterr()))
    assert cli.run(["predict", f"absent{EVIL}.json", *as_json]) == 1
    assert not ACTS.search("".join(capsys.readouterr()))
    assert cli.run([f"no-such-command{EVIL}", *as_json]) != 0
    assert not ACTS.search("".join(capsys.readouterr()))
