from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trialforge.core.errors import IngestError
from trialforge.ingest.interventions import (
    NameCollector,
    Vocabulary,
    add_normalized,
    clean_name,
    mapped_metrics,
    normalize_name,
    read_vocabulary,
    strip_salt,
)
from trialforge.trial.record import Intervention, Trial, trials_to_frame

KNOWN = Vocabulary(
    {
        name: name
        for name in ("metformin", "rosiglitazone", "lamivudine", "zidovudine", "doxorubicin", "insulin")
    }
    | {"sodium chloride": "sodium chloride", "adriamycin": "doxorubicin", "nucleoside a": "a, b"}
)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Metformin 500 mg tablets", "metformin"),
        ("Metformin XR 1,000mg once daily", "metformin"),
        ("Docetaxel 75 mg/m2 IV infusion", "docetaxel"),
        ("bevacizumab (Avastin®)", "bevacizumab"),
        ("20% N2O", "n2o"),
        ("Half-Dose Depot Triptorelin", "triptorelin"),
        ("Interferon alfa-2b", "interferon alfa-2b"),
        ("HIV-1 vaccine", "hiv-1 vaccine"),
        ("5 mg", "5 mg"),
        ("2 mg of Albuterol", "albuterol"),
        ("Indocyanine Green for Injection", "indocyanine green"),
        ("Standard of Care", "standard of care"),
        ("Tablet", "tablet"),
    ],
)
def test_dose_form_and_brackets_go(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("metformin hydrochloride", "metformin"),
        ("valproate sodium", "valproate"),
        ("sodium chloride", "sodium chloride"),
        ("calcium carbonate", "calcium carbonate"),
        ("zinc sulfate", "zinc sulfate"),
        ("pentamidine isethionate", "pentamidine"),
    ],
)
def test_a_salt_goes_unless_it_is_the_substance(name: str, bare: str) -> None:
    assert strip_salt(name) == bare


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Metformin HCl 500 mg", [("metformin", True)]),
        ("Adriamycin", [("doxorubicin", True)]),
        ("rosiglitazone maleate/metformin hydrochloride", [("rosiglitazone", True), ("metformin", True)]),
        ("Lamivudine and Zidovudine", [("lamivudine", True), ("zidovudine", True)]),
        ("metformin + exercise", [("metformin", True), ("exercise", False)]),
        ("Diet and exercise", [("diet and exercise", False)]),
        ("Insulin therapy", [("insulin", True)]),
        ("Compound X (metformin)", [("metformin", True)]),
        ("Placebo to match metformin", [("placebo", True)]),
        ("usual care", [("standard of care", True)]),
        ("radiation therapy", [("radiation therapy", False)]),
        ("XYZ-123 sodium", [("xyz-123", False)]),
    ],
)
def test_a_name_becomes_its_known_parts(name: str, parts: list[tuple[str, bool]]) -> None:
    assert normalize_name(name, KNOWN) == parts


@given(st.text(max_size=40))
@example('"')
@example("+ *")
def test_every_name_has_a_part_and_none_is_lost(name: str) -> None:
    parts = normalize_name(name, KNOWN)
    assert parts
    assert all(part for part, _ in parts) or not name.strip()


def test_other_names_and_mesh_terms_teach_synonyms() -> None:
    trials = trials_to_frame(
        [
            Trial(
                nct_id="A",
                source="ctgov-xml",
                interventions=[
                    Intervention(type="Drug", name="Imatinib", other_names=["Gleevec", "shared"]),
                    Intervention(type="Drug", name="Lupron", other_names=["leuprolide acetate"]),
                    Intervention(type="Drug", name="Gleevec 400 mg"),
                ],
                intervention_mesh=["Imatinib", "Leuprolide"],
            ),
            Trial(
                nct_id="B",
                source="ctgov-xml",
                interventions=[
                    Intervention(type="Drug", name="Leuprolide", other_names=["shared"]),
                    Intervention(type="Drug", name="shared"),
                    Intervention(type="Procedure", name="Surgery"),
                ],
            ),
            Trial(nct_id="C", source="ctgov-xml"),
        ]
    )
    collector = NameCollector()
    collector.add(trials)
    names = collector.normalize()
    added = add_normalized(trials, names)
    assert added["normalized_interventions"].to_list() == [
        ["imatinib", "leuprolide"],
        ["leuprolide", "shared", "surgery"],
        [],
    ]
    metrics = mapped_metrics(trials.lazy(), names)
    assert metrics == {"names": 5, "normalized_names": 3, "mapped_names": 0.8, "mapped_mentions": 0.8}


def test_a_vocabulary_in_drugbanks_layout_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.csv"
    path.write_text("DrugBank ID,Common name,Synonyms\nDB1,Aspirin,ASA | Acetylsal | both\nDB2,Other,both\n")
    spellings = read_vocabulary(path)
    assert spellings == {"asa": "aspirin", "acetylsal": "aspirin", "aspirin": "aspirin", "other": "other"}


def test_a_vocabulary_of_another_layout_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.csv"
    path.write_text("name\nAspirin\n")
    with pytest.raises(IngestError, match="lacks the columns"):
        read_vocabulary(path)


@pytest.mark.shared
def test_the_open_vocabulary_maps_real_names(shared_data: Path) -> None:
    spellings = read_vocabulary(shared_data / "drugbank_vocabulary.csv.gz")
    names = ["Zocor 20 mg", "Fluorouracil", "Abacavir sulfate, Lamivudine and Zidovudine", "Taxol"]
    trial = Trial(nct_id="A", source="ctgov-xml", interventions=[Intervention(name=name) for name in names])
    collector = NameCollector()
    collector.add(trials_to_frame([trial]))
    found = dict(collector.normalize(spellings).select("name", "normalized").iter_rows())
    assert found["Fluorouracil"] == ["fluorouracil"]
    assert found["Abacavir sulfate, Lamivudine and Zidovudine"] == ["abacavir", "lamivudine", "zidovudine"]


def test_names_do_not_depend_on_the_order_of_batches() -> None:
    one = trials_to_frame(
        [Trial(nct_id="A", source="top", interventions=[Intervention(name="b", other_names=["c"])])]
    )
    two = trials_to_frame([Trial(nct_id="B", source="top", interventions=[Intervention(name="a")])])
    tables = []
    for order in ((one, two), (two, one)):
        collector = NameCollector()
        for trials in order:
            collector.add(trials)
        tables.append(collector.normalize())
    assert tables[0].equals(tables[1])
    assert isinstance(tables[0], pl.DataFrame)
