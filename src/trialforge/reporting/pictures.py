"""The plots of the report: the section, title and text of each, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trialforge.reporting import charts
from trialforge.reporting.blocks import Plot, frame_table, was_made

if TYPE_CHECKING:
    import polars as pl


class Picture(NamedTuple):
    """How a table of plots/ is drawn: its section, its title, a sentence that says what it shows."""

    section: str
    title: str
    text: str
    draw: Callable[[pl.DataFrame], charts.Chart]


PICTURES: dict[str, Picture] = {
    "data/year": Picture(
        "data",
        "Trials by year",
        "The year of registration or, if unknown, of the start.",
        charts.draw_years,
    ),
    "retrieval/modes": Picture(
        "retrieval",
        "Rank of the trial searched for",
        "The query is a part of a trial that the index lacks; at 1 the trial always ranks first.",
        charts.draw_modes,
    ),
    "learning/arms": Picture(
        "synthetic",
        "ROC-AUC of each training mix",
        "With its interval; the dashed line is chance.",
        charts.draw_arms,
    ),
    "learning/comparisons": Picture(
        "synthetic",
        "The declared comparisons",
        "Differences with their intervals; an interval that includes 0 shows no difference.",
        charts.draw_comparisons,
    ),
    **{
        f"learning/curve-{experiment}": Picture("synthetic", title, text, charts.draw_sweep)
        for experiment, title, text in (
            ("ratio", "Growing share of synthetic trials", "In a training mix of fixed size."),
            (
                "growing",
                "Growing number of synthetic trials",
                "Added to the same real trials.",
            ),
            ("few-real", "With few real trials", "With and without all synthetic trials."),
        )
    },
    "worth/arms": Picture(
        "synthetic",
        "How many real trials synthetic trials are worth",
        "The line is real trials alone; each dot is a mix at its number of real trials. Its added trials are "
        "worth the number of real ones that the line needs, beyond those, to reach the same ROC-AUC.",
        charts.draw_worth,
    ),
    "learning/roc": Picture(
        "synthetic", "ROC curves", "Mean scores of the primary classifier over seeds.", charts.draw_roc
    ),
    "learning/precision-recall": Picture(
        "synthetic",
        "Precision and recall",
        "Mean scores of the primary classifier over seeds.",
        charts.draw_precision_recall,
    ),
    "learning/reliability": Picture(
        "synthetic",
        "Calibration",
        "On the dashed line, predicted probabilities equal the observed shares.",
        charts.draw_reliability,
    ),
    "learning/net-benefit": Picture(
        "decisions",
        "Net benefit",
        "The gain from taking trials at or above a probability, in successes per trial; taking none gains 0. "
        "A line below that of all trials, or of a base rate, means worse decisions than without a model.",
        charts.draw_net_benefit,
    ),
    "learning/calibration-by-phase": Picture(
        "decisions",
        "Calibration by phase",
        "Share of successes minus mean predicted probability, with its interval; 0 is as predicted.",
        charts.draw_phases,
    ),
    "quality/views": Picture(
        "fidelity",
        "Distinguishable from real trials by form, style and content",
        "ROC-AUC, compared with that of held-back real trials, whole and in the form of a draft.",
        charts.draw_views,
    ),
    "quality/measures": Picture(
        "fidelity",
        "Between random text and real trials",
        "Each measure at equal sample size: random words get 0, held-out real trials get 1.",
        charts.draw_yardsticks,
    ),
    "quality/cosines": Picture(
        "fidelity",
        "How similar trials are",
        "Cosine similarity of pairs of trials, within and between the sets.",
        charts.draw_cosine,
    ),
    "quality/picture": Picture(
        "fidelity",
        "Where the records lie",
        "t-SNE of the embeddings: nearby points are similar trials.",
        charts.draw_points,
    ),
    "quality/principal": Picture(
        "fidelity",
        "The same records by principal components",
        "The first two principal components of the embeddings: distant points are different trials.",
        charts.draw_points,
    ),
    "quality/marginals": Picture(
        "fidelity",
        "Single fields compared with real trials",
        "Jensen-Shannon divergence for categories, Wasserstein distance for numbers; 0 is equal.",
        charts.draw_marginals,
    ),
    "quality/probes": Picture(
        "fidelity",
        "How much the text reveals the label",
        "How well a classifier predicts the label from part of the text, compared with real trials.",
        charts.draw_probes,
    ),
    "quality/overlap": Picture(
        "copies",
        "Shared n-grams",
        "Share of records that share an n-gram of that length with the trials named after the slash.",
        charts.draw_overlap,
    ),
    "quality/membership": Picture(
        "membership",
        "Do the records reveal what the model was shown?",
        "ROC-AUC of an attacker who has the synthetic trials; the dashed line is chance.",
        charts.draw_membership,
    ),
    **{
        f"shapes/{name}": Picture("shapes", title, text, charts.draw_histograms)
        for name, title, text in (
            ("words", "Words", "In the whole text of a trial."),
            ("items", "Criteria", "Inclusion and exclusion criteria together."),
            ("endpoints", "Endpoints", "Primary and secondary outcomes."),
            ("arms", "Arms", "A record without arms in its source has none."),
            ("enrolment", "Planned enrolment", "In trials that state it."),
        )
    },
    "funnel/steps": Picture(
        "funnel",
        "From targets to records",
        "An attempt is one draft written by the model; a target may take several.",
        charts.draw_funnel,
    ),
    "funnel/reasons": Picture(
        "funnel",
        "Why drafts failed",
        "A draft may fail for several reasons, so they do not add up to the steps above.",
        charts.draw_reasons,
    ),
    "validation/rejections": Picture(
        "cost",
        "Why drafts were rejected",
        "A draft may be rejected for several reasons.",
        charts.draw_rejections,
    ),
}


def build_plots(plots: Mapping[str, pl.DataFrame], section: str) -> list[Plot]:
    """Return the plots of a section, in the order of PICTURES.

    A table with only a column `note` says why there is nothing to draw.
    """
    found = []
    for name, (place, title, text, draw) in PICTURES.items():
        if place != section or name not in plots:
            continue
        table = plots[name]
        if was_made(table):
            spec = draw(table).to_dict()
            found.append(Plot(name.replace("/", "-"), title, text, spec, frame_table(title, table)))
    return found
