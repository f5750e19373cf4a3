"""Does a record name somebody or something that exists, or tell how the trial ended?"""

from __future__ import annotations

import polars as pl

from trialforge.trial.checks.check import TEXT, Check
from trialforge.trial.leakage import tells_outcome
from trialforge.trial.naming import find_names
from trialforge.trial.people import find_people


def name_checks() -> list[Check]:
    """Return the checks of names and of told outcomes, by the rules that mask and cut real trials."""
    text = pl.col(TEXT)
    found = find_names(text) | find_people(text)
    return [
        Check("registry_id", "it names a registered trial", found["registry_id"]),
        Check("url", "it has a web or mail address", found["url"] | found["email"]),
        Check("site", "it names a hospital, a university or a street", found["site"]),
        Check("telephone", "it has a telephone number", found["telephone"]),
        Check("person", "it names a person", found["title"] | found["degree"]),
        Check("address", "it has a postal address", found["address"]),
        Check("tells_outcome", "it tells how the trial ended", lambda record: tells_outcome(record[TEXT])),
    ]
