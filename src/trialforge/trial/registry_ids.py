"""How the registries number their trials."""

from __future__ import annotations

import re

# ClinicalTrials.gov; the numbers of the simulated corpus look like them.
NCT_ID = r"NCT\d{8}"
SIMULATED_ID = r"SIM\d{8}"
# Ids of any registry as people write them.
REGISTRY_ID = (
    r"(?i)\b(?:NCT\s?\d{6,8}|SIM\d{6,}|ISRCTN\s?\d{8}|ACTRN\s?\d{14}p?|DRKS\s?\d{8}|ChiCTR[-\w]*\d{8,}|"
    r"UMIN\s?\d{9}|JPRN-\w+|CTRI/\d{4}/\d+/\d+|NTR\s?\d{3,5}|KCT\s?\d{7}|PACTR\s?\d{15,}|"
    r"RBR-\w{6}|(?:EudraCT\D{0,20})?(?:19|20)\d{2}-\d{6}-\d{2})\b"
)
OWN_ID = re.compile(f"{NCT_ID}|{SIMULATED_ID}")  # of what the pipeline reads
WRITTEN_ID = r"(?i)(?:NCT|SIM)[\s:#_-]{0,2}\d{8}"  # the same as prose may have it
_NCT_ID = re.compile(NCT_ID, re.IGNORECASE)


def is_nct_id(text: str) -> bool:
    """Tell whether text is an id of ClinicalTrials.gov, in any case of letters."""
    return _NCT_ID.fullmatch(text) is not None
