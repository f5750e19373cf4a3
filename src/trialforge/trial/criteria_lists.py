"""Eligibility criteria as two lists, the items of inclusion and those of exclusion, as a draft has them."""

from __future__ import annotations

from collections.abc import Sequence

from trialforge.trial.criteria import parse
from trialforge.trial.criteria_pdq import is_pdq, split_pdq

SIDES = ("inclusion", "exclusion")


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line.

    An item that the text puts on no side counts as inclusion, but for PDQ's criteria, whose own words tell.
    """
    criteria = parse(text)
    exclusion = [item.text for item in criteria.items("exclusion")]
    if is_pdq(criteria):
        included, excluded = split_pdq(criteria)
        inclusion = [item.text for item in criteria.items("inclusion")] + included
        exclusion += excluded
    else:
        inclusion = [item.text for item in criteria.items("inclusion", "unspecified")]
    return _without_leads(inclusion), _without_leads(exclusion)


def join_criteria(inclusion: Sequence[str], exclusion: Sequence[str]) -> str:
    """Return the two lists as the registry writes them in one text; an empty list has no heading."""
    lists = {"Inclusion Criteria:": inclusion, "Exclusion Criteria:": exclusion}
    lines: list[str] = []
    for heading, items in lists.items():
        lines += [heading, *(f"- {item}".rstrip() for item in items)] if items else []
    return "\n".join(lines)


def _without_leads(items: Sequence[str]) -> list[str]:
    """Return the items without those that only lead others in."""
    return [item for item in items if item and not item.endswith(":")]
