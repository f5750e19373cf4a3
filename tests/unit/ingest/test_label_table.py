"""Label tables as Excel, pandas and people write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trialforge.core.errors import IngestError
from trialforge.ingest.label_table import read_label_csv

A, B, C = "NCT00000001", "NCT00000002", "NCT00000003"
PLAIN = f"nct_id,label\n{A},1\n{B},0\n"


def labels_of(path: Path, content: str | bytes) -> dict[str, int]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return dict(read_label_csv(path).select("nct_id", "label").iter_rows())


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", "^"),
        "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\n\n" + PLAIN,
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        gzip.compress(PLAIN.encode(), mtime=0),
        PLAIN.replace("nct_id,label", "NCT Number,Label"),
        PLAIN.replace("nct_id,label", "NCTId,Outcome"),
        PLAIN.replace("nct_id,label", "NCT ID,Trial Success"),
        PLAIN.replace(",1", ",oui").replace(",0", ",non"),
        PLAIN.replace(",1", ",Ja").replace(",0", ",Nein"),
        PLAIN.replace(",1", ",Pass").replace(",0", ",Fail"),
        PLAIN.replace("nct_id,label", '"NCT ID";"Success"').replace(",", ";"),
        PLAIN.replace(A, A + " ").replace(",1", ", 1"),
        PLAIN.replace(A, " " + A.lower()),
        PLAIN.replace(A, f"https://clinicaltrials.gov/study/{A}"),
        PLAIN.replace(A, A + "\u00a0"),
        PLAIN.replace(",1", ",1.0").replace(",0", ",0.0"),
        PLAIN.replace(",", ";").replace(";1", ";1,0"),
        PLAIN.replace(",1", ",Yes").replace(",0", ",no"),
        PLAIN.replace(",1", ",success").replace(",0", ",Failure "),
        PLAIN.replace(",1", ",TRUE").replace(",0", ",FALSE"),
        PLAIN.replace(",1", ",WAHR").replace(",0", ",FALSCH"),
        PLAIN + ",\n",
        f"nct_id,label,evidence\n{A},1\n{B},0,read it\n",
        PLAIN + f"{C},\n",
        PLAIN + f"{C},NaN\n",
        f",label,title,nct_id\n0,1,Of this; and that,{A}\n1,0,'so',{B}\n",
        f'nct_id,label,evidence\n{A},1,"on two\nlines, quoted"\n{B},0,\n',
        PLAIN + f"{A},1\n",
    ],
)
def test_a_table_is_read_whoever_wrote_it(tmp_path: Path, content: str | bytes) -> None:
    assert labels_of(tmp_path / "mine.csv", content) == {A: 1, B: 0}


def test_evidence_keeps_its_letters_and_is_the_file_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(f"nct_id;label;evidence\n{A};1;Müller 2015 – gelesen\n{B};0;\n".encode("cp1252"))
    assert read_label_csv(path).rows() == [(A, 1, "Müller 2015 – gelesen"), (B, 0, "mine.csv")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN + f"{C},2\n", f"{C} has label '2'; allowed are 1 and 0, yes and no"),
        (PLAIN + f"{C},perhaps\n", f"{C} has label 'perhaps'"),
        ("id,label\nA,1\n", "needs a column of ids"),
        (f"nct_id,verdict\n{A},1\n", "one named `label`; its first line is 'nct_id,verdict'"),
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        (f"nct_id,label\n{A},\n{B},NA\n", "every label is empty"),
        ("nct_id,label\n", "every label is empty"),
        (PLAIN + f"{A},0\n{B},1\n", f"{A} and 1 more have both labels, 0 and 1"),
        (PLAIN + f"{A},\n", f"the label of {A} is empty in one of its rows"),
        (PLAIN + ",1\n", "row 4 has a label but no id"),
        (PLAIN + f"{C},1,0,0\n", "can't be read"),
        (b"PK\x03\x04 and so on", "is a workbook or an archive"),
        (b"\x1f\x8b\x08 cut", "can't be read"),
    ],
)
def test_a_bad_table_is_an_error_that_names_the_fault(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(IngestError, match=message):
        labels_of(tmp_path / "mine.csv", content)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no label table .*nowhere\.csv"):
        read_label_csv(tmp_path / "nowhere.csv")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("a-semicolon.csv", 6), ("c-cp1252.csv", 6), ("e-floats.csv", 4), ("g-case.csv", 6),
        ("i-space.csv", 6), ("k-words.csv", 6), ("o-label-space.csv", 6), ("q-tab.tsv", 6),
    ],
)  # fmt: skip
def test_reported_tables_are_read(shared_data: Path, name: str, count: int) -> None:
    table = read_label_csv(shared_data.parent / "cases/06-label-csv" / name)
    assert table.height == count
    assert table["nct_id"].str.contains(r"^NCT0000000\d$").all()
    assert table["evidence"].str.contains("Müller 2015 – gelesen" if name.startswith("c-") else name).all()


@pytest.mark.shared
def test_the_open_labels_are_read_whole(shared_data: Path) -> None:
    assert read_label_csv(shared_data / "labels/open_labels.csv.gz").height == 40_493
