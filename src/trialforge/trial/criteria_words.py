"""The words by which a line of eligibility criteria names a side, in the languages that the registry has."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

NamedSide = Literal["inclusion", "exclusion", "unspecified"]


class Heading(NamedTuple):
    """A heading without its colon, the side that it names, and what stands behind it on the line."""

    heading: str
    side: NamedSide
    rest: str


# Stems by which headings in other languages than English name a side; the longer, excluding ones may
# hold an including one ("non-inclusion", "невключения"), so they are looked for first.
_EXCLUDING_STEMS = (
    r"non[- ]?(?:d'|de )?\s?inclu|no inclus|não[- ]inclus|eksklu|exklu|esclu|exclu|ausschlu|nicht[- ]?einschlu|uitslui|uteslut|"
    r"wy[łl][ąa]cz|wykluc|vylu[čc]|vylou[čc]|vy[řr]az|vyraden|hari[çc]|d[ıi][şs]lan?ma|kiz[áa]r|kizár|poissul|"
    r"iskl?ju[čc]|isključ|невключ|не включ|исключ|виключ|изключ|искључ|αποκλεισ|αποκλει|"
    r"排除|除外|剔除|제외|استبعاد|استثناء|إقصاء|خروج|אי[- ]?הכללה|החרגה|פסילה|loại trừ|loại|คัดออก|बहिष्कर"
)
_INCLUDING_STEMS = (
    r"inclu|inklu|einschlu|w[łl][ąa]cz|za[řr]az|zaraden|dahil|bev[áa]laszt|bevon|sis[äa][äa]notto|mukaanotto|"
    r"uklju[čc]|включ|укључ|ένταξη|ένταξης|εισαγωγ|"
    r"入选|入選|纳入|納入|入组|入組|選択基準|適格|組入|組み入れ|선정|포함|اشتمال|شمول|إدراج|تضمين|إدخال|ورود|הכללה|"
    r"lựa chọn|tiêu chuẩn chọn|thu nhận|คัดเข้า|समावेश"
)
_FOREIGN_EXCLUDING = re.compile(_EXCLUDING_STEMS, re.IGNORECASE)
_FOREIGN_INCLUDING = re.compile(_INCLUDING_STEMS, re.IGNORECASE)
# What else such a heading says: the word for criteria, and small words.
_FOREIGN_FRAME = re.compile(
    r"(?i)(?:crit[eèéê]r|krit[eé]e?r|kryteri|критери|критері|κριτήρι|tiêu chuẩn|เกณฑ์|kriteria)|"
    r"标准|標準|条件|條件|基準|기준|معايير|معیار|קריטריונ|मानदंड"
)

# "Inclusion", "Exclusions", "non-inclusion", with the slips that registrants make: "Exlusion", "Exculsion".
_NOUN = r"(?:non[- ]?)?\b(?:in|ex)(?:[clus]{2,6}t?ion(?:s\b|ary\b|al\b|\b)|clusionc\b)"
_SIDE_NOUN = re.compile(_NOUN, re.IGNORECASE)
_ENGLISH = re.compile(r"(?i)\bcriteri(?:a|on)\b|\bthe\b|\bof\b|\bat\b")
_QUALIFIER = (
    r"(?:key|main|major|general|specific|primary|secondary|additional|addition|other|further|common|basic|core|"
    r"important|selected|principal|patients?|subjects?|participants?|study|trial|clinical|medical|donors?|"
    r"recipients?|controls?|cases?|group|cohort|part|arm|phase|stage|step|stratum|screening|initial|final|"
    r"protocol|overall|detailed|summary|brief|the|and|for|[A-Z0-9]+[.:)]?|[IVX]+(?:\.\d+)*)"
)
_CAPITALISED = r"(?:[A-Z0-9][\w'’./-]*|and|of|for|the|&)"
_SIMPLE = re.compile(
    rf"(?P<head>(?:(?i:{_QUALIFIER})\s+){{0,4}}(?i:{_NOUN})(?:\s*(?i:criteri\w*|riteria))?)(?P<tail>.*)",
    re.DOTALL,
)
_TITLED = re.compile(
    rf"(?P<head>(?:{_CAPITALISED}\s+){{1,5}}(?i:{_NOUN})\s+(?i:criteri\w*))(?P<tail>.*)", re.DOTALL
)
_COLON_HEAD = re.compile(
    rf"(?P<before>(?:(?:[^\s:]*[^\s:.;]|[\dIVX.]+[.)]|[A-Za-z][.)])\s+){{0,6}}?)(?:(?P<noun>(?i:{_NOUN}))(?P<criteria>\s*(?i:criteri\w*|riteria))?|"
    rf"(?i:criteri\w*)\s+(?:of|for)\s+(?:the\s+)?(?P<late>(?i:{_NOUN})))(?P<tail>.*)",
    re.DOTALL,
)
_BLOCKED = re.compile(
    r"(?i)\b(?:meet\w*|met|ful+fil\w*|satisf\w*|not|no|none|any|who|whom|that|which|with|without|see|per|if|unless|"
    r"from|by|as|is|are|be|failure|fails?|known|history|patients? in|based)\b"
)
_PREPOSITION = re.compile(r"(?i)\b(?:at|for|before|after|to|of|on|in|since|until|during|upon)\s*$")
_TAIL = re.compile(
    r"(?i)\s*(?:\(.{1,60}\)|\[.{1,60}\]|[-–—,]\s*\S+(?:\s+\S+){0,2}|(?:for|of|in|at|only|to)\b(?:\s+\S+){0,8}|"
    r"(?:are|is|were|was|includes?|included|will be|must be|being)(?:\s+(?:the following|as follows|as|follows))?|"
    r"as follows|[A-Z]{1,4}\d{1,2}|\d{1,2}|[A-Z]|(?:part|group|cohort|arm|phase)\s+\S+(?:\s+\S+)?)?\s*"
)
_NOTHING = re.compile(r"(?i)\s+(?P<rest>(?:none|nil|n/?a|not applicable|no)\b.{0,40})")
_LIST_START = re.compile(
    r"\s*[-–—.]?\s*(?P<rest>(?:[-•●▪*]\s|\(?\d{1,2}[.)]\s?|\(?[aAiI][.)]\s).*)", re.DOTALL
)
_VERB = r"(?:included?|includes|were|was|are|is|comprised?|consist(?:ed|s)? of|required?)"
_VERB_REST = re.compile(rf"(?P<verb>\s+{_VERB}(?:\s+that)?)\b\s*(?P<rest>\S.*)", re.DOTALL)
_CAPITAL_REST = re.compile(r"\s*[.;]?\s+(?P<rest>[A-Z0-9≥≤<>].*)", re.DOTALL)
_DASH_REST = re.compile(r"\s*[-–—]+\s*(?P<rest>\S.*)", re.DOTALL)
_BOTH = re.compile(rf"(?i)(?:in|ex)clus\w*(?:\s+criteri\w*)?\s*(?:/|and|or|&|\|)\s*(?:in|ex)clus\w*")
_WORD_HEAD = re.compile(
    r"(?i)(?P<head>(?:(?:patients?|subjects?|also)\s+)?"
    r"(?:(?P<out>excluded?|excludes|not eligible|ineligible|ineligibility|exclusions)|(?P<in>included?|eligible)))\s*[:：]"
)
_STRIP = " \t*_#:：-–—.;,="

# A heading in the middle of a line that holds a whole section: "... Exclusion Criteria: - Fever". In small letters
# only after a stop: "all inclusion and no exclusion criteria: see protocol" is none.
_INSIDE = r"(?:\s*[:：]|(?=\s+(?:[-•●▪*]\s|\(?1[.)]\s?|\(?[aAiI][.)]\s)))"
_INSIDE_LINE = re.compile(
    r"(?<=[\s.;,)。；])(?<!\d\.)(?<!\b[Ss]ee )(?<!\bin )(?<!\bthe )(?<!\bper )(?<!\bunder )(?<!\bof )(?<!\band )(?<!\bor )"
    r"(?P<heading>(?:(?:Key|KEY|Main|MAIN|Major|MAJOR|General|GENERAL)\s+)?(?:"
    rf"(?:Non[- ]?[Ii]n|In|Ex|(?:(?<=[.;)] )|(?<=[.;)]))(?:in|ex))clusion\s+[Cc]riteri(?:a|on){_INSIDE}"
    rf"|(?:NON[- ]?)?(?:IN|EX)CLUSION\s+CRITERI(?:A|ON){_INSIDE}"
    rf"|(?<=[.;)] )(?:Inclusion|Exclusion) criteria(?=\s+{_VERB}\b)|(?<=[.;)] )(?:Inclusion|Exclusion) Criteria(?=[\s.]+[A-Z])"
    r"|[Cc]rit[eèé]ri\w+\s+(?:d['’]|de\s+|di\s+)?(?:non[- ]?)?(?:in|ex|es)clus\w+\s*[:：]"
    r"|(?:[Ee]in|[Aa]us)schlusskriterien\s*[:：]|(?:排除|除外|入选|纳入|納入|入組)(?:标准|標準|基準|条件)\s*[:：]))"
)

# Lines that lead a list in, and sentences, that give a side in so many words.
_SUBJECT = r"(?:(?:all|the|these|healthy|female|male)\s+)*(?:patients?|subjects?|participants?|volunteers?|individuals?|women|men|children|you|your child|infants|donors|candidates)"
# "Not eligible for surgery" is a criterion, "not eligible for this study" a side.
_STUDY = r"(?!\s+for\s+(?!(?:the |this |our |any )?(?:\w+ )?(?:study|trial|participation|enrol|inclusion|entry|protocol)))"
_EXCLUDING_STATEMENT = re.compile(
    r"(?i)(?<!\bwho )(?<!\bthat )(?<!\bwhich )(?<!\bunless )(?<!\bif )(?<!\botherwise )"
    r"\b(?:(?:is|are|was|were|will be|shall be)\s+(?:also\s+|all\s+|therefore\s+|\w+ly\s+)?"
    rf"(?:excluded|(?:ineligible|not\s+eligible){_STUDY}|not\s+included|not\s+enrolled)|"
    r"(?:will|shall|may|can)\s?not\s+be\s+(?:eligible|included|enrolled))\b"
)
EXCLUDING_LEAD = re.compile(
    rf"(?i)^(?:also\s+)?exclud|^(?:not (?:allowed|permitted|eligible)|prohibited|disallowed|ineligible)\b|"
    rf"\b(?:(?:is|are|was|were|be|been)\s+(?:also\s+|\w+ly\s+)?(?:excluded|ineligible)|"
    rf"not\s+(?:be\s+)?(?:eligible|included|enrolled|entered|allowed to (?:enter|participate)))\b|"
    rf"^{_SUBJECT}\s+(?:must|may|should|can|will|shall|could)\s?not\b|^{_SUBJECT}\s+cannot\b|\bwill exclude\b"
)
INCLUDING_LEAD = re.compile(
    rf"(?i)(?:(?:allowed|permitted|required|included)\b|(?:in order )?to be (?:eligible|included|enrolled)\b|"
    rf"eligible (?:patients?|subjects?|participants?|volunteers?)\b|{_SUBJECT}\s+(?:must|may be eligible|may be enrolled|"
    rf"are eligible|will be eligible|can be eligible|will be included|are included|should have|should be)\b)"
    rf"(?!.*\b(?:not|no|none|exclu\w*)\b)"
)
# Criteria of another kind end a section: what they list is neither included nor excluded.
NEUTRAL_CRITERIA = re.compile(
    r"(?i)(?:\w+\s+)?(?:eligibility|(?:eligibility|entry|randomi[sz]ation|withdrawal|discontinuation|termination|stopping|removal|"
    r"exit|re-?entry|drop-?out|selection) criteri\w*)(?:\s+for\b.{0,40})?"
)
_OTHER_CLUE = re.compile(f"{_EXCLUDING_STEMS}|{_INCLUDING_STEMS}", re.IGNORECASE)


def may_name_side(text: str) -> bool:
    """Whether a line holds any word that could name a side; most lines don't, and this costs them little."""
    low = text.lower()
    return (
        "clu" in low
        or "eligib" in low
        or "nroll" in low
        or "criter" in low
        or "critè" in low
        or "krit" in low
        or "lusi" in low
        or "cusi" in low
        or "culs" in low
        or "klu" in low
        or "hlu" in low
        or (not low.isascii() and _OTHER_CLUE.search(low) is not None)
    )


def find_inside(text: str) -> int | None:
    """Return where a heading in the middle of a line begins; None where there is none."""
    if len(text) < 24 or (text.isascii() and "riteri" not in text.lower()):
        return None
    found = _INSIDE_LINE.search(text)
    return None if found is None else found.start("heading")


def find_exclusion(text: str) -> int | None:
    """Return where text says that those whom it describes are excluded; None where it does nowhere."""
    low = text.lower()
    if "excluded" not in low and "eligible" not in low and "included" not in low and "enrolled" not in low:
        return None
    found = _EXCLUDING_STATEMENT.search(text)
    return None if found is None else found.start()


def bare(heading: str) -> str:
    """Return a heading without its colon and what else frames it."""
    return heading.strip(_STRIP)


def find_heading(text: str, *, bulleted: bool) -> Heading | None:
    """Return the heading that a line is or begins with; None where it names no side by one.

    Args:
        text: the line, without its bullet and number.
        bulleted: whether it has either; a heading without a colon is then of the plainest form.
    """
    colon = re.search(r"[:：]", text[:160])
    if colon is not None:
        head, rest = text[: colon.start()], text[colon.end() :].strip(" *_")
        side = _side_of_colon_head(head.strip(" *_#"))
        if side is not None:
            if not rest and _LIST_START.match(head):
                return None
            return Heading(bare(head), side, re.sub(r"^[-–—:]+$", "", rest))
        if (
            (word := _WORD_HEAD.match(text)) is not None
            and (rest or not bulleted)
            and not (bulleted and rest)
        ):
            return Heading(bare(word["head"]), "exclusion" if word["out"] else "inclusion", rest)
    return _plain_heading(text.strip(" *_#"), bulleted=bulleted)


def _side_of_colon_head(head: str) -> NamedSide | None:
    words = head.split()
    if not words or len(words) > 16:
        return None
    if _BOTH.search(head) and len(words) <= 8 and not _BLOCKED.search(head):
        return "unspecified"
    found = _COLON_HEAD.fullmatch(head) if _SIDE_NOUN.search(head) else None
    if found is None:
        return _foreign_side(head)
    noun = found["noun"] or found["late"]
    if _BLOCKED.search(found["before"]):
        return None
    if not found["criteria"] and not found["late"]:
        # "Weight at inclusion" is no heading.
        if not _TAIL.fullmatch(found["tail"]) or _PREPOSITION.search(found["before"]):
            return _foreign_side(head)
    return _noun_side(noun)


def _plain_heading(text: str, *, bulleted: bool) -> Heading | None:
    """Return the heading that a line without a colon is, or begins with before a list or a dash."""
    if _BOTH.search(text[:60]):
        whole = bare(text)
        plain = len(whole.split()) <= 5 and not re.search(r"(?i)appl|defin|see\b", whole)
        return Heading(whole, "unspecified", "") if plain and not bulleted else None
    found = _SIMPLE.fullmatch(text) or (None if bulleted else _TITLED.fullmatch(text))
    if found is None:
        side = _foreign_side(text) if len(text) <= 60 and not bulleted and not text.endswith(".") else None
        return None if side is None else Heading(bare(text), side, "")
    head, tail = found["head"], found["tail"]
    if _BLOCKED.search(head):
        return None
    side = _noun_side(head)
    criteria = re.search(r"(?i)riteri\w*$", head) is not None
    if not tail.strip(_STRIP):
        return Heading(bare(text), side, "")
    for shape in (_NOTHING, _LIST_START) if criteria else (_LIST_START,):
        if (split := shape.fullmatch(tail)) is not None:
            return Heading(bare(head), side, split["rest"])
    if not criteria or bulleted:
        return None
    if _TAIL.fullmatch(tail.rstrip(_STRIP)) and not text.endswith("."):
        return Heading(bare(text), side, "")
    if (split := _VERB_REST.fullmatch(tail)) is not None:
        return Heading(bare(head + split["verb"]), side, split["rest"])
    if (split := _CAPITAL_REST.fullmatch(tail) or _DASH_REST.fullmatch(tail)) and head[0].isupper():
        return Heading(bare(head), side, split["rest"])
    return None


def _noun_side(noun: str) -> NamedSide:
    last = re.findall(rf"(?i){_NOUN}", noun)
    word = (last[-1] if last else noun).lower().lstrip()
    return "exclusion" if word.startswith(("ex", "non")) else "inclusion"


def _foreign_side(head: str) -> NamedSide | None:
    """Return the side of a short heading in another language than English."""
    head = bare(head)
    if (
        len(head) > 60
        or re.search("[。；;，,]", head)
        or len(head.split()) > 8
        or (head.isascii() and not _FOREIGN_FRAME.search(head) and " " in head)
    ):
        return None
    framed = _FOREIGN_FRAME.search(head) is not None
    if not framed and (head.isascii() or len(head.split()) > 2):
        return None
    if _BLOCKED.search(head) or _ENGLISH.search(head):
        return None
    if _FOREIGN_EXCLUDING.search(head):
        return "exclusion"
    return "inclusion" if _FOREIGN_INCLUDING.search(head) else None
