"""Which records are near-duplicates: section `validation` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trialforge.core.params import Section


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


class ValidationParams(Section):
    """Section `validation`; the measures count near-duplicates as validation does."""

    duplicates: DuplicateParams
    space: SpaceParams
