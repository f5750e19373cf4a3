"""`python -m trialforge` is the command line."""

from __future__ import annotations

from trialforge.app.cli import main

if __name__ == "__main__":
    main()
