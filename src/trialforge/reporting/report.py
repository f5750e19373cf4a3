"""The whole report: from inputs to the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.reporting.answer import Headline, build_answer, describe_corpus
from trialforge.reporting.inputs import Inputs
from trialforge.reporting.params import ReportParams
from trialforge.reporting.records import browse_records
from trialforge.reporting.render import render_page
from trialforge.reporting.sections import build_sections, provenance_section, record_sections

# Packages that can change a number on the page; requirements.lock has the whole list, with hashes.
SOFTWARE = (
    "altair", "datasketch", "dvc", "elasticsearch", "evaluate", "numpy", "ollama", "polars", "scikit-learn",
    "scipy", "sentence-transformers", "torch", "transformers", "vl-convert-python", "xllamacpp",
)  # fmt: skip


def locked_versions(lock: str) -> dict[str, str]:
    """Return the versions that requirements.lock pins, so that the same file gives the same page anywhere."""
    pinned = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock, flags=re.MULTILINE))
    return {name: pinned[name] for name in SOFTWARE if name in pinned}


def build_audit(inputs: Inputs, name: str, params: ReportParams, broken: Sequence[str]) -> str:
    """Return the page of an audit of somebody's records, without the sections that need a run."""
    gates = f"Broken gates: {', '.join(broken)}." if broken else "All gates hold."
    records = inputs.tables["generated"]
    lead = f"{records.height} records compared with {inputs.tables['train'].height} real trials. {gates}"
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
