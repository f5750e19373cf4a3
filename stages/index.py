"""The train part -> the search index."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trialforge.core.files import read_parquet, write_json
from trialforge.core.params import load_section
from trialforge.core.stage import claim_out, run_stage
from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.elastic_index import serve_index
from trialforge.retrieval.params import IndexParams
from trialforge.retrieval.store import build_index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--index", type=claim_out, required=True)
    parser.add_argument("--manifest", type=claim_out, required=True)
    args = parser.parse_args()
    encoder = load_encoder(load_section(EmbeddingParams, "embedding"))
    params = load_section(IndexParams, "retrieval")
    if params.backend == "elasticsearch":
        connect(params.elasticsearch, os.environ).close()  # an unusable server is found before the embedding
    manifest = build_index(read_parquet(args.train), encoder, params, args.index)
    write_json(manifest, args.manifest)
    if params.backend == "elasticsearch":
        serve_index(args.index, manifest, params, os.environ)


if __name__ == "__main__":
    run_stage(main)
