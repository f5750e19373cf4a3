"""The name of each measure in the report, and a sentence that says how to read it.

The definition of a measure is in the docstring of the function that computes it, in the package `quality`.
"""

from __future__ import annotations

from typing import NamedTuple


class Measure(NamedTuple):
    """A plain name, and one sentence: what is measured, and which values are good."""

    name: str
    sentence: str


# Values for real trials (`_real`, `_as_drafts`) are shown in the row of the measure.
MEASURES: dict[str, Measure] = {
    "fidelity.precision": Measure(
        "precision: records near a real trial",
        "Share of records that lie as near to some real trial as that trial's nearest neighbours do; higher "
        "is better.",
    ),
    "fidelity.recall": Measure(
        "recall: real trials near a record",
        "Share of real trials that lie as near to some record as that record's nearest neighbours do; higher "
        "is better.",
    ),
    "fidelity.density": Measure(
        "density: real trials around a record",
        "How many real trials have the record among their nearest neighbours, scaled so that real trials get "
        "about 1; higher is better.",
    ),
    "fidelity.coverage": Measure(
        "coverage: real trials with a record nearby",
        "Share of real trials with a record among their nearest neighbours; higher is better, but copies "
        "reach 1 too.",
    ),
    "fidelity.mmd2": Measure(
        "distance between the two sets",
        "Squared maximum mean discrepancy (MMD) of the text embeddings; lower is better, 0 is no distance.",
    ),
    "fidelity.mmd_p": Measure(
        "p-value of that distance",
        "How often two randomly mixed sets are at least as far apart; higher is better, near 0 the sets "
        "clearly differ.",
    ),
    "fidelity.form_auc": Measure(
        "distinguishable from real trials by form, ROC-AUC",
        "How well a classifier recognises records by filled fields, counts and lengths; lower is better, 0.5 "
        "is best.",
    ),
    "fidelity.style_auc": Measure(
        "distinguishable from real trials by style, ROC-AUC",
        "How well a classifier recognises records by function words, punctuation and layout; lower is "
        "better, 0.5 is best.",
    ),
    "fidelity.content_auc": Measure(
        "distinguishable from real trials by content, ROC-AUC",
        "How well a classifier recognises records by all other words; lower is better, 0.5 is best.",
    ),
    "fidelity.label_fidelity": Measure(
        "requested label, predicted by a classifier of real trials, ROC-AUC within interventions",
        "How well a classifier trained on real trials predicts the requested label; higher is better.",
    ),
    "fidelity.label_fidelity_true": Measure(
        "requested label, predicted by the true model, ROC-AUC within interventions",
        "How well the model that generated the simulated corpus ranks records by their label; higher is "
        "better.",
    ),
    "fidelity.cosine_within": Measure(
        "similarity among records",
        "How far similarities among records are from those among real trials; lower is better.",
    ),
    "fidelity.cosine_between": Measure(
        "similarity of records to real trials",
        "How far similarities between records and real trials are from those among real trials; lower is "
        "better.",
    ),
    "fidelity.categories_js": Measure(
        "distance of phase, sex, masking and so on",
        "How far their shares are from those of real trials (Jensen-Shannon, 0 to 1); lower is better.",
    ),
    "fidelity.numbers_wasserstein": Measure(
        "distance of ages, enrolment, counts and lengths",
        "How far they are from those of real trials (Wasserstein, in standard deviations); lower is better.",
    ),
    "fidelity.condition_overlap": Measure(
        "condition words found in real trials",
        "Mean share of a record's condition words that also occur in those of real trials; higher is better.",
    ),
    "fidelity.endpoint_overlap": Measure(
        "endpoint words found in real trials",
        "Mean share of a record's endpoint words that also occur in those of real trials; higher is better.",
    ),
    "diversity.self_bleu": Measure(
        "phrases shared with other records (self-BLEU)",
        "How much records repeat each other's n-grams of up to four words; best if equal to that of real "
        "trials.",
    ),
    "diversity.distinct_2": Measure(
        "distinct word pairs (distinct-2)",
        "Share of word pairs that are distinct, over all records; best if equal to that of as many real "
        "trials.",
    ),
    "diversity.vendi": Measure(
        "distinct records (Vendi score)",
        "How many records with nothing in common would be as diverse; higher is better.",
    ),
    "diversity.pairwise_distance": Measure(
        "distance between two records",
        "Mean cosine distance between the embeddings of two records; higher is better, but random text is "
        "far apart too.",
    ),
    "diversity.exact_copies": Measure(
        "records identical to an earlier one",
        "Share of records; lower is better.",
    ),
    "diversity.near_copies": Measure(
        "near-copies of an earlier record",
        "Share of records that share most of their 5-grams with an earlier record; lower is better.",
    ),
    "copies.largest_excess": Measure(
        "copied share of the most copied field, minus that of unseen real trials",
        "How much of it occurs in exemplars or training trials; lower is better, 0 is the level of real "
        "trials.",
    ),
    "copies.fields": Measure(
        "fields copied significantly more than in unseen real trials",
        "Number of fields, by tests corrected for all fields; lower is better, 0 is best.",
    ),
    "memorisation.train_13": Measure(
        "records that share 13 words in a row with a training trial",
        "Share of records; best if equal to that of unseen real trials, which share boilerplate.",
    ),
    "memorisation.train_50": Measure(
        "records that share 50 words in a row with a training trial",
        "Share of records; lower is better.",
    ),
    "memorisation.real_13": Measure(
        "unseen real trials that share 13 words in a row with a training trial",
        "What real trials share anyway; the measure of records is best if equal to this.",
    ),
    "memorisation.any_100": Measure(
        "records that share 100 words in a row with any real trial",
        "Share of records, whether or not they were shown the trial; lower is better.",
    ),
    "memorisation.longest_ngram": Measure(
        "longest n-gram shared with a training trial",
        "Number of words in the longest n-gram that any record shares with one; lower is better.",
    ),
    "memorisation.shown_25": Measure(
        "records that share 25 words in a row with what they were shown",
        "Share of records that copy from their own prompt; lower is better.",
    ),
    "memorisation.unseen_25": Measure(
        "records that share 25 words in a row with an unseen trial only",
        "Boilerplate, or what the language model remembers; lower is better, down to the share of real "
        "trials.",
    ),
    "memorisation.real_unseen_25": Measure(
        "unseen real trials that share 25 words in a row with another unseen one only",
        "Boilerplate only; the measure of records is best if equal to this.",
    ),
    "privacy.copies": Measure(
        "near-copies of training trials, minus those among unseen trials",
        "Share of records, minus that of real trials; lower is better, 0 is the level of real trials.",
    ),
    "privacy.closer": Measure(
        "records closer to a training trial than 95% of unseen trials are",
        "Share of records; best if equal to that of unseen real trials, 0.05.",
    ),
    "privacy.distance_ratio": Measure(
        "nearest over second-nearest distance, minus that of unseen trials",
        "Below 0, records resemble one training trial more than any other; best if equal to that of real "
        "trials, 0.",
    ),
    "privacy.skeleton_distance": Measure(
        "median distance from a record's design to the nearest training trial's",
        "Over all structured fields; 0 is the same design; best if equal to that of unseen real trials.",
    ),
    "privacy.real_skeleton_distance": Measure(
        "median distance from an unseen real trial's design to the nearest training trial's",
        "What designs have in common anyway; the measure of records is best if equal to this.",
    ),
    "privacy.skeleton_equal": Measure(
        "records with the whole design of one training trial",
        "Share of records; best if equal to that of unseen real trials.",
    ),
    "privacy.real_skeleton_equal": Measure(
        "unseen real trials with the whole design of a training trial",
        "What designs have in common anyway; the measure of records is best if equal to this.",
    ),
    "privacy.rare_words": Measure(
        "records that repeat a rare word of an exemplar",
        "Share of records that could reveal a trial, because no other training trial has that word; lower is "
        "better.",
    ),
    "privacy.canaries": Measure(
        "planted canaries that a record repeats from its prompt",
        "Share of the made-up words that a test plants in real trials; lower is better.",
    ),
    "membership.gain": Measure(
        "guessing which trials were shown, ROC-AUC minus that from the target alone",
        "How much records reveal about their exemplars; lower is better, 0 reveals nothing.",
    ),
    "membership.control_gain": Measure(
        "the same for exemplars drawn at random",
        "The attack where no search was used; lower is better, 0 reveals nothing.",
    ),
    "membership.train_auc": Measure(
        "guessing which trials were in training, ROC-AUC",
        "How well records distinguish training trials from similar unseen ones; lower is better, 0.5 is "
        "best.",
    ),
    "membership.train_tpr": Measure(
        "training trials found at a false alarm rate of at most 1%",
        "Share of training trials that the attack identifies; lower is better, 0.01 is best.",
    ),
    "leakage.test_gap": Measure(
        "13 words in a row shared with a test trial, minus those shared with as many training trials",
        "Above 0, the generator knows test trials; lower is better, 0 or less is right.",
    ),
    "leakage.test_known": Measure(
        "part of that difference that is significant and exceeds that of validation trials",
        "Above 0, the generator knows test trials; lower is better, 0 is right.",
    ),
    "leakage.title_gap": Measure(
        "label predicted from titles, ROC-AUC minus that of real trials",
        "How much more the titles of records reveal the label; lower is better, 0 is best.",
    ),
    "leakage.form_gap": Measure(
        "label predicted from filled fields and lengths, ROC-AUC minus that of real trials",
        "How much more the form of records reveals the label; lower is better, 0 is best.",
    ),
    "leakage.style_gap": Measure(
        "label predicted from writing style, ROC-AUC minus that of real trials",
        "How much more the style of records reveals the label; lower is better, 0 is best.",
    ),
    "leakage.words_gap": Measure(
        "label predicted from words, ROC-AUC minus that of real trials",
        "How much more the words of records reveal the label; lower is better, 0 is best.",
    ),
    "leakage.words_auc": Measure(
        "label predicted from words of records, ROC-AUC",
        "How well a classifier trained on other records predicts the label; best if equal to that of real "
        "trials.",
    ),
    "leakage.real_words_auc": Measure(
        "label predicted from words of real trials, ROC-AUC",
        "How well words predict the label anyway; the measure of records is best if equal to this.",
    ),
    "leakage.gaps_flagged": Measure(
        "of title, form, style and words, how many reveal the label by a single feature",
        "Number of views with such a feature; lower is better, 0 is best.",
    ),
    "leakage.gaps_above": Measure(
        "of the four gaps, how many lie above the bound with their whole interval",
        "Number of views that reveal significantly more than allowed; lower is better, 0 is best.",
    ),
    "leakage.tells": Measure(
        "single features that reveal the label significantly more than in real trials",
        "Words, marks, lengths, orders or values, at 1% for all of them together; lower is better, 0 is "
        "best.",
    ),
    "leakage.outcome_told": Measure(
        "records with a sentence that reveals an outcome",
        "Share of records, by the rules that clean real trials; lower is better, 0 is best.",
    ),
    "leakage.held_out_ids": Measure(
        "ids of validation and test trials found",
        "Number of ids in records, exemplars or reasons; lower is better, 0 is best.",
    ),
}
