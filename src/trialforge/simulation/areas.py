"""What the simulated corpus treats: real names of drugs and conditions in trials that never were.

What a simulated trial says of a drug is drawn by chance and says nothing about the real one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug: its class, a brand name, the doses and form it is given in, and what it is given for."""

    name: str
    drug_class: str
    brand: str
    doses: tuple[str, ...]
    form: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A field of medicine: what is treated, with what, and how success is measured."""

    drugs: tuple[Drug, ...]
    endpoints: tuple[tuple[str, str], ...]
    inclusion: tuple[str, ...]
    exclusion: tuple[str, ...]


# fmt: off
AREAS: dict[str, Area] = {
    "oncology": Area(
        drugs=(
            Drug("cisplatin", "platinum compound", "Platinol", ("75 mg/m2", "60 mg/m2"),
                 "infusion", ("Lung Neoplasms", "Melanoma")),
            Drug("docetaxel", "taxane", "Taxotere", ("75 mg/m2", "100 mg/m2"),
                 "infusion", ("Breast Neoplasms", "Lung Neoplasms")),
            Drug("bevacizumab", "anti-VEGF antibody", "Avastin", ("10 mg/kg", "15 mg/kg"),
                 "infusion", ("Colorectal Neoplasms", "Lung Neoplasms", "Breast Neoplasms")),
            Drug("erlotinib", "EGFR inhibitor", "Tarceva", ("150 mg", "100 mg"),
                 "tablet", ("Lung Neoplasms",)),
            Drug("capecitabine", "antimetabolite", "Xeloda", ("1000 mg/m2", "825 mg/m2"),
                 "tablet", ("Colorectal Neoplasms", "Breast Neoplasms")),
            Drug("rituximab", "anti-CD20 antibody", "Rituxan", ("375 mg/m2",),
                 "infusion", ("Lymphoma",)),
        ),
        endpoints=(
            ("Progression-free survival", "24 months"),
            ("Objective response rate by RECIST", "every 8 weeks up to 1 year"),
            ("Overall survival", "36 months"),
        ),
        inclusion=(
            "Histologically confirmed {condition}",
            "ECOG performance status of 0 to 2",
            "Measurable disease on computed tomography",
            "Adequate bone marrow, kidney and liver function",
        ),
        exclusion=(
            "Symptomatic brain metastases",
            "Another malignancy within the past 5 years",
            "Radiotherapy within 4 weeks before the first dose",
        ),
    ),
    "metabolism": Area(
        drugs=(
            Drug("metformin", "biguanide", "Glucophage", ("500 mg", "850 mg", "1000 mg"),
                 "tablet", ("Diabetes Mellitus, Type 2", "Obesity")),
            Drug("sitagliptin", "DPP-4 inhibitor", "Januvia", ("50 mg", "100 mg"),
                 "tablet", ("Diabetes Mellitus, Type 2",)),
            Drug("liraglutide", "GLP-1 agonist", "Victoza", ("1.2 mg", "1.8 mg"),
                 "injection", ("Diabetes Mellitus, Type 2", "Obesity")),
            Drug("atorvastatin", "statin", "Lipitor", ("20 mg", "40 mg", "80 mg"),
                 "tablet", ("Hypercholesterolemia", "Diabetes Mellitus, Type 2")),
            Drug("alendronate", "bisphosphonate", "Fosamax", ("10 mg", "70 mg"),
                 "tablet", ("Osteoporosis",)),
            Drug("allopurinol", "xanthine oxidase inhibitor", "Zyloprim", ("100 mg", "300 mg"),
                 "tablet", ("Gout",)),
        ),
        endpoints=(
            ("Change from baseline in the laboratory marker of disease", "24 weeks"),
            ("Change in body weight", "26 weeks"),
            ("Proportion of patients at treatment goal", "52 weeks"),
        ),
        inclusion=(
            "Diagnosis of {condition} for at least 6 months",
            "Body mass index between 22 and 42 kg/m2",
            "Stable diet and exercise for 8 weeks",
            "Stable background medication for 3 months",
        ),
        exclusion=(
            "History of pancreatitis",
            "Estimated glomerular filtration rate below 30 mL/min",
            "Bariatric surgery in the past 2 years",
        ),
    ),
    "cardiology": Area(
        drugs=(
            Drug("amlodipine", "calcium channel blocker", "Norvasc", ("5 mg", "10 mg"),
                 "tablet", ("Hypertension", "Stroke")),
            Drug("valsartan", "angiotensin receptor blocker", "Diovan", ("80 mg", "160 mg"),
                 "tablet", ("Hypertension", "Heart Failure", "Myocardial Infarction")),
            Drug("metoprolol", "beta blocker", "Lopressor", ("50 mg", "100 mg"),
                 "tablet", ("Heart Failure", "Atrial Fibrillation", "Hypertension")),
            Drug("clopidogrel", "antiplatelet agent", "Plavix", ("75 mg",),
                 "tablet", ("Stroke", "Myocardial Infarction")),
            Drug("apixaban", "factor Xa inhibitor", "Eliquis", ("2.5 mg", "5 mg"),
                 "tablet", ("Atrial Fibrillation", "Stroke")),
            Drug("spironolactone", "aldosterone antagonist", "Aldactone", ("25 mg", "50 mg"),
                 "tablet", ("Heart Failure", "Hypertension")),
        ),
        endpoints=(
            ("Change in seated systolic blood pressure", "12 weeks"),
            ("Time to first major cardiovascular event", "24 months"),
            ("Left ventricular ejection fraction", "6 months"),
        ),
        inclusion=(
            "Documented {condition}",
            "Left ventricular ejection fraction measured within 6 months",
            "Clinically stable on standard medication for 4 weeks",
            "Able to walk without help",
        ),
        exclusion=(
            "Cardiogenic shock or need of inotropes",
            "Severe valve disease",
            "Active bleeding or a bleeding disorder",
        ),
    ),
    "psychiatry": Area(
        drugs=(
            Drug("sertraline", "selective serotonin reuptake inhibitor", "Zoloft", ("50 mg", "100 mg"),
                 "tablet", ("Depressive Disorder, Major", "Anxiety Disorders")),
            Drug("venlafaxine", "serotonin-norepinephrine inhibitor", "Effexor", ("75 mg", "150 mg"),
                 "capsule", ("Depressive Disorder, Major", "Anxiety Disorders")),
            Drug("quetiapine", "atypical antipsychotic", "Seroquel", ("200 mg", "300 mg"),
                 "tablet", ("Schizophrenia", "Bipolar Disorder")),
            Drug("lamotrigine", "anticonvulsant", "Lamictal", ("100 mg", "200 mg"),
                 "tablet", ("Bipolar Disorder", "Depressive Disorder, Major")),
            Drug("buspirone", "azapirone", "Buspar", ("10 mg", "15 mg"),
                 "tablet", ("Anxiety Disorders",)),
        ),
        endpoints=(
            ("Change in total score of the symptom scale", "8 weeks"),
            ("Remission by clinician rating", "12 weeks"),
            ("Time to relapse", "52 weeks"),
        ),
        inclusion=(
            "Primary diagnosis of {condition} by structured interview",
            "Clinical Global Impression severity of 4 or more",
            "Able to give written consent",
            "Outpatient at the time of screening",
        ),
        exclusion=(
            "Serious risk of suicide",
            "Substance dependence in the past 6 months",
            "Electroconvulsive therapy in the past 3 months",
        ),
    ),
    "neurology": Area(
        drugs=(
            Drug("levodopa", "dopamine precursor", "Sinemet", ("100 mg", "250 mg"),
                 "tablet", ("Parkinson Disease",)),
            Drug("interferon beta-1a", "interferon", "Avonex", ("30 mcg", "44 mcg"),
                 "injection", ("Multiple Sclerosis",)),
            Drug("topiramate", "sulfamate anticonvulsant", "Topamax", ("50 mg", "100 mg"),
                 "tablet", ("Epilepsy", "Migraine Disorders")),
            Drug("sumatriptan", "triptan", "Imitrex", ("50 mg", "100 mg"),
                 "tablet", ("Migraine Disorders",)),
            Drug("donepezil", "cholinesterase inhibitor", "Aricept", ("5 mg", "10 mg"),
                 "tablet", ("Alzheimer Disease", "Parkinson Disease")),
            Drug("memantine", "NMDA antagonist", "Namenda", ("10 mg", "20 mg"),
                 "tablet", ("Alzheimer Disease",)),
        ),
        endpoints=(
            ("Change in the motor or cognitive rating scale", "24 weeks"),
            ("Annualized relapse or attack rate", "52 weeks"),
            ("Proportion of responders with a 50% reduction of attacks", "12 weeks"),
        ),
        inclusion=(
            "Clinical diagnosis of {condition} confirmed by a neurologist",
            "Stable neurological medication for 30 days",
            "Able to keep a diary",
            "Magnetic resonance imaging within the past year",
        ),
        exclusion=(
            "Other progressive disease of the nervous system",
            "Deep brain stimulation or planned neurosurgery",
            "Seizure clusters in the past 3 months",
        ),
    ),
    "respiratory": Area(
        drugs=(
            Drug("fluticasone", "inhaled corticosteroid", "Flovent", ("100 mcg", "250 mcg"),
                 "inhaler", ("Asthma", "Rhinitis, Allergic", "Pulmonary Disease, Chronic Obstructive")),
            Drug("salmeterol", "long-acting beta agonist", "Serevent", ("50 mcg",),
                 "inhaler", ("Asthma", "Pulmonary Disease, Chronic Obstructive")),
            Drug("tiotropium", "anticholinergic bronchodilator", "Spiriva", ("18 mcg", "5 mcg"),
                 "inhaler", ("Pulmonary Disease, Chronic Obstructive", "Cystic Fibrosis")),
            Drug("montelukast", "leukotriene antagonist", "Singulair", ("5 mg", "10 mg"),
                 "tablet", ("Asthma", "Rhinitis, Allergic")),
            Drug("omalizumab", "anti-IgE antibody", "Xolair", ("150 mg", "300 mg"),
                 "injection", ("Asthma", "Rhinitis, Allergic")),
        ),
        endpoints=(
            ("Change in trough forced expiratory volume in one second", "12 weeks"),
            ("Rate of exacerbations", "52 weeks"),
            ("Change in symptom score from the daily diary", "4 weeks"),
        ),
        inclusion=(
            "Physician diagnosis of {condition} for at least one year",
            "Forced expiratory volume of 40% to 85% of predicted",
            "Non-smoker or former smoker",
            "Able to use the inhaler correctly",
        ),
        exclusion=(
            "Respiratory infection within 4 weeks",
            "Oral corticosteroids within 6 weeks",
            "Need of long-term oxygen",
        ),
    ),
    "infection": Area(
        drugs=(
            Drug("efavirenz", "non-nucleoside inhibitor", "Sustiva", ("400 mg", "600 mg"),
                 "capsule", ("HIV Infections",)),
            Drug("tenofovir", "nucleotide analogue", "Viread", ("300 mg",),
                 "tablet", ("HIV Infections",)),
            Drug("ribavirin", "guanosine analogue", "Rebetol", ("800 mg", "1000 mg"),
                 "capsule", ("Hepatitis C",)),
            Drug("artesunate", "artemisinin derivative", "Artesun", ("4 mg/kg", "200 mg"),
                 "tablet", ("Malaria",)),
            Drug("oseltamivir", "neuraminidase inhibitor", "Tamiflu", ("75 mg",),
                 "capsule", ("Influenza, Human",)),
            Drug("moxifloxacin", "fluoroquinolone", "Avelox", ("400 mg",),
                 "tablet", ("Tuberculosis",)),
        ),
        endpoints=(
            ("Proportion with an undetectable load of the pathogen", "48 weeks"),
            ("Clinical cure at the test-of-cure visit", "28 days"),
            ("Time to clearance of infection", "14 days"),
        ),
        inclusion=(
            "Laboratory confirmed {condition}",
            "No earlier treatment for this infection",
            "Hemoglobin of 9 g/dL or more",
            "Agrees to use effective contraception",
        ),
        exclusion=(
            "Known resistance to the study drug",
            "Alanine aminotransferase above 5 times the upper limit",
            "Another opportunistic infection",
        ),
    ),
    "immunology": Area(
        drugs=(
            Drug("methotrexate", "antifolate", "Rheumatrex", ("10 mg", "15 mg"),
                 "tablet", ("Arthritis, Rheumatoid", "Psoriasis", "Crohn Disease")),
            Drug("adalimumab", "TNF inhibitor", "Humira", ("40 mg",),
                 "injection", ("Arthritis, Rheumatoid", "Psoriasis", "Crohn Disease")),
            Drug("tocilizumab", "interleukin-6 inhibitor", "Actemra", ("4 mg/kg", "8 mg/kg"),
                 "infusion", ("Arthritis, Rheumatoid",)),
            Drug("hydroxychloroquine", "antimalarial immunomodulator", "Plaquenil", ("200 mg", "400 mg"),
                 "tablet", ("Lupus Erythematosus, Systemic", "Arthritis, Rheumatoid")),
            Drug("ustekinumab", "interleukin-12/23 inhibitor", "Stelara", ("45 mg", "90 mg"),
                 "injection", ("Psoriasis", "Crohn Disease")),
        ),
        endpoints=(
            ("Response by the disease activity criteria", "24 weeks"),
            ("Clinical remission", "12 weeks"),
            ("Change in the disability index", "52 weeks"),
        ),
        inclusion=(
            "Active {condition} despite standard therapy",
            "C-reactive protein above the upper limit of normal",
            "Stable dose of corticosteroids of 10 mg or less",
            "Negative screening for tuberculosis",
        ),
        exclusion=(
            "Live vaccine within 4 weeks",
            "Earlier treatment with more than one biological agent",
            "Demyelinating disease",
        ),
    ),
}
