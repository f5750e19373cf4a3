"""What a trial names that exists beside people: registry ids, web addresses and sites.

A real trial may name its hospital; a synthetic one may not. So the registration view masks such names before
a model reads them and repeats them, and validation rejects a record that has one.
"""

from __future__ import annotations

import re

import polars as pl

from trialforge.trial.free_text import REMOVED
from trialforge.trial.registry_ids import REGISTRY_ID

_URL = (
    r"(?i)(?:https?://[^\s,;)]*|\bwww\.[^\s,;)]*|\b[a-z0-9-]+\.(?:com|org|net|gov|edu|int|info)\b|"
    r"\b[\w.+-]+@[\w-]+\.[a-z]{2,}\b|\bdoi:\s?10\.)"
)
_NAME = r"(?:[A-Z][\w'’.-]+\s+){1,4}"
_SITE = (
    r"\bUniversity\s+of\s+(?:the\s+)?[A-Z][a-z]+|"
    rf"\b{_NAME}(?:University|Hospitals?|Medical\s+(?:Center|Centre|School|College)|Clinic|Infirmary)\b|"
    r"\b\d{1,5}\s+[A-Z][a-z]+\s+(?:Street|Avenue|Road|Boulevard|Drive|Lane)\b"
)
_NOT_A_SITE = (
    r"(?:The\s+)?Hospital(?:\s+|-)(?:Anxiety|Stay|Acquired|Associated|Based|Onset|Admissions?|Discharge)|"
    r"Clinic\s+Liver\s+Cancer|"
    # A kind of place, where no name stands before it.
    r"(?:^|[^\w\s]\s*|\b[a-z]+\s+)(?:Patients?|General|In|The|Each|Any|All|If|At|Day|Outpatient|Out-patient|"
    r"Pediatric|Diabetes|Pain|District|Community|Teaching|Public|Private|Rural)\s+(?:Hospital|Clinic)s?\b|"
    # An instrument that is named after where it was made.
    rf"(?:University\s+of\s+[A-Z][a-z]+|{_NAME}(?:University|Hospital|Clinic))(?:\s+[\w'-]+){{0,3}}\s+"
    r"(?:[Ss]cale|[Ss]core|[Rr]ating|[Ii]ndex|[Qq]uestionnaire|[Ii]nventory|[Cc]riteria)"
)
NAME_RULES = {"registry_id": REGISTRY_ID, "url": _URL, "site": _SITE}


def find_names(text: pl.Expr) -> dict[str, pl.Expr]:
    """Return, for each rule, whether a text has such a name."""
    # A bar, since the words on both sides of what is left out do not make a name together.
    kept = {"site": text.str.replace_all(_NOT_A_SITE, " | ")}
    return {name: kept.get(name, text).str.contains(pattern) for name, pattern in NAME_RULES.items()}


def mask_names(texts: pl.Series) -> tuple[pl.Series, dict[str, int]]:
    """Return texts with each registry id, web address and site replaced by `[removed]`.

    Beside them, the number of texts in which each rule replaced something.
    """
    counts = {}
    for name in ("registry_id", "url"):
        masked = texts.str.replace_all(NAME_RULES[name], REMOVED)
        counts[name] = int((masked != texts).sum())
        texts = masked
    text = pl.col(texts.name)
    with_site = texts.to_frame().select(find_names(text)["site"]).to_series().arg_true()
    masked = texts.gather(with_site).map_elements(_mask_sites, return_dtype=pl.String)
    return texts.clone().scatter(with_site, masked), counts | {"site": with_site.len()}


def _mask_sites(text: str) -> str:
    # What stands at odd places only looks like a site.
    parts = re.split(f"({_NOT_A_SITE})", text)
    return "".join(part if place % 2 else re.sub(_SITE, REMOVED, part) for place, part in enumerate(parts))
