"""What the doctor sees on a machine, and what it says to do."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trialforge.app import doctor
from trialforge.app.doctor import Finding, examine

NEEDS_BOTH = {
    "retrieval": {"backend": "elasticsearch"},
    "llm": {"backend": "ollama", "model": "qwen2.5:1.5b"},
}


def find(findings: list[Finding], name: str) -> Finding:
    return next(one for one in findings if one.name == name)


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as both servers do; `answers` maps path -> status and body."""

    answers: dict[str, tuple[int, object]] = {}  # noqa: RUF012 - each test replaces it

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, {}))
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_default_parameters_need_no_server(tmp_path: Path) -> None:
    found = examine(tmp_path, {}, {})
    assert {find(found, name).state for name in ("elasticsearch", "ollama", "openai")} == {"note"}


def test_parameters_that_need_servers_make_their_absence_a_fault(tmp_path: Path) -> None:
    found = examine(tmp_path, NEEDS_BOTH, {})
    assert find(found, "elasticsearch").state == "fault"
    assert "docker compose up -d ollama" in find(found, "ollama").mend


@pytest.mark.parametrize(
    ("number", "state"), [("9.5.3", "ok"), ("8.19.0", "ok"), ("7.17.0", "fault"), ("2.4.1", "fault")]
)
def test_elasticsearch_versions(address: str, number: str, state: str, tmp_path: Path) -> None:
    Server.answers = {"/": (200, {"version": {"number": number}})}
    found = find(examine(tmp_path, {}, {"ELASTICSEARCH_URL": address}), "elasticsearch")
    assert (found.state, number in found.detail) == (state, True)


def test_elasticsearch_that_refuses_is_named_with_its_answer(address: str, tmp_path: Path) -> None:
    Server.answers = {"/": (401, {})}
    found = find(examine(tmp_path, {}, {"ELASTICSEARCH_URL": address}), "elasticsearch")
    assert (found.state, "HTTP 401" in found.detail) == ("fault", True)


@pytest.mark.parametrize(("number", "state"), [("0.17.4", "ok"), ("0.17.0", "fault"), ("0.0.0", "note")])
def test_ollama_versions(address: str, number: str, state: str, tmp_path: Path) -> None:
    Server.answers = {"/api/version": (200, {"version": number}), "/api/tags": (200, {"models": []})}
    assert find(examine(tmp_path, {}, {"OLLAMA_HOST": address}), "ollama").state == state


def test_a_model_that_ollama_lacks_is_to_be_pulled(address: str, tmp_path: Path) -> None:
    Server.answers = {
        "/api/version": (200, {"version": "0.17.4"}),
        "/api/tags": (200, {"models": [{"name": "smollm2:135m"}]}),
    }
    found = find(examine(tmp_path, NEEDS_BOTH, {"OLLAMA_HOST": address}), "ollama models")
    assert (found.state, found.mend) == ("fault", "ollama pull qwen2.5:1.5b")


WRITTEN_BY_OPENAI = {"llm": {"backend": "openai", "model": "m"}}


def test_server_of_openais_api_and_its_models_are_told(address: str, tmp_path: Path) -> None:
    Server.answers = {"/v1/models": (200, {"data": [{"id": "m"}, {"id": "a"}]})}
    there = {"LLM_BASE_URL": f"{address}/v1"}
    found = find(examine(tmp_path, WRITTEN_BY_OPENAI, there), "openai")
    assert (found.state, found.detail) == ("ok", f"a, m at {address}/v1")
    other = {"llm": {"backend": "openai", "model": "other"}}
    assert (
        find(examine(tmp_path, other, there), "openai").mend == "set llm.model to one of them, or load other"
    )


@pytest.mark.parametrize(
    ("addresses", "detail", "mend"),
    [
        ("", "LLM_BASE_URL is not set; params.yaml needs it", "export LLM_BASE_URL="),
        ("https://8.8.8.8/v1", "prompts would leave your network", "LLM_ALLOW_PUBLIC=1"),
        ("http://127.0.0.1:9/v1", "does not answer", "export LLM_BASE_URL="),
    ],
)
def test_lack_of_a_server_of_openais_api_is_a_fault(
    addresses: str, detail: str, mend: str, tmp_path: Path
) -> None:
    found = find(examine(tmp_path, WRITTEN_BY_OPENAI, {"LLM_BASE_URL": addresses}), "openai")
    assert (found.state, detail in found.detail, mend in found.mend) == ("fault", True, True)


def test_key_that_a_server_of_openais_api_does_not_take_is_named(address: str, tmp_path: Path) -> None:
    Server.answers = {"/v1/models": (401, {})}
    there = {"LLM_BASE_URL": f"{address}/v1", "LLM_API_KEY": "planted-secret"}
    found = find(examine(tmp_path, WRITTEN_BY_OPENAI, there), "openai")
    assert (found.state, found.mend) == ("fault", "export LLM_API_KEY=...")
    assert "planted-secret" not in str(found)


def test_a_server_that_is_down_is_a_fault(tmp_path: Path) -> None:
    found = find(examine(tmp_path, {}, {"OLLAMA_HOST": "http://127.0.0.1:9"}), "ollama")
    assert (found.state, "does not answer" in found.detail) == ("fault", True)


def test_no_secret_of_an_address_or_key_is_said(address: str, tmp_path: Path) -> None:
    Server.answers = {"/": (401, {})}
    secret = address.replace("http://", "http://user:planted-secret@")
    environment = {
        "ELASTICSEARCH_URL": secret,
        "ELASTICSEARCH_API_KEY": "planted-secret",
        "OLLAMA_HOST": secret,
    }
    assert "planted-secret" not in str(examine(tmp_path, NEEDS_BOTH, environment))


def test_an_empty_lock_of_dvc_is_seen_and_its_removal_named(tmp_path: Path) -> None:
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    found = find(examine(tmp_path, {}, {}), "rwlock")
    assert (found.state, found.mend.startswith(f"rm {lock}")) == ("fault", True)


def test_a_run_that_is_going_is_told_and_its_lock_is_left_alone(tmp_path: Path) -> None:
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    program = tmp_path / "dvc"  # a living process of that name
    program.write_text("import time\ntime.sleep(60)\n")
    with subprocess.Popen([sys.executable, str(program)]) as run:
        held = {"read": {}, "write": {"data": {"pid": run.pid, "cmd": "dvc repro"}}}
        for content in (json.dumps(held), ""):
            lock.write_text(content)
            (lock.parent / "lock").write_text(f" {run.pid}\n")
            found = find(examine(tmp_path, {}, {}), "run")
            assert found.detail.startswith(f"process {run.pid} has been running the pipeline since 2")
            assert (found.state, found.mend) == ("note", "")
        run.kill()
    lock.write_text("")
    assert find(examine(tmp_path, {}, {}), "rwlock").state == "fault"


def test_a_folder_without_dvc_is_a_fault(tmp_path: Path) -> None:
    assert find(examine(tmp_path, {}, {}), "repository").state == "fault"


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "polars==0.0.1 \\\n    --hash=sha256:aa\nno-such-package==1.0\nonly-elsewhere==1 ; os_name == 'nt'\n"
    )
    found = find(examine(tmp_path, {}, {}), "packages")
    assert found.state == "fault"
    assert "no-such-package is missing" in found.detail
    assert "locked at 0.0.1" in found.detail
    assert "only-elsewhere" not in found.detail


def test_a_full_disk_and_little_memory_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_DISK", 1 << 60)
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1 << 60)
    found = examine(tmp_path, {}, {})
    assert {find(found, "disk").state, find(found, "memory").state} == {"note"}


VECTORS_BY_OLLAMA = {"embedding": {"backend": "ollama", "model": "all-minilm"}}


def serve(*models: str) -> None:
    """Let the server answer as an Ollama that has these models."""
    Server.answers = {
        "/api/version": (200, {"version": "0.17.4"}),
        "/api/tags": (200, {"models": [{"name": name} for name in models]}),
    }


def test_an_encoder_that_ollama_serves_makes_it_needed(address: str, tmp_path: Path) -> None:
    found = find(examine(tmp_path, VECTORS_BY_OLLAMA, {}), "ollama")
    assert (found.state, "params.yaml needs it" in found.detail) == ("fault", True)
    serve("smollm2:135m")
    found = find(examine(tmp_path, VECTORS_BY_OLLAMA, {"OLLAMA_HOST": address}), "ollama models")
    assert (found.state, found.mend) == ("fault", "ollama pull all-minilm")
    serve("all-minilm:latest")
    assert find(examine(tmp_path, VECTORS_BY_OLLAMA, {"OLLAMA_HOST": address}), "ollama models").state == "ok"


def test_the_encoder_of_a_classifier_counts_where_that_classifier_is_trained(tmp_path: Path) -> None:
    encoder = {"backend": "ollama", "model": "all-minilm"}
    learning = {"models": ["tfidf-logreg"], "classifiers": {"embedding-logreg": {"encoder": encoder}}}
    assert find(examine(tmp_path, {"learning": learning}, {}), "ollama").state == "note"
    trained = learning | {"models": ["embedding-logreg"]}
    assert find(examine(tmp_path, {"learning": trained}, {}), "ollama").state == "fault"


def test_each_host_of_ollama_is_examined(address: str, tmp_path: Path) -> None:
    """A host that is down gives its calls to the others; vectors come from the first alone."""
    serve("qwen2.5:1.5b", "all-minilm:latest")
    down = "http://127.0.0.1:9"
    llm = {"llm": NEEDS_BOTH["llm"]}
    for hosts, params, states in (
        (f"{address},{down}", llm, ["ok", "note"]),
        (f"{down},{address}", llm, ["note", "ok"]),
        (f"{down},{address}", llm | VECTORS_BY_OLLAMA, ["fault", "ok"]),
        (f"{down},{down}", llm, ["fault", "fault"]),
    ):
        found = examine(tmp_path, params, {"OLLAMA_HOST": hosts})
        assert [one.state for one in found if one.name == "ollama"] == states


@pytest.mark.parametrize(
    ("model", "state", "mend"),
    [
        ("no-such.gguf", "fault", "set llm.model to an existing GGUF file"),
        ("hf:owner/repository/model.gguf", "note", "HF_HUB_OFFLINE=0 trialforge pull"),
    ],
)
def test_a_model_that_is_not_here_has_its_mend(model: str, state: str, mend: str, tmp_path: Path) -> None:
    found = find(examine(tmp_path, {"llm": {"backend": "embedded", "model": model}}, {}), "llm.model")
    assert (found.state, found.mend) == (state, mend)


GGUF = b"GGUF and weights"
GGUF_SHA256 = hashlib.sha256(GGUF).hexdigest()


@pytest.mark.parametrize(
    ("content", "sha256", "state", "said"),
    [
        (GGUF, GGUF_SHA256, "ok", "model.gguf"),
        (GGUF, None, "fault", f"set llm.sha256 to {GGUF_SHA256}"),
        (GGUF, "0" * 64, "fault", f"has SHA-256 {GGUF_SHA256}"),
        (b"a page that says: log in first", GGUF_SHA256, "fault", "is not a GGUF file"),
        (b"", GGUF_SHA256, "fault", "is not a GGUF file"),
    ],
)
def test_a_model_file_is_the_right_one(
    content: bytes, sha256: str | None, state: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    params = {"llm": {"backend": "embedded", "model": "model.gguf", "sha256": sha256}}
    found = find(examine(tmp_path, params, {}), "llm.model")
    assert (found.state, said in f"{found.detail} {found.mend}") == (state, True)


def test_a_model_in_the_hubs_cache_is_checked_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    snapshot = cache / "models--owner--repository" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    (snapshot / "model.gguf").write_bytes(GGUF)
    for sha256, state in ((GGUF_SHA256, "ok"), ("0" * 64, "fault")):
        llm = {"backend": "embedded", "model": "hf:owner/repository/model.gguf", "sha256": sha256}
        assert find(examine(tmp_path, {"llm": llm}, {}), "llm.model").state == state


def test_a_hash_that_is_not_the_packaged_models_is_a_fault(tmp_path: Path) -> None:
    llm = {"backend": "embedded", "model": "packaged", "sha256": "0" * 64}
    assert find(examine(tmp_path, {"llm": llm}, {}), "llm.model").state == "fault"
    assert find(examine(tmp_path, {"llm": llm | {"sha256": None}}, {}), "llm.model").state == "ok"


def test_a_transformer_that_is_not_in_the_cache_is_to_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    transformer = {"backend": "transformers", "model": "dmis-lab/biobert-v1.1"}
    params = {"learning": {"models": ["transformer"], "classifiers": {"transformer": transformer}}}
    found = find(examine(tmp_path, params, {}), "dmis-lab/biobert-v1.1")
    assert (found.state, found.mend) == ("note", "HF_HUB_OFFLINE=0 hf download dmis-lab/biobert-v1.1")
    assert find(examine(tmp_path, params, {"HF_HUB_OFFLINE": "1"}), found.name).state == "fault"
    snapshot = cache / "models--dmis-lab--biobert-v1.1" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    assert find(examine(tmp_path, params, {}), found.name).state == "note", "weights are still missing"
    (snapshot / "pytorch_model.bin").touch()
    assert find(examine(tmp_path, params, {}), found.name).state == "ok"
    idle = {"learning": params["learning"] | {"models": ["tfidf-logreg"]}}
    assert found.name not in {one.name for one in examine(tmp_path, idle, {})}


@pytest.mark.parametrize(
    ("corpus", "name", "mend"),
    [
        ({"source": "registry", "path": "t.jsonl.gz"}, "ingest.path", "trialforge fetch t.jsonl.gz"),
        ({"source": "registry", "path": "data/raw/trials"}, "ingest.path", "set ingest.path"),
        ({"source": "top", "top_path": "top"}, "ingest.top_path", "set ingest.top_path"),
        (
            {"source": "simulated", "labels": ["status", "csv"], "labels_path": "no.csv"},
            "ingest.labels_path",
            "set ingest",
        ),
    ],
)
def test_records_that_are_not_there_are_a_fault(
    corpus: dict[str, object], name: str, mend: str, tmp_path: Path
) -> None:
    found = find(examine(tmp_path, {"ingest": corpus}, {}), name)
    assert (found.state, found.mend.startswith(mend)) == ("fault", True)


def test_records_that_are_there_are_named_and_unused_paths_are_not(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "phase_I_train.csv.gz").touch()
    for path in ("top", str(tmp_path / "top" / "*_train.csv.gz")):
        corpus = {"source": "top", "top_path": path, "path": "gone.zip"}
        found = examine(tmp_path, {"ingest": corpus}, {})
        assert find(found, "ingest.top_path").state == "ok"
        assert "ingest.path" not in {one.name for one in found}


def test_times_of_the_last_run_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / ".trialforge" / "timings"
    folder.mkdir(parents=True)
    (folder / "generate.json").write_text('{"seconds": 149.03, "calls": 33, "calls_from_cache": 3}')
    found = find(examine(tmp_path, {}, {}), "generate")
    assert (found.state, found.detail) == (
        "ok",
        "149.0 s in the last run; 33 model calls, 3 answered from the cache",
    )
