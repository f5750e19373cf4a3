"""The page: sections and records in one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from trialforge.reporting.answer import Headline
from trialforge.reporting.blocks import ReportSection, format_cell
from trialforge.reporting.records import to_blocks, to_script_json


def _template(name: str) -> str:
    return files("trialforge.reporting").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _vega_bundle() -> str:
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def source_hash(text: str) -> str:
    """Return the Content-Security-Policy source that allows only this inline script or style."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def content_policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return a policy that allows only the given inline scripts and styles, and loads nothing."""
    return (
        f"default-src 'none'; script-src {' '.join(map(source_hash, scripts))}; "
        f"style-src {' '.join(map(source_hash, styles))}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def render_page(
    *, title: str, badge: str, answer: Headline, sections: Sequence[ReportSection], records: Mapping[str, Any]
) -> str:
    """Return the whole page; equal inputs give equal bytes."""
    style, script, vega = _template("report.css"), _template("report.js"), _vega_bundle()
    index, blocks = to_blocks(records)
    plots = {plot.key: plot.spec for section in sections for plot in section.plots}
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = format_cell
    return environment.get_template("report.html.jinja").render(
        policy=content_policy([vega, script], [style]),
        title=title,
        badge=badge,
        answer=answer,
        sections=sections,
        style=Markup(style),  # noqa: S704 - a file of this package
        vega=Markup(vega),  # noqa: S704 - the library's own bundle
        script=Markup(script),  # noqa: S704 - a file of this package
        plots=Markup(to_script_json(plots)),  # noqa: S704 - escaped for a script element
        records=Markup(to_script_json(index)),  # noqa: S704 - escaped for a script element
        blocks={name: Markup(to_script_json(block)) for name, block in blocks.items()},  # noqa: S704 - the same
        record_count=records["total"],
    )
