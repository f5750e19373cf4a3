"""Each kind of work on a real Dask cluster: the same bytes as here, whoever is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests import cluster_work
from tests.cluster import ROOT, Cluster, meanwhile, run_cluster
from tests.processes import wait_until
from tests.unit.ingest.made_records import study_text
from tests.unit.learning.conftest import build_parts, build_trials
from trialforge.core import pieces
from trialforge.core.errors import GenerationError, ParameterError, WorkerError
from trialforge.core.pieces import map_as_completed, map_in_order
from trialforge.core.progress import Progress
from trialforge.embedding import cached
from trialforge.embedding.cached import CachedEncoder
from trialforge.embedding.factory import hash_model, load_encoder, packaged_model
from trialforge.embedding.params import EmbeddingParams
from trialforge.generation.asking import Chain, Question, Tally, ask_chains
from trialforge.ingest import aact, registry
from trialforge.ingest.registry import RegistrySource
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_experiments
from trialforge.llm.backend import Completion, Message, Request, Sampling, ask_first_token
from trialforge.llm.calls import CachedGenerator, CallCache
from trialforge.llm.factory import load_engine
from trialforge.llm.models import PACKAGED_SHA256, find_packaged
from trialforge.llm.params import LlmParams
from trialforge.trial import near_duplicates
from trialforge.trial.near_duplicates import sketch_texts

pytestmark = pytest.mark.timeout(900)  # a busy machine takes minutes to start so many processes


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with run_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(processes: Cluster) -> Cluster:
    """Three workers with folders of their own; those that the test before killed have followers."""
    processes.have_workers(3)
    return processes


def read_files(folder: Path) -> list[bytes]:
    """Records as JSON, and AACT's tables, as they are read from beside the folder."""
    batches = list(RegistrySource(folder.parent / "records").batches())
    tables = (pl.concat(batch.trials for batch in batches), pl.concat(batch.refused for batch in batches))
    return [table.write_ndjson().encode() for table in tables]


def write_records(folder: Path) -> None:
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.json").write_bytes(study_text(f"NCT{number:08d}"))
    ids = [f"NCT{number:08d}" for number in range(100, 160)]
    rows = "".join(f"{one}|Trial {one}|COMPLETED|PHASE2|INTERVENTIONAL\n" for one in ids)
    (folder / "studies.txt").write_text(f"nct_id|brief_title|overall_status|phase|study_type\n{rows}")
    rows = "".join(f"{number}|{one}|Condition {number}\n" for number, one in enumerate(ids))
    (folder / "conditions.txt").write_text(f"id|nct_id|name\n{rows}")


TEXTS = [f"A trial of drug {n % 7} in {n} adults with condition {n % 5}, twice a day." for n in range(160)]


def sketch(_: Path) -> list[bytes]:
    size = near_duplicates.CHUNK
    chunks = (pl.Series(TEXTS[start : start + size]) for start in range(0, len(TEXTS), size))
    sketches = sketch_texts(chunks, 0.8)
    return [sketches.keys.tobytes(), *sketches.digests]


def embed(folder: Path) -> list[bytes]:
    vectors = load_encoder(EmbeddingParams(), folder / "vectors.sqlite").encode(TEXTS)
    with closing(sqlite3.connect(folder / "vectors.sqlite")) as kept:
        rows = kept.execute("SELECT key, vector FROM vectors ORDER BY key").fetchall()
    assert len(rows) == len(TEXTS)
    return [vectors.tobytes(), *(part for row in rows for part in row)]


def train(folder: Path) -> list[bytes]:
    arms = [{"name": "synthetic", "real": 0.0, "extra": "synthetic"}, {"name": "more", "extra": "synthetic"}]
    params = LearningParams.model_validate(
        {
            "seeds": 6,
            "fields": ["phase", "criteria"],
            "real_experiments": [],
            "synthetic_experiments": ["tried"],
            "models": ["gradient-boosting"],
            "experiments": {"tried": arms},
            "classifiers": {"gradient-boosting": {"components": 4, "trees": 20}},
            "statistics": {"primary": {"arm": "more", "against": "synthetic", "model": "gradient-boosting"}},
        }
    )
    synthetic = build_trials(20, prefix="SYN-").with_columns(
        pl.lit("retrieval-reasoning").alias("arm"),
        pl.lit(0, dtype=pl.Int64).alias("generation"),
        pl.Series("exemplars", [[f"NCT{number:08d}"] for number in range(20)]),
    )
    tables = make_tables(build_parts(), params.fields, synthetic)
    asked = Training(params, ["tried"], "gradient-boosting", 1, folder / "models", folder / "store")
    predictions = train_experiments(asked, tables)
    models = sorted(path for path in (folder / "models").rglob("*") if path.is_file())
    assert {path.parent.name for path in models} == {"synthetic", "more"}
    return [predictions.write_ipc(None).getvalue(), *(path.read_bytes() for path in models)]


LLM = LlmParams(context_tokens=512, slots=2, workers=1, threads=1)


def short_requests(texts: Sequence[str]) -> list[Request]:
    return [
        Request((Message("user", text),), None, Sampling(max_tokens=12), seed)
        for seed, text in enumerate(texts)
    ]


def complete(requests: Sequence[Request]) -> list[Completion]:
    with closing(load_engine(LLM)) as generator:
        answers = dict(generator.complete(requests))
    return [answers[number] for number in range(len(requests))]


def ask(_: Path) -> list[bytes]:
    texts = [f"Exemplar {n // 4}: a trial of drug {n // 4}. Write a title, {n}." for n in range(16)]
    return [answer.text.encode() for answer in complete(short_requests(texts))]


def ask_for_first_tokens(_: Path) -> list[bytes]:
    """As `zero-shot` asks: the odds of the tokens that an answer would begin with."""
    asked = [f"Did trial {n} of drug {n % 4} succeed? Answer yes or no." for n in range(16)]
    answers = complete([ask_first_token((Message("user", text),)) for text in asked])
    assert all(answer.first_tokens for answer in answers)
    return [repr(answer.first_tokens).encode() for answer in answers]


def ask_in_chains(_: Path) -> list[bytes]:
    """Each answer is the end of the next prompt, as the parts of a draft are."""
    found: dict[int, list[bytes]] = {number: [] for number in range(8)}

    def chain(number: int) -> Chain[str]:
        told = f"Exemplar {number}: a trial of drug {number}. Write a title."
        for turn in range(3):
            said = yield Question((Message("user", told),), {"type": "string", "maxLength": 20}, turn, str)
            told += f"\n{said.value}"
            found[number].append(str(said.value).encode())

    with closing(load_engine(LLM)) as generator:
        ask_chains(generator, map(chain, found), Sampling(max_tokens=12), 0, Tally())
    assert all(len(said) == 3 for said in found.values())
    return [text for said in found.values() for text in said]


WORK: dict[str, Callable[[Path], list[bytes]]] = {
    "signatures": sketch,
    "vectors": embed,
    "files": read_files,
    "shared-files": read_files,
    "cells": train,
    "calls": ask,
    "first-tokens": ask_for_first_tokens,
    "chains": ask_in_chains,
}


@pytest.mark.parametrize(
    "kind",
    [
        "files",
        "signatures",
        "chains",
        *(
            pytest.param(kind, marks=pytest.mark.full)
            for kind in ("shared-files", "vectors", "cells", "calls", "first-tokens")
        ),
    ],
)
def test_a_worker_that_is_killed_changes_no_byte(
    kind: str, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_records(tmp_path / "records")
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    here = WORK[kind](tmp_path / "here")
    monkeypatch.setattr(near_duplicates, "CHUNK", 4)
    monkeypatch.setattr(cached, "BLOCK", 4)
    monkeypatch.setattr(registry, "CHUNK_RECORDS", 2)
    monkeypatch.setattr(aact, "PART_TRIALS", 4)
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    if kind == "shared-files":
        (tmp_path / "shared").mkdir()
        monkeypatch.setenv(pieces.SHARED_FILES, str(tmp_path / "shared"))
    with cluster.kill_one() as killed:
        there = WORK[kind](tmp_path / "there")
    assert len(killed) == 1
    assert there == here


def test_what_a_killed_worker_had_is_done_again_and_nothing_else(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    log = tmp_path / "log"
    seen = []
    with cluster.kill_one() as killed, Progress("squares", 60) as progress:
        for number, result in map_as_completed(partial(cluster_work.square_slowly, log), range(60)):
            assert result == number * number
            progress.advance()
            seen.append((number, progress.line()))
    assert sorted(number for number, _ in seen) == list(range(60))
    assert len(killed) == 1
    done = log.read_text().split()
    assert set(done) == {str(number) for number in range(60)}
    assert len(done) - 60 <= 3  # the piece in work, and results that were on their way
    assert " workers, " in seen[30][1]
    assert " a second" in seen[30][1]


def test_results_keep_their_order_and_only_a_few_pieces_are_ahead(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    results = map_in_order(partial(cluster_work.square_slowly, tmp_path / "log"), numbers())
    assert next(results) == 0
    assert len(taken) <= 12
    assert list(results) == [number * number for number in range(1, 40)]


def test_an_error_of_a_piece_ends_the_work_after_what_had_finished(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    given: list[int] = []
    with pytest.raises(ZeroDivisionError):
        given.extend(number for number, _ in map_as_completed(cluster_work.fail_at_10, range(1000)))
    assert len(given) >= 7
    assert 10 not in given


def test_a_piece_that_kills_each_worker_ends_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_cluster(tmp_path) as cluster:
        cluster.have_workers(4)
        monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
        with pytest.raises(WorkerError, match="4 workers died while doing the same piece of work"):
            list(map_in_order(cluster_work.die_at_0, range(2)))


def test_a_file_that_a_worker_does_not_see_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").write_text("only here")
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    with pytest.raises(WorkerError, match=r"(?s)worker tcp://\S+ has no file here\n.*SHARED_FILES"):
        list(map_in_order(cluster_work.read_text, [Path("here")] * 3))


@pytest.mark.full
def test_answers_are_kept_as_they_arrive_and_the_next_run_asks_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler dies when some answers are kept; nothing of them is asked again."""
    requests = short_requests([f"Exemplar {n}: a trial of drug {n}. Write a title." for n in range(24)])

    def open_cached() -> closing[CachedGenerator]:
        return closing(CachedGenerator(load_engine(LLM), CallCache(tmp_path / "calls")))

    def count_kept() -> int:
        with open_cached() as generator:
            return generator.count_kept(requests)

    (tmp_path / "cluster").mkdir()
    with run_cluster(tmp_path / "cluster") as cluster:
        cluster.have_workers(2)
        monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
        given: list[int] = []

        def take(generator: CachedGenerator) -> None:
            for number, _ in generator.complete(requests):
                given.append(number)
                if len(given) == 4:
                    cluster.scheduler.kill()

        with open_cached() as generator, pytest.raises(WorkerError, match="is gone"):
            take(generator)
    monkeypatch.delenv(pieces.SCHEDULER)
    kept = count_kept()
    assert 4 <= len(given) <= kept < len(requests)
    with open_cached() as generator:
        answers = dict(generator.complete(requests))
    assert sum(answer.from_cache for answer in answers.values()) == kept
    assert count_kept() == len(requests)


def test_ctrl_c_frees_the_workers(cluster: Cluster, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = os.environ | {"PYTHONPATH": paths, pieces.SCHEDULER: cluster.address}
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster_work", str(tmp_path)], cwd=ROOT, env=environment
    )
    wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == 3)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    with cluster.client() as client:
        wait_until(lambda: not any(client.processing().values()))
    begun = {path.stem for path in tmp_path.glob("*.begun")}
    assert 3 <= len(begun) <= 9  # the pieces that were sent, and none of the many after them
    wait_until(lambda: {path.stem for path in tmp_path.glob("*.freed")} == begun)


def test_a_worker_of_other_code_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(shutil.copytree(ROOT / "src" / "trialforge", tmp_path / "src" / "trialforge"))
    with (package / "core" / "rng.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    name = cluster.start_worker(PYTHONPATH=os.pathsep.join([str(tmp_path / "src"), str(ROOT)]))
    try:
        cluster.have_workers(4)
        monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
        with pytest.raises(
            WorkerError, match=r"worker tcp://127\.0\.0\.1:\d+ .* trialforge [0-9a-f]{12} \(here"
        ):
            list(map_in_order(partial(cluster_work.square_slowly, tmp_path / "log"), range(40)))
    finally:
        cluster.workers[name].kill()
        cluster.workers.pop(name).wait()


def test_a_model_that_a_worker_lacks_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.gguf").symlink_to(find_packaged())
    monkeypatch.chdir(tmp_path)  # the workers have folders of their own, and no such file in them
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    params = LLM.model_copy(update={"model": "mine.gguf", "sha256": PACKAGED_SHA256})
    requests = [Request((Message("user", str(n)),), None, Sampling(max_tokens=2), n) for n in range(6)]
    with (
        closing(load_engine(params)) as generator,
        pytest.raises(GenerationError, match=r"no model file mine\.gguf \(on the worker tcp://127"),
    ):
        list(generator.complete(requests))


def test_an_encoder_that_a_worker_lacks_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packaged_model(EmbeddingParams().model)
    (tmp_path / "mine").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cached, "BLOCK", 4)
    monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
    params = EmbeddingParams(backend="sentence-transformers", model="mine", sha256=hash_model(folder))
    encoder = load_encoder(params, tmp_path / "vectors.sqlite")
    with pytest.raises(
        ParameterError, match=r"'mine' is neither a folder nor a .* \(on the worker tcp://127"
    ):
        encoder.encode(TEXTS[:16])


def test_without_a_scheduler_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CONNECT_SECONDS", 0.5)
    monkeypatch.setenv(pieces.SCHEDULER, "tcp://127.0.0.1:1")
    with pytest.raises(
        WorkerError, match=r"(?s)no Dask scheduler answers at tcp://127\.0\.0\.1:1:.*unset DASK_"
    ):
        list(map_in_order(str, range(3)))


class CountingEncoder:
    """An encoder that counts what it is asked."""

    digest, dimension = "counted", 2

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return cluster_work.encode_slowly(texts)


def test_a_killed_scheduler_is_told_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "BLOCK", 1)
    path = tmp_path / "vectors.sqlite"
    with run_cluster(tmp_path) as cluster:
        cluster.have_workers(1)
        monkeypatch.setenv(pieces.SCHEDULER, cluster.address)
        encoder = CachedEncoder(CountingEncoder(), path, cluster_work.encode_slowly)

        def kill() -> bool:
            reached = count_vectors(path) >= 5
            if reached:
                cluster.scheduler.kill()
            return reached

        with (
            meanwhile(kill),
            pytest.raises(
                WorkerError, match=r"(?s)the Dask scheduler at tcp://\S+ is gone.*again to continue"
            ),
        ):
            encoder.encode(TEXTS)
    monkeypatch.delenv(pieces.SCHEDULER)
    kept = count_vectors(path)
    assert 5 <= kept < len(TEXTS)
    counting = CountingEncoder()
    vectors = CachedEncoder(counting, path).encode(TEXTS)
    assert len(counting.texts) == len(TEXTS) - kept
    np.testing.assert_array_equal(vectors, cluster_work.encode_slowly(TEXTS))


def count_vectors(path: Path) -> int:
    if not path.is_file():
        return 0
    with closing(sqlite3.connect(path)) as kept:
        made = kept.execute("SELECT count(*) FROM sqlite_master WHERE name = 'vectors'").fetchone()[0]
        return int(kept.execute("SELECT count(*) FROM vectors").fetchone()[0]) if made else 0
