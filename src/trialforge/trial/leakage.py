"""What reveals the outcome of a trial: found, counted and cut by open rules.

A registry's record is edited for years, so its free text may tell how the trial went. A rule is a pattern
over one sentence, with what excuses a sentence from it: a condition ("if the study is stopped") or another
study ("a pilot study showed") reveals nothing of this trial. What a rule finds is cut: the whole sentence,
or the bracket alone where the remark stands in one. The rules prefer to leave a doubtful sentence, and the
leakage audit measures what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from trialforge.trial.free_text import map_free_text
from trialforge.trial.naming import mask_names
from trialforge.trial.record import REGISTRATION_FIELDS, TRIAL_SCHEMA

_STUDY = r"(?:study|trial|protocol|project|sub-?study|enrol?lment|recruitment|accrual|randomi[sz]ation)"
_GROUP = r"(?:arm|cohort|stratum|strata|group|phase|part|portion|regimen|step)s?"
_PAST = r"(?:was|were|has been|have been|had been|is now|is currently|has|have|is|are)"
_BEEN = r"(?:was|were|has been|have been|had been|is now)"
_STOPPED = (
    r"(?:terminated|stopped|halted|discontinued|suspended|withdrawn|closed|cancell?ed|abandoned|ended early"
    r"|put on hold)"
)
_STOP = r"(?:stop\w*|terminat\w+|discontinu\w+|clos\w+|halt\w*|cancel\w*|end\w*|withdr[ae]w\w*)"
_SEEKING = r"(?:accrual|enrol?lment|recruitment|entry|participants)"
_OURS = r"(?:this|the|our|the present|the current|the entire)"
_PEOPLE = r"(?:patients?|subjects?|participants?|volunteers?)"
_SHOWED = r"(?:showed|shown|demonstrated|indicated|revealed|suggested|confirmed)"
_FINDINGS = r"(?:results|findings|data|analys[ie]s)"
_AIM = r"(?:end-?points?|end points?|outcomes?|objectives?)"
_BOARD = (
    r"(?:DSMB|DMC|IDMC|monitoring (?:board|committee)(?: \(\w+\))?|steering committee|sponsor|FDA"
    r"|manufacturer|company|principal investigator|PI)"
)
_CONDITION = (
    r"\b(?:if|until|unless|whether|once|in case|in the event|(?:may|might|could|would|should) be)\b"
    rf"|\b(?:after|before) (?:[\w/.-]+ ){{1,3}}(?:was|is|were|are) {_STOPPED}"
)
_SINCE = r"\b(?:if|until|unless|once|when|after|before|upon|whether|who)\b"
OTHER_STUDY = (
    r"\b(?:previous(?:ly)?|prior|earlier|pilot|preliminary|another|other|recent(?:ly)?|similar|published"
    r"|literature|meta-analys[ie]s|et al|animals?|rats?|mice|mouse|in vitro)\b"
)


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """Patterns over one sentence, in any case of letters.

    Attributes:
        words: one of them is in every sentence that a pattern finds, so that few sentences need a pattern;
            in small letters.
        patterns: the rule holds where one of them is found,
        unless: and this one is not.
    """

    words: tuple[str, ...]
    patterns: tuple[str, ...]
    unless: str

    def keep_found(self, sentences: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose `sentence` the rule finds."""
        text = pl.col("sentence").str
        likely = sentences.filter(text.contains_any(list(self.words), ascii_case_insensitive=True))
        found = likely.filter(text.contains("(?i)" + "|".join(self.patterns)))
        return found.filter(~text.contains(f"(?i){self.unless}"))

    def finds(self, sentence: str) -> bool:
        """Tell whether the rule finds one sentence."""
        said = sentence.lower()
        if not any(word in said for word in self.words):
            return False
        found = any(re.search(pattern, sentence, re.IGNORECASE) for pattern in self.patterns)
        return found and not re.search(self.unless, sentence, re.IGNORECASE)


_STOP_WORDS = (
    "terminated", "stopped", "halted", "discontinued", "suspended", "withdrawn", "closed", "cancelled",
    "canceled", "abandoned", "ended early", "put on hold",
)  # fmt: skip

OUTCOME_RULES: dict[str, OutcomeRule] = {
    "stopped": OutcomeRule(
        _STOP_WORDS,
        (
            # This trial was terminated in March 2004. The study A4001060 has been discontinued.
            rf"\b{_OURS} (?:[\w-]+,? ){{0,3}}?{_STUDY} (?:[A-Z0-9-]+\d[A-Z0-9-]* )?{_PAST} "
            rf"(?:\w+[ ,]+){{0,3}}?{_STOPPED}\b",
            # Study recruitment was discontinued
            rf"(?:^|[:;(\[-])\s*(?:(?:study|patient|subject) )?{_STUDY} (?:{_PAST} )?(?:\w+ly |now )?"
            rf"{_STOPPED}\b",
            # Actually, accrual has been halted
            rf"\b{_SEEKING} {_PAST} (?:\w+ly )?{_STOPPED}\b",
        ),
        _CONDITION,
    ),
    "part_closed": OutcomeRule(
        _STOP_WORDS,
        (
            # closed to accrual as of 3/14/2005
            rf"\bclosed (?:to (?:further |patient |new )?{_SEEKING}|as of|effective)\b",
            # Group F has been discontinued
            rf"\b{_GROUP} (?:[\w-]+ ){{0,2}}{_BEEN} (?:\w+ly )?{_STOPPED}\b",
        ),
        _CONDITION,
    ),
    "early_end": OutcomeRule(
        ("early", "prematur"),
        (
            # The AVID study was stopped early
            rf"\b(?:was|were|been) (?:\w+ )?{_STOPPED} (?:early|prematurely)\b",
            # due to the early study termination
            r"\b(?:due to|because of|since|given|owing to) (?:the |its )?(?:early|premature) "
            r"(?:study |trial )?(?:termination|closure|discontinuation)\b",
            # premature closure of this trial was due to
            r"\b(?:early|premature) (?:termination|closure|discontinuation) of (?:the|this) (?:study|trial)"
            r" (?:was|because|due)\b",
        ),
        _CONDITION,
    ),
    "slow_accrual": OutcomeRule(
        ("accrual", "enrol", "recruitment", "entry", "participants"),
        (
            # because of slow accrual
            r"\b(?:due to|because of|owing to|given) (?:the )?(?:\w+ )?"
            rf"(?:slow|poor|low|insufficient|inadequate|lack of) (?:\w+ )?{_SEEKING}\b",
        ),
        _CONDITION,
    ),
    "never_ran": OutcomeRule(
        ("never", "no p", "no s", "no v", "zero", " not ", *_STOP_WORDS),
        (
            # no patients were enrolled
            rf"\b(?:no|zero) {_PEOPLE} {_BEEN} (?:ever )?"
            r"(?:enrol?led|recruited|randomi[sz]ed|accrued|included|analy[sz]ed)\b",
            # Data were not collected
            r"\b(?:data|analys[ie]s|outcome measure|endpoint) (?:was|were) not "
            r"(?:collected|analy[sz]ed|performed|conducted|evaluated|done)\b",
            # withdrawn before enrollment
            rf"\b{_STOPPED} (?:before|prior to) (?:\w+ )?(?:enrol?l|recruit|accru)",
            # the study never opened
            r"\b(?:study|trial|protocol) (?:was )?never "
            r"(?:opened|started|activated|initiated|began|funded)\b",
        ),
        _CONDITION,
    ),
    "completed": OutcomeRule(
        ("complet", "finished", "ended", "concluded"),
        (
            # This study has been completed.
            rf"\b{_OURS} (?:study|trial|project) (?:was|has been|has now been|is now|is|has) (?:\w+ly )?"
            r"(?:completed?|finished|ended|concluded)\b",
            # The study completed patient recruitment
            rf"\b(?:study|trial) completed (?:\w+ )?{_SEEKING}",
            # Recruitment for the study has been completed
            rf"^\W*(?:the )?{_STUDY}(?: of [^,.;]{{0,40}}| for the \w+| in the \w+)?"
            r" (?:is|was|has been) (?:now )?(?:completed?|finished|ended)\b",
            r"\b(?:recruitment|enrol?lment)[\w ]{0,40} (?:was|has been) (?:completed|finished)\b",
            # The enrollment of 175 patients ended in July 1998
            rf"\b{_SEEKING} of [\w ]{{1,25}} ended in\b",
            # A total of 230 patients completed the study
            rf"\b\d+ {_PEOPLE} (?:have )?completed (?:the|this) (?:study|trial)\b",
        ),
        _SINCE,
    ),
    "results": OutcomeRule(
        ("study", "trial", "results", "findings", "analys", "data", "conclusion"),
        (
            # The results of this trial showed
            rf"\b{_FINDINGS} (?:of|from) (?:this|the|our|the present) (?:study|trial) "
            rf"(?:have |has )?(?:{_SHOWED}|were|was)\b",
            # This study also showed
            rf"\b(?:this|our|the present) (?:study|trial) (?:has |have |also )?"
            rf"(?:{_SHOWED}|found|failed|proved)\b",
            # The final analysis demonstrated
            rf"^\s*(?:our|(?:the )?(?:final|overall)) {_FINDINGS} (?:\w+ )?{_SHOWED}\b",
            # Conclusion: low birth weight infants do not benefit
            r"^\s*(?:results|conclusions?): ",
        ),
        OTHER_STUDY,
    ),
    "published": OutcomeRule(
        ("results",),
        (
            # Results have been published. Study results were presented
            r"^\s*(?:the )?(?:\w+ )?results (?:of (?:the|this) (?:study|trial) )?"
            r"(?:have been|were) (?:published|presented|submitted|reported)\b",
        ),
        r"\b(?:previous|prior|earlier|pilot|another|other)\b",
    ),
    "interim": OutcomeRule(
        ("interim",),
        (
            # The interim analysis showed
            rf"\binterim (?:\w+ )?(?:{_FINDINGS}|look|review) (?:[\w-]+ ){{0,6}}?"
            rf"(?:{_SHOWED}|found|did not|failed)\b",
            # After an interim analysis the study was closed
            r"\b(?:after|following|based on|at) (?:the|an|a) (?:\w+ )?interim (?:analysis|look|review)[^.]* "
            rf"(?:was|were) {_STOPPED}\b",
        ),
        OTHER_STUDY,
    ),
    "endpoint": OutcomeRule(
        ("primary", "main", "specified"),
        (
            # The primary endpoint was not met
            rf"\bprimary (?:efficacy )?{_AIM} {_BEEN} (?:not )?(?:met|reached|achieved|missed)\b",
            # failed to meet its primary objective
            r"\b(?:met|missed|did not meet|failed to meet|not met) (?:its|the|their) (?:\w+ )?"
            rf"(?:primary|main|pre-?specified) (?:efficacy )?{_AIM}\b",
        ),
        _CONDITION,
    ),
    "success": OutcomeRule(
        ("successful", "effective"),
        (
            # The trial was unsuccessful
            r"\b(?:this|the|our) (?:study|trial) (?:was|has been|proved|proved to be) "
            r"(?:not )?(?:un)?successful\b",
            # The treatment was found to be effective
            r"\b(?:treatment|drug|therapy|intervention) was (?:found|shown) to be "
            r"(?:not )?(?:in)?effective\b",
        ),
        OTHER_STUDY,
    ),
    # The label is in the generator's prompt, and a small model repeats it.
    "verdict": OutcomeRule(
        ("failed", "succeeded", "successful"),
        (
            # A new trial has failed. Trials of levodopa that succeeded
            r"\b(?:trials?|study|studies)(?: of [\w-]+)?(?: (?:has|have|had|that|which|was|were|is|been))*"
            r" (?:failed|succeeded|(?:un)?successful)\b",
        ),
        rf"{_CONDITION}|{OTHER_STUDY}",
    ),
    "board": OutcomeRule(
        (
            *("dsmb", "dmc", "committee", "board", "sponsor", "fda", "manufacturer", "company"),
            *("investigator", "pi "),
        ),
        (
            # The DSMB stopped the study. The principal investigator left
            rf"\b{_BOARD} (?:has |have )?(?:\w+ )?(?:stopped|terminated|halted|discontinued|withdrew|left)\b",
            # The sponsor decided to terminate
            rf"\b{_BOARD} (?:has |have )?(?:\w+ )?(?:recommended|decided) "
            rf"(?:to |that (?:the|this) \w+ be )?{_STOP}\b",
        ),
        rf"{_CONDITION}|{OTHER_STUDY}",
    ),
}

# The rule `remark`: a bracket is cut alone, so that "Arm II (closed to accrual as of 3/05): Patients receive"
# keeps its arm. The sentence rules never see it.
_NOTE = (
    rf"(?:closed (?:to|as of|effective|in|on|\d)|(?:{_STUDY}|{_GROUP})(?: [\w-]+)?(?: {_PAST})? {_STOPPED}"
    rf"|{_STOPPED} (?:as of |effective )?\d[\d/-]+|(?:this|the) (?:study|trial) {_PAST} completed)"
)
REMARK = (
    rf"(?i)\s*(?:\([^()]{{0,120}}?\b{_NOTE}\b[^()]{{0,120}}\)|\[[^\[\]]{{0,120}}?\b{_NOTE}\b[^\[\]]{{0,300}}\])[.,]?"
    r"|\s*(?:\(|\[|- ?)(?:terminated|withdrawn|suspended|study stopped)(?:\)|\]|$)"
)
RULE_NAMES: tuple[str, ...] = ("remark", *OUTCOME_RULES)


_END = "\x1e"
_SENTENCE_ENDS = (
    (r"(\n+)", f"$1{_END}"),
    (r"([.!?][\"')\]]*)(\s+)([A-Z0-9(\[\"])", f"$1$2{_END}$3"),
)


def split_sentences(text: pl.Expr) -> pl.Expr:
    """Return a list of sentences, lines and list items; joined, they are the text again."""
    for pattern, parted in _SENTENCE_ENDS:
        text = text.str.replace_all(pattern, parted)
    return text.str.split(_END)


def find_outcome(texts: pl.Series) -> pl.DataFrame:
    """Return `row` (of `texts`), `sentence` and `rule`: one row for each sentence and rule that finds it."""
    found = _find(texts)
    return pl.concat([found.remarks.with_columns(rule=pl.lit("remark")), found.told.drop("place")])


def tells_outcome(text: str) -> bool:
    """Tell whether `find_outcome` finds something in one text, without a table for it."""
    if re.search(REMARK, text):
        return True
    for pattern, parted in _SENTENCE_ENDS:
        text = re.sub(pattern, parted.replace("$", "\\"), text)
    return any(rule.finds(sentence) for sentence in text.split(_END) for rule in OUTCOME_RULES.values())


def cut_outcome(texts: pl.Series) -> tuple[pl.Series, dict[str, int]]:
    """Return texts without the remarks and sentences that a rule finds, and how many each rule finds.

    Where nothing is left of a text it is null.
    """
    remarks, sentences, told = _find(texts)
    touched = pl.concat([remarks["row"], told["row"]]).unique()
    some = sentences.filter(pl.col("row").is_in(touched.implode()))
    kept = some.join(told, on=("row", "place"), how="anti")
    left = kept.sort("row", "place").group_by("row").agg(text=pl.col("sentence").str.join(""))
    cut = pl.DataFrame({"row": touched}).join(left, on="row", how="left").with_columns(cut=pl.lit(True))
    joined = _numbered(texts).join(cut, on="row", how="left", maintain_order="left")
    text = pl.when("cut").then(pl.col("text_right").str.strip_chars()).otherwise("text")
    counts = {"remark": remarks.height, **dict(told["rule"].value_counts().iter_rows())}
    cut_texts = joined.select(pl.when(text != "").then(text).alias(texts.name)).to_series()
    return cut_texts, {name: counts.get(name, 0) for name in RULE_NAMES}


def registration_view(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the registration fields of trials, cut by the rules, and whatever columns no Trial has.

    Sites, registry ids and web addresses are masked.
    A planned enrolment of 0 is cut too: it is the count of a trial that was withdrawn, not a plan.
    """
    return view_and_count(trials)[0]


def view_and_count(trials: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, int]]]:
    """Return the registration view, and what was cut from it, by rule.

    `outcome_sentences_cut` counts sentences and remarks, `texts_with_names_cut` the texts left after that in
    which a name was masked.
    """
    counts: dict[str, dict[str, int]] = {}

    def cut(texts: pl.Series) -> pl.Series:
        texts, counts["outcome_sentences_cut"] = cut_outcome(texts)
        texts, counts["texts_with_names_cut"] = mask_names(texts)
        return texts

    extra = [name for name in trials.columns if name not in TRIAL_SCHEMA]
    planned = pl.col("enrolment_planned").replace(0, None)
    view = trials.select(*REGISTRATION_FIELDS, *extra).with_columns(planned)
    return map_free_text(view, cut), counts


def _numbered(texts: pl.Series) -> pl.DataFrame:
    return texts.alias("text").to_frame().with_row_index("row")


class _Found(NamedTuple):
    """What stands in texts.

    Attributes:
        remarks: `row` and `sentence`.
        sentences: `row`, `place` and `sentence`, without the remarks.
        told: those of `sentences` that a rule finds, with `rule`.
    """

    remarks: pl.DataFrame
    sentences: pl.DataFrame
    told: pl.DataFrame


def _find(texts: pl.Series) -> _Found:
    numbered = _numbered(texts).drop_nulls()
    likely = numbered.filter(pl.col("text").str.contains_any(list(_STOP_WORDS), ascii_case_insensitive=True))
    remarks = (
        likely.select("row", sentence=pl.col("text").str.extract_all(REMARK)).explode("sentence").drop_nulls()
    )
    with_remark = pl.col("row").is_in(remarks["row"].unique().implode())
    cut = numbered.filter(with_remark).with_columns(pl.col("text").str.replace_all(REMARK, ""))
    plain = pl.concat([numbered.filter(~with_remark), cut])
    listed = plain.select("row", sentence=split_sentences(pl.col("text")))
    placed = listed.with_columns(place=pl.int_ranges(pl.col("sentence").list.len()))
    sentences = placed.explode("sentence", "place").select("row", "place", "sentence")
    told = [
        rule.keep_found(sentences).with_columns(rule=pl.lit(name)) for name, rule in OUTCOME_RULES.items()
    ]
    return _Found(remarks, sentences, pl.concat(told))
