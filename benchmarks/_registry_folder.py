"""A folder of as many registry records as wanted: the samples of XML and AACT again and again.

Each copy has ids of its own, and its long words get an ending, so that no two records are near-duplicates.
"""

from __future__ import annotations

import re
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import polars as pl

from benchmarks._sample import AACT, SAMPLE

_FIRST_XML = 50_000_000  # the number of the first XML record; those of AACT begin at 0
_KEYS = ("id", "intervention_id", "design_group_id", "outcome_id")
_TEXTS = ("brief_title", "official_title", "description", "criteria", "measure", "population")
# Of XML only what stands between lower-case words: no tag, no attribute and no value of a vocabulary.
_WORD = re.compile(rb"(?<=[ \n(])([a-z]{6,})(?=[ ,.;)\n])")


def make_folder(size: int, folder: Path) -> None:
    """Write two archives with `size` records together, half of either form."""
    folder.mkdir(parents=True)
    _write_aact(size - size // 2, folder / "aact.zip")
    _write_xml(size // 2, folder / "xml.zip")


def _write_xml(size: int, path: Path) -> None:
    with zipfile.ZipFile(SAMPLE) as sample, _new_zip(path) as file:
        members = [(name.rpartition("/")[2][:-4].encode(), sample.read(name)) for name in sample.namelist()]
        for number in range(size):
            copy, place = divmod(number, len(members))
            old, data = members[place]
            new = b"NCT%08d" % (_FIRST_XML + number)
            changed = _WORD.sub(rb"\1q%d" % copy, data) if copy else data
            file.writestr(f"{new[:7].decode()}xxxx/{new.decode()}.xml", changed.replace(old, new))


def _write_aact(size: int, path: Path) -> None:
    with zipfile.ZipFile(AACT) as sample, _new_zip(path) as file:
        tables = {name: _read_table(sample.read(name)) for name in sample.namelist()}
        ids = tables["studies.txt"]["nct_id"]
        for name, table in tables.items():
            with file.open(name, "w", force_zip64=True) as member:
                for copy in range(-(-size // len(ids))):
                    rows = _copy_table(table, ids.head(size - copy * len(ids)), copy, copy * len(ids))
                    member.write(rows.write_csv(separator="|", include_header=not copy).encode())


def _copy_table(table: pl.DataFrame, ids: pl.Series, copy: int, first: int) -> pl.DataFrame:
    numbers = pl.DataFrame({"nct_id": ids, "new": pl.int_range(first, first + len(ids), eager=True)})
    new = pl.concat_str(pl.lit("NCT"), pl.col("new").cast(pl.String).str.zfill(8)).alias("nct_id")
    texts = [pl.col(name).str.replace_all(r"\b([a-z]{6,})\b", f"${{1}}q{copy}") for name in _TEXTS if copy]
    keys = [pl.format("{}-{}", name, pl.lit(copy)).alias(name) for name in _KEYS if name in table.columns]
    changed = table.with_columns(*(text for text in texts if text.meta.output_name() in table.columns), *keys)
    return changed.join(numbers, on="nct_id", maintain_order="left").with_columns(new).select(table.columns)


def _read_table(content: bytes) -> pl.DataFrame:
    return pl.read_csv(BytesIO(content), separator="|", infer_schema=False)


def _new_zip(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


if __name__ == "__main__":
    make_folder(int(sys.argv[1]), Path(sys.argv[2]))
