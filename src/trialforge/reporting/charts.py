"""The pictures of the report: tables of plots/ as Vega-Lite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import altair as alt
import polars as pl

from trialforge.reporting.blocks import Plot, Table, name_words

Draw = Callable[[pl.DataFrame], alt.Chart | alt.LayerChart]


def _table(title: str, frame: pl.DataFrame, limit: int = 200) -> Table:
    caption = title if frame.height <= limit else f"{title} (first {limit} of {frame.height} rows)"
    return Table(caption, [name_words(name) for name in frame.columns], frame.head(limit).rows())


KNOWN: dict[str, tuple[str, str, Draw]] = {}


def build_plots(plots: Mapping[str, pl.DataFrame], prefix: str) -> list[Plot]:
    """Return the pictures that are known for the tables below `prefix`, in the order of KNOWN."""
    found = []
    for name, (title, text, draw) in KNOWN.items():
        if name.startswith(prefix) and name in plots and plots[name].height:
            spec = draw(plots[name]).to_dict()
            found.append(Plot(name.replace("/", "-"), title, text, spec, _table(title, plots[name])))
    return found
