"""The first version of a registry record, fetched as the registry's own site does.

This is not part of the documented API v2 and may change without notice. Only this module knows its format.
"""

from __future__ import annotations

from typing import Any

from trialforge.app.registry_api import RegistryApi
from trialforge.core.errors import IngestError
from trialforge.ingest.ctgov_json import study_id


def first_version(api: RegistryApi, nct_id: str) -> dict[str, Any]:
    """Return a study as it was first posted, in the format of API v2.

    Raises:
        NotFoundError: the registry has no history of it.
        IngestError: the answers have another format, or the registry can't be reached.
    """
    address = f"/api/int/studies/{nct_id}/history"
    history = api.get(address)
    try:
        first = min(int(change["version"]) for change in history["changes"])
        study = api.get(f"{address}/{first}")["study"]
    except (KeyError, TypeError, ValueError) as error:
        raise _changed(address, "expected parts are missing") from error
    if not isinstance(study, dict) or study_id(study) != nct_id:
        raise _changed(address, f"version {first} is of {study_id(study) or 'no study'}")
    return study


def _changed(address: str, what: str) -> IngestError:
    return IngestError(
        f"the registry answers {address} in an unknown format: {what}",
        hint="this address is undocumented and may have changed: fetch without --as-registered",
    )
