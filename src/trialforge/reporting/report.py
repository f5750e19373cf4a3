"""The report as a whole: inputs -> page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.reporting.answer import Headline, build_answer, describe_corpus
from trialforge.reporting.inputs import Inputs
from trialforge.reporting.params import ReportParams
from trialforge.reporting.records import browse_records
from trialforge.reporting.render import render_page
from trialforge.reporting.sections import build_sections, provenance_section, record_sections

# What can move a number of the page; the whole list, with hashes, is requirements.lock.
SOFTWARE = (
    "altair", "datasketch", "dvc", "elasticsearch", "evaluate", "numpy", "ollama", "polars", "scikit-learn",
    "scipy", "sentence-transformers", "torch", "transformers", "vl-convert-python", "xllamacpp",
)  # fmt: skip


def locked_versions(lock: str) -> dict[str, str]:
    """Return the versions that a requirements.lock pins, as the same file gives the same page anywhere."""
    pinned = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock, flags=re.MULTILINE))
    return {name: pinned[name] for name in SOFTWARE if name in pinned}


def build_audit(inputs: Inputs, name: str, params: ReportParams, broken: Sequence[str]) -> str:
    """Return the page of an audit of somebody's records; what a run alone has is not in it."""
    gates = f"Broken gates: {', '.join(broken)}." if broken else "All gates hold."
    records = inputs.tables["generated"]
    lead = f"{records.height} records beside {inputs.tables['train'].height} real trials. {gates}"
    return render_page(
        title=f"trialforge audit of {name}",
        badge=describe_corpus(inputs.params),
        answer=Headline(f"Audit of {name}", [lead]),
        sections=[*record_sections(inputs), provenance_section(inputs, {})],
        records=browse_records(inputs.tables, params.max_records),
    )


def build_report(inputs: Inputs, params: ReportParams, lock: str) -> str:
    """Return the page as HTML; the same inputs give the same bytes."""
    return render_page(
        title="trialforge report",
        badge=describe_corpus(inputs.params),
        answer=build_answer(inputs),
        sections=build_sections(inputs, locked_versions(lock)),
        records=browse_records(inputs.tables, params.max_records),
    )
