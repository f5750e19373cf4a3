"""The parameters of validation, measures and gates: section `quality` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from trialforge.core.params import Section


class ValidityParams(Section):
    """What a draft must be to become a synthetic trial."""

    min_criteria_words: int = Field(ge=0)
    max_repetition: float = Field(ge=0, le=1)
    min_stop_words: float = Field(ge=0, le=1)
    max_time_frame_years: float = Field(gt=0)
    max_enrolment: int = Field(gt=0)


class DuplicateParams(Section):
    """Which near-duplicates are set aside; a similarity of 1 leaves exact ones only."""

    max_jaccard: float = Field(gt=0, le=1)
    max_cosine: float = Field(gt=0, le=1)
    permutations: int = Field(ge=16, le=1024)


class SpaceParams(Section):
    """The embedding space of the measures, weighted by train alone; never the one that retrieval uses."""

    name: Literal["tfidf-projection"]
    dimension: int = Field(ge=2, le=512)
    min_trials: int = Field(ge=1)


# A few verbatim copies move no distance to the closest record, so that a bound on one would promise nothing.
NO_GATES = ("privacy.closer", "privacy.distance_ratio")


class GateParams(Section):
    """Bounds of one metric: at least `min`, at most `max`."""

    min: float | None = None
    max: float | None = None


class QualityParams(Section):
    """Section `quality`."""

    validity: ValidityParams
    duplicates: DuplicateParams
    space: SpaceParams
    nearest: int = Field(ge=1)
    permutations: int = Field(ge=19)
    bootstrap: int = Field(ge=100)
    folds: int = Field(ge=2)
    max_probe_gap: float = Field(gt=0, le=1)
    max_probe_records: int = Field(ge=4)
    max_trials_drawn: int = Field(ge=10)
    gates: dict[str, GateParams]

    @field_validator("gates")
    @classmethod
    def _no_gate_on_distance(cls, gates: dict[str, GateParams]) -> dict[str, GateParams]:
        found = [name for name in NO_GATES if name in gates]
        if found:
            raise ValueError(
                f"{found[0]} is a distance to the closest record (DCR, NNDR), which is blind to a few "
                "verbatim copies and never a gate; bound privacy.copies or memorisation.any_100"
            )
        return gates
