"""How the simulated corpus words a trial: a few ways to say each thing, drawn by the trial's own stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from trialforge.simulation.model import CRITERIA_SIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from trialforge.simulation.areas import Area, Drug

T = TypeVar("T")

TITLES = (
    "{drugs} in {patients} With {condition}",
    "A Study of {drugs} for the Treatment of {condition}",
    "Efficacy and Safety of {drugs} in {condition}",
    "{drugs} Versus {Comparator} in {condition}",
    "A {phase} Study of {drugs} in {patients} With {condition}",
    "{dose} {drugs} for {condition}",
    "Effect of {drugs} on {endpoint} in {condition}",
    "Trial of {drugs} in {patients} With {condition}",
)
OFFICIAL_TITLES = (
    "A {phase}, {design} Study to Evaluate {drugs} Compared With {Comparator} in {patients} With {condition}",
    "{design}, {phase} Trial of {dose} {drugs} in {patients} With {condition}",
    "A {design} {phase} Study of the Efficacy and Safety of {drugs} in {patients} With {condition}",
)
OPENINGS = (
    "The purpose of this study is to find out whether {drugs} helps {patients} with {condition}.",
    "This trial compares {drugs} with {comparator} in {patients} who have {condition}.",
    "{condition} remains hard to treat in many {patients}. This study tests {drugs}, a {drug_class}.",
    "The investigators will study the effect of {drugs} on {condition}.",
)
AIMS = (
    "The main question is whether treatment improves {endpoint}.",
    "The primary aim is to measure {endpoint} at {time_frame}.",
    "Participants will be followed for {endpoint}.",
)
BACKGROUNDS = (
    "As a {drug_class}, {drug} acts on a pathway that is thought to matter in {condition}.",
    "Earlier work suggests that a {drug_class} may benefit selected {patients}.",
    "Standard care of {condition} leaves many {patients} with symptoms.",
    "{drug} is a {drug_class} with a known safety record in other diseases.",
)
DESIGNS = (
    "After a screening period, participants receive {dose} of {drug} as {form} or {comparator}.",
    "Participants are assigned to {drugs} at {dose}, given as {form}.",
    "Treatment with {drug} {dose} starts on day 1 and goes on until the end of the treatment period.",
)
CLOSINGS = (
    "Visits take place every {weeks} weeks.",
    "Blood samples are taken at baseline and every {weeks} weeks.",
    "Questionnaires are filled in at each visit.",
    "Adverse events are recorded until 30 days after the last dose.",
)
# A registry's records are edited after the fact. A few say how the trial went, and the split must cut that.
HINDSIGHT = {
    0: (
        "The study was terminated early because of slow accrual.",
        "The trial was stopped after the interim analysis showed no benefit.",
        "This study was withdrawn before enrollment because funding was not obtained.",
    ),
    1: (
        "Results showed that the primary endpoint was met.",
        "The study was completed and the treatment was found to be effective.",
        "The final analysis demonstrated a significant improvement over the comparator.",
    ),
}
CONTACTS = (
    "For information contact Dr. Maria Lindqvist at maria.lindqvist@example.org or +1 (555) 010-4477.",
    "Questions may be sent to trials@example.com, telephone 555-010-2299.",
)
PATIENTS = ("Patients", "Adults", "Participants", "Subjects")
COMPARATORS = ("placebo", "standard of care", "best supportive care")
COUNTRIES = ("United States", "Germany", "France", "Canada", "Japan", "Italy", "Brazil", "India", "Poland")
# Real reasons are worded like these; each belongs to one class of the table stop_reasons.tsv.
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


@dataclass(frozen=True, slots=True)
class Design:
    """The choices that a trial's words are made of."""

    area: Area
    drugs: tuple[Drug, ...]
    condition: str
    phase: str
    masking: str
    allocation: str
    comparator: str | None
    endpoint: tuple[str, str]
    signs: tuple[str, ...]


def choose(stream: np.random.Generator, options: Sequence[T]) -> T:
    """Return one option, each equally likely."""
    return options[int(stream.integers(len(options)))]


def word_condition(condition: str) -> str:
    """Return a heading such as `Diabetes Mellitus, Type 2` in its usual order of words."""
    head, comma, tail = condition.partition(", ")
    return f"{head} {tail}" if comma and tail[:4] == "Type" else f"{tail} {head}".strip()


def slots_of(design: Design, stream: np.random.Generator) -> dict[str, str]:
    """Return the words that fill the sentence patterns of one trial."""
    drug = design.drugs[0]
    blind = {"None": "Open-Label", "Double": "Double-Blind", "Quadruple": "Double-Blind"}[design.masking]
    arranged = "Randomized, " if design.allocation == "Randomized" else ""
    named = [one.brand if stream.random() < 0.15 else one.name.capitalize() for one in design.drugs]
    return {
        "drugs": " Plus ".join(named),
        "drug": drug.name.capitalize(),
        "drug_class": drug.drug_class,
        "dose": choose(stream, drug.doses),
        "form": drug.form,
        "condition": word_condition(design.condition),
        "patients": choose(stream, PATIENTS),
        "comparator": design.comparator or "historical controls",
        "Comparator": (design.comparator or "historical controls").title().replace(" Of ", " of "),
        "phase": design.phase,
        "design": arranged + blind,
        "endpoint": design.endpoint[0].lower(),
        "time_frame": design.endpoint[1],
        "weeks": str(choose(stream, (2, 4, 6, 8))),
    }


def fill(pattern: str, slots: dict[str, str]) -> str:
    """Return a sentence pattern with its slots filled; the first letter is a capital."""
    text = pattern.format_map(slots)
    return text[0].upper() + text[1:]


def word_summary(slots: dict[str, str], stream: np.random.Generator) -> str:
    """Return a brief summary of two sentences."""
    prose = slots | {"patients": slots["patients"].lower()}
    return " ".join([fill(choose(stream, OPENINGS), prose), fill(choose(stream, AIMS), prose)])


def word_description(slots: dict[str, str], stream: np.random.Generator) -> str:
    """Return a detailed description of four sentences."""
    prose = slots | {"patients": slots["patients"].lower()}
    groups = (BACKGROUNDS, DESIGNS, CLOSINGS, CLOSINGS)
    sentences = dict.fromkeys(fill(choose(stream, group), prose) for group in groups)
    return " ".join(sentences)


def word_criteria(design: Design, minimum_age: float, stream: np.random.Generator) -> str:
    """Return eligibility criteria in the registry's layout, with the model's signs among them."""
    shared = [line.format(condition=word_condition(design.condition)) for line in design.area.inclusion]
    kept = [shared[0], *(line for line in shared[1:] if stream.random() < 0.6)]
    inclusion = [f"Age of {minimum_age:.0f} years or older", *kept, *design.signs]
    exclusion = [line for line in design.area.exclusion if stream.random() < 0.7]
    exclusion.append(choose(stream, ("Pregnancy or breast-feeding", "Participation in another trial")))
    lines = ["Inclusion Criteria:", *(f"- {line}" for line in inclusion)]
    return "\n".join([*lines, "Exclusion Criteria:", *(f"- {line}" for line in exclusion)])


def draw_signs(stream: np.random.Generator) -> tuple[str, ...]:
    """Return the phrases of the criteria that move the simulated outcome, each with a chance of a third."""
    return tuple(phrase for phrase in CRITERIA_SIGNS if stream.random() < 1 / 3)
