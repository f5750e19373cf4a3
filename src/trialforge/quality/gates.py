"""Bounds of metrics: a broken one fails the pipeline, and says which, by how much, and what is worst."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trialforge.core.errors import GateError, MetricError
from trialforge.quality.params import GateParams


@dataclass(frozen=True, slots=True)
class BrokenGate:
    """A metric outside its bounds, and the distance to the nearer one; both None where it has no value."""

    name: str
    value: float | None
    bound: str
    excess: float | None

    @property
    def line(self) -> str:
        """Return its row in the table of broken gates."""
        numbers = ("-" if number is None else f"{number:.4g}" for number in (self.value, self.excess))
        value, excess = (f"{number:>10}" for number in numbers)
        return f"{self.name:<40} {value} {self.bound:<16} {excess}"


def find_broken(
    values: Mapping[str, float], gates: Mapping[str, GateParams], notes: Mapping[str, str] | None = None
) -> list[BrokenGate]:
    """Return the broken gates, by name; `notes` says why a metric has no value, which holds no bound.

    Raises:
        MetricError: a gate names a metric that there is not.
    """
    notes = notes or {}
    unknown = sorted(set(gates) - set(values) - set(notes))
    if unknown:
        raise MetricError(
            f"`quality.gates` names {', '.join(unknown)}, which is not measured",
            hint=f"choose from {', '.join(sorted(values))}",
        )
    broken = []
    for name, gate in sorted(gates.items()):
        if name not in values:
            broken.append(BrokenGate(name, None, notes[name], None))
            continue
        value = values[name]
        if gate.min is not None and value < gate.min:
            broken.append(BrokenGate(name, value, f"at least {gate.min:g}", gate.min - value))
        if gate.max is not None and value > gate.max:
            broken.append(BrokenGate(name, value, f"at most {gate.max:g}", value - gate.max))
    return broken


def check_gates(
    values: Mapping[str, float],
    gates: Mapping[str, GateParams],
    find_worst: Callable[[], Mapping[str, list[str]]],
    notes: Mapping[str, str] | None = None,
) -> None:
    """Check the gates; `find_worst` names, by metric, the records that weigh most, and is slow.

    Raises:
        GateError: one or more are broken; the message is a table of them.
    """
    broken = find_broken(values, gates, notes)
    if not broken:
        return
    worst = find_worst()
    lines = [f"{'metric':<40} {'value':>10} {'bound':<16} {'off by':>10}"]
    for gate in broken:
        lines.append(gate.line)
        lines.extend(f"    {record}" for record in worst.get(gate.name, []))
    raise GateError(
        f"{len(broken)} of {len(gates)} gates are broken\n" + "\n".join(lines),
        hint="improve the records, or change a bound of quality.gates in params.yaml and say why",
    )
