from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression

from tests.unit.study.plain_study import plain_study
from trialforge.study.exchange import Areas, Worth, compare_areas, exchange_rate, read_curve, rising
from trialforge.study.study import draw_orders

pytestmark = pytest.mark.slow

BLOCKS, POOLS, DRAWS = 24, 60, 80


def flat_areas(size: int, mean: float, seed: int, added: float = 0.0) -> Areas:
    """Areas about a mean, whatever the blocks are."""
    stream = np.random.default_rng(seed)
    members = np.zeros((POOLS, BLOCKS), dtype=np.bool_)
    for row, order in enumerate(draw_orders(BLOCKS, POOLS, 1)):
        members[row, order[:size]] = True
    values = mean + stream.normal(0, 0.01, (POOLS, 1)) + stream.normal(0, 0.004, (1, 1 + DRAWS))
    return Areas(values, members, added)


def curve_of(means: dict[int, float]) -> dict[int, Areas]:
    return {25 * size: flat_areas(size, mean, size) for size, mean in means.items()}


def rate(means: dict[int, float], augmented: float) -> Worth:
    areas = flat_areas(4, augmented, 99, added=200.0)
    return exchange_rate(curve_of(means), areas, 100, clusters=200, level=0.95)


def test_rising_is_isotonic_regression() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 9)) + 0.2 * np.arange(9)
    for row, fitted in zip(rows, rising(rows), strict=True):
        assert fitted == pytest.approx(isotonic_regression(row))


def test_the_curve_is_linear_in_the_logarithm_of_the_size() -> None:
    sizes = np.array([25.0, 100.0, 400.0])
    read = read_curve(sizes, np.array([[0.5, 0.6, 0.7]]), np.array([25.0, 50.0, 100.0, 200.0, 400.0]))
    assert read[0] == pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7])


RISING = {1: 0.55, 2: 0.60, 4: 0.65, 8: 0.70, 16: 0.75}


def test_worth_is_read_from_the_curve() -> None:
    found = rate(RISING, 0.70)  # as good as 200 real trials: 100 more for 200 synthetic ones
    assert found.value == pytest.approx(0.5, abs=0.1)
    assert found.low < found.value < found.high
    assert found.share == pytest.approx(0.05 / 0.0793, abs=0.12)


def test_worth_below_zero_is_shown() -> None:
    found = rate(RISING, 0.60)
    assert found.value == pytest.approx(-0.25, abs=0.05)
    assert found.high < 0


def test_an_interval_that_leaves_the_curve_says_so() -> None:
    above, below = rate(RISING, 0.80), rate(RISING, 0.5)
    assert above.open_high
    assert above.high == pytest.approx(1.5)
    assert below.open_low
    assert below.low == pytest.approx(-0.375)


def test_a_flat_curve_gives_a_wide_interval_and_no_share() -> None:
    found = rate(dict.fromkeys(RISING, 0.65), 0.65)
    assert found.open_low
    assert found.open_high


def test_arms_that_predict_alike_differ_by_nothing() -> None:
    areas = flat_areas(4, 0.65, 1)
    test = compare_areas(areas, areas, 100)
    assert (test.value, test.error, test.p()) == (0.0, 0.0, 1.0)


def test_no_block_is_favoured_by_the_order_of_pools() -> None:
    places = np.array(draw_orders(6, 600, 1))
    assert sorted(places[0]) == list(range(6))
    assert np.abs(np.bincount(places[:, 0], minlength=6) - 100).max() < 40


@pytest.mark.timeout(300)
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """At a small size; `python -m benchmarks worth` has the figure of the full one."""
    studies = [plain_study(number, "true", pools=32, tests=150, draws=40) for number in range(120)]
    gap = float(np.mean([test.value for _, test in studies]))
    gaps = [test.interval(0.95) for _, test in studies]
    assert 0.88 <= np.mean([low <= gap <= high for low, high in gaps]) <= 0.995
    assert np.mean([worth.low <= 1 <= worth.high for worth, _ in studies]) >= 0.88
