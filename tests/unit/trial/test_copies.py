"""What stands word for word in other trials, on texts whose answer is counted by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trialforge.trial.copies import FIELDS, field_items, measure_copies, measure_spelled
from trialforge.trial.record import REGISTRATION_SCHEMA


def words(first: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(first, first + count))


def trials(*records: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [dict.fromkeys(REGISTRATION_SCHEMA) | record for record in records], REGISTRATION_SCHEMA
    )


def arm(label: str, description: str | None = None) -> dict[str, Any]:
    return {"label": label, "type": None, "description": description, "interventions": ["a drug"]}


def found(copies: pl.DataFrame, field: str, record: int = 0) -> tuple[int, ...]:
    """Words, n-grams, shared n-grams and longest run of one field of one record."""
    row = copies.filter(field=field, record=record)
    return row.select("words", "ngrams", "shared", "longest").row(0)


def test_eight_words_in_a_row_are_shared_and_seven_are_not() -> None:
    train = trials({"summary": words(0, 30)})
    records = trials({"summary": words(0, 30)}, {"summary": f"{words(5, 8)} {words(100, 12)} {words(20, 7)}"})
    copies = measure_copies(records, train)
    assert found(copies, "summary") == (30, 23, 23, 30)
    assert found(copies, "summary", 1) == (27, 20, 1, 8)


def test_case_marks_and_the_field_hide_no_copy() -> None:
    train = trials({"detailed_description": words(0, 20)})
    copies = measure_copies(trials({"summary": words(0, 20).upper().replace(" ", " - ")}), train)
    assert found(copies, "summary") == (20, 13, 13, 20)


def test_criteria_are_read_item_by_item_in_any_layout_and_order() -> None:
    items = [words(100 * place, 10) for place in range(4)]
    registered = (
        "INCLUSION CRITERIA:\n\n  1. {}\n\n  2. {}\n\nEXCLUSION CRITERIA:\n\n  1. {}\n  2. {}".format(*items)
    )
    drafted = "Inclusion Criteria:\n- {2}\n- {0}\nExclusion Criteria:\n- {1}".format(*items)
    copies = measure_copies(trials({"criteria": drafted}), trials({"criteria": registered}))
    assert found(copies, "criteria") == (30, 9, 9, 20)


def test_a_short_item_is_shared_only_as_a_whole() -> None:
    train = trials(
        {
            "keywords": ["heart failure", "chronic heart failure of any cause"],
            "arms": [arm("first", "Drug A high dose")],
        }
    )
    records = trials(
        {
            "keywords": ["chronic heart failure", "Heart failure"],
            "arms": [arm("first", "Drug A"), arm("second", "drug a, high dose")],
        }
    )
    copies = measure_copies(records, train)
    assert found(copies, "keywords") == (5, 2, 1, 3)
    assert found(copies, "arms") == (6, 2, 1, 4)


def test_a_record_is_compared_with_the_trials_that_it_was_shown_alone() -> None:
    train = trials({"summary": words(0, 20)}, {"summary": words(100, 20)}, {"summary": words(10, 20)})
    records = trials({"summary": words(0, 20)}, {"summary": words(100, 20)}, {"summary": words(5, 20)})
    shown = pl.DataFrame({"record": [0, 1, 2, 2], "trial": [1, 1, 0, 2]})
    copies = measure_copies(records, train, shown)
    assert [found(copies, "summary", record)[2:] for record in range(3)] == [(0, 0), (13, 20), (13, 15)]
    # Without any exemplar nothing is shared.
    none = measure_copies(records, train, shown.clear())
    assert none["shared"].sum() == none["longest"].sum() == 0


def test_every_free_text_is_read_and_no_empty_field_has_a_row() -> None:
    record = {name: f"text of {name}" for name in FIELDS[:5]} | {
        "criteria": "Inclusion Criteria:\n- adults", "keywords": ["one", "two"],
        "arms": [arm("label", "description")],
        "interventions": [{"type": None, "name": "unread", "description": "given", "other_names": []}],
        "primary_outcomes": [{"measure": "survival", "time_frame": None, "description": "any cause"}],
        "secondary_outcomes": [{"measure": "response", "time_frame": None, "description": None}],
    }  # fmt: skip
    items = field_items(trials(record, {"title": "...", "keywords": []}))
    assert items.filter(record=0)["field"].unique(maintain_order=True).to_list() == list(FIELDS)
    assert items.filter(field="arms")["text"].to_list() == ["description"]  # a label is a name
    assert items.filter(field="criteria")["text"].to_list() == ["adults"]
    copies = measure_copies(trials(record, {"title": "..."}), trials(record))
    assert copies["record"].unique().to_list() == [0]
    assert copies.filter(pl.col("shared") < pl.col("ngrams")).is_empty()
    assert copies.filter(pl.col("longest") < pl.col("words")).is_empty()
    assert measure_copies(trials(record), trials(record).clear())["shared"].sum() == 0


SHOWN = "A patient or two patients with symptomatic angina must take the tablets before breakfast"


def share_spelled(summary: str, shown: str = SHOWN) -> float:
    ours, theirs = (field_items(trials({"summary": text})) for text in (summary, shown))
    (row,) = measure_spelled(ours, theirs).iter_rows(named=True)
    return float(row["shared"] / row["ngrams"])


@pytest.mark.parametrize(
    "change",
    [("patients", "patiens"), ("patients", "pateints"), ("patients", "patiants"), ("patients", "pattients"),
     ("symptomatic", "symptomatik"), ("breakfast", "breakfsat")],
)  # fmt: skip
def test_a_word_that_is_a_letter_away_is_the_same_word(change: tuple[str, str]) -> None:
    assert share_spelled(SHOWN.replace(*change)) == 1
    assert share_spelled(SHOWN) == 1


@pytest.mark.parametrize(
    "change", [("two", "ten"), ("patients", "clients"), ("tablets", "tables too"), ("breakfast", "fastbreak")]
)
def test_another_word_is_another(change: tuple[str, str]) -> None:
    assert share_spelled(SHOWN.replace(*change)) < 1


@pytest.mark.parametrize(
    ("own", "shown"),
    [("Atypical chest pain", "Typical chest pain"), ("Age over eight years", "Age over eighty years"),
     ("Asymptomatic bacteriuria", "Symptomatic bacteriuria")],
)  # fmt: skip
def test_a_short_item_may_differ_by_a_letter_alone(own: str, shown: str) -> None:
    assert share_spelled(own, shown) == 0
    assert share_spelled(shown, shown) == 1
