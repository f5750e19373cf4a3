"""What a person types: `trialforge COMMAND`.

House rules, for every command: the body imports what it needs (so that `--help` is quick), takes
`as_json: JsonOption`, calls a function of a package, and prints by `emit`. Errors are raised as
TrialforgeError; `main` prints them as one line and a hint. Exit codes: 0 done, 1 an error that its
hint mends (or a check that failed), 2 wrong usage, 70 a fault of trialforge itself, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from trialforge.app.printing import align, emit, print_error, print_line
from trialforge.core.errors import (
    DEBUG_VARIABLE,
    EXIT_FAULT,
    TrialforgeError,
    explain_disk,
    format_traceback,
    name_missing_extra,
)
from trialforge.core.version import VERSION

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130

GUIDE = """
Make synthetic clinical trials with local models, and measure what they are worth.

  1  trialforge doctor           see what this machine has and lacks
  2  dvc repro                   run the whole pipeline on the simulated corpus
  3  open report/index.html      read the answer and browse the records

Then, for real trials:

  4  trialforge fetch            download trials from the registry
  5  trialforge profile real     write the parameters for them
  6  dvc repro                   run what these changed, and nothing else

To look closer and to take the records elsewhere:

  7  trialforge show SYN-...     read one record beside what it was made from
  8  trialforge export FOLDER    write a data set folder with its card

Each command explains itself by --help and prints JSON by --json. Press Tab to complete names after
`trialforge --install-completion`.
"""

app = typer.Typer(
    name="trialforge",
    help=GUIDE.replace("\n\n  ", "\n\n\b\n  "),  # \b keeps the lines of a paragraph as they are
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"trialforge {VERSION}")
        raise typer.Exit


@app.callback()
def set_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read the options that stand before the command."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


@app.command(short_help="Download real trials from ClinicalTrials.gov.")
def fetch(
    out: Annotated[Path, typer.Argument(help="The file to write, a .jsonl.gz.")] = Path(
        "data/raw/trials/trials.jsonl.gz"
    ),
    condition: Annotated[str, typer.Option(help="A condition, as `type 2 diabetes`.")] = "",
    intervention: Annotated[str, typer.Option(help="An intervention, as `metformin`.")] = "",
    status: Annotated[list[str] | None, typer.Option(help="A status, as Completed; may be repeated.")] = None,
    phase: Annotated[list[str] | None, typer.Option(help="A phase, as `Phase 2`; may be repeated.")] = None,
    started_from: Annotated[str, typer.Option("--from", help="First start date, as 2015-01-01.")] = "",
    started_to: Annotated[str, typer.Option("--to", help="Last start date.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A text file of ids to fetch, one a line.")] = None,
    as_registered: Annotated[
        bool, typer.Option("--as-registered", help="Each trial as first posted; two requests a trial.")
    ] = False,
    maximum: Annotated[int | None, typer.Option("--max", min=1, help="At most so many trials.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Download real trials from ClinicalTrials.gov, or the server at REGISTRY_URL, and add them to DVC."""
    from rich.console import Console
    from rich.progress import Progress

    from trialforge.app.fetch import RegistryQuery, add_to_dvc, fetch_trials, parse_day, read_ids
    from trialforge.app.registry_api import REGISTRY_URL, RegistryApi

    query = RegistryQuery(
        condition, intervention, tuple(status or ()), tuple(phase or ()), parse_day(started_from),
        parse_day(started_to), read_ids(ids) if ids else (),
    )  # fmt: skip
    api = RegistryApi(os.environ.get("REGISTRY_URL", REGISTRY_URL))
    with api, Progress(console=Console(stderr=True), disable=as_json) as bar:
        task = bar.add_task("trials", total=None)
        found = fetch_trials(
            query, out, api, maximum=maximum, as_registered=as_registered,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    note = add_to_dvc(out)
    lines = [f"{found['count']} trials in {out}"]
    if found["not_found"]:
        lines.append(f"  not found: {len(found['not_found'])}, listed in the manifest beside it")
    lines += [f"  next: git add -A {out.parent}"] if note else []
    lines.append("  next: dvc exp run -S ingest.source=registry")
    emit(found, as_json=as_json, text="\n".join(lines))


@app.command(short_help="Find training trials by words, by meaning, or by both.")
def search(
    text: Annotated[str, typer.Argument(help="What the trial is about, in plain words.")],
    intervention: Annotated[str | None, typer.Option(help="Only trials of this intervention.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Only trials of this outcome: success or failure.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="lexical, dense, hybrid or random; by default that of params.yaml.")
    ] = None,
    top_k: Annotated[int, typer.Option("-k", "--top-k", min=1, max=1000, help="How many trials.")] = 10,
    index: Annotated[Path, typer.Option(help="The folder of the index.")] = Path("data/index"),
    as_json: JsonOption = False,
) -> None:
    """Find training trials by words, by meaning, or by both, with the scores of each part."""
    from trialforge.app.search import HEADINGS, check_mode, describe_hits, hit_cells, make_filter
    from trialforge.core.params import load_section
    from trialforge.embedding.factory import load_encoder
    from trialforge.embedding.params import EmbeddingParams
    from trialforge.retrieval.factory import open_retriever
    from trialforge.retrieval.params import RetrievalParams
    from trialforge.retrieval.query import Query

    params = load_section(RetrievalParams, "retrieval")
    encoder = load_encoder(load_section(EmbeddingParams, "embedding"))
    retriever = open_retriever(index, index.with_suffix(".json"), encoder, params, os.environ)
    where = make_filter(retriever.pool, intervention, label)
    hits = retriever.search(Query(text, check_mode(mode or params.mode), top_k, where=where))
    found = describe_hits(hits, index)
    table = align([hit_cells(one) for one in found], HEADINGS) if found else "no trial fits"
    emit(found, as_json=as_json, text=table)


@app.command(short_help="Tell the whole story of one synthetic trial.")
def show(
    record: Annotated[str, typer.Argument(metavar="SYN-...", help="A synthetic trial's id, or its start.")],
    data: Annotated[Path, typer.Option(help="The folder of the pipeline's tables.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a synthetic trial: its target, reasons, model, and its exemplars beside it."""
    from trialforge.app.story import format_story, tell_story

    story = tell_story(record, data)
    emit(story, as_json=as_json, text=lambda: format_story(story))


@app.command(short_help="Measure two sets of records side by side.")
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A .parquet or .jsonl file, or REVISION:PATH.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another; as HEAD~1:data/synthetic.parquet.")],
    data: Annotated[Path, typer.Option(help="The folder of the real trials that both meet.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Measure two sets of records side by side, each measure with its 95% interval."""
    from trialforge.app.compare import HEADINGS, compare_files, comparison_rows
    from trialforge.core.params import load_section, load_seed
    from trialforge.quality.params import QualityParams
    from trialforge.quality.registry import METRICS
    from trialforge.validation.params import ValidationParams

    sections = load_section(QualityParams, "quality"), load_section(ValidationParams, "validation")
    found = compare_files((one, other), data, METRICS, sections, load_seed())
    emit(found.to_dicts(), as_json=as_json, text=lambda: align(comparison_rows(found), HEADINGS))


@app.command(short_help="Say how many real trials 100 synthetic ones are worth.")
def worth(
    metrics: Annotated[Path, typer.Option(help="The folder of the metrics.")] = Path("metrics"),
    plots: Annotated[Path, typer.Option(help="The folder of the plots' tables.")] = Path("plots"),
    as_json: JsonOption = False,
) -> None:
    """Say how many real trials 100 synthetic ones are worth, beside what other mixes are (docs/worth.md)."""
    from trialforge.app.worth import HEADINGS, read_worth, worth_rows

    found, table = read_worth(metrics, plots)
    text = "\n".join([*found["answer"], "", align(worth_rows(table), HEADINGS)])
    emit(found | {"arms": table.to_dicts()}, as_json=as_json, text=text)


@app.command("export", short_help="Write the synthetic trials, marked, with a data set card.")
def export_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")],
    form: Annotated[
        Literal["hf", "jsonl", "xml", "api"],
        typer.Option("--format", "-f", help="hf: a Hugging Face data set; xml, api: the registry's shapes."),
    ] = "hf",
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Write the accepted synthetic trials, marked as such, with a data set card."""
    from trialforge.core.files import read_parquet
    from trialforge.core.params import read_params
    from trialforge.exports.export import export_records
    from trialforge.reporting.card import build_card
    from trialforge.reporting.inputs import read_inputs

    records = read_parquet(data / "synthetic.parquet")
    inputs = read_inputs(data, Path("metrics"), Path("plots"), read_params())
    written = export_records(records, form, folder, build_card(inputs, records))
    found = {"records": records.height, "format": form, "files": [str(path) for path in written]}
    emit(found, as_json=as_json, text=f"{records.height} synthetic trials in {written[0]}")


@app.command(short_help="Give new trials' chance of success, and what moved it.")
def predict(
    trials: Annotated[list[str], typer.Argument(metavar="FILE|NCT...", help="Records, or registry ids.")],
    model: Annotated[Path, typer.Option(help="A trained model.")] = Path("models/real/tfidf-logreg/real"),
    as_json: JsonOption = False,
) -> None:
    """Give new trials' chance of success, and what moved it (REGISTRY_URL serves ids)."""
    from trialforge.app.new_trials import read_new_trials
    from trialforge.app.predict import describe_predictions, predict_trials
    from trialforge.app.registry_api import REGISTRY_URL

    found, refused = read_new_trials(trials, os.environ.get("REGISTRY_URL", REGISTRY_URL))
    value, rows = describe_predictions(predict_trials(model, found), refused)
    emit(value, as_json=as_json, text=lambda: align(rows, ["trial", "success", "what moved it"]))


@app.command(short_help="Set a profile's parameters in params.yaml.")
def profile(
    name: Annotated[
        str, typer.Argument(help="quick (the default), real, paper or scarcity: a file of profiles/.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Set the parameters of a profile in params.yaml, and say which others are not those of the default."""
    from trialforge.app.profiles import apply_profile, list_left, read_profile
    from trialforge.core.params import PARAMS_FILE

    chosen = read_profile(name)
    changed = apply_profile(chosen, PARAMS_FILE)
    left = list_left(PARAMS_FILE, chosen)
    rows = [(key, old, "->", new) for key, (old, new) in changed.items()]
    rows += [(key, value, "left", "not the default's") for key, value in left.items()]
    found = {"set": {key: {"old": old, "new": new} for key, (old, new) in changed.items()}, "left": left}
    emit(found, as_json=as_json, text=lambda: align(rows) or f"params.yaml is that of {name} already")


@app.command(short_help="Fetch the language model that params.yaml names.")
def pull(as_json: JsonOption = False) -> None:
    """Fetch the language model that params.yaml names, on every Ollama host or from the Hugging Face hub."""
    from trialforge.core.params import load_section
    from trialforge.llm.factory import pull_model
    from trialforge.llm.params import LlmParams

    found = pull_model(load_section(LlmParams, "llm"))
    emit(found, as_json=as_json, text=lambda: align(found.items()))


@app.command("cache", short_help="Look at, check, copy or remove kept answers of models.")
def cache_command(
    action: Annotated[Literal["stats", "prune", "verify", "export"], typer.Argument(help="What to do.")],
    days: Annotated[
        float | None, typer.Option(min=0, help="prune: what was asked longer ago; with --model only of it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="prune: a model's digest, or its start.")] = None,
    to: Annotated[Path | None, typer.Option(help="export: the file to write.")] = None,
    path: Annotated[Path | None, typer.Option(help="The file, if it is not this checkout's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the kept answers of language models, check them all, copy them, or remove some."""
    from trialforge.llm.calls import CALLS_FILE, find_project, manage_cache

    source = path or find_project(Path.cwd()) / CALLS_FILE
    found = manage_cache(action, source, days=days, model_digest=model, to=to)
    emit(found, as_json=as_json, text=lambda: align(found.items()))


@app.command(short_help="Say what this machine lacks, and what mends it.")
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks, and the command that mends it."""
    from dataclasses import asdict

    from trialforge.app.doctor import examine
    from trialforge.core.params import PARAMS_FILE, read_params

    params = read_params() if PARAMS_FILE.is_file() else {}
    findings = examine(Path.cwd(), params, os.environ)

    def lines() -> str:
        rows = [(one.state.replace("fault", "FAULT"), one.name, one.detail) for one in findings]
        mends = [("  " + one.name, one.mend) for one in findings if one.mend]
        return align(rows) + (f"\n\nwhat to do next\n{align(mends)}" if mends else "")

    emit([asdict(one) for one in findings], as_json=as_json, text=lines)
    if any(one.state == "fault" for one in findings):
        raise typer.Exit(EXIT_ERROR)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing is raised, whatever goes wrong."""
    as_json = "--json" in arguments
    try:
        with name_missing_extra():
            code = app(list(arguments) or ["--help"], prog_name="trialforge", standalone_mode=False)
    except TrialforgeError as error:
        _debug_traceback()
        print_error(error.args[0], error.hint, as_json=as_json)
        return EXIT_ERROR
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "trialforge"
        print_error(error.format_message(), f"{path} --help", as_json=as_json)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _debug_traceback()
        told = explain_disk(error)
        print_error(told.args[0], told.hint, as_json=as_json)
        return EXIT_ERROR
    except Exception as error:
        _debug_traceback()
        print_error(
            f"{type(error).__name__}: {error}",
            "a fault of trialforge: run it again as `trialforge --debug ...` and report the traceback",
            as_json=as_json,
        )
        return EXIT_FAULT
    if code == EXIT_INTERRUPTED:
        print_error("interrupted", "run the same command again: finished work is kept", as_json=as_json)
    return code if isinstance(code, int) else 0


def _debug_traceback() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(format_traceback())


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
