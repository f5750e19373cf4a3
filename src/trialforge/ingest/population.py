"""Which of the trials that were read a run is about."""

from __future__ import annotations

import polars as pl
from pydantic import Field, field_validator

from trialforge.core.params import Section, list_one
from trialforge.trial.record import InterventionType, Phase, StudyType

REAL_PHASES: tuple[Phase, ...] = (
    "Early Phase 1", "Phase 1", "Phase 1/Phase 2", "Phase 2", "Phase 2/Phase 3", "Phase 3", "Phase 4",
)  # fmt: skip


class PopulationParams(Section):
    """What a trial must be. Null asks for nothing."""

    study_types: tuple[StudyType, ...] | None = ("Interventional",)
    phases: tuple[Phase, ...] | None = REAL_PHASES
    intervention_types: tuple[InterventionType, ...] | None = None
    years: tuple[int, int] | None = None
    conditions: tuple[str, ...] | None = Field(default=None, min_length=1)

    _list_one = field_validator("study_types", "phases", "intervention_types", "conditions", mode="before")(
        list_one
    )

    @field_validator("years")
    @classmethod
    def _check_years(cls, years: tuple[int, int] | None) -> tuple[int, int] | None:
        if years is not None and years[0] > years[1]:
            raise ValueError(f"the years are in the wrong order; write [{years[1]}, {years[0]}]")
        return years


def left_out(params: PopulationParams) -> tuple[pl.Expr, pl.Expr]:
    """Return, as expressions over trials, why one is left out (null: it stays) and what it has instead.

    A study type that the file can't tell leaves nobody out: only interventional trials have a phase.
    """
    rules: list[tuple[str, pl.Expr, pl.Expr]] = []
    if params.study_types is not None:
        kind = pl.col("study_type")
        rules.append(("other_study_type", kind.is_in(params.study_types).fill_null(value=True), kind))
    if params.phases is not None:
        phase = pl.col("phase")
        rules.append(("other_phase", phase.is_in(params.phases).fill_null(value=False), phase))
    if params.intervention_types is not None:
        types = pl.col("interventions").list.eval(pl.element().struct.field("type"))
        wanted = types.list.eval(pl.element().is_in(params.intervention_types)).list.any()
        rules.append(
            ("other_intervention_type", wanted.fill_null(value=False), types.list.unique().list.join(", "))
        )
    if params.years is not None:
        year = pl.coalesce("start_date", "first_submitted").dt.year()
        rules.append(
            ("other_year", year.is_between(*params.years).fill_null(value=False), year.cast(pl.String))
        )
    if params.conditions is not None:
        named = pl.concat_list("conditions", "keywords", "condition_mesh").list.join("; ")
        found = named.str.contains_any(list(params.conditions), ascii_case_insensitive=True)
        rules.append(("other_condition", found, pl.col("conditions").list.join("; ").str.head(80)))
    none = pl.lit(None, pl.String)
    return (
        pl.coalesce(none, *(pl.when(~stays).then(pl.lit(reason)) for reason, stays, _ in rules)),
        pl.coalesce(none, *(pl.when(~stays).then(has.fill_null("none")) for _, stays, has in rules)),
    )
