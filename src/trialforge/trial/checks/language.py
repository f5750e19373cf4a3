"""Is the text of a record plain English of its own, with nothing left of a template or a prompt?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from trialforge.core.plain_text import NO_TEXT
from trialforge.trial.checks.check import TEXT, Check, Record
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.draft_fields import PROSE_FIELDS, TITLES

_PROSE = ("summary", "criteria", "detailed_description")
_MARKED = ("title", "summary")
_LONG = 20  # words
_NGRAM = 4
_WORD = re.compile(r"[^\W_]+")
_LOOP = re.compile(r"\b(\w+(?: \w+){0,7}) \1 \1\b")
_STOP_WORDS = frozenset(
    """the of and to in a or with for is be by on at are as will no not from that this an who have has than
    must any all""".split()  # noqa: SIM905
)
# Common words of other languages that are no English ones: Romance, Germanic, Polish, Turkish.
_FOREIGN_WORDS = frozenset(
    """de la el los las del que en un una por con para se su como da dos em ao na uma com não os ou les des et
    du dans pour avec une au aux qui par sur sont il di che della dei delle gli nel der das und mit nicht von
    oder bei für den dem ein eine ist sind zu het een van niet voor zijn op och att som med eller på się nie
    oraz lub przez ve bir için ile olan veya""".split()  # noqa: SIM905
)
# Letters of a script that English isn't written in, without the marks and units of East Asian fonts.
_OTHER_SCRIPT = "[\u0400-\u1cff\u2e80-\u2fdf\u3041-\u31ff\u3400-\ud7ff\uf900-\ufaff]"
_MARKUP = re.compile(r"[{}|]|</|\[\.\.\.")
_CODE = re.compile(r"[{}]|''")  # in criteria: five of 9,000 registered trials have any
# What happened to participants, as only a report of results has it; one of 2,900 registered summaries.
_PEOPLE = r"(?:of them|patients|subjects|participants|women|men|children)"
_HAPPENED = r"(?:died|responded|improved|relapsed|survived|recovered|withdrew|received)"
_COUNTED = re.compile(
    rf"(?i)\b\d+ (?:of|out of) (?:the )?\d+ (?:\w+ ){{0,4}}?{_HAPPENED}\b|"
    rf"\b\d+ {_PEOPLE} (?:\w+ ){{0,2}}?{_HAPPENED}\b"
)
_ECHO = (
    r"(?i)<\|?(?:im_start|im_end|endoftext|system|user|assistant)\|?>|\[/?INST\]|"
    r"###\s*(?:instruction|response|input)|"
    r"\bas an? (?:AI|artificial intelligence|language model|assistant)\b|"
    r"\byou are (?:a|an) (?:\w+\s){0,4}(?:assistant|expert|writer|model)\b|"
    r"\b(?:write|generate|create|return|output) (?:a|an|one|the) (?:\w+\s){0,3}"
    r"(?:synthetic|JSON|clinical trial record)\b|\bJSON (?:object|schema|format)\b|\bexemplars?\b|"
    r"\bsynthetic (?:clinical )?trial\b|\bhere is (?:a|an|the|your)\b.{0,40}\b(?:trial|record|JSON)\b|"
    r"\bI(?:'m| am) (?:sorry|unable|not able)\b"
)
# What the prompt tells of a skeleton, said as it stands there; no summary of 2,400 AACT trials has it.
_RECITAL = re.compile(
    r"(?i)\b(?:ages?|sex|sponsor|purpose|enrol?lment)(?: of (?:the|this|all) (?:\w+ )?"
    r"(?:study|trial|participants|patients|subjects))? (?:is|are|will be|will range) (?:of )?"
    r"(?:all|both|male|female|other|industry|nih|treatment|prevention|diagnostic|supportive|basic|from \d+|"
    r"\d+)(?: (?:blind|label|group|years?)(?: and older)?)?(?=[.,;]|$)"
)
_BOILERPLATE = (
    r"(?i)lorem ipsum|\[(?:insert|placeholder|your|name|drug|condition|todo)[^\]]*\]|"
    r"<(?:insert|placeholder|name|drug)[^>]*>|\bX{3,}\b|\b(?:TBD|TODO|FIXME)\b|\{\{|\}\}|\{[a-z]+_[a-z_]+\}|"
    r"\bplaceholder\b|(?:\b(?:string|text|example)\b[\s,.;]*){3,}"
)


def language_checks(params: CheckParams) -> list[Check]:
    """Return the checks of language, repetition and what a template or a prompt leaves.

    Each long text is read alone as well: beside a long record a faulty field weighs little.
    """
    text = pl.col(TEXT).str

    def is_foreign(record: Record) -> bool:
        # Lists of criteria may be of nouns alone: there only words of another language tell.
        sentences = _texts(record, "summary", "detailed_description")
        wordless = any(_share(words, _STOP_WORDS) < params.min_stop_words for words in map(_words, sentences))
        return wordless or any(_reads_foreign(_words(record[name] or "")) for name in _PROSE)

    def is_repetitive(record: Record) -> bool:
        if any(loops(record[name] or "") for name in (*_PROSE, *TITLES)):
            return True
        return any(repetition(part) > params.max_repetition for part in _texts(record, *_PROSE))

    return [
        Check("not_english", "a text is not English", is_foreign),
        Check("other_script", "it has letters of another script", text.contains(_OTHER_SCRIPT)),
        Check("repetition", "a text repeats itself", is_repetitive),
        Check("markup", "a text contains code or markup", _has_markup, _MARKED),
        Check(
            "told_results",
            "its summary counts what happened to participants",
            lambda record: bool(_COUNTED.search(record["summary"] or "")),
            ("summary",),
        ),
        Check("control_characters", "it has a character that no text may hold", text.contains(NO_TEXT)),
        Check("boilerplate", "it has a placeholder that was not filled in", text.contains(_BOILERPLATE)),
        Check("prompt_echo", "it mentions the prompt or addresses its reader", text.contains(_ECHO)),
        Check(
            "recited_prompt",
            "its summary or description lists the design as the prompt does",
            lambda record: any(recites(record[name] or "") for name in PROSE_FIELDS),
            PROSE_FIELDS,
        ),
    ]


def recites(text: str) -> bool:
    """Whether a text says of the design what the prompt says, in the same words."""
    return bool(_RECITAL.search(text))


def _texts(record: Record, *names: str) -> list[str]:
    """The whole text of a record with prose, and those of its fields that are long."""
    if not any(record[name] for name in ("title", *_PROSE)):
        return []
    fields = [record[name] or "" for name in names]
    return [record[TEXT], *(text for text in fields if len(text.split()) >= _LONG)]


def _has_markup(record: Record) -> bool:
    told = any(_MARKUP.search(record[name] or "") for name in _MARKED)
    return told or bool(_CODE.search(record["criteria"] or ""))


def has_other_script(text: str) -> bool:
    """Tell whether text has letters of a script that English isn't written in; multilingual models slip."""
    return re.search(_OTHER_SCRIPT, text) is not None


def repetition(text: str) -> float:
    """Return the share of the text's n-grams of 4 words that have stood in it before; 0 of a short text."""
    words = _words(text)
    ngrams = list(zip(*(words[start:] for start in range(_NGRAM)), strict=False))
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def loops(text: str) -> bool:
    """Tell whether a phrase stands three times on end, as in none of 2,500 registered trials."""
    return any(not found[1].isdigit() for found in _LOOP.finditer(" ".join(_words(text))))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _share(words: Sequence[str], known: frozenset[str]) -> float:
    """Return the share of words that are among `known`; common English ones are about .3 of a trial's."""
    return sum(word in known for word in words) / len(words) if words else 0.0


def _reads_foreign(words: Sequence[str]) -> bool:
    """Three common words of other languages or more, and fewer English ones."""
    foreign = sum(word in _FOREIGN_WORDS for word in words)
    return foreign >= 3 and foreign > sum(word in _STOP_WORDS for word in words)
