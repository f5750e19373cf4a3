"""The plan and the index -> the exemplars of each target."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams
from trialforge.files import read_parquet, write_json, write_parquet
from trialforge.params import load_section
from trialforge.retrieval.embedded import EmbeddedBackend
from trialforge.retrieval.exemplars import choose_exemplars
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.retriever import Retriever
from trialforge.retrieval.store import open_index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--exemplars", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    params = load_section(RetrievalParams, "retrieval")
    encoder = load_encoder(load_section(EmbeddingParams, "embedding"))
    pool, impacts = open_index(args.index, args.manifest)
    retriever = Retriever(pool, EmbeddedBackend(pool, impacts), encoder, params)
    exemplars = choose_exemplars(read_parquet(args.plan), retriever, params)
    write_parquet(exemplars, args.exemplars)
    write_json({"exemplars": exemplars.height}, args.metrics)


if __name__ == "__main__":
    main()
