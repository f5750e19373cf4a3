"""The command line: `trialforge COMMAND`.

Every command imports what it needs in its body (this keeps `--help` fast), takes `as_json: JsonOption`, calls
a function of a package, and prints with `emit`. Errors are raised as TrialforgeError; `main` prints them as
one line and a hint. Exit codes: 0 success, 1 an error that the user can fix (or a check that failed), 2 wrong
usage, 70 a bug in trialforge, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trialforge.app.printing import align, emit, print_error, print_line, print_note, show_progress
from trialforge.core.errors import (
    DEBUG_VARIABLE,
    EXIT_FAULT,
    TrialforgeError,
    explain_disk,
    format_traceback,
    name_missing_extra,
)
from trialforge.core.progress import QUIET_SECONDS
from trialforge.core.version import VERSION

if TYPE_CHECKING:
    from trialforge.quality.measurement import RunTables

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130

GUIDE = """
Make synthetic clinical trials with local models, and measure what they are worth.

  1  trialforge doctor           check this machine
  2  dvc repro                   run the whole pipeline on simulated trials
  3  open report/index.html      read the answer and browse the records

Then, for real trials:

  4  trialforge fetch            download trials from the registry
  5  trialforge profile real     set the parameters of a real run
  6  trialforge plan             see what will run, and how long it takes
  7  dvc repro                   run only what changed

To look closer, and to use the records elsewhere:

  8  trialforge show SYN-...     read one record and what it was made from
  9  trialforge report --against HEAD~1    see what changed since a commit
 10  trialforge export FOLDER    write a dataset folder with its card

Each command has --help, and prints JSON with --json. Run `trialforge --install-completion` once to
complete names with Tab.
"""

app = typer.Typer(
    name="trialforge",
    help=GUIDE.replace("\n\n  ", "\n\n\b\n  "),  # \b keeps the line breaks of a paragraph
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AllOption = Annotated[
    bool, typer.Option("--all", help="Use all real trials instead of at most 5,000 per part.")
]


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
    """Read the options that come before the command."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


@app.command(short_help="Download real trials from ClinicalTrials.gov.")
def fetch(
    out: Annotated[Path, typer.Argument(help="The .jsonl.gz file to write.")] = Path(
        "data/raw/trials/trials.jsonl.gz"
    ),
    condition: Annotated[str, typer.Option(help="A condition, such as `type 2 diabetes`.")] = "",
    intervention: Annotated[str, typer.Option(help="An intervention, such as `metformin`.")] = "",
    status: Annotated[list[str] | None, typer.Option(help="A status, such as Completed; repeatable.")] = None,
    phase: Annotated[list[str] | None, typer.Option(help="A phase, such as `Phase 2`; repeatable.")] = None,
    started_from: Annotated[str, typer.Option("--from", help="First start date, such as 2015-01-01.")] = "",
    started_to: Annotated[str, typer.Option("--to", help="Last start date.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A text file with the ids to fetch, one per line.")] = None,
    as_registered: Annotated[
        bool,
        typer.Option(
            "--as-registered", help="Fetch each trial as first posted; takes two requests per trial."
        ),
    ] = False,
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, help="The largest number of trials to fetch.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download real trials from ClinicalTrials.gov, or the server at REGISTRY_URL, and add them to DVC."""
    from trialforge.app.fetch import RegistryQuery, add_to_dvc, fetch_trials, parse_day, read_ids
    from trialforge.app.registry_api import REGISTRY_URL, RegistryApi

    query = RegistryQuery(
        condition, intervention, tuple(status or ()), tuple(phase or ()), parse_day(started_from),
        parse_day(started_to), read_ids(ids) if ids else (),
    )  # fmt: skip
    url = os.environ.get("REGISTRY_URL", REGISTRY_URL)
    with show_progress("trials", None, as_json=as_json) as shown, RegistryApi(url, tell=shown.say) as api:
        found = fetch_trials(
            query, out, api, maximum=maximum, as_registered=as_registered, progress=shown.reach
        )  # fmt: skip
    note = add_to_dvc(out)
    lines = [f"{found['count']} trials in {out}"]
    if found["not_found"]:
        lines.append(f"  not found: {len(found['not_found'])}, listed in the manifest next to it")
    lines += [f"  next: git add -A {out.parent}"] if note else []
    lines.append("  next: dvc exp run -S ingest.source=registry")
    emit(found, as_json=as_json, text="\n".join(lines))


@app.command(short_help="Search the training trials by words, meaning, or both.")
def search(
    text: Annotated[str, typer.Argument(help="What to search for, in plain words.")],
    intervention: Annotated[str | None, typer.Option(help="Only trials with this intervention.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Only trials with this outcome: success or failure.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="lexical, dense, hybrid or random; by default the mode in params.yaml.")
    ] = None,
    top_k: Annotated[
        int, typer.Option("-k", "--top-k", min=1, max=1000, help="The number of trials to print.")
    ] = 10,
    index: Annotated[Path, typer.Option(help="The folder of the index.")] = Path("data/index"),
    as_json: JsonOption = False,
) -> None:
    """Search the training trials by words, by meaning, or by both, and print the score of each part."""
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
    table = align([hit_cells(one) for one in found], HEADINGS) if found else "no matching trials"
    emit(found, as_json=as_json, text=table)


@app.command(short_help="Show a synthetic trial and what it was made from.")
def show(
    record: Annotated[
        str, typer.Argument(metavar="SYN-...", help="The id of a synthetic trial, or its first characters.")
    ],
    data: Annotated[Path, typer.Option(help="The folder with the pipeline's tables.")] = Path("data"),
    full: Annotated[
        bool, typer.Option("--full", help="Also show hashes, sampling and each exemplar.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Summarise a synthetic trial: its target, verdict, reasons, exemplars and text."""
    from trialforge.app.show import format_story, summarise_story, tell_story

    story = tell_story(record, data)
    emit(story, as_json=as_json, text=lambda: format_story(story) if full else summarise_story(story))


def _read_reference(data: Path, *, every: bool) -> RunTables:
    from trialforge.app.record_sets import describe_reference, read_reference
    from trialforge.core.params import load_seed

    run = read_reference(data, load_seed(), every=every)
    if note := describe_reference(run):
        print_note(note)
    return run


@app.command(short_help="Compare two sets of records, measure by measure.")
def compare(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A .parquet, .jsonl or .csv file, or REVISION:PATH.")
    ],
    other: Annotated[
        str, typer.Argument(metavar="B", help="The other set, such as HEAD~1:data/synthetic.parquet.")
    ],
    data: Annotated[Path, typer.Option(help="The folder with the real trials.")] = Path("data"),
    every: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two sets of records, measure by measure, each with its 95% interval."""
    from trialforge.app.compare import HEADINGS, compare_records, comparison_rows
    from trialforge.app.record_sets import read_set
    from trialforge.core.params import load_section, load_seed
    from trialforge.quality.params import QualityParams
    from trialforge.quality.registry import METRICS
    from trialforge.validation.params import ValidationParams

    sections = load_section(QualityParams, "quality"), load_section(ValidationParams, "validation")
    sets = read_set(one), read_set(other)
    run = _read_reference(data, every=every)
    with show_progress("measures", len(METRICS), as_json=as_json, quiet_seconds=QUIET_SECONDS) as shown:
        found = compare_records(sets, run, METRICS, sections, load_seed(), shown.step)
    emit(found.to_dicts(), as_json=as_json, text=lambda: align(comparison_rows(found), HEADINGS))


@app.command(short_help="Measure synthetic trials from any tool, and check the gates.")
def audit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .parquet, .jsonl or .csv file of trials.")],
    data: Annotated[Path, typer.Option(help="The folder with the real trials.")] = Path("data"),
    report: Annotated[Path | None, typer.Option(help="Also write a page, such as audit.html.")] = None,
    every: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure synthetic trials from any tool against real trials. Exits with 1 if a gate is broken.

    FILE has the fields of a trial (missing fields count as empty), `label` and, optionally, `exemplars`: the
    ids of the trials that a record was written from.
    """
    from trialforge.app.audit import HEADINGS, audit_inputs, audit_records, audit_rows, audit_table
    from trialforge.app.record_sets import read_set
    from trialforge.core.files import write_text
    from trialforge.core.params import load_section, load_seed, read_params
    from trialforge.quality.measurement import STEPS
    from trialforge.quality.params import QualityParams
    from trialforge.reporting.params import ReportParams
    from trialforge.reporting.report import build_audit
    from trialforge.validation.params import ValidationParams

    sections = load_section(QualityParams, "quality"), load_section(ValidationParams, "validation")
    records = read_set(file)
    run = _read_reference(data, every=every)
    with show_progress("measures", STEPS, as_json=as_json, quiet_seconds=QUIET_SECONDS) as shown:
        found = audit_records(file, records, run, sections, load_seed(), shown.step)
    if report:
        inputs, params = audit_inputs(found, read_params()), load_section(ReportParams, "report")
        write_text(build_audit(inputs, file, params, found.broken), report)
    table = audit_table(found)
    value = {"metrics": found.measured.metrics, "measures": table.to_dicts(), "broken_gates": found.broken}
    emit(value, as_json=as_json, text=lambda: align(audit_rows(table), HEADINGS))
    found.check()


@app.command(short_help="Compare this run with one of another revision.")
def report(
    against: Annotated[str, typer.Option(metavar="REVISION", help="A commit, branch or DVC experiment.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("against.html"),
    as_json: JsonOption = False,
) -> None:
    """Compare this run with one of another revision. Prints what changed, and writes a page."""
    from trialforge.app.report import read_run_of, read_this_run
    from trialforge.core.files import read_parquet, write_text
    from trialforge.core.params import load_section
    from trialforge.reporting.against import build_comparison, change_rows, compare_runs
    from trialforge.reporting.inputs import TABLES
    from trialforge.reporting.params import ReportParams

    then, now = read_run_of(against), read_this_run(Path.cwd())
    paths = {name: Path("data") / f"{name}.parquet" for name in TABLES}
    tables = {name: read_parquet(path) for name, path in paths.items() if path.is_file()}
    write_text(build_comparison(then, now, tables, load_section(ReportParams, "report").max_records), out)
    found = compare_runs(then, now)
    value = {
        "moved": {name: {"then": old, "now": new} for name, old, new in found.moved},
        "equal": found.equal,
        "new": found.new["nct_id"].to_list(),
        "gone": found.gone["nct_id"].to_list(),
        "kept": found.kept,
        "page": str(out),
    }

    def text() -> str:
        rows = [["" if cell is None else cell for cell in row] for row in change_rows(found)]
        records = (
            "the records of one run are not in the cache; run: dvc fetch --all-commits"
            if found.kept is None
            else f"records: {found.kept} the same, {found.new.height} new, {found.gone.height} gone"
        )
        table = align(rows, ["figure", against, "now", "change"]) if rows else "no figure changed"
        return f"{table}\n\n{found.equal} figures did not change\n{records}\npage: {out}"

    emit(value, as_json=as_json, text=text)


@app.command(short_help="Print how many real trials 100 synthetic ones are worth.")
def worth(
    metrics: Annotated[Path, typer.Option(help="The folder with the metrics.")] = Path("metrics"),
    plots: Annotated[Path, typer.Option(help="The folder with the tables behind the plots.")] = Path("plots"),
    as_json: JsonOption = False,
) -> None:
    """Print how many real trials 100 synthetic ones are worth, for each mix (docs/worth.md)."""
    from trialforge.app.worth import HEADINGS, read_worth, worth_rows

    found, table = read_worth(metrics, plots)
    text = "\n".join([*found["answer"], "", align(worth_rows(table), HEADINGS)])
    emit(found | {"arms": table.to_dicts()}, as_json=as_json, text=text)


@app.command("export", short_help="Write the synthetic trials with a dataset card.")
def export_command(
    folder: Annotated[Path, typer.Argument(help="The folder to write; created if necessary.")],
    form: Annotated[
        Literal["hf", "jsonl", "xml", "api"],
        typer.Option("--format", "-f", help="hf: a Hugging Face dataset; xml, api: the registry's formats."),
    ] = "hf",
    data: Annotated[Path, typer.Option(help="The folder with the pipeline's tables.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Write the accepted synthetic trials, marked as such, with a dataset card."""
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


@app.command(short_help="Predict the outcome of new trials, and show why.")
def predict(
    trials: Annotated[
        list[str], typer.Argument(metavar="FILE|NCT...", help="Files of records, or registry ids.")
    ],
    model: Annotated[Path, typer.Option(help="The folder of a trained model.")] = Path(
        "models/real/tfidf-logreg/real"
    ),
    as_json: JsonOption = False,
) -> None:
    """Predict the chance of success of new trials, and show why. Ids are fetched from REGISTRY_URL."""
    from trialforge.app.new_trials import read_new_trials
    from trialforge.app.predict import describe_predictions, predict_trials
    from trialforge.app.registry_api import REGISTRY_URL

    url = os.environ.get("REGISTRY_URL", REGISTRY_URL)
    with show_progress("trials", None, as_json=as_json, quiet_seconds=QUIET_SECONDS) as shown:
        found, refused = read_new_trials(trials, url, shown.say)
        shown.advance(found.height)
    value, rows = describe_predictions(predict_trials(model, found), refused)
    emit(value, as_json=as_json, text=lambda: align(rows, ["trial", "success", "main influences"]))


@app.command(short_help="Set a profile's parameters in params.yaml.")
def profile(
    name: Annotated[
        str, typer.Argument(help="quick (the default), real, paper or scarcity: a file of profiles/.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Set a profile's parameters in params.yaml, and list others that differ from the default."""
    from trialforge.app.profile import apply_profile, list_left, read_profile
    from trialforge.core.params import PARAMS_FILE

    chosen = read_profile(name)
    changed = apply_profile(chosen, PARAMS_FILE)
    left = list_left(PARAMS_FILE, chosen)
    rows = [(key, old, "->", new) for key, (old, new) in changed.items()]
    rows += [(key, value, "left", "differs from the default") for key, value in left.items()]
    found = {"set": {key: {"old": old, "new": new} for key, (old, new) in changed.items()}, "left": left}
    emit(
        found,
        as_json=as_json,
        text=lambda: align(rows) or f"params.yaml already has the parameters of {name}",
    )


@app.command(short_help="Download the language model in params.yaml.")
def pull(as_json: JsonOption = False) -> None:
    """Download the language model in params.yaml, on each Ollama host or from the Hugging Face Hub."""
    from trialforge.core.params import load_section
    from trialforge.llm.factory import pull_model
    from trialforge.llm.params import LlmParams

    found = pull_model(load_section(LlmParams, "llm"))
    emit(found, as_json=as_json, text=lambda: align(found.items()))


@app.command("cache", short_help="Inspect, check, copy or remove cached model answers.")
def cache_command(
    action: Annotated[Literal["stats", "prune", "verify", "export"], typer.Argument(help="What to do.")],
    days: Annotated[
        float | None,
        typer.Option(
            min=0, help="prune: answers older than this many days; with --model, only those of that model."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="prune: the digest of a model, or its first characters.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="export: the file to write.")] = None,
    path: Annotated[
        Path | None, typer.Option(help="The cache file; by default, the one of this checkout.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Inspect, check, copy or remove the cached answers of language models."""
    from trialforge.llm.calls import CALLS_FILE, find_project, manage_cache

    source = path or find_project(Path.cwd()) / CALLS_FILE
    found = manage_cache(action, source, days=days, model_digest=model, to=to)
    emit(found, as_json=as_json, text=lambda: align(found.items()))


@app.command(short_help="List what dvc repro would run, with calls and time.")
def plan(as_json: JsonOption = False) -> None:
    """List what `dvc repro` would run now, with the number of model calls and the time."""
    from dataclasses import asdict

    from trialforge.app.plan import forecast, forecast_rows
    from trialforge.core.params import read_params

    found = forecast(Path.cwd(), read_params())

    def text() -> str:
        if not found:
            return "everything is up to date"
        note = "Counts are upper bounds that do not include retries. Cached answers cost nothing."
        return f"{align(forecast_rows(found), ('stage', 'why', 'model', 'time'))}\n\n{note}"

    emit([asdict(one) for one in found], as_json=as_json, text=text)


@app.command(short_help="Check this machine, and show how to fix what is missing.")
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine, and show the commands that fix what is missing."""
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
    """Run one command line and return its exit code; never raises."""
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
            "this is a bug in trialforge: run `trialforge --debug ...` and report the traceback",
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
