"""Keys and passwords of odd shapes, in each variable that may hold one, through each kind of failure."""

from __future__ import annotations

import base64
import http.server
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from tests.local_server import running
from trialforge.app import cli
from trialforge.core.errors import RetrievalError
from trialforge.core.secrets import hide_secrets

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
MARK = "zebra-7391"  # each shape ends in it, so that no half of one gets out either
SHAPES = {
    "plain": f"plain{MARK}",
    "line break": f"first-line\n{MARK}",
    "carriage return": f"first\r\n{MARK}\r\n",
    "spaces": f"  two words{MARK} ",
    "beyond ASCII": f"schlüssel€{MARK}",
    "quotes": f'it\'s "{MARK}"',
    "percent": f"a%41%{MARK}",
    "address": f"a/b@c:d?e=f#{MARK}",
    "control": f"\x1b[31m{MARK}",
    "no UTF-8": f"\udcff{MARK}",
}
KEYS = ("ELASTICSEARCH_API_KEY", "ELASTICSEARCH_PASSWORD", "OLLAMA_API_KEY", "LLM_API_KEY", "HF_TOKEN")


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with all that it was sent, as a proxy's error page may."""

    status = 400

    def do_GET(self) -> None:
        said = dict(self.headers.items())
        login = base64.b64decode(said.get("Authorization", "").partition(" ")[2] + "==").decode("latin-1")
        body = json.dumps({"error": f"{self.path} {said} {login}", "version": f"{said} {login}"}).encode()
        self.send_response(self.status)
        for name, value in (("X-Elastic-Product", "Elasticsearch"), ("Content-Type", "application/json")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[Callable[[int], str]]:
    """`HOST:PORT` of a server that answers every request with a status and an echo."""
    made = {status: type("Handler", (Echo,), {"status": status}) for status in (200, 400, 401)}
    servers = {status: http.server.ThreadingHTTPServer(("127.0.0.1", 0), made[status]) for status in made}
    with running(servers[200]) as ok, running(servers[400]) as bad, running(servers[401]) as closed:
        yield {200: ok, 400: bad, 401: closed, 0: "127.0.0.1:9"}.__getitem__


def leaks(said: str, secret: str) -> list[str]:
    """What of a secret can be read in a text."""
    raw = secret.encode(errors="surrogateescape")
    encoded = [base64.b64encode(part).decode() for part in (raw, b"me:" + raw)]
    spellings = [MARK, *encoded]
    return [spelling for spelling in spellings if spelling in said]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["retrieval"]["backend"] = "elasticsearch"
    params["llm"] |= {"backend": "ollama", "model": "tiny", "connect_seconds": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# A server's answer can bring out any shape; what else a server may do is tried with a shape that no header
# can carry and one that is written differently in an error. The other pairs are for `make test-full`.
TOLD_APART = {"line break", "quotes"}
PAIRS = [
    pytest.param(
        shape,
        status,
        marks=[] if status == 400 or shape in TOLD_APART else pytest.mark.full,
        id=f"{status}-{shape}",
    )
    for status in (0, 200, 400, 401)
    for shape in SHAPES
]


@pytest.mark.parametrize(("shape", "status"), PAIRS)
def test_no_command_says_a_key_or_password(
    shape: str,
    status: int,
    echo: Callable[[int], str],
    project: Path,  # noqa: ARG001 - where it runs
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret, host = SHAPES[shape], echo(status)
    for key in KEYS:
        monkeypatch.setenv(key, secret)
    monkeypatch.setenv("ELASTICSEARCH_URL", f"http://{host}")
    monkeypatch.setenv("OLLAMA_HOST", f"http://me:{secret}@{host}")
    monkeypatch.setenv("LLM_BASE_URL", f"http://me:{secret}@{host}/v1")
    # A dead registry is tried again for half a minute.
    monkeypatch.setenv("REGISTRY_URL", f"http://me:{secret}@{host if status else echo(400)}")
    monkeypatch.setenv("TRIALFORGE_DEBUG", "1")
    fetch = ["fetch", "out.jsonl.gz", "--condition", "x"]
    for command in (["doctor"], ["pull"], fetch, ["predict", "NCT01234567"]):
        for as_json in ([], ["--json"]):
            code = cli.run([*command, *as_json])
            said = "".join(capsys.readouterr())
            assert code == 1, said
            assert leaks(said, secret) == [], command
    monkeypatch.delenv("ELASTICSEARCH_API_KEY")
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", "me")
    cli.run(["doctor"])
    assert leaks("".join(capsys.readouterr()), secret) == []


STAGE = """
import os, sys
from trialforge.core.errors import RetrievalError
from trialforge.core.stage import run_stage
from trialforge.embedding.factory import model_folder
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.params import ElasticsearchParams

def foreign():
    raise ValueError(f"Invalid header value {os.environ['HF_TOKEN'].encode(errors='surrogateescape')!r}")

def chained():
    try:
        foreign()
    except ValueError as error:
        raise RetrievalError(f"it fails: {error}", hint=str(error)) from error

for kind, main in {
    "foreign": foreign,
    "chained": chained,
    "elasticsearch": lambda: connect(ElasticsearchParams(timeout=1, retries=0), os.environ),
    "hub": lambda: model_folder("someone/model"),
}.items():
    try:
        run_stage(main)
    except SystemExit as ended:
        print(f"{kind} ended: {ended.code}")
"""


@pytest.mark.parametrize("shape", ["line break", "beyond ASCII", "quotes"])
def test_no_stage_says_a_key(shape: str, echo: Callable[[int], str], tmp_path: Path) -> None:
    secret = SHAPES[shape]
    environment = os.environ | dict.fromkeys(KEYS, secret)
    environment |= {
        "ELASTICSEARCH_URL": f"http://{echo(400)}",
        "HF_ENDPOINT": f"http://me:{quote(secret)}@{echo(400)}",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path),
        "TRIALFORGE_DEBUG": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", STAGE], env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "foreign ended: 70" in said
    for kind in ("chained", "elasticsearch", "hub"):
        assert f"{kind} ended: error: " in said
    assert leaks(said, secret) == []


def test_a_key_that_no_request_can_carry_is_named_by_its_variable() -> None:
    from trialforge.retrieval.elastic_client import connect
    from trialforge.retrieval.params import ElasticsearchParams

    given = {"ELASTICSEARCH_URL": "http://127.0.0.1:9", "ELASTICSEARCH_API_KEY": "a\nb"}
    with pytest.raises(RetrievalError, match="ELASTICSEARCH_API_KEY holds a line break"):
        connect(ElasticsearchParams(), given)


def test_the_login_of_any_address_is_hidden_and_the_rest_is_said() -> None:
    said = hide_secrets("GET https://me:word@host:9200/path and postgres://token@db/x, not a@b.org", {})
    assert said == "GET https://***@host:9200/path and postgres://***@db/x, not a@b.org"
    assert hide_secrets("a key of abc", {"HF_TOKEN": "abc"}) == "a key of abc"  # too short to be told apart
    assert hide_secrets("?q=long-word", {"REGISTRY_URL": "http://h/?key=long-word"}) == "?q=***"
