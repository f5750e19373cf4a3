"""The parameters of the measures and gates: section `quality` of params.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator

from trialforge.core.params import Section

# A few verbatim copies move no distance to the closest record, so that a bound on one would promise nothing.
NO_GATES = ("privacy.closer", "privacy.distance_ratio", "privacy.skeleton_distance")


class GateParams(Section):
    """Bounds of one metric: at least `min`, at most `max`."""

    min: float | None = None
    max: float | None = None


class QualityParams(Section):
    """Section `quality`."""

    nearest: int = Field(ge=1)
    permutations: int = Field(ge=19)
    bootstrap: int = Field(ge=100)
    folds: int = Field(ge=2)
    max_probe_gap: float = Field(gt=0, le=1)
    max_probe_records: int = Field(ge=4)
    max_trials_drawn: int = Field(ge=10)
    max_reference: int = Field(default=20_000, ge=100)
    gates: dict[str, GateParams]

    @field_validator("gates")
    @classmethod
    def _no_gate_on_distance(cls, gates: dict[str, GateParams]) -> dict[str, GateParams]:
        found = [name for name in NO_GATES if name in gates]
        if found:
            raise ValueError(
                f"{found[0]} is a distance to the closest record (DCR, NNDR), which misses a few verbatim "
                "copies and can't be a gate; bound privacy.copies or copies.fields instead"
            )
        return gates
