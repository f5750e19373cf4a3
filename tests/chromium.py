"""A real browser for tests: Chromium, spoken to over its own debugging pipe, with no driver between."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. `events` keeps everything that the browser reported."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._from, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium ended")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 30) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.05)

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a report from its file and wait until it answers and its plots are drawn."""
        self.send("Page.navigate", url="about:blank")  # else another fragment would only scroll
        self.send("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.wait_for("document.documentElement?.dataset.ready && document.documentElement.dataset.plots")

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def prefer(self, scheme: str, media: str = "") -> None:
        """Set the colour scheme that the system prefers, and the medium."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def colours(self) -> int:
        """How many colours the window shows now, seen at every fourth point; a blank page has one."""
        png = self.send("Page.captureScreenshot")["data"]
        seen: int = self.evaluate(
            "(async () => { const picture = new Image();"
            f" picture.src = 'data:image/png;base64,{png}'; await picture.decode();"
            " const canvas = document.createElement('canvas');"
            " canvas.width = picture.width; canvas.height = picture.height;"
            " const pen = canvas.getContext('2d'); pen.drawImage(picture, 0, 0);"
            " const data = new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer);"
            " return new Set(data.filter((_, at) => at % 4 === 0)).size; })()"
        )
        return seen

    def print(self) -> tuple[bytes, int]:
        """The page as it is printed on A4, and on how many sheets."""
        pdf = base64.b64decode(self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
        return pdf, len(re.findall(rb"/Type\s*/Page\b", pdf))

    def problems(self) -> list[str]:
        """Errors and warnings of the console, the page and its security policy."""
        self.evaluate("new Promise((done) => setTimeout(done, 50))")
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"])[:500])
            elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
                found.append(json.dumps(params["args"])[:500])
            elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
                found.append(params["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Every address that the page asked for, but its own file and data in the page itself."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")][1:]


@contextmanager
def open_browser(profile: Path) -> Iterator[Page]:
    """A page in a fresh Chromium, which ends with the block."""
    program = find_chromium()
    if program is None:
        raise FileNotFoundError("no Chromium")
    browser_reads, to_browser = os.pipe()
    from_browser, browser_writes = os.pipe()
    # Chromium reads its commands from descriptor 3 and answers on 4.
    command = f'exec "$0" "$@" 3<&{browser_reads} 4>&{browser_writes}'
    with subprocess.Popen(
        ["/bin/bash", "-c", command, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(browser_reads, browser_writes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(browser_reads)
        os.close(browser_writes)
        try:
            yield Page(to_browser, from_browser)
        finally:
            os.close(to_browser)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            os.close(from_browser)
