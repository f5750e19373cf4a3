"""Downloads from a real server with real faults."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.trickling_server import TRICKLES, answering, flood
from tests.unit.ingest.registry_server import Registry, serve
from trialforge.app.fetch import RegistryQuery, fetch_trials, parse_day, read_ids
from trialforge.app.registry_api import RegistryApi
from trialforge.core.errors import IngestError, ParameterError
from trialforge.ingest.registry import RegistrySource

pytestmark = pytest.mark.slow


def study(number: int) -> dict[str, Any]:
    return {
        "protocolSection": {
            "identificationModule": {"nctId": f"NCT{number:08d}", "briefTitle": f"Größe {number}"}
        }
    }


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serve(Registry([study(number) for number in range(10)])) as running:
        yield running


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def api(registry: Registry, sleeps: list[float]) -> Iterator[RegistryApi]:
    with RegistryApi(registry.url, interval=0.0, attempts=4, sleep=sleeps.append) as client:
        yield client


def fetched_ids(out: Path) -> list[str]:
    with gzip.open(out, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["protocolSection"]["identificationModule"]["nctId"] for line in lines]


def ids(count: int) -> list[str]:
    return [f"NCT{number:08d}" for number in range(count)]


def test_all_pages_come_whole_with_a_manifest(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    out = tmp_path / "trials.jsonl.gz"
    seen: list[tuple[int, int | None]] = []
    manifest = fetch_trials(
        RegistryQuery(condition="migraine"),
        out,
        api,
        page_size=4,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert fetched_ids(out) == ids(10)
    assert manifest == json.loads((tmp_path / "trials.jsonl.gz.manifest.json").read_text())
    assert manifest["count"] == manifest["total"] == 10
    assert manifest["query"] == {"query.cond": "migraine"}
    assert (manifest["api_version"], manifest["data_timestamp"]) == ("2.0.5", "2026-01-05T09:00:05")
    assert manifest["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert seen == [(0, None), (4, 10), (8, 10), (10, 10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "trials.jsonl.gz",
        "trials.jsonl.gz.manifest.json",
    ]
    assert [query.get("pageToken") for query in registry.queries] == [None, "t4", "t8"]


def test_what_was_fetched_can_be_ingested(api: RegistryApi, tmp_path: Path) -> None:
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    batches = list(RegistrySource(tmp_path / "trials.jsonl.gz").batches())
    titles = [f"Größe {n}" for n in range(10)]
    assert [title for batch in batches for title in batch.trials["title"]] == titles
    (batch,) = RegistrySource(tmp_path).batches()  # with the manifest beside it
    assert batch.trials["title"].to_list() == titles
    assert not batch.refused["file"].str.ends_with(".manifest.json").any()


def test_an_empty_last_page_is_the_end(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=5)
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(10)
    assert [query.get("pageToken") for query in registry.queries] == [None, "t5", "t10"]


def test_an_empty_answer_is_an_empty_file(api: RegistryApi, registry: Registry, tmp_path: Path) -> None:
    registry.studies = []
    assert fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)["count"] == 0
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == []


def test_maximum_is_obeyed(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4, maximum=6)
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(6)
    assert len(registry.queries) == 2
    fetch_trials(RegistryQuery(), tmp_path / "few.jsonl.gz", api, page_size=4, maximum=2)
    assert (fetched_ids(tmp_path / "few.jsonl.gz"), registry.queries[-1]["pageSize"]) == (ids(2), "2")


FAULTS = {
    "429": (429, {}, b""),
    "500": (500, {}, b"oops"),
    "503": (503, {}, b""),
    "520": (520, {}, b"from a proxy"),
    "hang-up": (0, {}, b""),
    "cut-short": (200, {"Content-Length": "5000"}, b'{"studies": ['),
    "no-json": (200, {}, b"<html>busy</html>"),
    "truncated-json": (200, {}, b'{"studies": [{'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_may_pass_is_tried_again_with_backoff(
    fault: tuple[int, dict[str, str], bytes],
    registry: Registry,
    api: RegistryApi,
    sleeps: list[float],
    tmp_path: Path,
) -> None:
    registry.faults = {1: fault, 2: fault}
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(10)
    assert [wait for wait in sleeps if wait >= 1] == [1.0, 2.0]


def test_retry_after_is_obeyed(
    registry: Registry, api: RegistryApi, sleeps: list[float], tmp_path: Path
) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    registry.faults = {0: (429, {"Retry-After": "17"}, b""), 1: (503, {"Retry-After": when}, b"")}
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert sleeps[0] == 17.0
    assert 60 < sleeps[1] <= 90


def test_a_wait_of_hours_is_an_error_that_says_so(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.faults = {0: (429, {"Retry-After": "7200"}, b"")}
    with pytest.raises(IngestError, match="asks to wait 7200 seconds"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_a_lasting_fault_ends_in_an_error_and_keeps_what_came(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.faults = dict.fromkeys(range(1, 5), (503, {}, b""))
    with pytest.raises(IngestError, match="failed 4 times; the last error was: HTTP 503"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert not (tmp_path / "trials.jsonl.gz").exists()
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(10)
    assert sum("pageToken" not in query for query in registry.queries) == 1


def test_a_refused_query_is_not_tried_again(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    registry.faults = {0: (400, {}, b"unknown area")}
    with pytest.raises(IngestError, match="HTTP 400 unknown area"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)
    assert len(registry.queries) == 1


def test_an_answer_of_another_kind_is_an_error(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    registry.faults = {0: (200, {}, b'{"studies": 3}')}
    with pytest.raises(IngestError, match="did not answer with a list of studies"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_changed_data_start_the_download_again(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    registry.data_timestamps = ["monday", "tuesday", "tuesday", "tuesday"]
    manifest = fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert manifest["data_timestamp"] == "tuesday"
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(10)
    assert [query.get("pageToken") for query in registry.queries] == [None, "t4", "t8"] * 2


def test_data_that_change_all_the_time_are_an_error(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.data_timestamps = [str(number) for number in range(20)]
    with pytest.raises(IngestError, match="changed 4 times"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_a_forgotten_token_starts_the_download_again(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.faults = {1: (400, {}, b"invalid page token")}
    fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert fetched_ids(tmp_path / "trials.jsonl.gz") == ids(10)


def test_another_query_does_not_go_on_from_this_one(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.faults = dict.fromkeys(range(1, 5), (503, {}, b""))
    with pytest.raises(IngestError, match="HTTP 503"):
        fetch_trials(RegistryQuery(condition="migraine"), tmp_path / "trials.jsonl.gz", api, page_size=4)
    manifest = fetch_trials(RegistryQuery(condition="asthma"), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert manifest["query"] == {"query.cond": "asthma"}
    assert registry.queries[-3].get("pageToken") is None


def test_requests_keep_their_distance(registry: Registry, sleeps: list[float], tmp_path: Path) -> None:
    with RegistryApi(registry.url, interval=1000.0, sleep=sleeps.append) as api:
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)
    assert len(registry.times) == 5
    assert len(sleeps) == 4
    assert all(900 < seconds <= 1000 for seconds in sleeps)


def test_a_killed_download_goes_on_where_it_was(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    registry.hang_at = 2
    out = tmp_path / "trials.jsonl.gz"
    script = (
        "import sys; from pathlib import Path; from trialforge.app.fetch import *;"
        "fetch_trials(RegistryQuery(), Path(sys.argv[1]), RegistryApi(sys.argv[2], interval=0), page_size=4)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(out), registry.url])
    deadline = time.monotonic() + 60
    while len(registry.queries) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    registry.released.set()
    assert not out.exists()
    fetch_trials(RegistryQuery(), out, api, page_size=4)
    assert fetched_ids(out) == ids(10)
    assert [query.get("pageToken") for query in registry.queries] == [None, "t4", "t8", "t8"]


def test_ids_are_fetched_so_many_at_a_time_and_those_unknown_are_told(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("NCT00000007\n\n nct00000002 \nNCT99999999\nNCT00000007\nNCT00000001\n")
    query = RegistryQuery(ids=read_ids(file))
    manifest = fetch_trials(query, tmp_path / "trials.jsonl.gz", api, page_size=2)
    assert sorted(fetched_ids(tmp_path / "trials.jsonl.gz")) == ["NCT00000001", "NCT00000002", "NCT00000007"]
    asked = [query["filter.ids"] for query in registry.queries]
    assert asked == ["NCT00000007,NCT00000002", "NCT99999999,NCT00000001"]
    assert (manifest["count"], manifest["total"], manifest["not_found"]) == (3, 4, ["NCT99999999"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_ids_may_have_a_heading_and_be_of_a_spreadsheet(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("nct_id\nNCT00000001\n", encoding=encoding)
    assert read_ids(tmp_path / "ids.txt") == ("NCT00000001",)


@pytest.mark.parametrize(
    ("text", "problem"), [("NCT00000001\nNCT1\n", "line 2 of .* is 'NCT1'"), ("\n", "has no id")]
)
def test_a_file_of_ids_that_is_none_is_an_error(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(text)
    with pytest.raises(ParameterError, match=problem):
        read_ids(tmp_path / "ids.txt")


def versions(number: int) -> list[dict[str, Any]]:
    """Three versions of a study, which tell by their title which is which."""
    found = [study(number) for _ in range(3)]
    for version, one in enumerate(found):
        one["protocolSection"]["identificationModule"]["briefTitle"] = f"Version {version}"
    return found


def test_each_study_is_fetched_as_first_posted(
    registry: Registry, api: RegistryApi, sleeps: list[float], tmp_path: Path
) -> None:
    registry.histories = {f"NCT{number:08d}": versions(number) for number in range(9)}  # the tenth has none
    registry.history_faults = {0: FAULTS["429"], 3: FAULTS["hang-up"], 7: FAULTS["truncated-json"]}
    out = tmp_path / "trials.jsonl.gz"
    manifest = fetch_trials(RegistryQuery(), out, api, as_registered=True)
    with gzip.open(out, "rt") as lines:
        titles = [json.loads(line)["protocolSection"]["identificationModule"]["briefTitle"] for line in lines]
    assert titles == ["Version 0"] * 9
    assert fetched_ids(out) == ids(9)
    assert (manifest["as_registered"], manifest["count"], manifest["not_found"]) == (True, 9, [ids(10)[9]])
    assert len([wait for wait in sleeps if wait >= 1]) == 3


def test_first_versions_that_came_are_kept_whatever_day_it_is(
    registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.studies = [study(number) for number in range(30)]
    registry.histories = {f"NCT{number:08d}": versions(number) for number in range(30)}
    registry.history_faults = dict.fromkeys(range(45, 49), FAULTS["503"])
    out = tmp_path / "trials.jsonl.gz"
    with pytest.raises(IngestError, match="history/0 failed 4 times"):
        fetch_trials(RegistryQuery(), out, api, as_registered=True)
    assert not out.exists()
    registry.data_timestamps, asked = ["2026-02-01T09:00:05"], len(registry.queries)
    fetch_trials(RegistryQuery(), out, api, as_registered=True)
    assert fetched_ids(out) == ids(30)
    assert len(registry.queries) == asked, "the list was kept"
    assert registry.history_paths.count("/api/int/studies/NCT00000000/history") == 1


SHAPES = {
    "no changes": b'{"history": []}',
    "an empty list": b'{"changes": []}',
    "a list": b"[1]",
    "no version": b'{"changes": [{"date": "2001-01-01"}]}',
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_a_history_of_another_shape_is_an_error_that_says_so(
    body: bytes, registry: Registry, api: RegistryApi, tmp_path: Path
) -> None:
    registry.history_faults = {0: (200, {}, body)}
    with pytest.raises(IngestError, match=r"NCT00000000/history in an unknown format.*\n.*undocumented"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, as_registered=True)


def test_a_version_of_another_study_is_an_error(registry: Registry, api: RegistryApi, tmp_path: Path) -> None:
    registry.histories = {"NCT00000000": versions(5)}
    with pytest.raises(IngestError, match="version 0 is of NCT00000005"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, as_registered=True)


def test_no_server_is_an_error_with_its_address(tmp_path: Path) -> None:
    with (
        RegistryApi("http://127.0.0.1:9", attempts=2, sleep=lambda _: None) as api,
        pytest.raises(IngestError, match=r"http://127\.0\.0\.1:9/api/v2/version failed 2 times"),
    ):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_each_wait_for_a_server_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with (
        RegistryApi("http://127.0.0.1:9", attempts=3, sleep=lambda _: None, tell=told.append) as api,
        pytest.raises(IngestError),
    ):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)
    assert [line.rpartition("; ")[2] for line in told] == ["attempt 2 of 3 in 1 s", "attempt 3 of 3 in 2 s"]
    assert all("http://127.0.0.1:9: ConnectError" in line for line in told)


def test_query_speaks_the_language_of_the_api() -> None:
    query = RegistryQuery(
        "type 2 diabetes", "metformin", ("Completed", "active, not recruiting", "Unknown status"),
        ("Phase 2", "Phase 1/Phase 2", "N/A"), date(2015, 1, 1), None,
    )  # fmt: skip
    assert query.parameters() == {
        "query.cond": "type 2 diabetes",
        "query.intr": "metformin",
        "filter.overallStatus": "COMPLETED,ACTIVE_NOT_RECRUITING,UNKNOWN",
        "filter.advanced": (
            "((AREA[Phase]PHASE2) OR (AREA[Phase]PHASE1 AND AREA[Phase]PHASE2) OR (AREA[Phase]NA))"
            " AND AREA[StartDate]RANGE[2015-01-01,MAX]"
        ),
    }


def test_unknown_words_are_errors() -> None:
    with pytest.raises(ParameterError, match=r"unknown status 'Done'; choose from .*Completed"):
        RegistryQuery(statuses=("Done",)).parameters()
    with pytest.raises(ParameterError, match="unknown phase 'Phase 9'"):
        RegistryQuery(phases=("Phase 9",)).parameters()
    with pytest.raises(ParameterError, match="is not a date"):
        parse_day("1 May 2015")


class EndlessRegistry(Registry):
    """Announces a next page after each, and tells the number of studies or does not."""

    tells_total = True

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = super().answer(
            path, query | {"pageToken": "t0"} if "pageToken" in query else query
        )
        page = json.loads(body) | ({"nextPageToken": "again"} if path.endswith("studies") else {})
        if not self.tells_total:
            page.pop("totalCount", None)
        return status, headers, json.dumps(page).encode()


@pytest.mark.parametrize("tells_total", [True, False])
def test_pages_without_an_end_are_an_error(
    tells_total: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialforge.app.fetch.MOST_STUDIES", 10)
    endless = EndlessRegistry([study(number) for number in range(10)])
    endless.tells_total = tells_total
    with (
        serve(endless) as registry,
        RegistryApi(registry.url, interval=0) as api,
        pytest.raises(IngestError, match=r"says that it has 10 studies, but sent 12 and announces more"),
    ):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api, page_size=4)


@pytest.mark.parametrize("trickle", TRICKLES)
def test_registry_that_trickles_is_given_up(
    trickle: Callable[[], Iterator[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialforge.app.registry_api.CALL_SECONDS", 0.3)
    with (
        answering(trickle, 0.05) as address,
        RegistryApi(f"http://{address}", attempts=2, sleep=lambda _: None) as api,
        pytest.raises(
            IngestError, match=r"failed 2 times; the last error was: LateAnswer.* longer than 0\.3 s"
        ),
    ):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_registry_that_floods_is_given_up(tmp_path: Path) -> None:
    with (
        answering(flood) as address,
        RegistryApi(f"http://{address}") as api,
        pytest.raises(IngestError, match="is not a registry: an answer is longer than"),
    ):
        fetch_trials(RegistryQuery(), tmp_path / "trials.jsonl.gz", api)


def test_the_file_name_must_say_what_it_holds(api: RegistryApi, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"must end in \.jsonl\.gz"):
        fetch_trials(RegistryQuery(), tmp_path / "trials.json", api)
