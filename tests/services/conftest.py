"""A real Elasticsearch, and an alias that no other test has; all its indices are deleted afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.services.elastic import Served, indices_of, many_trials, serve_small

TRIALS = 200


@pytest.fixture(scope="session")
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_url) as client:
        yield client


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seals of indices are kept in the folder that a run works in."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def alias(client: Elasticsearch) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    for index in indices_of(client, name):
        client.indices.delete(index=index)


@pytest.fixture
def served(tmp_path: Path, alias: str, elasticsearch_url: str) -> Served:
    """An index of 200 trials, on disk only."""
    return serve_small(tmp_path / "index", alias, elasticsearch_url).build(many_trials(TRIALS))
