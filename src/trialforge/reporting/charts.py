"""Draw each table of plots/ as Vega-Lite."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from trialforge.reporting.blocks import name_words
from trialforge.reporting.measures import MEASURES

Chart = Any  # altair's own types do not survive layering
_MOST_TICKS = 12
_LABEL = 240  # largest width of a name on the axis
_ROW = 22  # height of one row of a chart with names on its axis


def _chart(frame: pl.DataFrame, height: int | None = None) -> Chart:
    # With the rows inline, their number is not limited and no name comes from a counter.
    chart = alt.Chart(alt.InlineData(values=frame.to_dicts())).properties(width="container")
    return chart.properties(height=height) if height else chart


def _hints(frame: pl.DataFrame) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(f"{name}:{'Q' if kind.is_numeric() else 'N'}", title=name_words(name))
        for name, kind in frame.schema.items()
    ]


def _rows_high(frame: pl.DataFrame, *columns: str) -> int:
    return frame.select(columns).n_unique() * _ROW + 30


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
    """Return a dot per row with its interval from `low` to `high`, and a dashed line at `at`."""
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
        x=alt.X(
            f"{value}:Q", title=title, axis=alt.Axis(tickMinStep=1 if frame[value].dtype.is_integer() else 0)
        ),
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
    """Return the effect of each declared comparison."""
    named = frame.with_columns(question=pl.format("{} − {}, {}", "arm", "against", "model"))
    shown = named.select("question", "effect", "low", "high", "p", "verdict")
    return _intervals(shown, "question", "effect", "difference", at=0.0)


def draw_roc(frame: pl.DataFrame) -> Chart:
    """Return the ROC curves of the first model."""
    return _lines(_first_model(frame), "fpr", "tpr", "arm", ("false positive rate", "true positive rate"))


def draw_precision_recall(frame: pl.DataFrame) -> Chart:
    """Return the precision-recall curves of the first model."""
    return _lines(_first_model(frame), "recall", "precision", "arm", ("recall", "precision"))


def draw_reliability(frame: pl.DataFrame) -> Chart:
    """Return the share of successes by predicted probability for the first model."""
    titles = ("predicted probability", "share of successes")
    even = alt.Chart(alt.InlineData(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])).mark_line(
        strokeDash=[4, 4], color="var(--ink-2)"
    )
    curves = _lines(_first_model(frame), "mean_score", "share_of_successes", "arm", titles)
    return alt.layer(even.encode(x="a:Q", y="b:Q"), curves).properties(width="container")


def draw_net_benefit(frame: pl.DataFrame) -> Chart:
    """Return the net benefit by threshold for the arms of the first model and the rules without a model."""
    models = pl.col("model").fill_null("")
    model = frame.filter(models != "")["model"].first()
    shown = frame.filter(models.is_in(["", model or ""])).with_row_index("row")
    # Taking all trials loses without bound at high thresholds, which would flatten the other lines.
    below = pl.col("net_benefit") < -0.05
    title = f"trials at or above this probability are taken{_tell_below(shown.filter(below)['arm'])}"
    lines = _lines(shown.filter(~below), "threshold", "net_benefit", "arm", (title, "net benefit"))
    return alt.layer(_rule(0, "y"), lines).properties(width="container")


def _tell_below(arms: pl.Series) -> str:
    """Return a note on the points below the axis, given the arm of each."""
    counts = arms.value_counts(name="points").sort("points", "arm").iter_rows()
    told = [f"{points} {'point' if points == 1 else 'points'} of {arm}" for arm, points in counts]
    return f"; below the axis: {', '.join(told)}" if told else ""


def draw_phases(frame: pl.DataFrame) -> Chart:
    """Return, by phase, how far successes exceed predictions, for the arms of the first model."""
    shown = _first_model(frame).select(
        "arm", "phase", "trials",
        *((pl.col(name) - pl.col("mean_probability")).round(4).alias(called) for name, called in
          (("share_of_successes", "excess"), ("low", "low"), ("high", "high"))),
    )  # fmt: skip
    return _intervals(shown, "phase", "excess", "share of successes − probability", group="arm", at=0.0)


def _short(metric: str) -> str:
    return MEASURES[metric].name if metric in MEASURES else name_words(metric.rpartition(".")[2])


def draw_sweep(frame: pl.DataFrame) -> Chart:
    """Return ROC-AUC of the first model by the amount that an experiment varies."""
    return _lines(_first_model(frame), "x", "mean", "series", (frame["axis"][0], "ROC-AUC"))


def draw_worth(frame: pl.DataFrame) -> Chart:
    """Return the learning curve of real trials, and each mix at its number of real trials."""
    shown = _first_model(frame)
    axes = {
        "x": alt.X("real:Q", title="real trials", scale=alt.Scale(type="log", nice=False)),
        "y": alt.Y("roc_auc:Q", title="ROC-AUC", scale=alt.Scale(zero=False)),
    }
    columns = frame.select("arm", "real", "added", "roc_auc", "worth", "worth_low", "worth_high")
    mixes = shown.filter(pl.col("arm") != "real")
    curve = _chart(shown.filter(arm="real"), 320).mark_line(strokeWidth=2, color="var(--ink-2)", point=True)
    color = alt.Color("arm:N", sort=_order(mixes, "arm"), title=None)
    dots = _chart(mixes, 320).mark_point(filled=True, size=70, opacity=1)
    both = alt.layer(
        curve.encode(**axes, tooltip=_hints(columns)),
        dots.encode(**axes, color=color, tooltip=_hints(columns)),
    )
    return both.properties(width="container")


def draw_yardsticks(frame: pl.DataFrame) -> Chart:
    """Return where each measure lies between random text (0) and held-out real trials (1)."""
    ceiling, worst = (pl.col(name).cast(pl.Float64) for name in ("ceiling", "worst"))
    span = ceiling - worst
    placed = frame.filter((span.abs() > 0) & pl.col("at_size").is_not_null()).select(
        metric=pl.col("metric").map_elements(_short, return_dtype=pl.String),
        place=((pl.col("at_size").cast(pl.Float64) - worst) / span).round(3),
    )
    first, last = domain = [-0.5, 1.5]
    place = pl.col("place")
    beyond = pl.when(place < first).then(pl.lit("below")).when(place > last).then(pl.lit("above"))
    placed = placed.with_columns(shown=place.clip(first, last), beyond=beyond.otherwise(pl.lit("inside")))
    dots = _chart(placed, _rows_high(placed, "metric")).mark_point(filled=True, size=80, opacity=1)
    dots = dots.encode(
        x=alt.X(
            "shown:Q",
            title="0 = random, 1 = real; a triangle is off the scale",
            scale=alt.Scale(domain=domain),
        ),
        y=alt.Y("metric:N", sort=_order(placed, "metric"), title=None, axis=alt.Axis(labelLimit=_LABEL)),
        shape=alt.Shape(
            "beyond:N",
            scale=alt.Scale(
                domain=["inside", "below", "above"], range=["circle", "triangle-left", "triangle-right"]
            ),
            legend=None,
        ),
        tooltip=_hints(placed.select("metric", "place")),
    )
    return alt.layer(_rule(0), _rule(1), dots).properties(width="container")


def draw_cosine(frame: pl.DataFrame) -> Chart:
    """Return the distributions of cosine similarity."""
    shown = frame.filter(pl.col("share") > 0).with_row_index("row")
    return _lines(shown, "cosine", "share", "pairs", ("cosine similarity", "share of pairs"))


def draw_points(frame: pl.DataFrame) -> Chart:
    """Return a scatter plot of the last two columns, which have no unit."""
    x, y = frame.columns[-2:]
    return (
        _chart(frame, 320)
        .mark_point(filled=True, size=28, opacity=0.75)
        .encode(
            x=alt.X(f"{x}:Q", axis=None),
            y=alt.Y(f"{y}:Q", axis=None),
            color=alt.Color("set:N", sort=_order(frame, "set"), title=None),
            tooltip=["set:N", "nct_id:N", "label:N"],
        )
    )


def draw_rejections(frame: pl.DataFrame) -> Chart:
    """Return how many drafts were rejected for each reason."""
    counts = (
        frame.group_by("reason")
        .agg(pl.col("drafts").sum())
        .sort("drafts", "reason", descending=[True, False])
    )
    return _bars(counts, "reason", "drafts", "drafts")


def draw_marginals(frame: pl.DataFrame) -> Chart:
    """Return the distance of each field, the largest first."""
    far = frame.drop_nulls("distance").sort("distance", "field", descending=[True, False])
    return _bars(far, "field", "distance", "distance from real trials", color="kind")


def draw_probes(frame: pl.DataFrame) -> Chart:
    """Return how well each view of the text predicts the label."""
    named = frame.drop_nulls("auc").with_columns(pl.col("view").str.replace_all("_", " "))
    return _intervals(named, "view", "auc", "ROC-AUC of the label", group="set", at=0.5)


def draw_views(frame: pl.DataFrame) -> Chart:
    """Return how well each view distinguishes records, and held-back trials, from real trials."""
    return _intervals(frame, "view", "auc", "ROC-AUC", group="set", at=0.5)


def draw_overlap(frame: pl.DataFrame) -> Chart:
    """Return the share of records that share an n-gram with other trials, by its length."""
    named = frame.with_columns(
        pairs=pl.format("{} / {}", "set", pl.col("reference").str.replace("exemplars ", ""))
    ).with_row_index("row")
    return _lines(named, "words", "share", "pairs", ("words of the n-gram", "share of records"))


def draw_membership(frame: pl.DataFrame) -> Chart:
    """Return how well each attack distinguishes members from non-members."""
    named = frame.with_columns(attack=pl.format("{}, {}", "attack", "feature"))
    shown = named.select("attack", "auc", low="auc_low", high="auc_high")
    return _intervals(shown, "attack", "auc", "ROC-AUC of the attack", at=0.5)


def draw_modes(frame: pl.DataFrame) -> Chart:
    """Return the mean reciprocal rank by task and search mode."""
    return _intervals(frame, "task", "mrr", "mean reciprocal rank", group="mode")


def draw_years(frame: pl.DataFrame) -> Chart:
    """Return trials by year on a continuous axis; its title counts those without a year."""
    years = frame.with_columns(pl.col("year").cast(pl.Int64, strict=False))
    dated = years.drop_nulls("year").with_columns(start=pl.col("year") - 0.4, end=pl.col("year") + 0.4)
    undated = int(years.filter(pl.col("year").is_null())["trials"].sum())
    axis = alt.Axis(format="d", tickMinStep=1)
    return (
        _chart(dated, 200)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X(
                "start:Q",
                bin="binned",
                title=f"{undated} without a year" if undated else None,
                axis=axis,
                scale=alt.Scale(zero=False, nice=False),
            ),
            x2="end:Q",
            y=alt.Y("trials:Q", title="trials"),
            tooltip=_hints(dated.select("year", "trials")),
        )
    )


def draw_histograms(frame: pl.DataFrame) -> Chart:
    """Return overlaid histograms of two sets; the axis title gives the shares beyond the axis."""
    beyond = [f"{share:.0%} of {name}" for name, share in _beyond(frame).items() if share]
    title = f"beyond the axis: {', '.join(beyond)}" if beyond else None
    edges = sorted({*frame["from"], *frame["to"]})
    ticks = {"values": edges} if len(edges) <= _MOST_TICKS else {"tickMinStep": 1}
    return (
        _chart(frame, 160)
        .mark_bar(opacity=0.55)
        .encode(
            x=alt.X("from:Q", bin="binned", title=title, axis=alt.Axis(format=",d", **ticks)),
            x2="to:Q",
            y=alt.Y("share:Q", title="share of the set", stack=None, axis=alt.Axis(format="%")),
            color=alt.Color("set:N", sort=_order(frame, "set"), title=None),
            tooltip=_hints(frame.drop("beyond")),
        )
    )


def _beyond(frame: pl.DataFrame) -> dict[str, float]:
    return dict(frame.select("set", "beyond").unique(maintain_order=True).iter_rows())


def draw_funnel(frame: pl.DataFrame) -> Chart:
    """Return the count at each step."""
    return _bars(frame, "step", "count", "count")


def draw_reasons(frame: pl.DataFrame) -> Chart:
    """Return how often each reason occurred, by outcome."""
    return _bars(frame, "reason", "count", "times", color="outcome")
