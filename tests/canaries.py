"""Strings planted in trials, to see where they come out again."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.rng import random_stream
from trialforge.quality.exposure import CANARY_SYLLABLES

CANARY_FIELDS = ("title", "summary", "criteria", "detailed_description")


def make_canary(nct_id: str, seed: int) -> str:
    """Return a word that no text has: the canary of a trial."""
    stream = random_stream(seed, "quality", "canary", nct_id)
    return "canary" + "".join(
        CANARY_SYLLABLES[place] for place in stream.integers(0, len(CANARY_SYLLABLES), 6)
    )


def plant_canaries(
    trials: pl.DataFrame, nct_ids: Iterable[str], seed: int
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return trials with a canary at the end of each free text of the named ones, and each one's canary.

    Raises:
        MetricError: an id is not there, or two trials would have one canary.
    """
    canaries = {nct_id: make_canary(nct_id, seed) for nct_id in sorted(nct_ids)}
    absent = sorted(set(canaries) - set(trials["nct_id"]))
    if absent:
        raise MetricError(f"no trial {absent[0]} to plant a canary in ({len(absent)} absent)")
    if len(set(canaries.values())) < len(canaries):
        raise MetricError(f"two trials have one canary under seed {seed}", hint="take another seed")
    canary = pl.col("nct_id").replace_strict(canaries, default=None, return_dtype=pl.String)
    fields = [name for name in CANARY_FIELDS if name in trials.columns]
    # A text that is absent stays so: the canary must not make a field where there was none.
    planted = [
        pl.when(canary.is_not_null() & pl.col(name).is_not_null())
        .then(pl.concat_str(pl.col(name), pl.lit(" The code of this trial is "), canary, pl.lit(".")))
        .otherwise(pl.col(name))
        .alias(name)
        for name in fields
    ]
    return trials.with_columns(planted), canaries


def find_canaries(canaries: dict[str, str], paths: Iterable[Path]) -> pl.DataFrame:
    """Return `nct_id`, `canary` and `path` of each canary that stands in a file, in any column or encoding.

    Parquet is read column by column, archives (npz, whl) member by member, anything else as bytes.
    """
    found = []
    for path in sorted(paths):
        contents = [content.lower() for content in _read_all(path)]
        for nct_id, canary in canaries.items():
            if any(canary.encode() in content for content in contents):
                found.append((nct_id, canary, str(path)))
    return pl.DataFrame(found, schema=dict.fromkeys(("nct_id", "canary", "path"), pl.String), orient="row")


def _read_all(path: Path) -> list[bytes]:
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        lines = frame.select(pl.struct(pl.all()).struct.json_encode().alias("line"))["line"]
        return ["\n".join(lines.drop_nulls()).encode()]
    content = path.read_bytes()
    if zipfile.is_zipfile(BytesIO(content)):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return [content, *(archive.read(name) for name in archive.namelist())]
    return [content]
