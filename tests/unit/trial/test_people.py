from __future__ import annotations

import polars as pl
import pytest

from tests.unit.trial.people import find_people
from trialforge.trial.people import scrub_people
from trialforge.trial.record import Arm, Trial, trials_to_frame


def scrub(text: str) -> str:
    frame, _ = scrub_people(trials_to_frame([Trial(nct_id="NCT1", source="ctgov-xml", summary=text)]))
    return str(frame["summary"][0])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to jane.roe@site.example.org today.", "Write to [removed] today."),
        ("Call (301) 496-8959 or 734-647-8174.", "Call [removed] or [removed]."),
        ("Call 1-800-4-CANCER or +44 20 7946 0958.", "Call [removed] or [removed]."),
        ("Telephone number 800-292-5775 is open.", "[removed] is open."),
        ("Approved by Dr. Thomas B. Clarkson at the site.", "Approved by the investigator at the site."),
        ("Ask Drs. George Brewer about it.", "Ask the investigator about it."),
        ("Referred by Stephania Pittaluga, M.D.", "Referred by the investigator"),
        ("Nurse Tino Merced-Galindez, R.N., helps.", "the investigator, helps."),
        ("At 600 North Wolfe Street, ground floor.", "At [removed], ground floor."),
        ("Principal Investigator: Maria Lopez of the site.", "the investigator of the site."),
        ("Ask Mrs. Lopez about it.", "Ask the investigator about it."),
        ("Mail to P.O. Box 1234.", "Mail to [removed]."),
        ("Mail to P.O. BOX 1234 or CA 94305-1234.", "Mail to [removed] or [removed]."),
        ("TEL 030 1234567, Fax: 030 7654321, Pager 12345678", "[removed], [removed], [removed]"),
        ("Seen at Dr. O'Brien's COPD Clinic.", "Seen at the investigator's COPD Clinic."),
        ("See Professor Barnes' COPD clinic", "See the investigator' COPD clinic"),
        ("By Drs. Ann Roe and Bo Poe, with care", "By the investigator, with care"),
        ("Told to Prof. Dr. Roe or Prof.Poe", "Told to the investigator or the investigator"),
        ("The PI (Dr. Jo van den Roe) or Dr. C. Poe", "The PI (the investigator) or the investigator"),
        ("Seen by Beom-Joon Roe, M.D, Ph.D - today", "Seen by the investigator - today"),
        ("led by Kate Davidson MD or Mary J. Roe MD", "led by the investigator or the investigator"),
        (
            "Led by Jane Becker, MD or Dr. Scholl at the site",
            "Led by the investigator or the investigator at the site",
        ),
        ("Led by Jane Roe, MPH and John Q. Doe, PharmD", "Led by the investigator and the investigator"),
    ],
)
def test_people_are_removed(text: str, left: str) -> None:
    assert scrub(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "REBETOL 800-1400 mg daily",
        "Crohn's disease, Hodgkin Lymphoma and Parkinson Disease",
        "Held in Baltimore, MD and Bethesda, MD",
        "Duchenne Muscular Dystrophy MD, Macular Degeneration MD and Major Depressive Disorder MD",
        "At the National Institutes of Health Bethesda, MD, and Sinai Hospital Baltimore, MD 21215",
        "At The University of Houston Texas MD Anderson Cancer Center and Ann Arbor M.D. Anderson",
        "Effects of PR OROS MPH and of OROS CONCERTA MPH",
        "Limb Girdle MD, Emery Dreifuss MD, Age Related Macular MD and Best Visual Acuity, MD",
        "Oral Osmotic MPH, Extended Release MPH or Methylphenidate Hydrochloride MPH",
        "Wears Dr. Scholl's insoles or Dr Scholl’s pads",
        "Loading Dose MD, Prasugrel Maintenance Dose MD",
        "Platelets of 100-200 x 10^9, dose 1,000-2,000 IU, 12-14 weeks",
        "NCT00289211, LEVP2005-1/A, 2001-04-12, CD4 200-500",
        "Contacted by telephone 3 times within 24 hours",
        "PhD students and RN staff may not take part",
    ],
)
def test_what_is_no_person_stays(text: str) -> None:
    assert scrub(text) == text


def test_every_free_text_is_scrubbed_and_each_rule_counted() -> None:
    trial = Trial(
        nct_id="NCT1",
        source="ctgov-xml",
        criteria="Seen by Dr. Smith",
        arms=[Arm(label="A", description="mail a@b.org")],
        why_stopped="Dr. Jones left",
    )
    frame, counts = scrub_people(trials_to_frame([trial]))
    assert frame["criteria"][0] == "Seen by the investigator"
    assert frame["arms"][0][0]["description"] == "mail [removed]"
    assert frame["why_stopped"][0] == "the investigator left"
    assert counts == {"email": 1, "telephone": 0, "title": 2, "degree": 0, "address": 0}


def test_finds_are_listed_by_row() -> None:
    found = find_people(pl.Series(["no one", "a@b.org and c@d.org", None]))
    assert found.rows() == [(1, "a@b.org", "email"), (1, "c@d.org", "email")]


def test_only_the_rows_that_name_people_change() -> None:
    texts = ["no one", "ask Dr. Roe", None, "mail a@b.org", "no one at all"]
    trials = [
        Trial(nct_id=f"NCT{number}", source="ctgov-xml", summary=text) for number, text in enumerate(texts)
    ]
    frame, counts = scrub_people(trials_to_frame(trials))
    assert frame["summary"].to_list() == [
        "no one",
        "ask the investigator",
        None,
        "mail [removed]",
        "no one at all",
    ]
    assert frame["nct_id"].to_list() == [trial.nct_id for trial in trials]
    assert counts["email"] == counts["title"] == 1
