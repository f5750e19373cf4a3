"""A source of trials -> one typed, labelled table, and the records that were refused."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import polars as pl

from trialforge.core.files import write_json
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.ingest.counts import ingest_metrics
from trialforge.ingest.factory import open_source
from trialforge.ingest.interventions import NameCollector, add_normalized, read_vocabulary
from trialforge.ingest.judge import judge_trials
from trialforge.ingest.labels import label_trials, load_label_table
from trialforge.ingest.params import IngestParams
from trialforge.ingest.source import prepare_batch
from trialforge.ingest.table import TableWriter, write_refused
from trialforge.ingest.top import refuse_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=claim_out, required=True)
    parser.add_argument("--refused", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(IngestParams, "ingest")
    source = open_source(params, load_seed())
    label_table = load_label_table(params)
    spellings = read_vocabulary(Path(params.vocabulary)) if params.vocabulary else None

    refused = [refuse_labels(params.top_path)] if params.top_path else []
    people: Counter[str] = Counter()
    collector = NameCollector()
    with TableWriter(args.trials) as table:
        for batch in source.batches(prepare_batch):
            refused.append(batch.refused)
            people.update(batch.people_removed)
            collector.add(batch.trials)
            table.add(label_trials(batch.trials, params, label_table))
        names = collector.normalize(spellings)
        refused.append(table.finish(lambda part: add_normalized(part, names)))
    counts = ingest_metrics(args.trials, write_refused(refused, args.refused))
    judged = judge_trials(pl.scan_parquet(args.trials), names, params, label_table)
    write_json(counts | judged | {"people_removed": dict(people)}, args.metrics)


if __name__ == "__main__":
    run_stage(main)
