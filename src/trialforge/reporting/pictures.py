"""The pictures of the report: where each stands, what it says, and its numbers beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trialforge.reporting import charts
from trialforge.reporting.blocks import Plot, frame_table, was_made

if TYPE_CHECKING:
    import polars as pl


class Picture(NamedTuple):
    """How one table of plots/ is drawn, where it stands, and the sentence that says what it shows."""

    section: str
    title: str
    text: str
    draw: Callable[[pl.DataFrame], charts.Chart]


PICTURES: dict[str, Picture] = {
    "data/year": Picture(
        "data",
        "Trials by year",
        "When a trial was registered, or started where no file tells.",
        charts.draw_years,
    ),
    "retrieval/modes": Picture(
        "retrieval",
        "How high the searched trial stands",
        "A trial is looked for by a part of itself that the index lacks; 1 is the first place.",
        charts.draw_modes,
    ),
    "learning/arms": Picture(
        "synthetic",
        "What each training mix reaches",
        "ROC-AUC with its interval; the dashed line is chance.",
        charts.draw_arms,
    ),
    "learning/comparisons": Picture(
        "synthetic",
        "The declared comparisons",
        "Difference with its interval; one that crosses 0 shows none.",
        charts.draw_comparisons,
    ),
    **{
        f"learning/curve-{experiment}": Picture("synthetic", title, text, charts.draw_sweep)
        for experiment, title, text in (
            ("ratio", "More and more of it synthetic", "One fixed size of the training mix."),
            (
                "growing",
                "More and more beside real trials",
                "The same real trials, with more synthetic ones.",
            ),
            ("few-real", "When real trials are few", "Without and with all synthetic trials."),
        )
    },
    "worth/arms": Picture(
        "synthetic",
        "What synthetic trials are worth in real ones",
        "The line is what real trials alone reach; a mix stands above the real trials that it has. As far as "
        "it must be moved right to meet the line, so many real trials its added ones are worth.",
        charts.draw_worth,
    ),
    "learning/roc": Picture(
        "synthetic", "ROC curves", "The mean score over seeds, of the primary classifier.", charts.draw_roc
    ),
    "learning/precision-recall": Picture(
        "synthetic",
        "Precision and recall",
        "The mean score over seeds, of the primary classifier.",
        charts.draw_precision_recall,
    ),
    "learning/reliability": Picture(
        "synthetic",
        "Calibration",
        "On the dashed line a predicted probability means what it says.",
        charts.draw_reliability,
    ),
    "learning/net-benefit": Picture(
        "decisions",
        "Net benefit",
        "What taking trials from a probability on brings, in successes a trial; at 0 nothing is taken. "
        "A line below that of all trials, or of the rate of a phase, decides worse than without a model.",
        charts.draw_net_benefit,
    ),
    "learning/calibration-by-phase": Picture(
        "decisions",
        "Calibration by phase",
        "How much oftener trials succeeded than was predicted, with its interval; 0 is as predicted.",
        charts.draw_phases,
    ),
    "quality/views": Picture(
        "fidelity",
        "Told from real trials by form, style and content",
        "ROC-AUC beside that of real trials that nothing has read, whole and in the form of a draft.",
        charts.draw_views,
    ),
    "quality/measures": Picture(
        "fidelity",
        "Between random text and real trials",
        "Each measure at equal size: 0 is what text of random words gets, 1 what held-out real trials get.",
        charts.draw_yardsticks,
    ),
    "quality/cosines": Picture(
        "fidelity",
        "How similar trials are",
        "Cosine similarity of pairs, within and between the sets.",
        charts.draw_cosine,
    ),
    "quality/picture": Picture(
        "fidelity",
        "Where the records lie",
        "t-SNE of the embedding: near points are similar trials.",
        charts.draw_points,
    ),
    "quality/principal": Picture(
        "fidelity",
        "The same records along two lines",
        "The two principal components of the embedding: far points are different trials.",
        charts.draw_points,
    ),
    "quality/marginals": Picture(
        "fidelity",
        "Single fields beside real trials",
        "Jensen-Shannon divergence for categories, Wasserstein distance for numbers; 0 is equal.",
        charts.draw_marginals,
    ),
    "quality/probes": Picture(
        "fidelity",
        "What of the label can be read",
        "How well a classifier reads the label from part of the text, beside the same for real trials.",
        charts.draw_probes,
    ),
    "quality/overlap": Picture(
        "copies",
        "Words that are repeated",
        "Records that have an n-gram of that length in common with the trials named after the stroke.",
        charts.draw_overlap,
    ),
    "quality/membership": Picture(
        "membership",
        "Can one tell what the model was shown?",
        "What an attacker reaches who has the synthetic trials; on the dashed line nothing can be told.",
        charts.draw_membership,
    ),
    **{
        f"shapes/{name}": Picture("shapes", title, text, charts.draw_histograms)
        for name, title, text in (
            ("words", "Words", "Of the whole text of a trial."),
            ("items", "Items of the criteria", "Lines of a list, inclusion and exclusion together."),
            ("endpoints", "Endpoints", "Primary and secondary outcomes."),
            ("arms", "Arms", "A record whose source tells no arms has none."),
            ("enrolment", "Planned enrolment", "Of the trials that tell it."),
        )
    },
    "funnel/steps": Picture(
        "funnel",
        "From targets to records",
        "An attempt is one draft that the model wrote; a target may take several.",
        charts.draw_funnel,
    ),
    "funnel/reasons": Picture(
        "funnel",
        "What drafts failed for",
        "A draft may have several reasons, so they do not add up to the steps above.",
        charts.draw_reasons,
    ),
    "validation/rejections": Picture(
        "cost",
        "Why drafts were rejected",
        "A draft may have more than one reason.",
        charts.draw_rejections,
    ),
}


def build_plots(plots: Mapping[str, pl.DataFrame], section: str) -> list[Plot]:
    """Return the pictures of a section, in the order of PICTURES.

    A table of one column `note` says why there is nothing to draw.
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
