"""The metrics of validate, measure and score -> the few figures that runs are compared by."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_json, write_json
from trialforge.core.made_from import MADE_FROM, check_fit
from trialforge.core.stage import claim_out, run_stage
from trialforge.scoring.summary import summarise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("validation", "quality", "score"):
        parser.add_argument(name, type=Path)
    parser.add_argument("summary", type=claim_out)
    args = parser.parse_args()
    read = {path.stem: read_json(path) for path in (args.validation, args.quality, args.score)}
    check_fit(read, {"synthetic": read[args.validation.stem].get(MADE_FROM, {}).get("synthetic", "")})
    write_json(summarise(*read.values()), args.summary)


if __name__ == "__main__":
    run_stage(main)
