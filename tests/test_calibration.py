"""Calibration: distributions whose intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from blase_astro.calibration import Calibration, calibrate_out_of_bag, fit_calibration
from blase_astro.distribution import ONE_SIGMA, Distribution

LEVELS = (0.5, ONE_SIGMA, 0.9, 0.95, 0.99)

pits = hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 1))
levels = st.floats(0.001, 0.9999)


def normal(mean, std):
    """Normal distributions on a fine grid."""
    return Distribution.normal(mean, std, step=0.02, reach=8)


def _sources(n, seed, scale=lambda n_bins: np.ones(len(n_bins))):
    """Labels, estimates and numbers of filled bins, the errors wider than said by ``scale``."""
    rng = np.random.default_rng(seed)
    n_bins = rng.integers(5, 27, n)
    std = rng.uniform(0.1, 0.6, n)
    mean = rng.uniform(12, 18, n)
    return mean + rng.standard_t(5, n) * std * scale(n_bins), mean, std, n_bins


def _fit(label, mean, std, n_bins):
    """Calibration of normal distributions."""
    return fit_calibration(norm.cdf(label, mean, std), n_bins)


def _two_scales(n_bins):
    """Errors of sparse SEDs 1.5 times as wide as said, those of rich ones half as wide."""
    return np.where(n_bins < 12, 1.5, 0.5)


@pytest.mark.parametrize("level", LEVELS)
def test_covers_unseen_sources(level):
    """Sources not calibrated on are covered as asked, at every level and in every group."""
    calibration = _fit(*_sources(4000, 0, _two_scales))
    label, mean, std, n_bins = _sources(20_000, 1, _two_scales)
    calibrated = calibration.apply(normal(mean, std), n_bins)
    inside = np.abs(2 * calibrated.cdf(label) - 1) <= level
    lo, hi = calibrated.interval(level)
    assert_allclose(((lo <= label) & (label <= hi)).mean(), inside.mean(), atol=1e-3)
    assert_allclose(inside.mean(), level, atol=0.012)
    for group in range(len(calibration.size)):
        rows = calibration.group(n_bins) == group
        # four standard deviations of the Beta distribution of the coverage, and the binomial one
        error = np.sqrt(level * (1 - level) * (1 / calibration.size[group] + 1 / rows.sum()))
        assert_allclose(inside[rows].mean(), level, atol=4 * error)


def test_one_sigma_is_68_percent():
    """The calibrated standard deviation holds 68.27 percent: all readings tell the same."""
    calibration = _fit(*_sources(4000, 0, _two_scales))
    label, mean, std, n_bins = _sources(20_000, 2, _two_scales)
    calibrated = calibration.apply(normal(mean, std), n_bins)
    assert_allclose((np.abs(label - mean) <= calibrated.std()).mean(), ONE_SIGMA, atol=0.015)
    assert_allclose(calibrated.median(), mean, atol=1e-6)


def test_exact_finite_sample_coverage():
    """Averaged over many small calibration sets the coverage is the level, not only for large n."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(4000):
        pit = rng.random(20)  # 19 to calibrate on, and the new one
        calibration = fit_calibration(pit[:19], 20)
        edge = np.interp(0.9, np.arange(21) / 20, np.r_[0, calibration.score, 1])
        inside += abs(2 * pit[19] - 1) <= edge
    assert_allclose(inside / 4000, 0.9, atol=4 * np.sqrt(0.09 / 4000))


def test_groups_from_the_data():
    """Groups begin at 9, 12 and 19 filled bins."""
    n_bins = np.repeat([4, 8, 9, 11, 12, 18, 19, 26], 40)
    calibration = fit_calibration(np.full(320, 0.3), n_bins)
    assert_array_equal(calibration.lowest_n_bins, [4, 9, 12, 19])
    assert_array_equal(calibration.size, [80, 80, 80, 80])
    assert_array_equal(
        calibration.group([1, 4, 8, 9, 11, 12, 18, 19, 30]), [0, 0, 0, 1, 1, 2, 2, 3, 3]
    )


@pytest.mark.parametrize(("n_rich", "groups"), [(59, 1), (60, 2)])
def test_a_group_needs_enough_members(n_rich, groups):
    """Sixty rich SEDs are a group of their own, one fewer are not."""
    n_bins = np.repeat([5, 20], [400, n_rich])
    assert len(fit_calibration(np.full(len(n_bins), 0.3), n_bins).size) == groups


def test_few_sources_make_one_group():
    """With fewer sources than a group wants there is one group of all of them."""
    calibration = fit_calibration([0.1, 0.3, 0.8], [5, 9, 20])
    assert_array_equal(calibration.size, [3])
    lo, hi = calibration.apply(normal([0.0], [1.0]), [9]).interval(0.75)
    assert_allclose([lo[0], hi[0]], norm.ppf([0.1, 0.9]), atol=2e-3)


@settings(derandomize=True, max_examples=50)
@given(pit=pits, first=levels, second=levels)
def test_intervals_nest(pit, first, second):
    """A higher level never gives a narrower interval; the distribution stays one."""
    calibrated = fit_calibration(pit, 20).apply(normal([14.0, np.nan], [0.5, 0.5]), 20)
    low, high = sorted((first, second))
    assert calibrated.interval(high)[1][0] >= calibrated.interval(low)[1][0] - 1e-9
    assert_allclose(calibrated.probability[0].sum(), 1)
    assert calibrated.probability[0].min() >= 0
    assert_allclose(calibrated.median()[0], 14, atol=1e-6)
    assert not calibrated.known[1]


def test_symmetric_stays_symmetric():
    """What is as far below the median as above is mapped alike."""
    pit = np.random.default_rng(3).random(500) ** 2
    cdf = fit_calibration(pit, 20).apply(normal([0.0], [1.0]), 20).cumulative()[0]
    assert_allclose(cdf, 1 - cdf[::-1], atol=1e-9)


def test_out_of_bag_calibration():
    """No source is in the calibration that it is tested with."""
    label, mean, std, n_bins = _sources(1000, 11)
    bag, pit, seen = np.arange(1000) % 5, norm.cdf(label, mean, std), []
    for rows, calibration in calibrate_out_of_bag(bag, pit, n_bins):
        seen.extend(rows)
        others = np.setdiff1d(np.arange(1000), rows)
        assert len(others) == 800
        assert_array_equal(calibration.score, fit_calibration(pit[others], n_bins[others]).score)
    assert_array_equal(np.sort(seen), np.arange(1000))


def test_arrays_and_back(tmp_path):
    """A calibration survives a file of plain arrays."""
    calibration = _fit(*_sources(500, 4))
    np.savez(tmp_path / "c.npz", **calibration.to_arrays())
    with np.load(tmp_path / "c.npz") as arrays:
        again = Calibration.from_arrays(arrays)
    _, mean, std, n_bins = _sources(100, 5)
    some = normal(mean, std)
    assert_array_equal(
        calibration.apply(some, n_bins).probability, again.apply(some, n_bins).probability
    )


def test_wrong_input():
    """What cannot be calibrated says so."""
    with pytest.raises(ValueError, match="got none of 1"):
        fit_calibration([np.nan], [5])
    arrays = fit_calibration([0.1, 0.2, 0.3], 20).to_arrays()
    with pytest.raises(ValueError, match=r"lacks the array\(s\) size, score"):
        Calibration.from_arrays({"lowest_n_bins": [5]})
    with pytest.raises(ValueError, match="has 2 scores; wanted 3"):
        Calibration.from_arrays(arrays | {"score": np.ones(2)})


@pytest.mark.parametrize("level", LEVELS)
def test_against_crepes(level):
    """Crepes gives the same normalised Mondrian intervals (199 scores: both are exact)."""
    crepes = pytest.importorskip("crepes")
    rng = np.random.default_rng(6)
    mean, std = rng.uniform(12, 18, 398), rng.uniform(0.1, 0.6, 398)
    label, n_bins = rng.normal(mean, std), np.repeat([9, 20], 199)
    regressor = crepes.ConformalRegressor()
    regressor.fit(label - mean, sigmas=std, bins=n_bins)
    level = np.ceil(200 * level) / 200 - 1e-9  # crepes takes the next score on a rounding error
    expected = regressor.predict_int(mean, sigmas=std, bins=n_bins, confidence=level)
    calibrated = _fit(label, mean, std, n_bins).apply(normal(mean, std), n_bins)
    assert_allclose(np.transpose(calibrated.interval(level)), expected, atol=0.02)


def test_against_mapie():
    """MAPIE's split conformal regressor gives the same intervals for one group and unit std."""
    mapie = pytest.importorskip("mapie.regression")
    dummy = pytest.importorskip("sklearn.dummy")
    rng = np.random.default_rng(7)
    label, row = rng.normal(14, 1, 99), np.zeros((99, 1))
    model = dummy.DummyRegressor(strategy="constant", constant=14.0).fit(row, label)
    regressor = mapie.SplitConformalRegressor(model, confidence_level=0.9, prefit=True)
    _, expected = regressor.conformalize(row, label).predict_interval(row[:1])
    calibrated = _fit(label, 14.0, 1.0, 20).apply(normal([14.0], [1.0]), 20)
    assert_allclose(np.ravel(calibrated.interval(0.9)), expected[0, :, 0], atol=2e-3)


def test_sources_without_an_estimate_do_not_count():
    """A few NaN among the others are left out; nothing but NaN is said."""
    pit = np.array([0.1, np.nan, 0.4, 0.8])
    np.testing.assert_array_equal(
        fit_calibration(pit, [20, 5, 20, 20]).score, fit_calibration(pit[[0, 2, 3]], 20).score
    )
    with pytest.raises(ValueError, match="got none of 2"):
        fit_calibration([np.nan, np.nan], 20)
