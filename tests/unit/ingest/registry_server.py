"""A real HTTP server that answers like the registry's API v2, and misbehaves where a test says so."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.local_server import running


@dataclass
class Registry:
    """Studies in pages, and the versions of each.

    `faults` maps a request's number (from 0, of /studies) to (status, headers, body), and `history_faults`
    the number of a request of histories.
    """

    studies: list[dict[str, Any]]
    faults: dict[int, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    data_timestamps: list[str] = field(default_factory=lambda: ["2026-01-05T09:00:05"])
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    history_faults: dict[int, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    history_paths: list[str] = field(default_factory=list)
    hang_at: int | None = None
    url: str = ""
    queries: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.times.append(time.monotonic())
            if path == "/api/v2/version":
                stamp = (
                    self.data_timestamps.pop(0) if len(self.data_timestamps) > 1 else self.data_timestamps[0]
                )
                return 200, {}, json.dumps({"apiVersion": "2.0.5", "dataTimestamp": stamp}).encode()
            if path.startswith("/api/int/studies/"):
                self.history_paths.append(path)
                fault = self.history_faults.get(len(self.history_paths) - 1)
                return fault or self.history(path.removeprefix("/api/int/studies/").split("/"))
            number = len(self.queries)
            self.queries.append(query)
        if number == self.hang_at:
            self.released.wait(30)
        if number in self.faults:
            return self.faults[number]
        if "filter.ids" in query:
            wanted = query["filter.ids"].split(",")
            found = [one for one in self.studies if find_id(one) in wanted]
            return 200, {}, json.dumps({"studies": found}).encode()
        size, start = int(query["pageSize"]), int(query.get("pageToken", "t0")[1:])
        page: dict[str, Any] = {"studies": self.studies[start : start + size]}
        if query["countTotal"] == "true":
            page["totalCount"] = len(self.studies)
        if len(page["studies"]) == size:  # a full page always announces a next one
            page["nextPageToken"] = f"t{start + size}"
        return 200, {}, json.dumps(page).encode()

    def history(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        """What the site answers to ID/history and ID/history/VERSION."""
        versions = self.histories.get(parts[0], [])
        if parts[1:] == ["history"] and versions:
            changes = [
                {"version": number, "date": f"20{number:02d}-01-01"} for number in range(len(versions))
            ]
            return 200, {}, json.dumps({"changes": changes[::-1]}).encode()
        if len(parts) == 3 and int(parts[2]) < len(versions):
            version = {"studyVersion": int(parts[2]), "study": versions[int(parts[2])]}
            return 200, {}, json.dumps(version).encode()
        return 404, {}, b"no such study"


def find_id(study: dict[str, Any]) -> str:
    """The id of a study that the server has."""
    return str(study["protocolSection"]["identificationModule"]["nctId"])


@contextmanager
def serve(registry: Registry) -> Iterator[Registry]:
    """Run the registry on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, headers, body = registry.answer(parts.path, dict(parse_qsl(parts.query)))
            if status == 0:  # hang up without an answer
                self.close_connection = True
                return
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                if int(headers.get("Content-Length", len(body))) > len(body):
                    self.close_connection = True
            except OSError:  # the client is gone, as after a kill
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server) as address:
        registry.url = f"http://{address}"
        try:
            yield registry
        finally:
            registry.released.set()
