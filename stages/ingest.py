"""A source of trials -> one typed, labelled table, and the records that were refused."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import polars as pl

from trialforge.core.files import write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.progress import QUIET_SECONDS, Progress
from trialforge.core.stage import claim_out, run_stage
from trialforge.ingest.factory import open_source
from trialforge.ingest.interventions import NameCollector, add_normalized, read_vocabulary
from trialforge.ingest.labels import label_trials, load_label_tables
from trialforge.ingest.metrics import describe_counts, ingest_metrics, judge_trials
from trialforge.ingest.params import IngestParams, check_raw
from trialforge.ingest.population import left_out
from trialforge.ingest.source import no_refused, prepare_batch
from trialforge.ingest.table import TableWriter
from trialforge.ingest.top import refuse_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=claim_out, required=True)
    parser.add_argument("--refused", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(IngestParams, "ingest")
    check_raw(params)
    source = open_source(params, load_seed())
    label_tables = load_label_tables(params)
    spellings = read_vocabulary(Path(params.vocabulary)) if params.vocabulary else None

    refused = [refuse_labels(params.top_path)] if "top" in params.tables else []
    people: Counter[str] = Counter()
    lacks: dict[str, str] = {}
    collector = NameCollector()
    with TableWriter(args.trials) as table:
        with Progress("trials read", None, quiet_seconds=QUIET_SECONDS) as progress:
            for batch in source.batches(prepare_batch):
                refused.append(batch.refused)
                people.update(batch.people_removed)
                lacks |= {file: ", ".join(fields) for file, fields in batch.lacks.items() if fields}
                table.add(batch.trials)
                progress.advance(batch.trials.height)
        merged = table.merge()
        others = table.leave_out(*left_out(params.population))
        for part in table.parts():
            collector.add(part)
        names = collector.normalize(spellings)
        table.finish(lambda part: add_normalized(label_trials(part, params, label_tables), names))
    set_aside = pl.concat([no_refused(), *refused, merged.older])
    write_parquet(pl.concat([set_aside, others]), args.refused)
    counts = ingest_metrics(args.trials, set_aside, others)
    judged = judge_trials(pl.scan_parquet(args.trials), names, params, label_tables)
    several = {"trials": merged.trials, "filled": dict(merged.filled)}
    read = {"people_removed": dict(people), "several_records": several, "fields_not_in_file": lacks}
    write_json(counts | judged | read | name_tables(args.trials), args.metrics)
    sys.stdout.write(describe_counts(counts, args.refused))


if __name__ == "__main__":
    run_stage(main)
