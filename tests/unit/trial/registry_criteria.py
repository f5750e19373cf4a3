"""The criteria of the real samples, as each form of the registry has them."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path

import polars as pl
from lxml import etree

from trialforge.trial.criteria import Criteria

_WORD = re.compile(r"[^\W_]+")
_ENTITY = re.compile(r"&#?\w+;")


def read_criteria(data: Path) -> pl.DataFrame:
    """Return `corpus`, `nct_id` and `text` of each trial of the three samples."""
    rows = [*_xml(data), *_json(data), *_aact(data)]
    return pl.DataFrame(rows, schema=["corpus", "nct_id", "text"], orient="row")


def _xml(data: Path) -> list[tuple[str, str, str | None]]:
    with zipfile.ZipFile(data / "ctgov/AllPublicXML.sample.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".xml")]
        roots = [(Path(name).stem, etree.fromstring(archive.read(name))) for name in names]
    return [("xml", name, root.findtext("eligibility/criteria/textblock")) for name, root in roots]


def _json(data: Path) -> list[tuple[str, str, str | None]]:
    with gzip.open(data / "ctgov/studies_v2.jsonl.gz", "rt") as lines:
        studies = [json.loads(line)["protocolSection"] for line in lines if line.strip()]
    return [
        ("json", study["identificationModule"]["nctId"], study["eligibilityModule"]["eligibilityCriteria"])
        for study in studies
    ]


def _aact(data: Path) -> list[tuple[str, str, str | None]]:
    with zipfile.ZipFile(data / "aact/aact.sample.zip") as archive:
        table = pl.read_csv(archive.read("eligibilities.txt"), separator="|", infer_schema=False)
    return [("aact", nct_id, text) for nct_id, text in table.select("nct_id", "criteria").iter_rows()]


def words(text: str) -> list[str]:
    """Return the words of text, without HTML's entities, in small letters."""
    return _WORD.findall(_ENTITY.sub("", text).lower())


def sided_words(criteria: Criteria) -> list[tuple[str, str]]:
    """Return each word of the headings and items in order, with its side's first letter."""
    return [
        (word, side[0].upper())
        for group in criteria.groups
        for side, text in (
            (group.side, group.heading),
            *((item.side, f"{item.number} {item.text}") for item in group.items),
        )
        for word in _WORD.findall(text.lower())
    ]
