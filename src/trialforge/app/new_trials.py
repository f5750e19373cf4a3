"""Read the trials that a user names: files of registry records, or registry ids to fetch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from trialforge.app.registry_api import RegistryApi
from trialforge.core.errors import IngestError
from trialforge.ingest.merge import merge_records
from trialforge.ingest.registry import Chunk, Found, RegistrySource
from trialforge.ingest.source import BATCH_SCHEMA, Batch, no_refused, prepare_batch
from trialforge.ingest.table import older_records
from trialforge.trial.leakage import registration_view
from trialforge.trial.registry_ids import is_nct_id

MOST_IDS = 500


def read_new_trials(
    names: Sequence[str], registry: str, tell: Callable[[str], None] = lambda _words: None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the registration views of the named trials, cut as training trials are, and the refused records.

    Several records of one id are merged as in `ingest`: the newest, completed from the older ones.

    Args:
        names: files, folders or zips of XML or API v2 records, or ids like NCT01234567.
        registry: the server to fetch ids from.
        tell: called with messages while the registry is slow.

    Raises:
        IngestError: a file does not exist, the registry can't be reached, or no trial could be read.
    """
    ids = list(dict.fromkeys(name.upper() for name in names if is_nct_id(name)))
    batches = [batch for name in names if not is_nct_id(name) for batch in _read_path(Path(name))]
    if ids:
        batches.append(fetch_ids(ids, registry, tell))
    batches = [prepare_batch(batch) for batch in batches]
    records = pl.concat([batch.trials for batch in batches]).with_row_index("place")
    refused = pl.concat([batch.refused for batch in batches])
    if records.is_empty():
        why = "; ".join(f"{file} {record} {detail}" for file, record, _, detail in refused.rows()[:3])
        raise IngestError(f"no trial could be read from {', '.join(names)}" + (f": {why}" if why else ""))
    merged, _ = merge_records(records)
    asked = records.select("nct_id").unique(maintain_order=True)
    trials = asked.join(merged.drop("place"), on="nct_id", maintain_order="left").select(BATCH_SCHEMA.keys())
    # A refused value does not refuse its trial: report only whole records.
    refused = refused.join(trials, left_on="record", right_on="nct_id", how="anti")
    return registration_view(trials), pl.concat([refused, older_records(records)])


def _read_path(path: Path) -> list[Batch]:
    if not path.exists():
        raise IngestError(f"no file or folder {path}", hint="name a file, or an id like NCT01234567")
    return list(RegistrySource(path).batches())


def fetch_ids(ids: Sequence[str], registry: str, tell: Callable[[str], None]) -> Batch:
    """Return the registry's records of some ids; ids that it does not have are refused.

    Raises:
        IngestError: there are too many ids, or the registry can't be reached.
    """
    if len(ids) > MOST_IDS:
        raise IngestError(
            f"{len(ids)} ids are too many; at most {MOST_IDS} can be fetched this way",
            hint="trialforge fetch",
        )
    with RegistryApi(registry, tell=tell) as api:
        studies, _, _ = api.page({"filter.ids": ",".join(ids)}, len(ids), None)
    found = [
        Found("registry", f"registry:{number}", "json", json.dumps(study).encode())
        for number, study in enumerate(studies, start=1)
    ]
    batch = Chunk(found).read()
    wanted = batch.trials.filter(pl.col("nct_id").is_in(ids))
    known = {*wanted["nct_id"], *batch.refused["record"]}
    absent = [
        ("registry", name, "not_found", "the registry has no such trial") for name in ids if name not in known
    ]
    rows = pl.DataFrame(absent, schema=no_refused().schema, orient="row")
    return Batch(wanted, pl.concat([batch.refused, rows]))
