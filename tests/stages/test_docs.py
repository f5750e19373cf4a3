"""Each command of the docs runs, or at least exists."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from trialforge.app import cli
from trialforge.core.files import flatten

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = re.compile(r"```console\n(.*?)```", flags=re.DOTALL)
RUN_WHOLE = "first-hour.md"  # its blocks belong together: test_first_hour.py and test_remote.py run them
COMMANDS = sorted(
    {
        line
        for page in DOCS
        if page.name != RUN_WHOLE
        for block in BLOCKS.findall(page.read_text())
        for line in block.splitlines()
    }
)
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit, so that nothing that a command changes is anyone's."""
    folder = tmp_path_factory.mktemp("docs") / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "profiles", folder / "profiles", dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("trialforge ")])
def test_command_runs(
    command: str, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    code = cli.run(shlex.split(command)[1:])
    told = capsys.readouterr()
    assert code == 0 or "doctor" in command, told.err
    assert "Traceback" not in told.err
    assert told.out


ELSEWHERE = {"dvc push --run-cache": "a clone has nothing to push: tests/stages/test_remote.py runs it"}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("dvc ")])
def test_dvc_command_runs(command: str, clone: Path) -> None:
    if command in ELSEWHERE:
        pytest.skip(ELSEWHERE[command])
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_of_a_block_is_run_or_says_why_not() -> None:
    assert [line for line in COMMANDS if not line.startswith(("trialforge ", "dvc "))] == []


def test_every_stage_is_explained() -> None:
    table = (ROOT / "docs" / "how-it-works.md").read_text()
    assert [name for name in STAGES if name not in table] == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def code_of(page: Path) -> list[str]:
    """The lines of a page's blocks, and what stands in backticks."""
    fences = re.split(r"^```.*\n", page.read_text(), flags=re.MULTILINE)
    prose = "\n".join(fences[::2])
    lines = [line.strip() for block in fences[1::2] for line in block.splitlines()]
    lines += [line.strip() for line in prose.splitlines() if line.startswith("    ")]
    return lines + [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", prose)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_option_and_parameter_that_is_named_exists(page: Path) -> None:
    """In a block or in backticks: `trialforge NAME --option`, `-S section.key=value`, `make target`."""
    text = "\n".join(code_of(page))
    known = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    for name, rest in re.findall(r"^(?:\$ )?trialforge ([a-z]+)([^\n#]*)", text, flags=re.MULTILINE):
        assert name in known, name
        options = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", rest)) <= options, (name, rest)
    parameters = flatten(yaml.safe_load((ROOT / "params.yaml").read_text()))
    lists = {name.rpartition(".")[0] for name in parameters}  # `flatten` gives each item a name of its own
    assert set(re.findall(r"-S ([\w.-]+)=", text)) <= {*parameters, *lists}
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"^make (\w+)", text, flags=re.MULTILINE)) <= set(targets)


SHOWN = re.findall(r"^\$ (.*)\n((?:(?!\$ |```).*\n)+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_readme_shows_what_its_commands_print(command: str, printed: str, clone: Path) -> None:
    shutil.copytree(ROOT / "metrics", clone / "metrics", dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=clone, capture_output=True, text=True, check=True
    )
    assert [line.split() for line in done.stdout.splitlines()] == [
        line.split() for line in printed.splitlines()
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/how-it-works.md"])
def test_the_picture_of_the_graph_has_every_stage(page: str) -> None:
    drawn = re.findall(r"```mermaid\nflowchart LR\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert len(drawn) == 1
    assert set(STAGES) == set(re.findall(r"[\w-]+", re.sub(r"\[.*?\]|-->", " ", drawn[0])))


RECIPES = ROOT / "examples" / "cluster"


def dask_commands() -> list[list[str]]:
    """Each `dask ...` command of the page, of compose.yaml and of the recipes."""
    page = re.findall(
        r"^ {4}(dask .*?)(?: *#.*)?$", (ROOT / "docs/scale-up.md").read_text(), flags=re.MULTILINE
    )
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    spec = yaml.safe_load((RECIPES / "kubernetes.yaml").read_text())["spec"]
    pods = [spec[part]["spec"]["containers"][0]["args"] for part in ("scheduler", "worker")]
    (image,) = re.findall(r"^CMD (.*)$", (RECIPES / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [
        *map(shlex.split, page),
        *(service["command"] for service in services if "command" in service),
        *pods,
        json.loads(image),
    ]


@pytest.mark.parametrize("command", dask_commands(), ids=" ".join)
def test_a_dask_command_has_options_that_exist(command: list[str]) -> None:
    program, name, *options = command
    assert program == "dask"
    cli = importlib.import_module(f"distributed.cli.dask_{name}").main
    cli.make_context(name, options)  # an error for an option that there is not


def test_each_recipe_of_a_cluster_is_complete() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    cluster = {name: service for name, service in services.items() if service.get("profiles") == ["dask"]}
    assert cluster.keys() == {"scheduler", "worker"}
    assert cluster["worker"]["deploy"]["replicas"] == 2
    assert (ROOT / cluster["scheduler"]["build"]["dockerfile"]).is_file()
    compile((RECIPES / "slurm.py").read_text(), "slurm.py", "exec")
    for source, _ in re.findall(
        r"^COPY (.*) (\S+)$", (RECIPES / "Dockerfile").read_text(), flags=re.MULTILINE
    ):
        assert [path for path in source.split() if not (ROOT / path).exists()] == []
    page = (ROOT / "docs" / "scale-up.md").read_text()
    assert [path.name for path in RECIPES.iterdir() if f"examples/cluster/{path.name}" not in page] == []
