from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.generation.records import QueuedGenerator
from tests.unit.llm.asking import SCHEMA, RuledGenerator, answer, ask
from trialforge.core.errors import ArtifactError, DiskError, ParameterError
from trialforge.llm.backend import Request, TokenLogprob
from trialforge.llm.calls import (
    CachedGenerator,
    CallCache,
    find_project,
    hash_call,
    manage_cache,
    verify_cache,
)

DIGEST = "d" * 64


@pytest.fixture
def cache(tmp_path: Path) -> CallCache:
    return CallCache(tmp_path / "calls.sqlite")


@pytest.mark.parametrize(
    "folder",
    [
        "/home/me/project",
        "/home/me/project/.dvc/tmp/exps/tmpx1",
        "/home/me/project/.dvc/tmp/exps/standalone/tmpx/sub",
    ],
)
def test_a_queued_experiment_belongs_to_the_project_above_it(folder: str) -> None:
    assert find_project(Path(folder)) == Path("/home/me/project")


def test_kept_answer_comes_back_equal_but_for_its_origin(cache: CallCache) -> None:
    cache.keep("k", "ruled 1", answer("größer"))
    found = cache.find("k")
    assert found is not None
    assert found.from_cache
    assert (found.text, found.prompt_tokens, found.finish_reason) == ("größer", 10, "stop")


def test_first_tokens_are_kept_to_the_last_bit(cache: CallCache) -> None:
    tokens = (TokenLogprob("é", -0.1 / 3), TokenLogprob("no", -7.0))
    cache.keep("k", "ruled 1", replace(answer(""), first_tokens=tokens))
    found = cache.find("k")
    assert found is not None
    assert found.first_tokens == tokens


def test_answer_is_there_for_another_connection_at_once(cache: CallCache) -> None:
    cache.keep("k", "ruled 1", answer("a"))
    assert CallCache(cache.path).find("k") is not None


def test_only_what_is_missing_is_asked(cache: CallCache) -> None:
    inner = RuledGenerator()
    generator = CachedGenerator(inner, cache)
    list(generator.complete([ask(seed=1), ask(seed=2)]))
    again = dict(generator.complete([ask(seed=3), ask(seed=2), ask(seed=1)]))
    assert [request.seed for request in inner.asked] == [2, 1, 3]
    assert [again[index].text for index in range(3)] == ["seed 3", "seed 2", "seed 1"]
    assert [again[index].from_cache for index in range(3)] == [False, True, True]


def test_equal_requests_are_asked_once(cache: CallCache) -> None:
    inner = RuledGenerator()
    answers = dict(CachedGenerator(inner, cache).complete([ask(), ask(), ask()]))
    assert len(inner.asked) == 1
    assert len(answers) == 3


def test_what_is_appended_between_answers_is_asked_or_replayed(cache: CallCache) -> None:
    inner = QueuedGenerator("one", "two", "three")
    generator = CachedGenerator(inner, cache)
    list(generator.complete([ask(seed=1)]))
    requests, texts = [ask(seed=2)], []
    for _, completion in generator.complete(requests):
        texts.append((completion.text, completion.from_cache))
        if len(texts) == 1:
            requests += [ask(seed=1), ask(seed=3), ask(seed=3), ask(seed=2)]
    assert sorted(texts) == [("one", True), ("three", False), ("three", True), ("two", False), ("two", True)]
    assert [request.seed for request in inner.history] == [1, 2, 3]


def test_answer_is_committed_before_it_is_handed_out(cache: CallCache) -> None:
    generator = CachedGenerator(RuledGenerator(), cache)
    requests = [ask(seed=1), ask(seed=2)]
    for index, _ in generator.complete(requests):
        key = hash_call(generator.model_digest, generator.engine, requests[index])
        assert CallCache(cache.path).find(key) is not None


REORDERED = {**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}


@pytest.mark.parametrize(
    "other",
    [
        ask(text="Another."),
        ask(seed=2),
        ask(attempt=1),
        ask(temperature=0.1),
        ask(max_tokens=41),
        ask(schema=None),
        ask(schema=REORDERED),
        replace(ask(), top_tokens=20),
    ],
)
def test_key_follows_what_decides_the_answer(other: Request) -> None:
    assert hash_call(DIGEST, "e", other) != hash_call(DIGEST, "e", ask())


def test_key_follows_model_and_engine() -> None:
    keys = {hash_call(*who, ask()) for who in [(DIGEST, "e 1"), (DIGEST, "e 2"), ("0" * 64, "e 1")]}
    assert len(keys) == 3


def damage(path: Path, key: str) -> None:
    with sqlite3.connect(path) as base:
        base.execute("UPDATE calls SET value = replace(value, 'seed', 'weed') WHERE key = ?", (key,))
    base.close()


def test_corrupt_entry_is_asked_again_and_mended(cache: CallCache) -> None:
    inner = RuledGenerator()
    generator = CachedGenerator(inner, cache)
    list(generator.complete([ask()]))
    damage(cache.path, hash_call(inner.model_digest, inner.engine, ask()))
    ((_, completion),) = generator.complete([ask()])
    assert completion.text == "seed 1"
    assert len(inner.asked) == 2
    assert cache.find_corrupt() == []


@pytest.mark.parametrize("escape", ["\\ud83d", "\\u0000", "\\b"])
def test_a_kept_answer_that_can_be_no_text_is_set_aside(cache: CallCache, escape: str) -> None:
    inner = RuledGenerator()
    key = hash_call(inner.model_digest, inner.engine, ask())
    cache.keep(key, inner.engine, answer(f'{{"title":"{escape}"}}'))
    ((_, completion),) = CachedGenerator(inner, cache).complete([ask()])
    assert (completion.text, len(inner.asked)) == ("seed 1", 1)
    kept = cache.find(key)
    assert kept is not None
    assert kept.text == "seed 1"


def test_half_of_a_pair_joined_to_its_other_half_is_a_text(cache: CallCache) -> None:
    cache.keep("k", "ruled 1", answer('{"title":"\\ud83d\\ude37 and \\\\ud83d"}'))
    assert cache.find("k") is not None


def test_verify_finds_and_removes_corrupt_entries(cache: CallCache) -> None:
    list(CachedGenerator(RuledGenerator(), cache).complete([ask(seed=1), ask(seed=2)]))
    key = hash_call(RuledGenerator.model_digest, RuledGenerator.engine, ask(seed=2))
    damage(cache.path, key)
    assert verify_cache(cache) == {"whole": 1, "corrupt": 1, "removed": [key]}
    assert verify_cache(cache) == {"whole": 1, "corrupt": 0, "removed": []}


def test_stats_count_entries_and_tokens(cache: CallCache) -> None:
    list(CachedGenerator(RuledGenerator(), cache).complete([ask(seed=1), ask(seed=2)]))
    stats = cache.measure()
    assert (stats.entries, stats.prompt_tokens, stats.completion_tokens) == (2, 20, 6)
    assert stats.models == {DIGEST: 2}
    assert stats.disk_bytes > 0


def test_prune_by_model_and_by_age(cache: CallCache) -> None:
    list(CachedGenerator(RuledGenerator(), cache).complete([ask(seed=1), ask(seed=2)]))
    assert cache.prune() == 0
    assert cache.prune(before=1.0) == 0
    assert cache.prune(model_digest="eee") == 0
    assert cache.prune(model_digest="ddd") == 2
    assert cache.measure().entries == 0


def test_prune_by_model_and_age_removes_what_is_both(cache: CallCache) -> None:
    for key, digest in (("old", "a" * 64), ("other", "b" * 64)):
        cache.keep(key, "ruled 1", replace(answer("a"), model_digest=digest))
    assert cache.prune(before=1.0, model_digest="aa") == 0
    assert cache.prune(before=time.time() + 1, model_digest="aa") == 1
    assert cache.find("other") is not None


def test_full_disk_is_an_error_that_loses_nothing(tmp_path: Path) -> None:
    cache = CallCache(tmp_path / "calls.sqlite", max_pages=4)
    generator = CachedGenerator(RuledGenerator(), cache)
    done = []
    with pytest.raises(DiskError, match=r"no space for the call cache(.|\n)*free space elsewhere"):
        done.extend(index for index, _ in generator.complete([ask(seed=seed) for seed in range(50)]))
    assert done
    roomy = CallCache(cache.path)
    assert roomy.measure().entries == len(done)
    assert roomy.find_corrupt() == []


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(ArtifactError, match=r"calls\.sqlite is damaged"):
        CallCache(path)


def test_command_line_shows_checks_and_prunes(cache: CallCache) -> None:
    list(CachedGenerator(RuledGenerator(), cache).complete([ask(seed=1), ask(seed=2)]))
    assert manage_cache("stats", cache.path)["entries"] == 2
    assert manage_cache("verify", cache.path)["whole"] == 2
    assert manage_cache("prune", cache.path, days=1) == {"removed": 0}
    assert manage_cache("prune", cache.path, days=0) == {"removed": 2}


def test_prune_must_be_told_what_to_remove(cache: CallCache) -> None:
    with pytest.raises(ParameterError, match="needs --days or --model"):
        manage_cache("prune", cache.path)


def test_cache_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no call cache"):
        manage_cache("stats", tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []
