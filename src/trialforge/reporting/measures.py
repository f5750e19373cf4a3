"""What each measure of the records is called in the report, and the sentence that says how to read it.

Each definition stands in the docstring of the function that computes it, in the package `quality`.
"""

from __future__ import annotations

from typing import NamedTuple


class Measure(NamedTuple):
    """A plain name, and one sentence: what is measured, and which values are good."""

    name: str
    sentence: str


# What is measured of real trials as well (`_real`, `_as_drafts`) stands in the row of the measure.
MEASURES: dict[str, Measure] = {
    "fidelity.precision": Measure(
        "precision: records near a real trial",
        "Share of records as near to some real trial as its nearest real neighbours are; higher is better.",
    ),
    "fidelity.recall": Measure(
        "recall: real trials near a record",
        "Share of real trials as near to some record as its nearest records are; higher is better.",
    ),
    "fidelity.density": Measure(
        "density: real trials around a record",
        "How many real trials have a record among their nearest, 1 being as real trials; higher is better.",
    ),
    "fidelity.coverage": Measure(
        "coverage: real trials that have a record",
        "Share of real trials with a record among their nearest; higher is better, but copies reach 1 too.",
    ),
    "fidelity.mmd2": Measure(
        "distance between both sets",
        "Squared maximum mean discrepancy (MMD) of texts as vectors; lower is better, 0 is no distance.",
    ),
    "fidelity.mmd_p": Measure(
        "chance of that distance, p-value",
        "How often sets mixed at random are as far apart; higher is better, near 0 the sets surely differ.",
    ),
    "fidelity.form_auc": Measure(
        "told from real trials by form, ROC-AUC",
        "How well a classifier tells records by filled fields, counts and lengths; lower is better, to 0.5.",
    ),
    "fidelity.style_auc": Measure(
        "told from real trials by style, ROC-AUC",
        "How well a classifier tells records by function words, marks and layout; lower is better, to 0.5.",
    ),
    "fidelity.content_auc": Measure(
        "told from real trials by content, ROC-AUC",
        "How well a classifier tells records by all other words; lower is better, to 0.5.",
    ),
    "fidelity.label_fidelity": Measure(
        "label that real trials teach to read, ROC-AUC within interventions",
        "How well a classifier of real trials reads the label that was asked for; higher is better.",
    ),
    "fidelity.label_fidelity_true": Measure(
        "label by the true model of the corpus, ROC-AUC within interventions",
        "How well the model that made a simulated corpus ranks records by their label; higher is better.",
    ),
    "fidelity.cosine_within": Measure(
        "records alike as real trials are",
        "How far the similarities among records are from those among real trials; lower is better.",
    ),
    "fidelity.cosine_between": Measure(
        "records as near to real trials as these are",
        "How far the similarities of records to real trials are from those among real trials; "
        "lower is better.",
    ),
    "fidelity.categories_js": Measure(
        "distance of phase, sex, masking and so on",
        "How far their shares are from those of real trials (Jensen-Shannon, 0 to 1); lower is better.",
    ),
    "fidelity.numbers_wasserstein": Measure(
        "distance of ages, enrolment, counts, lengths",
        "How far they are from those of real trials (Wasserstein, in standard deviations); lower is better.",
    ),
    "fidelity.condition_overlap": Measure(
        "words of conditions that real trials have",
        "Mean share of a record's condition words that stand in those of real trials; higher is better.",
    ),
    "fidelity.endpoint_overlap": Measure(
        "words of endpoints that real trials have",
        "Mean share of a record's endpoint words that stand in those of real trials; higher is better.",
    ),
    "diversity.self_bleu": Measure(
        "phrases of other records (self-BLEU)",
        "How far records repeat each other's runs of up to four words; best as real trials do.",
    ),
    "diversity.distinct_2": Measure(
        "different pairs of words (distinct-2)",
        "Share of pairs of words that are different, over all records; best as of as many real trials.",
    ),
    "diversity.vendi": Measure(
        "different records (Vendi score)",
        "How many records that have nothing in common would be as diverse; higher is better.",
    ),
    "diversity.pairwise_distance": Measure(
        "distance between two records",
        "Mean cosine distance of two records, as vectors; higher is better, but random text is far as well.",
    ),
    "diversity.exact_copies": Measure(
        "records equal to an earlier one, word for word",
        "Share of the records; lower is better.",
    ),
    "diversity.near_copies": Measure(
        "near-copies of an earlier record",
        "Share of records that have most runs of five words in common with one; lower is better.",
    ),
    "copies.largest_excess": Measure(
        "copied share of the field copied most, minus that of unseen real trials",
        "How much of it stands in exemplars or training trials; lower is better, 0 is as real trials.",
    ),
    "copies.fields": Measure(
        "fields that are surely copied more than unseen real trials' are",
        "How many there are, by tests corrected for all fields; lower is better, to 0.",
    ),
    "memorisation.train_13": Measure(
        "records with 13 words in a row of a training trial",
        "Share of the records; best as of unseen real trials, which share boilerplate.",
    ),
    "memorisation.train_50": Measure(
        "records with 50 words in a row of a training trial",
        "Share of the records; lower is better.",
    ),
    "memorisation.real_13": Measure(
        "unseen real trials with 13 words in a row of a training trial",
        "What real trials share by nature: the measure of records is best as real trials' is.",
    ),
    "memorisation.any_100": Measure(
        "records with 100 words in a row of any real trial",
        "Share of the records, whether a trial was shown or not; lower is better.",
    ),
    "memorisation.longest_ngram": Measure(
        "longest run of words of a training trial",
        "Words of the longest run that any record has from one; lower is better.",
    ),
    "memorisation.shown_25": Measure(
        "records with 25 words in a row of what they were shown",
        "Share of records that copy from their own prompt; lower is better.",
    ),
    "memorisation.unseen_25": Measure(
        "records with 25 words in a row of an unseen trial alone",
        "Boilerplate, or what the language model remembers; lower is better, to the share of real trials.",
    ),
    "memorisation.real_unseen_25": Measure(
        "unseen real trials with 25 words in a row of another unseen one alone",
        "Boilerplate alone: the measure of records is best as real trials' is.",
    ),
    "privacy.copies": Measure(
        "near-copies of training trials, minus those of unseen trials",
        "Share of records above that of real trials; lower is better, 0 is as real trials.",
    ),
    "privacy.closer": Measure(
        "records nearer to a training trial than 95% of unseen ones are",
        "Share of the records; best as of real trials, which have 0.05.",
    ),
    "privacy.distance_ratio": Measure(
        "nearest over second nearest distance, minus that of unseen trials",
        "Below 0, records are like one training trial more than like any other; best as real trials, at 0.",
    ),
    "privacy.skeleton_distance": Measure(
        "distance of a record's design to the nearest training trial's, median",
        "Over all structured fields, 0 is the same design; best as that of unseen real trials.",
    ),
    "privacy.real_skeleton_distance": Measure(
        "distance of an unseen real trial's design to the nearest, median",
        "What designs have in common by nature: the measure of records is best as real trials' is.",
    ),
    "privacy.skeleton_equal": Measure(
        "records with the whole design of one training trial",
        "Share of the records; best as of unseen real trials.",
    ),
    "privacy.real_skeleton_equal": Measure(
        "unseen real trials with the whole design of a training trial",
        "What designs have in common by nature: the measure of records is best as real trials' is.",
    ),
    "privacy.rare_words": Measure(
        "records that repeat a word which only one shown trial has",
        "Share of records by which a trial could be found out; lower is better.",
    ),
    "privacy.canaries": Measure(
        "planted canaries that came out of the record that was shown them",
        "Share of made-up words that a test plants in real trials; lower is better.",
    ),
    "membership.gain": Measure(
        "guessing which trials were shown, ROC-AUC above that by the target alone",
        "How much records tell of their exemplars; lower is better, 0 tells nothing.",
    ),
    "membership.control_gain": Measure(
        "the same where exemplars were drawn at random",
        "The attack without any search; lower is better, 0 tells nothing.",
    ),
    "membership.train_auc": Measure(
        "guessing which trials were in training, ROC-AUC",
        "How well records tell training trials from unseen ones like them; lower is better, to 0.5.",
    ),
    "membership.train_tpr": Measure(
        "training trials found at no more than 1% false alarms",
        "Share of the training trials that such an attack is sure of; lower is better, to 0.01.",
    ),
    "leakage.test_gap": Measure(
        "13 words in a row of a test trial, minus those of as many training trials",
        "Above 0 the generator knows test trials; lower is better, 0 or less is right.",
    ),
    "leakage.test_known": Measure(
        "that difference, as far as it is sure and above that of validation trials",
        "Above 0 the generator surely knows test trials; lower is better, 0 is right.",
    ),
    "leakage.title_gap": Measure(
        "label read from titles, ROC-AUC above that of real trials",
        "How much more titles of records tell the label; lower is better, to 0.",
    ),
    "leakage.form_gap": Measure(
        "label read from filled fields and lengths, ROC-AUC above that of real trials",
        "How much more the form of records tells the label; lower is better, to 0.",
    ),
    "leakage.style_gap": Measure(
        "label read from how text is written, ROC-AUC above that of real trials",
        "How much more the style of records tells the label; lower is better, to 0.",
    ),
    "leakage.words_gap": Measure(
        "label read from words, ROC-AUC above that of real trials",
        "How much more the words of records tell the label; lower is better, to 0.",
    ),
    "leakage.words_auc": Measure(
        "label read from words of records, ROC-AUC",
        "How well the words of other records tell the label; best as real trials' words do.",
    ),
    "leakage.real_words_auc": Measure(
        "label read from words of real trials, ROC-AUC",
        "How well words tell the label by nature: the measure of records is best as real trials' is.",
    ),
    "leakage.gaps_flagged": Measure(
        "of titles, form, style and words, how many tell the label by one feature",
        "How many have a single feature that surely tells the label; lower is better, to 0.",
    ),
    "leakage.gaps_above": Measure(
        "of the four gaps, how many are above the bound by their whole interval",
        "Gaps that surely tell more than is allowed; lower is better, to 0.",
    ),
    "leakage.tells": Measure(
        "single features that surely tell the label, more than in real trials",
        "Words, marks, lengths, orders or values, at 1% for all together; lower is better, to 0.",
    ),
    "leakage.outcome_told": Measure(
        "records with a sentence that tells an outcome",
        "Share of records by the rules that clean real trials; lower is better, to 0.",
    ),
    "leakage.held_out_ids": Measure(
        "ids of validation and test trials found",
        "How many stand in records, exemplars or reasons; lower is better, to 0.",
    ),
}
