"""The pictures of the report: tables of plots/ as Vega-Lite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from trialforge.reporting.blocks import Plot, Table, name_words

Chart = Any  # altair's own types do not survive layering
_ROW = 22  # height of one row of a chart with names on its side


class Picture(NamedTuple):
    """How one table of plots/ is drawn, and the sentence that says what it shows."""

    title: str
    text: str
    draw: Callable[[pl.DataFrame], Chart]


def _chart(frame: pl.DataFrame, height: int | None = None) -> Chart:
    # Rows stand in the picture itself, so no limit on their number and no name that a counter gives.
    chart = alt.Chart(alt.InlineData(values=frame.to_dicts())).properties(width="container")
    return chart.properties(height=height) if height else chart


def _hints(frame: pl.DataFrame) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(f"{name}:{'Q' if kind.is_numeric() else 'N'}", title=name_words(name))
        for name, kind in frame.schema.items()
    ]


def _rows_high(frame: pl.DataFrame, *columns: str) -> int:
    return max(3, frame.select(columns).n_unique()) * _ROW + 30


def _order(frame: pl.DataFrame, column: str) -> list[str]:
    return frame[column].unique(maintain_order=True).to_list()


def _rule(value: float, axis: str = "x") -> Chart:
    datum = {axis: alt.datum(value)}
    return (
        alt.Chart(alt.InlineData(values=[{}]))
        .mark_rule(strokeDash=[4, 4], color="var(--ink-2)")
        .encode(**datum)
    )


def _intervals(
    frame: pl.DataFrame,
    name: str,
    value: str,
    title: str,
    *,
    group: str | None = None,
    at: float | None = None,
) -> Chart:
    """Return a dot for each row with its interval `low` to `high`, and a dashed line at `at`."""
    side = [name, group] if group else [name]
    base = _chart(frame, _rows_high(frame, *side)).encode(
        y=alt.Y(f"{name}:N", sort=_order(frame, name), title=None), tooltip=_hints(frame)
    )
    if group:
        base = base.encode(
            yOffset=alt.YOffset(f"{group}:N", sort=_order(frame, group)),
            color=alt.Color(f"{group}:N", sort=_order(frame, group), title=None),
        )
    scale = alt.Scale(zero=False, nice=True)
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale, title=title), x2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X(f"{value}:Q", scale=scale))
    layers = [lines, dots] if at is None else [_rule(at), lines, dots]
    return alt.layer(*layers).properties(width="container")


def _bars(frame: pl.DataFrame, name: str, value: str, title: str, color: str | None = None) -> Chart:
    chart = _chart(frame, _rows_high(frame, name)).mark_bar(cornerRadiusEnd=3, height={"band": 0.7})
    chart = chart.encode(
        x=alt.X(f"{value}:Q", title=title),
        y=alt.Y(f"{name}:N", sort=_order(frame, name), title=None),
        tooltip=_hints(frame),
    )
    return chart.encode(color=alt.Color(f"{color}:N", title=None)) if color else chart


def _lines(frame: pl.DataFrame, x: str, y: str, by: str, titles: tuple[str, str]) -> Chart:
    return (
        _chart(frame, 260)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(f"{x}:Q", title=titles[0]),
            y=alt.Y(f"{y}:Q", title=titles[1]),
            color=alt.Color(f"{by}:N", sort=_order(frame, by), title=None),
            order=alt.Order("row:Q"),
            tooltip=_hints(frame.select(by, x, y)),
        )
    )


def _first_model(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("model") == pl.col("model").first()).with_row_index("row")


def draw_arms(frame: pl.DataFrame) -> Chart:
    """Return ROC-AUC by arm and model."""
    areas = frame.filter(pl.col("metric") == "roc_auc")
    return _intervals(areas, "arm", "mean", "ROC-AUC on unseen real trials", group="model", at=0.5)


def draw_comparisons(frame: pl.DataFrame) -> Chart:
    """Return the effect of each declared question."""
    named = frame.with_columns(question=pl.format("{} − {}, {}", "arm", "against", "model"))
    shown = named.select("question", "effect", "low", "high", "p_holm", "verdict")
    return _intervals(shown, "question", "effect", "difference", at=0.0)


def draw_roc(frame: pl.DataFrame) -> Chart:
    """Return ROC curves of the first model."""
    return _lines(_first_model(frame), "fpr", "tpr", "arm", ("false positive rate", "true positive rate"))


def draw_precision_recall(frame: pl.DataFrame) -> Chart:
    """Return precision-recall curves of the first model."""
    return _lines(_first_model(frame), "recall", "precision", "arm", ("recall", "precision"))


def draw_reliability(frame: pl.DataFrame) -> Chart:
    """Return the share of successes by predicted probability, of the first model."""
    titles = ("predicted probability", "share of successes")
    even = alt.Chart(alt.InlineData(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])).mark_line(
        strokeDash=[4, 4], color="var(--ink-2)"
    )
    curves = _lines(_first_model(frame), "mean_score", "share_of_successes", "arm", titles)
    return alt.layer(even.encode(x="a:Q", y="b:Q"), curves).properties(width="container")


def draw_yardsticks(frame: pl.DataFrame) -> Chart:
    """Return where each measure lies between random text (0) and held-out real trials (1)."""
    span = pl.col("ceiling") - pl.col("worst")
    placed = frame.filter((span.abs() > 0) & pl.col("at_size").is_not_null()).select(
        "metric", place=((pl.col("at_size") - pl.col("worst")) / span).clip(-0.5, 1.5).round(3)
    )
    dots = _chart(placed, _rows_high(placed, "metric")).mark_point(filled=True, size=80, opacity=1)
    axis = alt.X(
        "place:Q", title="0 random text, 1 held-out real trials", scale=alt.Scale(domain=[-0.5, 1.5])
    )
    dots = dots.encode(
        x=axis, y=alt.Y("metric:N", sort=_order(placed, "metric"), title=None), tooltip=_hints(placed)
    )
    return alt.layer(_rule(0), _rule(1), dots).properties(width="container")


def draw_cosine(frame: pl.DataFrame) -> Chart:
    """Return the distributions of cosine similarity."""
    shown = frame.filter(pl.col("share") > 0).with_row_index("row")
    return _lines(shown, "cosine", "share", "pairs", ("cosine similarity", "share of pairs"))


def draw_picture(frame: pl.DataFrame) -> Chart:
    """Return the t-SNE picture."""
    return (
        _chart(frame.select("set", "nct_id", "label", "tsne_x", "tsne_y"), 320)
        .mark_point(filled=True, size=28, opacity=0.75)
        .encode(
            x=alt.X("tsne_x:Q", axis=None),
            y=alt.Y("tsne_y:Q", axis=None),
            color=alt.Color("set:N", sort=_order(frame, "set"), title=None),
            tooltip=["set:N", "nct_id:N", "label:N"],
        )
    )


def draw_rejections(frame: pl.DataFrame) -> Chart:
    """Return how many drafts each reason refused."""
    counts = (
        frame.group_by("reason")
        .agg(pl.col("drafts").sum())
        .sort("drafts", "reason", descending=[True, False])
    )
    return _bars(counts, "reason", "drafts", "drafts")


def draw_marginals(frame: pl.DataFrame) -> Chart:
    """Return the distance of each field, the farthest first."""
    far = frame.drop_nulls("distance").sort("distance", "field", descending=[True, False])
    return _bars(far, "field", "distance", "distance from real trials", color="kind")


def draw_probes(frame: pl.DataFrame) -> Chart:
    """Return how well the label is read from each view of the text."""
    return _intervals(frame.drop_nulls("auc"), "view", "auc", "ROC-AUC of the label", group="set", at=0.5)


def draw_modes(frame: pl.DataFrame) -> Chart:
    """Return the mean reciprocal rank by task and way of searching."""
    return _intervals(frame, "task", "mrr", "mean reciprocal rank", group="mode")


def draw_years(frame: pl.DataFrame) -> Chart:
    """Return trials by year."""
    return (
        _chart(frame, 200)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("trials:Q", title="trials"),
            tooltip=_hints(frame),
        )
    )


PICTURES: dict[str, Picture] = {
    "data/year": Picture("Trials by year", "The year in which a trial was first submitted.", draw_years),
    "retrieval/modes": Picture(
        "How high the searched trial stands",
        "A trial is looked for by a part of itself that the index lacks; 1 is the first place.",
        draw_modes,
    ),
    "learning/arms": Picture(
        "What each training mix reaches",
        "ROC-AUC with its interval; the dashed line is chance.",
        draw_arms,
    ),
    "learning/comparisons": Picture(
        "The declared comparisons",
        "Difference with its interval, corrected for the family; one that crosses 0 shows none.",
        draw_comparisons,
    ),
    "learning/roc": Picture("ROC curves", "The mean score over seeds, of the primary classifier.", draw_roc),
    "learning/precision-recall": Picture(
        "Precision and recall", "The mean score over seeds, of the primary classifier.", draw_precision_recall
    ),
    "learning/reliability": Picture(
        "Calibration", "On the dashed line a predicted probability means what it says.", draw_reliability
    ),
    "quality/measures": Picture(
        "Between random text and real trials",
        "Each measure at equal size: 0 is what text of random words gets, 1 what held-out real trials get.",
        draw_yardsticks,
    ),
    "quality/cosines": Picture(
        "How similar trials are", "Cosine similarity of pairs, within and between the sets.", draw_cosine
    ),
    "quality/picture": Picture(
        "Where the records lie", "t-SNE of the embedding: near points are similar trials.", draw_picture
    ),
    "quality/marginals": Picture(
        "Single fields beside real trials",
        "Jensen-Shannon divergence for categories, Wasserstein distance for numbers; 0 is equal.",
        draw_marginals,
    ),
    "quality/probes": Picture(
        "What of the label can be read",
        "How well a classifier reads the label from part of the text, beside the same for real trials.",
        draw_probes,
    ),
    "quality/rejections": Picture(
        "Why drafts were rejected", "A draft may have more than one reason.", draw_rejections
    ),
}  # fmt: skip


def _table(title: str, frame: pl.DataFrame, limit: int = 100) -> Table:
    caption = title if frame.height <= limit else f"{title} (first {limit} of {frame.height} rows)"
    return Table(caption, [name_words(name) for name in frame.columns], frame.head(limit).rows())


def build_plots(plots: Mapping[str, pl.DataFrame], prefix: str) -> list[Plot]:
    """Return the pictures of the tables below `prefix`, in the order of PICTURES.

    A table of one column `note` says why there is nothing to draw.
    """
    found = []
    for name, (title, text, draw) in PICTURES.items():
        if not name.startswith(prefix) or name not in plots:
            continue
        table = plots[name]
        if table.height and table.columns != ["note"]:
            spec = draw(table).to_dict()
            found.append(Plot(name.replace("/", "-"), title, text, spec, _table(title, table)))
    return found
