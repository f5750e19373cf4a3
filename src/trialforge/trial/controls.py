"""What an intervention is compared with: names that say nothing of what a trial tests."""

from __future__ import annotations

# Such names are normalised like any other, but tie no trials together (in splits as in clustered statistics)
# and are never generated for.
CONTROLS = frozenset(
    {"placebo", "standard of care", "best supportive care", "no intervention", "observation", "sham"}
)
