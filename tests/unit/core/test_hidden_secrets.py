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

import httpx
import pytest
import yaml

from tests.local_server import running
from trialforge.app import cli
from trialforge.app.registry_api import RegistryApi
from trialforge.core.bounded_http import Refusal
from trialforge.core.errors import ParameterError, RetrievalError, TrialforgeError
from trialforge.core.ollama_client import OllamaServer
from trialforge.core.secrets import hide_secrets
from trialforge.llm.openai_host import OpenAIHost
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import not_forced

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
    "comma": f"{MARK},zz,{MARK}",
}
LONG_KEY = "SuperSecretKey-0123456789"
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
    monkeypatch.setenv("ELASTICSEARCH_URL", f"http://me:{secret}@{host}")
    cli.run(["doctor"])
    said = "".join(capsys.readouterr())
    assert "ELASTICSEARCH_URL holds a password" in said
    assert leaks(said, secret) == []


class Pad(http.server.BaseHTTPRequestHandler):
    """Answers with some letters and then the key, so that what is cut of it may end within the key."""

    letters = 0
    status = 400

    def do_GET(self) -> None:
        said = f"{'x' * self.letters} bad key {LONG_KEY}"
        body = json.dumps({"error": said, "message": said}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def ask_openai(address: str) -> None:
    OpenAIHost(f"{address}/v1", LlmParams(backend="openai", model="m")).read_entry()


def ask_ollama(address: str) -> None:
    server = OllamaServer(address, silence=5)
    try:
        server.list_models(seconds=5)
    except (Refusal, httpx.HTTPError) as error:
        raise RetrievalError(f"Ollama says: {error}") from error
    finally:
        server.close()


def ask_registry(address: str) -> None:
    with RegistryApi(address, interval=0, attempts=1) as api:
        api.version()


def ask_registry_for_studies(address: str) -> None:
    with RegistryApi(address, interval=0, attempts=1) as api:
        api.page({}, 1, None)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("ask", [ask_openai, ask_ollama, ask_registry, ask_registry_for_studies])
def test_no_half_of_a_key_is_left_where_an_answer_is_cut(
    ask: Callable[[str], None], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_API_KEY", LONG_KEY)
    monkeypatch.setattr(Pad, "status", status)
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pad)) as host:
        for letters in range(120, 301, 6):
            monkeypatch.setattr(Pad, "letters", letters)
            with pytest.raises(TrialforgeError) as raised:
                ask(f"http://{host}")
            assert pieces(str(raised.value)) == [], letters


@pytest.mark.parametrize("letters", range(40, 90, 4))
def test_no_half_of_a_key_is_left_of_what_a_model_says(letters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", LONG_KEY)
    assert pieces(str(not_forced("the server", f"{'x' * letters} {LONG_KEY}"))) == []


def pieces(said: str) -> list[str]:
    """The pieces of 8 letters of the long key that stand in a text."""
    every = [LONG_KEY[start : start + 8] for start in range(len(LONG_KEY) - 7)]
    return [piece for piece in every if piece in said]


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
    with pytest.raises(ParameterError, match="ELASTICSEARCH_API_KEY holds a line break"):
        connect(ElasticsearchParams(), given)


def test_the_login_of_any_address_is_hidden_and_the_rest_is_said() -> None:
    said = hide_secrets("GET https://me:word@host:9200/path and postgres://token@db/x, not a@b.org", {})
    assert said == "GET https://***@host:9200/path and postgres://***@db/x, not a@b.org"
    assert hide_secrets("a key of abc", {"HF_TOKEN": "abc"}) == "a key of abc"  # too short to be told apart
    assert hide_secrets("?q=long-word", {"REGISTRY_URL": "http://h/?key=long-word"}) == "?q=***"


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("http://user:SuperSecretPw,zz@h:1", "http://user:SuperSecretPw"),
        ("http://one:1,http://user:aa,SuperSecretPw@h:1", "SuperSecretPw@h:1"),
        ("one:1,user:SuperSecretPw,zz@h:1", "user:SuperSecretPw"),
        ("http://h/?SuperSecretPw", "q=SuperSecretPw"),
        ("http://h/?a=b&SuperSecretPw==", "SuperSecretPw"),
        ("http://h/?a=b#SuperSecretPw", "SuperSecretPw"),
        ("http://h/#key=SuperSecretPw", "SuperSecretPw"),
    ],
)
@pytest.mark.parametrize("name", ["ELASTICSEARCH_URL", "OLLAMA_HOST", "REGISTRY_URL"])
def test_each_part_of_an_address_that_may_be_secret_is_hidden(name: str, address: str, secret: str) -> None:
    assert "SuperSecretPw" not in hide_secrets(f"said {secret} of it", {name: address})


def test_of_several_addresses_what_is_no_secret_is_said() -> None:
    environ = {"OLLAMA_HOST": "http://one:11434,http://me:long-word@two:11434/?api_key=other-word"}
    said = "set OLLAMA_API_KEY; http://one:11434 and two:11434 answer"
    assert hide_secrets(said, environ) == said


@pytest.mark.parametrize("key", ["SuperSecret", '"SuperSecret', "ü\\SuperSecret", "\\SuperSecret"])
@pytest.mark.parametrize("before", ["", "\\", "\\" * 1_000])
def test_a_key_behind_backslashes_is_hidden(key: str, before: str) -> None:
    for spelling in (key, repr(key), json.dumps(key), repr(json.dumps(key)), repr(key.encode())):
        assert "SuperSecret" not in hide_secrets(f"said {before}{spelling} of it", {"HF_TOKEN": key})
