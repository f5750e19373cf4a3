"""The analysis of Lucene's `english` analyzer, so that the embedded index reads words as Elasticsearch does.

Standard tokeniser (Unicode word boundaries, UAX #29), possessive 's off, lower case, stop words off,
Porter stems. Differences that remain: Thai and its kin are not cut into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import polars as pl
import regex

MAX_TOKEN = 255  # Lucene cuts longer tokens into pieces

STOP_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this",
    "to", "was", "will", "with",
})  # fmt: skip


def _token_pattern() -> str:
    extend = r"[\p{wb=Extend}\p{wb=Format}\p{wb=ZWJ}]*"
    letter = r"[\p{wb=ALetter}\p{wb=Hebrew_Letter}]" + extend
    digit = r"\p{wb=Numeric}" + extend
    katakana, underscore = r"\p{wb=Katakana}" + extend, r"\p{wb=ExtendNumLet}" + extend
    in_word = r"[\p{wb=MidLetter}\p{wb=MidNumLet}\p{wb=SingleQuote}:]" + extend
    in_number = r"[\p{wb=MidNum}\p{wb=MidNumLet}\p{wb=SingleQuote}]" + extend
    word = f"{letter}(?:(?:{in_word})?{letter})*"
    number = f"{digit}(?:(?:{in_number})?{digit})*"
    return (
        f"(?:{word}|{number}|{katakana}|{underscore})+"
        r"|\p{Han}|\p{Hiragana}|[\p{Emoji_Presentation}©®™]"
    )


TOKEN_PATTERN = _token_pattern()
_TOKEN = regex.compile(TOKEN_PATTERN)
_POSSESSIVES = ("'s", "’s", "＇s", "'S", "’S", "＇S")


def split_tokens(texts: pl.Expr) -> pl.Expr:
    """Return an expression: the raw tokens of each text, as the standard tokeniser cuts them."""
    return texts.str.extract_all(TOKEN_PATTERN)


def query_tokens(text: str) -> list[str]:
    """Return the tokens of one text as `split_tokens` does, many times as fast as an expression."""
    found: list[str] = _TOKEN.findall(text)
    return found


def english_terms(tokens: pl.Series) -> pl.DataFrame:
    """Return the index terms of raw tokens: columns `token`, `term`; a stop word has no row.

    `tokens` are distinct: Python's part of the work is done once a word, not once an occurrence.
    """
    pairs = [(token, term) for token in tokens for term in query_terms([token])]
    return pl.DataFrame(pairs, schema={"token": pl.String, "term": pl.String}, orient="row")


def query_terms(tokens: Iterable[str]) -> list[str]:
    """Return the index terms of raw tokens, in their order; stop words have none."""
    return [term for token in tokens for piece in _pieces(token) for term in _term(piece)]


def _pieces(token: str) -> list[str]:
    if not token.strip("_"):
        return []
    return [token[start : start + MAX_TOKEN] for start in range(0, len(token), MAX_TOKEN)]


def _term(token: str) -> list[str]:
    bare = token[:-2] if token.endswith(_POSSESSIVES) else token
    lower = bare.replace("İ", "i").lower()
    return [] if lower in STOP_WORDS else [stem_word(lower)]


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("porter")


def stem_word(word: str) -> str:
    """Return the stem of a lower-case word, as Lucene's PorterStemFilter gives it.

    Porter's own program departs from his paper, which Snowball's `porter` follows, in three places:
    words of two letters stay, `logi` becomes `log`, and `bli` (not only `abli`) becomes `ble`.
    """
    if len(word) <= 2:
        return word
    departure = _DEPARTURE.search(word)
    if departure and _VOWEL_CONSONANT.search(word, 0, departure.start()):
        word = word[: departure.start()] + {"log": "log", "bl": "ble"}[departure[1]]
    stem: str = _stemmer().stemWord(word)
    return stem


_DEPARTURE = re.compile(r"(log|bl)(?:y|ies|is|i)$")
_VOWEL_CONSONANT = re.compile(r"[aeiou][^aeiou]|(?<=[^aeiou])y[^aeiouy]")  # Porter's measure is above 0
