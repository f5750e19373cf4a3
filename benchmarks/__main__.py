"""`python -m benchmarks [NAME ...]` runs the named benchmarks, or all of them.

Each module of this folder has a `main()` that prints its figures beside a named baseline of the same run.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> int:
    """Run the benchmarks of the given names; return 2 if one does not exist."""
    known = sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name[0] != "_")
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        print(f"\n# {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
