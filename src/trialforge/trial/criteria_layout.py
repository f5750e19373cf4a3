"""Lines of eligibility criteria: from whatever layout a text has to one line an item or heading."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from html.entities import html5
from typing import NamedTuple

from trialforge.trial.criteria_words import find_heading, find_inside, may_name_side

# The registry's own XML breaks lines at this column and indents them by so many.
_WIDTH = 99
_UNINDENTED = re.compile(r"\n {0,7}[^\s]")

_GLYPHS = (
    "•‣⁃∙·・※¤§¶†‡¬\u2190-\u21ff\u25a0-\u25ff\u2605\u2606\u2610-\u2612\u2713-\u2718\u2726-\u27bf\u2b00-\u2bff"
    "\ue000-\uf8ff"
)
_BULLET = rf"(?:[{_GLYPHS}*]+|[-–—−‐‑]+(?![\d–-])|[+#]+(?=\s|$))"
# Bullets, and stops that have no words before them.
_FRONT = re.compile(rf"(?:{_BULLET}|[;,:：_\s]|\.(?!\d))*")
_STOPS = " .;,:：_"
_NUMBER = re.compile(
    r"[(（]?(?:\d{1,2}[a-z]?|[ivxIVX]{1,4}|[a-zA-Z])[)）][.:]?|\d{1,2}[、．]|"
    r"\d{1,2}(?:\.\d{1,2}){0,3}[.:](?=\s|$|[^\W\d])|\d{1,2}(?:\.\d{1,2}){1,3}(?=\s+[A-Z])|\d{1,2}[a-z]\.(?=\s|$)|"
    r"\d{1,2}[-–](?=\s+\D|[A-Z]|$)|[ivx]{1,4}\.(?=\s|$|[A-Z])|[a-z]\.(?=\s|$|[A-Z])|[IVX]{1,4}\.(?=\s|$)|"
    r"[A-Z]\.(?=\s+[A-Z]|$)|[①-⑳](?!\w)|o(?=\s+[A-Z])"
)
# A heading as the registry's rare-disease trials write it: `--Disease Characteristics--`.
_DASHED = re.compile(r"--+ *([A-Z][^:]{2,60}?) *--+(?= |$)")
_TRUE_BULLET = re.compile(r"\s+(?=[•●▪■◦‣➢➤✓❖\uf0a7\uf0b7])")
_LABEL = re.compile(r"([(（]?)(\d{1,2}|[a-y])(?:([)）、．])|(\.)(?=\s|[^\W\d]))")
_DASH_LIST = re.compile(r"\s+(?=([-–*])\s+[^\W\d])")
_TILDE = re.compile(r"(?<=[^\s(\[{=<>≥≤~])~+(?=[^\s~])(?!(?<=\d~)\d+(?![.)]\s))")
_TAG = re.compile(r"</?[A-Za-z]")
_INVISIBLE = re.compile("[\u200b\ufeff\u2060\u00ad]")
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_ATTRIBUTES = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']+))*"
_ITEM_TAG = re.compile(rf"(?i)<li{_ATTRIBUTES}\s*/?\s*>")
_CELL_TAG = re.compile(rf"(?i)<t[dh]{_ATTRIBUTES}\s*/?\s*>")
_BLOCK_TAG = re.compile(
    rf"(?i)</?(?:p|br|hr|ul|ol|li|div|tr|table|tbody|thead|h[1-6]|blockquote|section){_ATTRIBUTES}\s*/?\s*>"
)
_INLINE_TAG = re.compile(
    rf"(?i)</?(?:b|i|u|em|strong|sup|sub|span|font|small|big|a|td|th|code|tt|html|body){_ATTRIBUTES}\s*/?\s*>"
)
_ESCAPE = re.compile(r"\\+(?=[!-/:-@\[-`{-~])")
_EMPHASIS = re.compile(r"(\*{2,3})(?=[^\s*])([^*]{1,300})(?<=[^\s*])\1")
_MORE_ENTITIES = {"lte;": "≤", "gte;": "≥"}


class Line(NamedTuple):
    """A line as it was meant: an item, a heading, or a heading with what stands behind it.

    Attributes:
        indent: the columns before it.
        marked: whether a bullet or a number begins it.
        number: the number, as it stands.
        text: the rest.
        titles: whether it looks like the title of the list that follows.
    """

    indent: int
    marked: bool
    number: str
    text: str
    titles: bool = False


class _Row(NamedTuple):
    indent: int
    spaced: bool
    text: str


def read_lines(text: str) -> list[Line]:
    """Return the lines of a text that hold a word: unwrapped, without markup, bullets apart from words."""
    rows = [row for row in _join(_plain(text)) if _has_word(row.text)]
    if len(rows) == 1:
        # Tildes stand for the line breaks in AACT's newer exports.
        return [line for part in _TILDE.split(rows[0].text) for line in split_list(part, rows[0].indent)]
    lines: list[Line] = []
    title: int | None = None
    for row in rows:
        found = read_items(row.text, row.indent)
        if title is not None and found[0].marked:
            lines[title] = lines[title]._replace(titles=True)
        titled = (
            row.spaced
            and not found[-1].marked
            and (not lines or lines[-1].marked or lines[-1].text[-1:] == ":")
        )
        if lines and (number := lines[-1].number) and not lines[-1].text and _continues(found[0]):
            # A number that stood alone on its line.
            lines[-1] = Line(lines[-1].indent, True, number, found.pop(0).text)
        lines += found
        title = len(lines) - 1 if titled and found and _may_title(found[-1].text) else None
    return lines


def split_list(text: str, indent: int) -> list[Line]:
    """Return the lines of text that may hold a list on one line: `1. A 2. B`, `(a) A (b) B`, `• A • B`."""
    begun = find_heading(text, bulleted=False) if may_name_side(text) else None
    places = [place for place in find_inside(text) if begun is None or place >= len(begun.heading)]
    parts = [part for part in cut(text, places) if _has_word(part)]
    return [line for part in parts for line in read_items(part, indent, loose=True)]


def read_rest(text: str, indent: int) -> list[Line]:
    """Return the lines of what stands behind a heading; dashes begin items if one begins the first."""
    text = text.strip()
    first, *_ = find_inside(text) or [len(text)]
    places = [found.start() for found in _DASH_LIST.finditer(text, 0, first) if found[1] == text[0]]
    parts = cut(text, places) if text[:2] in ("- ", "* ", "– ") else [text]
    return [line for part in parts for line in split_list(part, indent)]


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Return the parts of a text that begin at these places."""
    return [text[begin:end].strip() for begin, end in zip([0, *places], [*places, None], strict=True)]


def _continues(line: Line) -> bool:
    return not line.marked and not line.text.endswith((":", "："))


def _may_title(text: str) -> bool:
    """Whether a line looks like a title: a few words without a stop."""
    return (
        len(text) <= 60
        and text[0].isupper()
        and text[-1].isalpha()
        and not any(map(str.isdigit, text))
        and text.lower() not in ("or", "and", "and/or", "plus")
    )


def _has_word(text: str) -> bool:
    return any(map(str.isalnum, text))


def _plain(text: str) -> str:
    """Return text without HTML, entities, Markdown's emphasis and backslashes, and invisible characters."""
    marked = any(sign in text for sign in ("&", "\\", "**")) or _TAG.search(text)
    if not marked and (text.isascii() or not _INVISIBLE.search(text)):
        return text
    while True:
        plain = _ENTITY.sub(_character, text)
        plain = _ITEM_TAG.sub("\n* ", plain)
        plain = _CELL_TAG.sub(" | ", plain)
        plain = _BLOCK_TAG.sub("\n", plain)
        plain = _INLINE_TAG.sub("", plain)
        plain = _EMPHASIS.sub(_unmarked, _ESCAPE.sub("", plain))
        plain = _INVISIBLE.sub(" ", plain)
        if plain == text:
            return text
        text = plain


def _character(entity: re.Match[str]) -> str:
    name = entity[1]
    if name.startswith("#"):
        return html.unescape(entity[0])
    return html5.get(f"{name};") or _MORE_ENTITIES.get(f"{name};", entity[0])


def _unmarked(found: re.Match[str]) -> str:
    """Return emphasised text without its asterisks, apart from a word that they part it from."""
    text, (begin, end) = found.string, found.span()
    before, after = (mark.isalnum() or mark == "*" for mark in (text[begin - 1 : begin], text[end : end + 1]))
    return f"{' ' * before}{found[2]}{' ' * after}"


def _open_tables(rows: list[str]) -> list[str]:
    """Return rows with each table whose header names a side as one list: a heading before each cell."""
    if not any("|" in row for row in rows):
        return rows
    opened: list[str] = []
    header: list[str] = []
    written = [row for row in rows if row.strip()]
    for row, following in zip(written, [*written[1:], ""], strict=True):
        cells = _cells(row)
        if header and len(cells) == len(header):
            opened += [
                line for name, cell in zip(header, cells, strict=True) for line in _open_cell(name, cell)
            ]
        elif ":" not in row and 1 < len(cells) == len(_cells(following)) and any(map(_names_side, cells)):
            header = cells
            opened += ["", f"{' | '.join(cells)}:"]
        else:
            header = []
            opened.append(row)
    return opened if len(opened) > len(written) else rows


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _names_side(cell: str) -> bool:
    return may_name_side(cell) and find_heading(f"{cell}:", bulleted=True) is not None


def _open_cell(name: str, cell: str) -> list[str]:
    if not _has_word(cell):
        return []
    if _names_side(name):
        return ["", f"{name}:", f"- {cell}"]
    return ["", f"{cell}:"]


def _join(text: str) -> list[_Row]:
    """Join what was broken to fit a width: lines that hang below their bullet, or follow a full line."""
    wrapped = _UNINDENTED.search(text.strip()) is None
    joined: list[tuple[int, bool, list[str]]] = []
    spaced, airy, length = True, False, 0
    for row in _open_tables(text.splitlines()):
        words = row.split()
        if not words:
            spaced, airy = True, airy or bool(joined)
            continue
        indent = len(row) - len(row.lstrip())
        if spaced or not (
            (wrapped and length + 1 + len(words[0]) > _WIDTH)
            or (indent > joined[-1][0] and _is_marked(joined[-1][2][0]) and not _is_marked(row[indent:]))
        ):
            joined.append((indent, spaced, words))
        else:
            joined[-1][2].extend(words)
        spaced, length = False, len(row.rstrip())
    return [_Row(indent, apart or not airy, " ".join(words)) for indent, apart, words in joined]


def _is_marked(text: str) -> bool:
    front = _front(text)
    return bool(front.strip(_STOPS)) or _NUMBER.match(f"{text[len(front) :]} ") is not None


def _front(text: str) -> str:
    """Return the bullets and stray stops before the words."""
    found = None if text[:1].isalnum() else _FRONT.match(text)
    return found[0] if found else ""


def read_items(text: str, indent: int, *, loose: bool = False) -> list[Line]:
    """Return the items of a line, bullet and number apart; `loose` splits also where `2.` follows `1.`."""
    if not text.isascii() and len(parts := _TRUE_BULLET.split(text)) > 1:
        return [line for part in parts if _has_word(part) for line in read_items(part, indent, loose=loose)]
    if text.startswith("--") and _DASHED.match(text):
        parts = _DASHED.split(text)
        headed = [f"{part}:" if place % 2 else part.strip() for place, part in enumerate(parts)]
        return [line for part in headed if _has_word(part) for line in read_items(part, indent, loose=loose)]
    front = _front(text)
    body = text[len(front) :]
    # Five letters are no number: most lines need no closer look.
    number = None if body[:5].isalpha() else _NUMBER.match(body)
    if number is None:
        return [Line(indent, bool(front.strip(_STOPS)), "", body)]
    if len(parts := _at_numbers(body, loose=loose)) > 1:
        return [line for part in parts for line in read_items(part, indent)]
    rest = body[number.end() :].lstrip()
    return [Line(indent, True, number[0], rest[len(_front(rest)) :])]


def _at_numbers(text: str, *, loose: bool) -> list[str]:
    """Split at each label that follows the one before in the way of the first: `(1)`, then `(2)`.

    Three numbers in order are a list whatever stands before them; two need a stop, or more by `loose`.
    """
    first = _LABEL.match(text)
    if first is None:
        return [text]
    sure, likely = _find_labels(text, first, loose=loose, run=False), []
    if first[2].isdigit():
        likely = _find_labels(text, first, loose=loose, run=True)
    return cut(text, likely if len(likely) > max(len(sure), 1) else sure)


def _find_labels(text: str, first: re.Match[str], *, loose: bool, run: bool) -> list[int]:
    """Return where the labels after the first begin; `run` takes those that stand apart from words."""
    cuts: list[int] = []
    opening, label, closing = first[1], first[2], first[3] or first[4]
    if closing in ".．" and not (loose or run):
        return cuts
    for found in _LABEL.finditer(text, first.end()):
        begin, end = found.span()
        alike = (found[1], found[2], found[3] or found[4]) == (opening, _next_label(label), closing)
        if not alike or text[begin - 1].isalnum():
            continue
        stopped = text[:begin].rstrip()[-1:] in ";.,:；。，："
        titled = loose and (closing == ")" or text[end:].strip()[:1].isupper())
        apart = run and text[begin - 1].isspace() and text[end : end + 1].isspace()
        if stopped or titled or apart:
            cuts.append(begin)
            label = found[2]
    return cuts


def _next_label(label: str) -> str:
    return str(int(label) + 1) if label.isdigit() else chr(ord(label) + 1)
