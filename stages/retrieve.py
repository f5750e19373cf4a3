"""The plan and the index -> the exemplars of each target."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams
from trialforge.retrieval.evaluation import measure_agreement, measure_tasks, summarise_exemplars
from trialforge.retrieval.exemplars import choose_exemplars
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.tasks import make_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--blocks", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--exemplars", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, seed = load_section(RetrievalParams, "retrieval"), load_seed()
    encoder = load_encoder(load_section(EmbeddingParams, "embedding"))
    plan, train = read_parquet(args.plan), read_parquet(args.train)

    retriever = open_retriever(args.index, args.manifest, encoder, params, os.environ)
    blocks = read_parquet(args.blocks) if args.blocks else None
    exemplars = choose_exemplars(plan, blocks, retriever, params)
    tasks = make_tasks(train, encoder, params, seed)
    metrics = summarise_exemplars(plan, exemplars, params.top_k) | measure_tasks(tasks, params, seed)
    if params.backend == "elasticsearch":
        embedded = params.model_copy(update={"backend": "embedded"})
        other = open_retriever(args.index, args.manifest, encoder, embedded, os.environ)
        metrics |= measure_agreement(retriever, other, tasks["title"].texts)
    write_parquet(exemplars, args.exemplars)
    write_json(metrics | name_tables(args.train), args.metrics)


if __name__ == "__main__":
    run_stage(main)
