"""The words by which a line of eligibility criteria names a side, in the languages that the registry has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

NamedSide = Literal["inclusion", "exclusion", "unspecified"]


class Heading(NamedTuple):
    """A heading without its colon, the side that it names, and what stands behind it on the line."""

    heading: str
    side: NamedSide
    rest: str


# The stems by which a heading includes and excludes. Where one that excludes holds one that includes
# ("non-inclusion", "невключения"), it is the one that counts.
_STEMS = {
    "Romance": (
        r"inclu",
        r"non[- ]?(?:d'|de )?inclu|no inclu|não[- ]inclu|neinclu|exclu|esclu|non[- ]?[ée]ligib|inéligib|"
        r"no elegib|inelegib",
    ),
    "German and Dutch": (r"einschlu|inclu", r"nicht[- ]?einschlu|ausschlu|niet[- ]inclu|exclu|uitslui"),
    "Nordic and Indonesian": (r"inklu|sisäänotto|mukaanotto", r"exklu|eksklu|uteslut|poissulk"),
    "Polish": (r"włącz", r"nie ?włącz|wyłącz|wykluc"),
    "Czech and Slovak": (r"zařaz|zaraden", r"nezařaz|nezaraden|vyluč|vylouč|vyřaz|vyraden"),
    "South Slavic": (
        r"uključ|vključ|укључ|вкључ|включ",
        r"ne ?uključ|ne ?vključ|не ?укључ|isključ|izključ|искључ|исклуч|изключ",
    ),
    "Lithuanian": (r"įtrauk", r"neįtrauk|pašalin|atmetim"),
    "Latvian": (r"iekļau", r"neiekļau|izslēg"),
    "Estonian": (r"kaasami", r"mittekaasami|väljaarva|välista"),
    "Russian and Ukrainian": (r"включ", r"не ?включ|исключ|виключ"),
    "Greek": (r"ένταξη|εισαγωγ", r"μη (?:ένταξη|εισαγωγ)|αποκλει"),
    "Hungarian": (r"beválaszt|bevon", r"kizár"),
    "Turkish": (r"dahil", r"dahil (?:edil|et|ol)m[ea]m[ea]|hariç|dışlan?ma"),
    "Vietnamese": (r"lựa chọn|chọn|thu nhận", r"không (?:lựa chọn|chọn|thu nhận)|loại"),
    "Thai": (r"คัดเข้า", r"คัดออก"),
    "Chinese": (
        r"入选|入選|纳入|納入|入组|入組",
        r"[不非](?:予|被)?(?:入选|入選|纳入|納入|入组|入組)|排除|剔除",
    ),
    "Japanese": (r"選択|適格|組入|組み入れ", r"除外|不適格"),
    "Korean": (r"선정|포함", r"제외"),
    "Arabic": (
        r"اشتمال|شمول|إدراج|تضمين|إدخال",
        r"عدم (?:ال)?(?:اشتمال|شمول|إدراج|تضمين|إدخال)|استبعاد|استثناء|إقصاء",
    ),
    "Persian": (r"ورود", r"عدم ورود|خروج"),
    "Hebrew": (r"הכללה", r"אי[- ]?הכללה|החרגה"),
}
_FOREIGN_INCLUDING, _FOREIGN_EXCLUDING = (
    re.compile("|".join(stems), re.IGNORECASE) for stems in zip(*_STEMS.values(), strict=True)
)
# The word for criteria, which such a heading nearly always has.
_FOREIGN_FRAME = re.compile(
    r"(?i)crit[eèéê]r|krit[eéē]e?r|kryteri|критери|критері|κριτήρι|tiêu chuẩn|เกณฑ์|标准|標準|条件|條件|基準|"
    r"기준|معايير|معیار|קריטריונ|ölçüt|^(?:ein|aus)schlu(?:ss|ß)$"
)

# "Inclusion", "Exclusions", "non-inclusion", with the slips that registrants make: "Exlusion", "Exculsion".
_NOUN = r"(?:non[- ]?)?\b(?:in|ex)[clus]{2,6}t?ion(?:s|ary|al)?\b"
_SIDE_NOUN = re.compile(_NOUN, re.IGNORECASE)
_QUALIFIER = (
    r"(?:key|main|major|general|specific|primary|secondary|additional|addition|other|further|common|basic|core|"
    r"important|selected|principal|patients?|subjects?|participants?|study|trial|clinical|medical|donors?|"
    r"recipients?|controls?|cases?|group|cohort|part|arm|phase|stage|step|stratum|screening|initial|final|"
    r"protocol|overall|detailed|summary|brief|the|and|for|[A-Z0-9]+[.:)]?|[IVX]+(?:\.\d+)*)"
)
_CAPITALISED = r"(?:[A-Z0-9][\w'’./-]*|and|of|for|the|&)"
_SIMPLE = re.compile(
    rf"(?P<head>(?:(?i:{_QUALIFIER})\s+){{0,4}}(?i:{_NOUN})(?:\s*(?i:criteri\w*))?)(?P<tail>.*)",
    re.DOTALL,
)
_TITLED = re.compile(
    rf"(?P<head>(?:{_CAPITALISED}\s+){{1,5}}(?i:{_NOUN})\s+(?i:criteri\w*))(?P<tail>.*)", re.DOTALL
)
_WORD_BEFORE = r"(?:(?:[^\s:]*[^\s:.;]|[\dIVX.]+[.)]|[A-Za-z][.)])\s+)"
_COLON_HEAD = re.compile(
    rf"(?i)(?P<before>{_WORD_BEFORE}{{0,6}}?)(?:(?P<noun>{_NOUN})(?P<criteria>\s*criteri\w*)?|"
    rf"criteri\w*\s+(?:of|for)\s+(?:the\s+)?(?P<late>{_NOUN}))(?P<tail>.*)",
    re.DOTALL,
)
_BLOCKED = re.compile(
    r"(?i)\b(?:meet\w*|met|ful+fil\w*|satisf\w*|not|no|none|any|who|whom|that|which|with|without|see|per|if|unless|"
    r"from|by|as|is|are|be|failure|fails?|known|history|patients? in|based)\b"
)
_FOREIGN_STOP = re.compile(rf"(?i)[。；;，,]|\bcriteri(?:a|on)\b|\b(?:the|of|at)\b|{_BLOCKED.pattern[4:]}")
# "ExclusionC riteria", "Exclusion criter ia": the plainest headings wherever their spaces fall.
_SQUEEZED = re.compile(r"(?i)(?:key|main|major)?(?P<side>non-?in|in|ex)clusioncriteri(?:a|on)")
_PREPOSITION = re.compile(r"(?i)\b(?:at|for|before|after|to|of|on|in|since|until|during|upon)\s*$")
_TAIL = re.compile(
    r"(?i)\s*(?:\(.{1,60}\)|\[.{1,60}\]|[-–—,]\s*\S+(?:\s+\S+){0,2}|(?:for|of|in|at|only|to)\b(?:\s+\S+){0,8}|"
    r"(?:are|is|were|was|includes?|included|will be|must be)(?:\s+(?:the following|as follows|as|follows))?|"
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
_BOTH = re.compile(
    r"(?i)(?:in|ex)clus\w*(?:\s+criteri\w*)?\s*(?:/|and|or|&|\||et|y|e)\s*"
    r"(?:d['’]|de\s+|di\s+)?(?:non?[- ]?)?(?:in|ex|es)clus\w*|"
    r"\b(?:ein|aus)-\s*(?:und|oder|/|&)?\s*(?:ein|aus)schlu"
)
_WORD_HEAD = re.compile(
    r"(?i)(?P<head>(?:(?:patients?|subjects?|also)\s+)?"
    r"(?:(?P<out>excluded?|excludes|not eligible|ineligible|exclusions)|included?|eligible))\s*[:：]"
)
# The headings of most trials, which need no closer look.
_PLAINEST: dict[str, NamedSide] = {"inclusion criteria": "inclusion", "exclusion criteria": "exclusion"}
# Headings whose noun is short for one of these, or another one.
_OTHER_NOUN = re.compile(
    r"(?i)(?:key |main |major )?(?:(?P<out>excl\.?\s+criteri\w*|(?:in|non[- ]?)eligibility(?:\s+criteri\w*)?|"
    r"criteri\w*\s+(?:of|for)\s+(?:in|non[- ]?)eligibility|"
    r"reasons?\s+for\s+(?:\w+\s+)?(?:exclusion|ineligibility))|"
    r"incl\.?\s+criteri\w*)"
)
# A heading in brackets, whole: "[Inclusion Criteria]", "(Inclusion criteria):".
_BRACKETED = re.compile(
    r"[\[(【](?P<heading>[^\[\]()【】:：]{3,60})[\])】]\s*(?:[:：]\s*(?P<rest>.*)|$)", re.DOTALL
)
_COLON = re.compile("[:：]")
_STRIP = " *_#:：-–—.;,"

# A heading in the middle of a line that holds a whole section: "... Exclusion Criteria: - Fever". In small
# letters only after a stop: "all inclusion and no exclusion criteria: see protocol" is none.
_BEFORE_INSIDE = r"(?<=[\s.;,)。；])(?<!\d\.)" + "".join(
    rf"(?<!\b{word} )" for word in ("see", "See", "in", "the", "per", "under", "of", "and", "or")
)
_AFTER_STOP = r"(?:(?<=[.;)] )|(?<=[.;)]))"
_INSIDE = r"(?:\s*[:：]|(?=\s+(?:[-•●▪*]\s|\(?1[.)]\s?|\(?[aAiI][.)]\s)))"
_INSIDE_LINE = re.compile(
    rf"{_BEFORE_INSIDE}(?P<heading>(?:(?:Key|KEY|Main|MAIN|Major|MAJOR|General|GENERAL)\s+)?(?:"
    rf"(?:Non[- ]?[Ii]n|In|Ex|{_AFTER_STOP}(?:in|ex))clusion\s+[Cc]riteri(?:a|on){_INSIDE}"
    rf"|(?:NON[- ]?)?(?:IN|EX)CLUSION\s+CRITERI(?:A|ON){_INSIDE}"
    rf"|(?<=[.;)] )(?:Inclusion|Exclusion) criteria(?=\s+{_VERB}\b)"
    r"|(?<=[.;)] )(?:Inclusion|Exclusion) Criteria(?=[\s.]+[A-Z])"
    r"|[Cc]rit[eèé]ri\w+\s+(?:d['’]|de\s+|di\s+)?(?:non?[- ]?)?(?:in|ex|es)clus\w+\s*[:：]"
    r"|(?:(?:[Ii]n|[Ee]x)cl\.?|(?:[Ii]n|[Nn]on[- ]?)eligibility)\s+[Cc]riteria\s*[:：]"
    r"|[\[(【](?:In|Ex|IN|EX)(?:clusion|CLUSION)\s+(?:[Cc]riteria|CRITERIA)[\])】]\s*[:：]"
    r"|(?:[Ee]in|[Aa]us)schlusskriterien\s*[:：]"
    r"|[不非]?(?:排除|除外|入选|纳入|納入|入組)(?:标准|標準|基準|条件)\s*[:：]))"
)

# Lines that lead a list in, and sentences, that give a side in so many words.
_SUBJECT = (
    r"(?:(?:all|the|these|healthy|female|male)\s+)*(?:patients?|subjects?|participants?|volunteers?|individuals?|"
    r"women|men|children|you|your child|infants|donors|candidates)"
)
# "Not eligible for surgery" is a criterion, "not eligible for this study" a side.
_STUDY = (
    r"(?!\s+for\s+(?!(?:the |this |our |any )?(?:\w+ )?"
    r"(?:study|trial|participation|enrol|inclusion|entry|protocol)))"
)
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
    r"^must not have(?: any of the following)?:?$|"
    rf"^{_SUBJECT}\s+(?:must|may|should|can|will|shall|could)\s?not\b|^{_SUBJECT}\s+cannot\b|\bwill exclude\b"
)
INCLUDING_LEAD = re.compile(
    rf"(?i)(?:(?:allowed|permitted|required|included)\b|(?:in order )?to be (?:eligible|included|enrolled)\b|"
    r"must have(?: (?:all|any|one) of the following)?:?$|"
    rf"eligible (?:patients?|subjects?|participants?|volunteers?)\b|{_SUBJECT}\s+"
    rf"(?:must|should (?:have|be)|(?:are|may be|will be|can be) (?:eligible|enrolled|included))\b)"
    rf"(?!.*\b(?:not|no|none|exclu\w*)\b)"
)
# Openings of a criterion that no list of diseases or drugs has.
NEXT_CRITERION = re.compile(
    r"(?:No|Not|None|Fertile|Negative|Effective|Adequate|At least|Must|Recovered|Able|Sufficiently|"
    r"Geographically|Histologically|Life expectancy)\b"
)
# Criteria of another kind end a section: what they list is neither included nor excluded.
NEUTRAL_CRITERIA = re.compile(
    r"(?i)(?:\w+\s+)?(?:eligibility|(?:eligibility|entry|randomi[sz]ation|withdrawal|discontinuation|termination|"
    r"stopping|removal|exit|re-?entry|drop-?out|selection) criteri\w*)(?:\s+for\b.{0,40})?"
)
# Letters beyond ASCII, so that "≥", "°" and "µ" cost no search for words.
_LETTER = re.compile("[\u00df-\u00f6\u00f8-\u024f\u0370-\u03bb\u03bd-\u1fff\u3040-\ud7ff]")
_OTHER_CLUE = re.compile(f"{_FOREIGN_EXCLUDING.pattern}|{_FOREIGN_INCLUDING.pattern}", re.IGNORECASE)


def join_list(texts: Sequence[str]) -> str:
    """Return what introduces a list and its entries as one text: "No cancer, except: In situ; Basal cell"."""
    return "; ".join(texts).replace(":; ", ": ")


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
        or (not low.isascii() and _LETTER.search(low) is not None and _OTHER_CLUE.search(low) is not None)
    )


def find_inside(text: str) -> list[int]:
    """Return where in a line other headings begin than the one that may begin it."""
    if text.isascii() and "riteri" not in text.lower():
        return []
    return [found.start("heading") for found in _INSIDE_LINE.finditer(text)]


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
    if (plainest := _PLAINEST.get(text.lower().rstrip(" :"))) is not None:
        return Heading(bare(text), plainest, "")
    if text[:1] in "[(【" and (framed := _BRACKETED.match(text)) is not None:
        # Without a colon it must be one of the plainest form.
        colon = "" if framed["rest"] is None else ":"
        inner = find_heading(f"{framed['heading']}{colon}", bulleted=bulleted or not colon)
        if inner is not None and not inner.rest:
            return inner._replace(rest=framed["rest"] or "")
    place = text.find(":", 0, 160)
    if not text.isascii() and (wide := text.find("：", 0, 160)) >= 0:
        place = wide if place < 0 else min(place, wide)
    if place >= 0:
        head, rest = text[:place], text[place + 1 :].strip(" *_")
        if (side := _side_of_colon_head(bare(head))) is not None:
            return Heading(bare(head), side, re.sub(r"^[-–—:]+$", "", rest))
        if not bulleted and (word := _WORD_HEAD.match(text)) is not None:
            return Heading(bare(word["head"]), "exclusion" if word["out"] else "inclusion", rest)
    split = _split_plain(text.strip(" *_#"), bulleted=bulleted)
    # The side is that of the heading with its colon, as the canonical text has it.
    side = None if split is None or _COLON.search(split[0]) else _side_of_colon_head(split[0])
    if split is None or side is None:
        return None
    boxed = split[0][:1] + split[0][-1:] == "【】"
    return Heading(split[0][1:-1] if boxed else split[0], side, split[1])


def _side_of_colon_head(head: str) -> NamedSide | None:
    """Return the side that the words before a colon name."""
    words = head.count(" ") + 1
    if not head or words > 16:
        return None
    if (squeezed := _SQUEEZED.fullmatch(head.replace(" ", ""))) is not None:
        return "inclusion" if squeezed["side"].lower() == "in" else "exclusion"
    if (other := _OTHER_NOUN.fullmatch(head)) is not None:
        return "exclusion" if other["out"] else "inclusion"
    if words <= 8 and _BOTH.search(head) and not _BLOCKED.search(head):
        return "unspecified"
    found = _COLON_HEAD.fullmatch(head) if _SIDE_NOUN.search(head) else None
    if found is None:
        return _foreign_side(head)
    if _BLOCKED.search(found["before"]):
        return None
    # "Weight at inclusion" is no heading.
    named = found["criteria"] or found["late"] or not _PREPOSITION.search(found["before"])
    if not named or not (found["criteria"] or found["late"] or _TAIL.fullmatch(found["tail"])):
        return _foreign_side(head)
    last = _SIDE_NOUN.findall(found["noun"] or found["late"])[-1].lower()
    return "exclusion" if last.startswith(("ex", "non")) else "inclusion"


def _split_plain(text: str, *, bulleted: bool) -> tuple[str, str] | None:
    """Return the heading that a line without a colon is, or begins with, and what stands behind it."""
    if _BOTH.search(text[:60]):
        whole = bare(text)
        plain = whole.count(" ") < 5 and not re.search(r"(?i)appl|defin|see\b", whole)
        return (whole, "") if plain and not bulleted else None
    short = bare(text) if len(text) <= 40 else ""
    if _SQUEEZED.fullmatch(short.replace(" ", "")) or ("riteri" in short and _OTHER_NOUN.fullmatch(short)):
        return short, ""
    found = _SIMPLE.fullmatch(text) or (None if bulleted else _TITLED.fullmatch(text))
    if found is None:
        foreign = not bulleted and not text.endswith(".") and _foreign_side(text) is not None
        return (bare(text), "") if foreign else None
    head, tail = found["head"], found["tail"]
    criteria = re.search(r"(?i)criteri\w*$", head) is not None
    if not tail.strip(_STRIP):
        return bare(text), ""
    for shape in (_NOTHING, _LIST_START) if criteria else (_LIST_START,):
        if (split := shape.fullmatch(tail)) is not None:
            return bare(head), split["rest"]
    if not criteria or bulleted:
        return None
    if _TAIL.fullmatch(tail.rstrip(_STRIP)) and not text.endswith("."):
        return bare(text), ""
    if (split := _VERB_REST.fullmatch(tail)) is not None:
        return bare(head + split["verb"]), split["rest"]
    if head[0].isupper() and (split := _CAPITAL_REST.fullmatch(tail) or _DASH_REST.fullmatch(tail)):
        return bare(head), split["rest"]
    return None


def _foreign_side(head: str) -> NamedSide | None:
    """Return the side of a short heading in another language than English."""
    head = bare(head)
    if len(head) > 60 or head.count(" ") >= 8:
        return None
    if _FOREIGN_FRAME.search(head) is None and (head.isascii() or head.count(" ") >= 2):
        return None
    others = _FOREIGN_EXCLUDING.sub("", head)
    if _FOREIGN_STOP.search(others):
        return None
    if _FOREIGN_INCLUDING.search(others):
        return "inclusion" if others == head else "unspecified"
    return None if others == head else "exclusion"
