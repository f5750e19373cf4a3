"""Do rare strings of the exemplars come out in the records that were shown them?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
import polars.selectors as cs

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case
from trialforge.quality.memorisation import shown_trials
from trialforge.quality.metric import Direction, Estimate, Metric, bootstrap_mean, mean_of_records
from trialforge.trial.words import split_words

# A canary is the word `canary` and six of these syllables: no text has such a word by chance.
CANARY_SYLLABLES = ("zor", "vex", "qui", "ply", "wub", "jaf", "kyz", "dro", "xen", "gru", "hiv", "mox")
CANARY_PATTERN = rf"\bcanary(?:{'|'.join(CANARY_SYLLABLES)}){{6}}\b"


def rare_words(texts: pl.Series) -> pl.DataFrame:
    """Return `word` and `trial` (row number) of the words that stand in one text alone."""
    words = _words(texts, "trial")
    return words.filter(pl.len().over("word") == 1).sort("trial", "word")


def _words(texts: pl.Series, name: str) -> pl.DataFrame:
    listed = pl.DataFrame({"word": split_words(texts)}).with_row_index(name)
    return listed.explode("word").drop_nulls().unique()


def prompt_words(case: Case) -> pl.DataFrame | None:
    """Return `record` and `word` of what each prompt showed: exemplars as they were cut, and reasons.

    None where the records don't say (column `shown`): then all that exemplars hold counts as shown.
    """
    frame = case.candidates.frame
    if "shown" not in frame.columns:
        return None
    texts = frame.select(cs.by_name("reasons_id", require_all=False), text=pl.col("shown").list.join("\n"))
    if case.reasons is not None and "reasons" in case.reasons.columns and "reasons_id" in texts.columns:
        told = pl.col("reasons").list.eval(pl.element().struct.field("text")).list.join("\n")
        reasons = case.reasons.select("reasons_id", told=told).unique("reasons_id")
        texts = texts.join(reasons, on="reasons_id", how="left", maintain_order="left")
        texts = texts.select(text=pl.concat_str("text", "told", separator="\n", ignore_nulls=True))
    return _words(texts["text"], "record")


def _that_were_shown(words: pl.DataFrame, case: Case) -> pl.DataFrame:
    prompted = prompt_words(case)
    return words if prompted is None else words.join(prompted, on=["record", "word"], how="semi")


@lru_cache(maxsize=4)
def exposed_words(case: Case) -> pl.DataFrame:
    """Return `record`, `trial` and `word`: a word of one exemplar alone in all of train that came out.

    It counts only where the record's prompt showed it.

    Words of the record's own target (intervention, conditions) are left out: they were asked for.
    """
    shown = shown_trials(case)
    if not len(shown):
        raise MetricError("the set has no record whose exemplars are train trials")
    frame = case.candidates.frame
    asked = [pl.col("conditions").list.join(" ")]
    if "intervention" in frame.columns:
        asked.append(pl.col("intervention"))
    target = frame.select(pl.concat_str(asked, separator=" ", ignore_nulls=True).alias("text"))["text"]
    out = _words(case.candidates.free_text, "record").join(
        _words(target, "record"), on=["record", "word"], how="anti"
    )
    exposed = out.join(rare_words(case.pool.free_text), on="word").join(shown, on=["record", "trial"])
    return _that_were_shown(exposed.select("record", "trial", "word"), case).sort("record", "trial", "word")


def rare_word_share(case: Case) -> Estimate:
    """Share of records that repeat a word which, in all of train, stands in one exemplar they were shown.

    The test of `canary_share` with the rare strings that the corpus has by nature.
    """
    found = np.isin(np.arange(len(case.candidates)), exposed_words(case)["record"].to_numpy())
    return mean_of_records(found, case, "exposure")


def exposed_canaries(case: Case) -> pl.DataFrame:
    """Return each canary that a record's prompt showed: `record`, `trial`, `word`, and if it came `out`.

    Raises:
        MetricError: no prompt showed a canary, as in every run but one made to test exposure.
    """
    words = case.pool.free_text.str.to_lowercase().str.extract_all(CANARY_PATTERN).alias("word")
    planted = words.to_frame().with_row_index("trial").explode("word").drop_nulls().unique()
    held = planted.join(shown_trials(case), on="trial").select("record", "trial", "word")
    shown = _that_were_shown(held, case)
    if not len(shown):
        raise MetricError("no exemplar holds a planted canary that a prompt showed")
    out = _words(case.candidates.free_text, "record").with_columns(out=pl.lit(value=True))
    return (
        shown.join(out, on=["record", "word"], how="left")
        .with_columns(pl.col("out").fill_null(value=False))
        .sort("record", "trial", "word")
    )


def canary_share(case: Case) -> Estimate:
    """Share of the canaries planted in exemplars that came out in the record that was shown them.

    The canary exposure test (Carlini et al. 2019, The Secret Sharer): plant a word in each train trial,
    then retrieve, reason, generate and measure. Without planted canaries it has no value.
    """
    shown = exposed_canaries(case)
    shares = shown.group_by("record", maintain_order=True).agg(pl.col("out").mean())["out"]
    estimate = bootstrap_mean(shares.to_numpy(), case.scale.stream("canaries"), case.params.bootstrap)
    return Estimate(float(shown["out"].to_numpy().mean()), estimate.low, estimate.high, len(shown))


METRICS = (
    Metric("privacy.rare_words", Direction.LOWER, 0, 1, rare_word_share),
    Metric("privacy.canaries", Direction.LOWER, 0, 1, canary_share),
)
