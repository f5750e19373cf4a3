"""Why a trial stopped: the registry's free-text reason, sorted by an open table of patterns."""

from __future__ import annotations

import polars as pl

# A reason may name what it is not ("not due to any safety concern"): that part is taken out first.
_NEGATED = (
    r"\b(?:not|nothing|unrelated|non)\b[ -]*(?:[\w-]+ ){0,4}?(?:due to|related to|based on|because of"
    r"|a result of|to|for|on) (?:any |the |a )?(?:\w+ )?(?:safety|efficacy|toxicity)[^.;]*"
    r"|\bno (?:\w+ ){0,2}(?:safety|efficacy)(?:[ /,]+\w+){0,3}? (?:concerns?|issues?|reasons?|signals?)[^.;]*"
    r"|\bnon-(?:safety|efficacy)\b"
)
# Only that all was done: read before the rest, and counted as `other`.
_FINISHED = (
    r"administratively complete|^\W*(?:study|trial) completed?|is finished"
    r"|^\W*subject accrual and data analysis is completed"
)

# The first pattern found decides. `benefit`: stopped because the treatment worked, which is no failure.
STOP_REASONS: dict[str, str] = {
    "benefit": (
        r"(?:termina\w+|stopped|closed|halted) (?:early )?(?:due to|for|because of) efficacy\b"
        r"|(?:significant|clear|overwhelming) (?:benefit|efficacy)|positive (?:data|results)"
        r"|achievement of (?:the )?primary|primary (?:\w+ )?(?:objective|endpoint|end point)s? "
        r"(?:has|have|had|was|were)(?: been)? (?:met|reached|achieved)"
    ),
    "efficacy": (
        r"futil|inefficac|ineffective|lack of (?:\w+ ){0,3}(?:efficacy|activity|benefit|effect|response)"
        r"|(?:no|any|without) (?:\w+ ){0,2}(?:efficacy|benefit|responses?|activity|effect|improvement)\b"
        r"|(?:insufficient|low|lower|limited|poor|minimal|inadequate) (?:\w+ ){0,3}"
        r"(?:efficacy|activity|response|power|benefit|effect)\b|insufficient data to support clinical"
        r"|not (?:\w+ ){0,2}(?:effective|efficacious)|efficacy (?:[\w,/]+ ){0,8}(?:not|insufficient)"
        r"|(?:did|does|do|would|could|can) not (?:show|demonstrate|achieve|reach|meet) (?:[\w-]+ ){0,3}"
        r"(?:activity|efficacy|effect|benefit|improvement|difference|significance|objective|end-?point|endpoint)"
        r"|did not merit|fail(?:ed|ure)? to (?:show|demonstrate|reach|meet) (?:\w+ ){0,3}"
        r"(?:efficacy|endpoint|objective|benefit)|treatment failure|unpromising|results, negative"
        r"|end-?points? (?:\w+ ){0,2}(?:fell short|not met|not achieved)|unlikely to|inferior"
        r"|unfavou?rable interim|interim analys[ie]s(?: \w+){0,3} (?:indicate|should be terminated)"
    ),
    "safety": (
        r"safety|toxic|adverse|side.effects?|risk.{0,6}benefit|benefit.{0,6}risk|tolera|dose.limiting|\bdlts?\b"
        r"|deaths?\b|mortality|morbidity|\bharm|hazard|clinical hold|hypersensitiv|bleeding|severe|creatinine"
        r"|oc+lusive|thrombocytopenia|metabolites|cardiovascular events|abnormal liver|rash\b|rejection"
    ),
    "enrolment": (
        r"ac+r+u+|ac+ural|recru|enrol|inclusions?\b|participation|rate of randomi[sz]ed|to include patients"
        r"|(?:no|few|fewer|lack of|insufficient|not enough|additional|suitable|available|number of|find) "
        r"(?:\w+ ){0,3}(?:patients|participants|subjects|volunteers|population)|low prevalence"
    ),
    "business": (
        r"fund|financ|grant|budget|sponsor|business|strateg|compan|commercial|market|manufactur|suppl"
        r"|unavailab|not available|availability|development|support|collaborator|resources|portfolio|priorit"
        r"|interested|program terminated|approval|management decision"
    ),
}


def stop_reason(text: pl.Expr) -> pl.Expr:
    """Return the class of a reason: a key of STOP_REASONS or `other`; null where no reason is given."""
    plain = text.str.to_lowercase().str.replace_all(r"\s+", " ").str.replace_all(_NEGATED, " ")
    sorted_out = pl.when(plain.is_null()).then(None).when(plain.str.contains(_FINISHED)).then(pl.lit("other"))
    for name, pattern in STOP_REASONS.items():
        sorted_out = sorted_out.when(plain.str.contains(pattern)).then(pl.lit(name))
    return sorted_out.otherwise(pl.lit("other"))
