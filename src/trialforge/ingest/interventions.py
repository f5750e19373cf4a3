"""One name for one intervention: without dose, form and salt, and a synonym under its common name.

Each distinct name is taken apart once. A name is looked up as it is, then without its salt; what the
vocabulary knows is `mapped`. A combination keeps each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from trialforge.core.errors import IngestError

_NAME_SCHEMA: dict[str, pl.DataType] = {"name": pl.String(), "other_names": pl.List(pl.String())}
NORMALIZED_SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(), "normalized": pl.List(pl.String()), "mapped": pl.Boolean()
}  # fmt: skip
_CONTROL_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bplacebos?\b|\bsugar pill\b|\bdummy\b"), "placebo"),
    (re.compile(r"\bsham\b"), "sham"),
    (
        re.compile(r"^(?:standard|usual|routine) (?:of )?(?:medical )?(?:care|treatment|therapy)$"),
        "standard of care",
    ),
    (re.compile(r"^best supportive care$"), "best supportive care"),
    (
        re.compile(r"^(?:no (?:intervention|treatment|drug|therapy)|untreated|control(?: group)?)$"),
        "no intervention",
    ),
    (re.compile(r"^(?:watchful waiting|observation(?:al)?|clinical observation)$"), "observation"),
)
_STOPS = " -,:;./+"
_MARKS = re.compile(r"[®™©\"“”*]|\((?:r|tm|registered trademark)\)")
_BRACKET = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_UNIT = (
    r"(?:m?c?g|mg|mcg|µg|μg|ug|kg|g|ml|l|iu|u|units?|mmol|mm|meq|mci|gy|cgy|ppm|million|%|percent"
    r"|hours?|hrs?|h|days?|weeks?|wks?|months?|years?)"
)
_DOSE = re.compile(
    rf"(?<![\w.-])[<>~]?\d[\d,.]*(?:\s*(?:-|to)\s*\d[\d,.]*)?\s*{_UNIT}\b\.?(?:\s*/\s*(?:{_UNIT}|m2|m\^2|day|dose))*"
    r"|(?<![\w.-])\d[\d,.]*\s*%"
)
_FORM = re.compile(
    r"\b(?:oral(?:ly)?|intravenous(?:ly)?|iv|i\.v\.|subcutaneous(?:ly)?|sc|intramuscular|im|topical|inhaled|intranasal"
    r"|ophthalmic|tablets?|tabs?|capsules?|caps?|pills?|injections?|infusions?|inhalers?|inhalation|cream"
    r"|ointment|gel|patch(?:es)?|suspension|syrup|powder|spray|drops|suppositor(?:y|ies)|liquid|vials?|film-coated"
    r"|(?:extended|sustained|immediate|controlled|delayed|modified|slow)[- ]release|xr|er|sr|cr|depot"
    r"|once daily|twice daily|daily|bid|qd|tid|(?:low|high|standard|single|multiple|half)[- ]doses?|doses?)\b"
)
_SALTS = (
    r"hydrochloride|hcl|dihydrochloride|hydrobromide|sodium|disodium|potassium|calcium|sulfate|sulphate|mesylate"
    r"|mesilate|maleate|tartrate|bitartrate|citrate|phosphate|acetate|succinate|fumarate|besylate|besilate|tosylate"
    r"|bromide|chloride|nitrate|carbonate|lactate|gluconate|malate|isethionate|isetionate|trihydrate|monohydrate"
    r"|dihydrate|hydrate|anhydrous|pamoate|palmitate|propionate|dipropionate|furoate|valerate|xinafoate|meglumine"
    r"|dimeglumine|tromethamine|hemihydrate|disoproxil|axetil|medoxomil"
)
_SALT = re.compile(rf"^(.{{4,}}?)(?: (?:{_SALTS}))+$")
# What is left of "2 mg of albuterol" and "indocyanine green for injection" without dose and form.
_DANGLING = re.compile(r"^(?:of|and|or|plus|with) | (?:of|and|or|plus|with|for|in|at|per|once|using)$")
_GENERAL = re.compile(r" (?:therapy|treatment|combination|monotherapy|group)$")
_ELEMENT = re.compile(
    r"^(?:sodium|potassium|calcium|magnesium|zinc|iron|ferrous|ferric|lithium|aluminum|silver|copper|ammonium"
    r"|arsenic|barium|gold|strontium|hydrogen|glucose|dextrose)$"
)
_PARTS = re.compile(
    r"\s*(?:\+|;|&|(?<=\w{3})\s*/\s*(?=[^\W\d]\w{3})|,\s|\b(?:plus|and|with|combined with|or|then)\b)\s*"
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names that are known: each spelling, in lower case, with the common name it stands for."""

    common: dict[str, str]

    def find(self, name: str) -> str | None:
        """Return the common name of a spelling, perhaps less its salt or a general word; None if unknown."""
        plain = _GENERAL.sub("", name)
        return next(
            filter(None, map(self.common.get, (name, strip_salt(name), plain, strip_salt(plain)))), None
        )


def strip_salt(name: str) -> str:
    """Return a name without the salt at its end; `sodium chloride` stays whole."""
    found = _SALT.match(name)
    return found[1] if found and not _ELEMENT.match(found[1]) else name


def clean_name(name: str) -> str:
    """Return a name in lower case without brackets, marks, dose and form; what is nothing else stays."""
    lower = _MARKS.sub("", name.lower())
    bare = _BRACKET.sub(" ", lower)
    without = _FORM.sub(" ", _DOSE.sub(" ", bare))
    shorter = _squeeze(without).strip(_STOPS)
    bare = shorter if without == bare else _DANGLING.sub("", shorter).strip(_STOPS)
    return next(filter(None, (bare, _squeeze(lower), _squeeze(name.lower()))), "")


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def normalize_name(name: str, vocabulary: Vocabulary) -> list[tuple[str, bool]]:
    """Return the normalised parts of a name, each with whether the vocabulary knows it."""
    for pattern, control in _CONTROL_PATTERNS:
        if pattern.search(name.lower().strip()):
            return [(control, True)]
    bare = clean_name(name)
    known = vocabulary.find(bare) or vocabulary.find(name.lower().strip())
    if known:
        return [(known, True)]
    parts = [
        clean_name(part)
        for part in _PARTS.split(_BRACKET.sub(" ", _MARKS.sub("", name.lower())))
        if part.strip()
    ]
    found = [vocabulary.find(part) for part in parts]
    if len(parts) > 1 and any(found):
        return list(
            dict.fromkeys(
                (hit or strip_salt(part), hit is not None) for part, hit in zip(parts, found, strict=True)
            )
        )
    for inner in _BRACKET.findall(name.lower()):
        hit = vocabulary.find(clean_name(inner))
        if hit:
            return [(hit, True)]
    return [(strip_salt(bare), False)]


def read_vocabulary(path: Path) -> dict[str, str]:
    """Return spelling -> common name, in lower case, of a table in the layout of DrugBank's open vocabulary.

    It has the columns `Common name` and `Synonyms`, the latter separated by ` | `. A spelling of several
    substances is left out.

    Raises:
        IngestError: the table can't be read or lacks a column.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (PolarsError, OSError) as error:
        raise IngestError(f"vocabulary {path} can't be read: {error}") from error
    missing = [name for name in ("Common name", "Synonyms") if name not in table.columns]
    if missing:
        raise IngestError(f"vocabulary {path} lacks the columns {missing}; it has {table.columns}")
    common = pl.col("Common name").str.to_lowercase().str.strip_chars()
    spelt = table.select(common=common, spelling=pl.col("Synonyms").str.to_lowercase().str.split(" | "))
    spelt = spelt.explode("spelling").with_columns(pl.col("spelling").str.strip_chars()).drop_nulls()
    single = spelt.unique().filter(
        (pl.len().over("spelling") == 1) & (pl.col("spelling").str.len_chars() > 2)
    )
    names = {name: name for name in spelt["common"].unique().sort()}
    return dict(single.sort("spelling").select("spelling", "common").iter_rows()) | names


class NameCollector:
    """Gathers the intervention names of a corpus, batch by batch, and normalises each distinct one once."""

    def __init__(self) -> None:
        self._names: list[pl.DataFrame] = []
        self._terms: set[str] = set()

    def add(self, trials: pl.DataFrame) -> None:
        """Take the names and MeSH terms of some trials."""
        named = trials.select(pl.col("interventions").explode()).unnest("interventions")
        self._names.append(named.select("name", "other_names").drop_nulls("name").unique())
        self._terms.update(trials["intervention_mesh"].explode().drop_nulls())

    def normalize(self, spellings: dict[str, str] | None = None) -> pl.DataFrame:
        """Return `name`, `normalized` (its parts) and `mapped` (each part is known), one row a distinct name.

        Args:
            spellings: spelling -> common name of the user's vocabulary; it goes before what the corpus says.
        """
        names = pl.concat(self._names) if self._names else pl.DataFrame(schema=_NAME_SCHEMA)
        vocabulary = build_vocabulary(names, self._terms, spellings or {})
        distinct = names["name"].unique().sort().to_list()
        parts = [normalize_name(name, vocabulary) for name in distinct]
        rows = {
            "name": distinct,
            "normalized": [[part for part, _ in one] for one in parts],
            "mapped": [all(known for _, known in one) for one in parts],
        }
        return pl.DataFrame(rows, schema=NORMALIZED_SCHEMA)


def build_vocabulary(names: pl.DataFrame, terms: Iterable[str], spellings: dict[str, str]) -> Vocabulary:
    """Return the vocabulary of a corpus: the user's spellings, MeSH terms, and other names of either.

    Args:
        names: `name` and `other_names` of interventions; an alias of two known names teaches nothing.
        terms: the MeSH terms of interventions, which are known names.
        spellings: spelling -> common name.
    """
    known = {term.lower(): term.lower() for term in sorted(terms)} | spellings
    base = Vocabulary(known)
    pairs = names.explode("other_names").drop_nulls().unique().sort("name", "other_names").iter_rows()
    learned: dict[str, set[str]] = {}
    for name, other in pairs:
        spelt, alias = clean_name(name), clean_name(other)
        hit, other_hit = base.find(spelt), base.find(alias)
        if hit and not other_hit and len(alias) > 2:
            learned.setdefault(alias, set()).add(hit)
        elif other_hit and not hit and len(spelt) > 2:
            learned.setdefault(spelt, set()).add(other_hit)
    single = {alias: next(iter(found)) for alias, found in sorted(learned.items()) if len(found) == 1}
    return Vocabulary(single | known)


def add_normalized(trials: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Return trials with `normalized_interventions`: the distinct parts of their interventions, in order."""
    rows = trials.select("nct_id", "interventions").with_row_index("row").explode("interventions")
    named = rows.select("row", name=pl.col("interventions").struct.field("name")).drop_nulls()
    parts = named.join(names, on="name", maintain_order="left").explode("normalized")
    lists = parts.group_by("row", maintain_order=True).agg(pl.col("normalized").unique(maintain_order=True))
    joined = trials.with_row_index("row").join(lists, on="row", how="left", maintain_order="left").drop("row")
    return joined.with_columns(pl.col("normalized").fill_null([])).rename(
        {"normalized": "normalized_interventions"}
    )


def mapped_metrics(trials: pl.LazyFrame, names: pl.DataFrame) -> dict[str, float]:
    """Return how many distinct names there are, how many when normalised, and what share is known.

    `mapped_mentions` is the share of mentions in trials, not of distinct names. Only drugs and biologicals
    count: no vocabulary of substances knows a procedure.
    """
    named = trials.select(pl.col("interventions").explode()).unnest("interventions").select("type", "name")
    drugs = named.filter(pl.col("type").is_in(["Drug", "Biological"])).drop_nulls().collect()
    found = drugs.join(names, on="name")
    distinct = found.unique("name")
    metrics: dict[str, float] = {
        "names": distinct.height,
        "normalized_names": distinct["normalized"].explode().n_unique() if distinct.height else 0,
    }
    for key, frame in (("mapped_names", distinct), ("mapped_mentions", found)):
        if frame.height:
            metrics[key] = round(int(frame["mapped"].sum()) / frame.height, 4)
    return metrics
