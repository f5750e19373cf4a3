"""The metrics of validate, measure and score -> the few figures that runs are compared by."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_json, write_json
from trialforge.core.stage import claim_out, run_stage
from trialforge.scoring.summary import summarise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("validation", "quality", "score"):
        parser.add_argument(name, type=Path)
    parser.add_argument("summary", type=claim_out)
    args = parser.parse_args()
    found = summarise(read_json(args.validation), read_json(args.quality), read_json(args.score))
    write_json(found, args.summary)


if __name__ == "__main__":
    run_stage(main)
