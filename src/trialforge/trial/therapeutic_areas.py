"""The therapeutic area of a trial, by words of its conditions."""

from __future__ import annotations

import polars as pl

# Patterns of lower-case text, `_` for a space. The first area counts: a cancer of the lung is oncology, an
# infection of it an infection.
_WORDS: dict[str, str] = {
    "oncology": r"""
        cancer carcinom tumou?r neoplas lymphom leuka?emi melanom sarcom myelom gliom blastom metasta malignan
        mesotheliom myelodysplas""",
    "infections": r"""
        infect \bhiv\b \baids\b hepatitis influenza malaria tubercul pneumonia sepsis covid \bsars virus viral
        bacter fung candid herpes vaccin papilloma clostrid staphyl streptoc parasit helminth""",
    "cardiovascular": r"""
        cardi heart coronary angina atrial hypertens stroke thromb embol atheros arteri vascular ischa?emi
        hypercholester dyslipid hyperlipid""",
    "metabolism": r"""
        diabet insulin glyca?emi obes overweight metaboli thyroid osteopor gout growth_hormone acromegal
        cushing lipodystroph gaucher fabry phenylketon vitamin hyperuric""",
    "psychiatry": r"""
        depress schizo bipolar anxiety psycho autis \badhd attention_deficit panic obsessive addict alcohol
        opioid smok cocaine substance insomnia eating_disorder bulimi anorexia_nerv stress_disorder""",
    "neurology": r"""
        alzheimer parkinson dementia epilep seizure migrain headache sclerosis neuropath neuralg huntington
        dystroph restless_legs narcolep spinal \bbrain cerebral neuro \bpain ana?esthe""",
    "respiratory": r"""
        asthma \bcopd chronic_obstructive pulmonary \blung respirat cystic_fibrosis bronch rhinit allerg
        sinusit""",
    "immunology": r"""
        arthrit lupus spondyl psoria crohn colitis autoimmun transplant graft vasculit sjogren scleroderma""",
    "blood": r"ana?emia ha?emophil sickle thalass thrombocyt neutropen ha?emat bleed ha?emorrhag",
    "digestion": r"""
        gastr reflux ulcer bowel constipat diarrh liver cirrho pancrea biliar o?esophag celiac""",
    "kidney and urology": r"kidney renal nephr dialys urin bladder prostat erectile incontinen",
    "eyes": r"macular glaucoma retin ocular \beye uveit conjunctiv cataract myopi ophthalm",
    "skin": r"dermat eczema \bacne \bskin alopecia rosacea urticar keratos vitiligo wound \bburn",
    "women's health": r"""
        pregnan menopaus contracep endometri infertil polycystic vagin preterm labou?r\b \bovar \buter""",
}
AREAS = {name: "|".join(words.split()).replace("_", r"\s") for name, words in _WORDS.items()}
OTHER = "other"


def therapeutic_area() -> pl.Expr:
    """Return an expression: the area of a trial, `other` where no word of its conditions tells one."""
    said = pl.col("conditions").list.join("; ").str.to_lowercase()
    area = pl.lit(OTHER)
    for name, pattern in reversed(AREAS.items()):
        area = pl.when(said.str.contains(pattern)).then(pl.lit(name)).otherwise(area)
    return area.alias("area")
