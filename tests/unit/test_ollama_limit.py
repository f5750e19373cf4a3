"""The limit of a test that waits for Ollama: it ends the test, and says which server it waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WAITING = """
import socket

import pytest


@pytest.fixture
def ollama_host():
    return "the real one"


def test_waits(ollama_host):
    with socket.create_connection(("127.0.0.1", {port})) as asked:
        asked.recv(1)


def test_does_not_wait():
    pass
"""


def test_a_silent_server_ends_the_test_by_its_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "conftest.py").write_text(
            "from tests.ollama_limit import pytest_timeout_cancel_timer, pytest_timeout_set_timer  # noqa\n"
        )
        (tmp_path / "test_one.py").write_text(WAITING.format(port=port))
        own = {
            "OLLAMA_HOST": f"http://127.0.0.1:{port}",
            "OLLAMA_TEST_SECONDS": "0.5",
            "PYTHONPATH": str(ROOT),
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--timeout=60",
            "test_one.py",
        ]
        found = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert f"waited 0.5 s for Ollama at http://127.0.0.1:{port}" in found.stdout
    assert "1 failed, 1 passed" in found.stdout
