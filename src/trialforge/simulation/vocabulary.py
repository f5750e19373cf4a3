"""What the words of the simulated corpus are made of: drugs, fields of medicine, and short lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug: its class, a brand name, the doses and form it is given in, and what it is given for."""

    name: str
    drug_class: str
    brand: str
    doses: tuple[str, ...]
    form: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A field of medicine: what is treated, with what, and how success is measured."""

    drugs: tuple[Drug, ...]
    endpoints: tuple[tuple[str, str], ...]
    inclusion: tuple[str, ...]
    exclusion: tuple[str, ...]


# How a phrase of the criteria moves the log-odds of success in the simulated model: each is
# present in a third of the trials.
CRITERIA_SIGNS: dict[str, float] = {
    "At least two prior lines of therapy have been ineffective": -1.2,
    "Positive predictive biomarker confirmed by a central laboratory": 1.2,
    "Able to complete a four-week run-in period with 80% adherence": 0.9,
    "Willing to stay in hospital for the whole treatment period": -0.9,
}

COUNTRIES = ("United States", "Germany", "France", "Canada", "Japan", "Italy", "Brazil", "India", "Poland")

# Real reasons are worded like these; each belongs to one class of `labels.STOP_REASONS`.
WHY_STOPPED: tuple[str, ...] = (
    "Lack of efficacy at the interim analysis",
    "Futility: the independent committee saw no benefit",
    "Safety concerns after serious adverse events",
    "Unacceptable toxicity in the higher dose group",
    "Slow recruitment",
    "Low enrollment, too few eligible patients",
    "Sponsor decision for business reasons",
    "Lack of funding",
    "Principal investigator left the institution",
)
