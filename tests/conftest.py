"""What tests share: the real data and the real servers, each skipped by name where it is absent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterable
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import settings

from tests.ollama_limit import pytest_timeout_cancel_timer, pytest_timeout_set_timer
from tests.ollama_model import make_model
from tests.once import made_once, read_once
from trialforge.ingest.source import Batch

__all__ = ["pytest_timeout_cancel_timer", "pytest_timeout_set_timer"]  # hooks of pytest

ROOT = Path(__file__).resolve().parents[1]

# Each process of the tests has one core. With a pool of threads each, they would wait for each other: trees
# that grow in a second took five minutes. What the tests start takes this over.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault. `make test` tries the same examples each time, `make test-full` new ones.
settings.register_profile("trialforge", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=200)
settings.load_profile("trialforge")


# What loads a language model or an encoder, opens a browser, or reads thousands of real records.
SLOW_FIXTURES = {"engine", "packaged_model", "tiny_encoder", "browser", "shared_data"}
SERVICES, STAGES = ROOT / "tests" / "services", ROOT / "tests" / "stages"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what runs stages or needs a heavy fixture; a module marks the rest itself."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.path.parent in (SERVICES, STAGES) or fixtures & SLOW_FIXTURES:
            item.add_marker("slow")
    shared = dict.fromkeys(item.path for item in items if "small_runs" in getattr(item, "fixturenames", ()))
    files = order_files([item.path for item in items], [*shared][1:])
    places = {path: place for place, path in enumerate(files)}
    items.sort(key=lambda item: places[item.path])


def order_files(paths: Iterable[Path], late: Collection[Path]) -> list[Path]:
    """Long files first, so that no process is alone at the end; those that wait for servers by turns.

    Of the long ones `late` come last: what they need is being made for the first file that needs it.
    """
    files = list(dict.fromkeys(paths))
    waiting = [path for path in files if path.parent == SERVICES]
    others = [path for path in files if path.parent != SERVICES]
    others.sort(key=lambda path: (path.parent != STAGES, path in late))
    pairs = zip_longest(others, waiting)
    return [path for pair in pairs for path in pair if path is not None]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell's background job is started deaf to ctrl-C, and so would be what the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real registry data that lies beside a developer's checkout."""
    folder = Path(os.environ.get("TRIALFORGE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; name its parent by TRIALFORGE_SHARED")
    return folder


@pytest.fixture(scope="session")
def read_real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Batch]:
    """Trials of a file of the real data, by its path there; each file is read once in a session."""

    def read(name: str) -> Batch:
        with made_once(tmp_path_factory, "real-records") as folder:
            return read_once(folder, shared_data / name)

    return read


@pytest.fixture(scope="session")
def elasticsearch_url() -> str:
    """The address of a real Elasticsearch."""
    return _address("ELASTICSEARCH_URL")


@pytest.fixture(scope="session")
def ollama_host() -> str:
    """The address of a real Ollama."""
    address = _address("OLLAMA_HOST")
    make_model(address)
    return address


def _address(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        pytest.skip(f"{variable} is not set: no real server to test against")
    return address
