"""The therapeutic area of a trial, by words of its conditions."""

from __future__ import annotations

import polars as pl

# The first area whose pattern is found: cancers of an organ are oncology, infections of one are infections.
AREAS: dict[str, str] = {
    "oncology": r"cancer|carcinom|tumou?r|neoplas|lymphom|leuk(a?)emi|melanom|sarcom|myelom|gliom|blastom|metasta"
    r"|malignan|mesotheliom|adenocarcin|myelodysplas",
    "infections": r"infect|hiv\b|aids\b|hepatitis|influenza|malaria|tubercul|pneumonia|sepsis|covid|sars|virus|viral"
    r"|bacter|fung|candid|herpes|vaccin|papilloma|clostrid|staphyl|streptoc|parasit|helminth",
    "cardiovascular": r"cardi|heart|coronary|myocard|angina|atrial|hypertens|stroke|thromb|embol|atheros|arter"
    r"|vascular|isch(a?)emi|hypercholester|dyslipid|hyperlipid",
    "metabolism": r"diabet|insulin|glyc(a?)emi|obes|overweight|metaboli|thyroid|osteopor|gout|growth hormone|acromegal"
    r"|cushing|lipodystroph|gaucher|fabry|phenylketon|vitamin|hyperuric",
    "psychiatry": r"depress|schizo|bipolar|anxiety|psycho|autis|adhd|attention deficit|panic|obsessive|addict|alcohol"
    r"|opioid|smok|cocaine|substance|insomnia|eating disorder|bulimi|anorexia nerv|stress disorder",
    "neurology": r"alzheimer|parkinson|dementia|epilep|seizure|migrain|headache|sclerosis|neuropath|neuralg|huntington"
    r"|dystroph|restless legs|narcolep|spinal|brain|cerebral|neuro|pain|an(a?)esthe",
    "respiratory": r"asthma|copd|chronic obstructive|pulmonary|lung|respirat|cystic fibrosis|bronch|rhinit|allerg|sinus",
    "immunology": r"arthrit|lupus|spondyl|psoria|crohn|colitis|autoimmun|transplant|graft|vasculit|sjogren|sclerod",
    "blood": r"an(a?)emia|h(a?)emophil|sickle|thalass|thrombocyt|neutropen|h(a?)emat|bleed|h(a?)emorrhag",
    "digestion": r"gastr|reflux|ulcer|bowel|constipat|diarrh|liver|cirrho|pancrea|biliar|esophag|oesophag|celiac",
    "kidney and urology": r"kidney|renal|nephr|dialys|urin|bladder|prostat|erectile|incontinen",
    "eyes": r"macular|glaucoma|retin|ocular|eye\b|uveit|conjunctiv|cataract|myop|ophthalm",
    "skin": r"dermat|eczema|acne|skin|alopecia|rosacea|urticar|keratos|vitiligo|wound|burn",
    "women's health": r"pregnan|menopaus|contracep|endometri|infertil|polycystic|vagin|preterm|labou?r\b|ovar|uter",
}
OTHER = "other"


def therapeutic_area() -> pl.Expr:
    """Return an expression: the area of a trial, `other` where no word of its conditions tells one."""
    said = pl.col("conditions").list.join("; ").str.to_lowercase()
    area = pl.lit(OTHER)
    for name, pattern in reversed(AREAS.items()):
        area = pl.when(said.str.contains(pattern)).then(pl.lit(name)).otherwise(area)
    return area.alias("area")
