"""One table of trials -> the registration views of train, validation, test and what is held back."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_csv, write_json, write_parquet
from trialforge.core.made_from import name_plots, name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.metrics import split_metrics
from trialforge.split.params import SplitParams
from trialforge.split.presence import (
    era_fields,
    is_as_registered,
    presence_auc,
    presence_table,
    shift_metrics,
    telling_fields,
    warn_of_shift,
)
from trialforge.split.split import (
    HELD_BACK,
    PARTS,
    check_split,
    hold_back,
    split_trials,
    sum_cuts,
    view_part,
)
from trialforge.trial.controls import cluster_key
from trialforge.trial.draft_fields import DraftFields
from trialforge.trial.draft_form import as_drafts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    for name in ("split", *PARTS, HELD_BACK, "drafts", "metrics", "presence"):
        parser.add_argument(f"--{name}", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(SplitParams, "split")
    fields = load_section(DraftFields, "generation").fields
    trials = read_parquet(args.trials)

    pairs = near_duplicate_pairs(trials, params.near_duplicate)
    split = split_trials(trials, group_trials(trials["nct_id"], pairs), params, load_seed())
    check_split(trials, split, pairs, params.strategy)
    split = hold_back(split, trials, params.held_back, load_seed())

    train = trials.join(split.filter(part="train"), on="nct_id", how="semi", maintain_order="left")
    presence = presence_table(train)
    overall = presence_auc(train, train.select(cluster_key()).to_series(), load_seed())
    del train  # its texts are half of all
    telling = [] if is_as_registered(trials) else telling_fields(presence, params.max_presence_auc)

    write_parquet(split, args.split)
    cuts = []
    for part in (*PARTS, HELD_BACK):
        view, cut = view_part(trials, split, part, telling)
        cuts.append(cut)
        write_parquet(view, getattr(args, part.replace("-", "_")))
        if part == HELD_BACK:
            write_parquet(as_drafts(view, fields), args.drafts)
        del view  # or it would be in memory beside the next one
    metrics = split_metrics(trials, split, len(pairs)) | sum_cuts(cuts)
    shift = shift_metrics(trials, split)
    leakage = {"presence_auc": overall, "fields_dropped": len(telling)}
    write_csv(presence.with_columns(dropped=presence["field"].is_in(telling)), args.presence)
    told = {"leakage": leakage, "shift": shift, "one_era": era_fields(trials)}
    write_json(metrics | told | name_tables(args.train) | name_plots(args.presence), args.metrics)
    warn_of_shift(shift, metrics["dropped"]["trials"])


if __name__ == "__main__":
    run_stage(main)
