"""Are criteria on the wrong side found, and lines that are no criteria at all?

Two thirds of the interventions of real trials are learned from; criteria and other sentences of the others
are then read as criteria of either side. The baseline is the rule `misplaced_criteria`, which finds what
participants must do under exclusion. How often criteria are found on their own side stands beside both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import GroupKFold

from benchmarks._sample import AACT, SAMPLE, registered_sample
from trialforge.trial.checks.criteria import criteria_checks
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.controls import cluster_key
from trialforge.trial.criteria_lists import SIDES, join_criteria
from trialforge.trial.criterion_kinds import OTHER, CriterionKinds, criterion_lines, learn_kinds

if TYPE_CHECKING:
    import polars as pl

Finder = Callable[[str, Sequence[str]], Sequence[str]]


def main() -> None:
    """Print for each corpus what is found by rule and by classifier."""
    for name, path in (("AACT", AACT), ("legacy XML", SAMPLE)):
        if not path.exists():
            print(f"{name}: skipped, no {path}")
            continue
        trials = registered_sample(path)
        groups = trials.select(cluster_key()).to_series().to_numpy()
        learned, asked = next(GroupKFold(3).split(trials, groups=groups))
        start = time.perf_counter()
        kinds = learn_kinds(trials[learned])
        print(f"{name}: {len(learned)} trials learned in {time.perf_counter() - start:.1f} s")
        if kinds is not None:
            _print_all(trials[asked], kinds)


def _print_all(trials: pl.DataFrame, kinds: CriterionKinds) -> None:
    lines = criterion_lines(trials)
    rule = _print_found(lines, "rule", _find_by_rule)
    learned = _print_found(lines, "classifier", kinds.find_unlikely)
    print(f"  of inclusion criteria under exclusion the classifier finds {learned / rule:.1f} times as many")
    checks = criteria_checks(CheckParams(), kinds)
    (unlikely,) = (check.found for check in checks if check.reason == "unlikely_criteria")
    refused = [unlikely({"criteria": text}) for text in trials["criteria"]]
    print(f"  of {len(refused)} real trials {np.mean(refused):.3f} are rejected for unlikely criteria")


def _print_found(lines: pl.DataFrame, name: str, find: Finder) -> float:
    """Print the share of each kind of line that is found on either side.

    Returns:
        That of inclusion criteria under exclusion: the rule reads no other side.
    """
    texts = {kind: lines.filter(kind=kind)["text"].to_list() for kind in (*SIDES, OTHER)}
    found: dict[str, float] = {}
    for side in SIDES:
        found = {kind: len(find(side, texts[kind])) / len(texts[kind]) for kind in texts}
        told = ", ".join(f"{kind} {share:.3f}" for kind, share in found.items())
        print(f"  {name}, read as {side}: {told}")
    return found["inclusion"]


def _find_by_rule(side: str, items: Sequence[str]) -> Sequence[str]:
    if side == "inclusion":
        return []
    (demands,) = (
        check.found for check in criteria_checks(CheckParams(), None) if check.reason == "misplaced_criteria"
    )
    return [item for item in items if demands({"criteria": join_criteria([], [item])})]
