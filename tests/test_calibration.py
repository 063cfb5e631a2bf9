"""Calibration: conformal intervals that hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri

from blase_astro.calibration import Calibration, calibrate_out_of_bag, fit_calibration
from blase_astro.evaluate import q_value

LEVELS = (0.5, 0.68, 0.9, 0.95, 0.99)

scores = hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 50))
levels = st.floats(0.001, 0.9999)


def _sources(n, seed, scale=lambda n_bins: np.ones(len(n_bins))):
    """Labels, estimates and numbers of filled bins, the errors wider than said by ``scale``."""
    rng = np.random.default_rng(seed)
    n_bins = rng.integers(5, 27, n)
    std = rng.uniform(0.1, 0.6, n)
    mean = rng.uniform(12, 18, n)
    return mean + rng.standard_t(5, n) * std * scale(n_bins), mean, std, n_bins


def _two_scales(n_bins):
    """Errors of sparse SEDs three times as wide as said, those of rich ones half as wide."""
    return np.where(n_bins < 12, 3.0, 0.5)


def _of_scores(score):
    """Calibration of one group with given residuals."""
    return fit_calibration(score, np.zeros(len(score)), np.ones(len(score)), 20)


@pytest.mark.parametrize("level", LEVELS)
def test_covers_unseen_sources(level):
    """Sources not calibrated on are covered as asked, at every level and in every group."""
    calibration = fit_calibration(*_sources(4000, 0, _two_scales))
    label, mean, std, n_bins = _sources(40_000, 1, _two_scales)
    lo, hi = calibration.interval(mean, std, n_bins, level)
    inside = (lo <= label) & (label <= hi)
    assert_allclose(inside.mean(), level, atol=0.01)
    for group in range(len(calibration.size)):
        rows = calibration.group(n_bins) == group
        # four standard deviations of the Beta distribution of the coverage, and the binomial one
        error = np.sqrt(level * (1 - level) * (1 / calibration.size[group] + 1 / rows.sum()))
        assert_allclose(inside[rows].mean(), level, atol=4 * error)


def test_exact_finite_sample_coverage():
    """Averaged over many small calibration sets the coverage is the level, not only for large n."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(4000):
        residual = rng.normal(size=20)  # 19 to calibrate on, and the new one
        lo, hi = _of_scores(residual[:19]).interval([0.0], [1.0], 20, level=0.9)
        inside += lo[0] <= residual[19] <= hi[0]
    assert_allclose(inside / 4000, 0.9, atol=4 * np.sqrt(0.09 / 4000))


def test_groups_from_the_data():
    """Numbers of filled bins are joined from below, but never sparse SEDs with rich ones."""
    n_bins = np.repeat([4, 5, 8, 20, 25, 26], [50, 40, 100, 80, 30, 20])
    ones = np.ones(320)
    calibration = fit_calibration(ones, np.zeros(320), ones, n_bins, min_members=80)
    assert_array_equal(calibration.lowest_n_bins, [4, 8, 12])
    assert_array_equal(calibration.size, [90, 100, 130])
    assert_array_equal(calibration.group([1, 4, 7, 8, 19, 20, 26]), [0, 0, 0, 1, 2, 2, 2])


@pytest.mark.parametrize(("rich", "groups"), [(99, 1), (100, 2), (150, 2)])
def test_a_hundred_rich_seds_have_a_group(rich, groups):
    """Fewer go with the sparse ones: their quantiles of 99 percent would rest on a single SED."""
    n_bins = np.repeat([5, 20], [300, rich])
    ones = np.ones(len(n_bins))
    calibration = fit_calibration(ones, 0 * ones, ones, n_bins, min_members=500)
    assert len(calibration.size) == groups
    assert calibration.size.sum() == 300 + rich


def test_few_sources_make_one_group():
    """With fewer sources than a group wants there is one group of all of them."""
    calibration = fit_calibration([1.0, 2.0, 4.0], [0, 0, 0], [1, 1, 1], [5, 9, 20])
    assert_array_equal(calibration.size, [3])
    assert_allclose(calibration.interval([0], [1], [9], level=0.75), [[-4], [4]], atol=1e-5)


def test_tail_beyond_the_last_score():
    """Levels no score supports give finite intervals, wider with the level, from a normal tail."""
    calibration = _of_scores(np.arange(1.0, 10.0))
    at_last = calibration.interval([0], [1], [20], level=0.9)[1]
    widths = [calibration.interval([0], [1], [20], level=p)[1][0] for p in (0.91, 0.99, 0.999999)]
    assert_allclose(at_last, 9, atol=1e-4)
    assert np.all(np.diff([at_last[0], *widths]) > 0)
    assert np.isfinite(widths).all()
    assert_allclose(widths[1] / at_last[0], ndtri(0.995) / ndtri(0.95))


@settings(derandomize=True, deadline=None)
@given(score=scores, level=levels, mean=st.floats(-20, 20), std=st.floats(0.01, 5))
def test_interval_and_cdf_agree(score, level, mean, std):
    """The cumulative distribution at the ends of an interval is (1 -/+ level) / 2."""
    calibration = _of_scores(score)
    lo, hi = calibration.interval([mean], [std], 20, level)
    assert_allclose(calibration.cdf(lo, [mean], [std], 20), (1 - level) / 2, atol=1e-6)
    assert_allclose(calibration.cdf(hi, [mean], [std], 20), (1 + level) / 2, atol=1e-6)
    assert_allclose(calibration.cdf(mean, [mean], [std], 20), 0.5)


@settings(derandomize=True, deadline=None)
@given(score=scores, first=levels, second=levels)
def test_intervals_nest(score, first, second):
    """A higher level never gives a narrower interval."""
    calibration = _of_scores(score)
    low, high = sorted((first, second))
    assert calibration.interval([0], [1], 20, high)[1] >= calibration.interval([0], [1], 20, low)[1]


@settings(derandomize=True, deadline=None)
@given(score=scores, values=hnp.arrays(float, 30, elements=st.floats(-300, 300)))
def test_cdf_is_one(score, values):
    """The cumulative distribution rises from 0 to 1 and is symmetric."""
    calibration = _of_scores(score)
    values = np.sort(values)
    probability = calibration.cdf(values, 0, 1, 20)
    assert np.all(np.diff(probability) >= 0)
    assert np.all((probability >= 0) & (probability <= 1))
    assert_allclose(calibration.cdf(-values, 0, 1, 20), 1 - probability, atol=1e-12)


def test_p_values_of_right_labels():
    """Among right labels p-values are uniform as far as they matter."""
    rng = np.random.default_rng(8)
    label, mean, n_bins = rng.normal(14, 0.3, 2000), np.full(2000, 14.0), rng.integers(5, 27, 2000)
    p = fit_calibration(label, mean, 0.2, n_bins).p_value(label, mean, 0.2, n_bins)
    for share in (0.5, 0.1, 0.01):
        assert_allclose((p < share).mean(), share, atol=4 * np.sqrt(share / 2000))


def test_wrong_labels_are_found():
    """Of labels wrong by more than 2 dex most are found, and hardly a right one is accused."""
    label, mean, std, n_bins = _sources(2000, 9)
    rng = np.random.default_rng(10)
    wrong = rng.random(2000) < 0.05
    label[wrong] = mean[wrong] + rng.choice([-1, 1], wrong.sum()) * rng.uniform(2, 4, wrong.sum())
    p = fit_calibration(label, mean, std, n_bins).p_value(label, mean, std, n_bins)
    suspicious = q_value(p) < 0.05
    assert suspicious[wrong].mean() > 0.6
    assert suspicious[~wrong].mean() < 0.01


@settings(derandomize=True, deadline=None)
@given(score=scores)
def test_p_value_falls(score):
    """The further from the estimate, the smaller the p-value."""
    label = np.linspace(0, 100, 400)
    p = _of_scores(score).p_value(label, 0, 1, 20)
    assert p[0] == 1
    assert np.all(np.diff(p) <= 1e-12)


def test_out_of_bag_calibration():
    """No source is in the calibration that it is tested with."""
    label, mean, std, n_bins = _sources(1000, 11)
    bag = np.arange(1000) % 5
    seen = []
    for rows, calibration in calibrate_out_of_bag(bag, label, mean, std, n_bins):
        seen.extend(rows)
        others = np.setdiff1d(np.arange(1000), rows)
        expected = fit_calibration(label[others], mean[others], std[others], n_bins[others])
        assert len(others) == 800
        assert_array_equal(calibration.score, expected.score)
    assert_array_equal(np.sort(seen), np.arange(1000))


def test_nan_goes_through():
    """A source without an estimate has no interval, and is not calibrated on."""
    calibration = fit_calibration([1, 2, 3], [0, np.nan, 0], [1, np.nan, 1], [9, 0, 9])
    assert calibration.size.sum() == 2
    lo, hi = calibration.interval([np.nan, 0], [np.nan, 1], [0, 9])
    assert np.isnan(lo[0])
    assert np.isnan(hi[0])
    assert hi[1] > 0
    assert_array_equal(
        np.isnan(calibration.cdf(1.0, [np.nan, 0], [np.nan, 1], [0, 9])), [True, False]
    )


def test_arrays_and_back(tmp_path):
    """A calibration survives a file of plain arrays."""
    calibration = fit_calibration(*_sources(500, 4))
    np.savez(tmp_path / "c.npz", **calibration.to_arrays())
    with np.load(tmp_path / "c.npz") as arrays:
        again = Calibration.from_arrays(arrays)
    _, mean, std, n_bins = _sources(100, 5)
    assert_array_equal(calibration.interval(mean, std, n_bins), again.interval(mean, std, n_bins))


def test_wrong_input():
    """What cannot be calibrated or asked says so with the value."""
    with pytest.raises(ValueError, match="got none of 1"):
        fit_calibration([np.nan], [1.0], [1.0], [5])
    with pytest.raises(ValueError, match=r"std must be positive; got 0\.0"):
        fit_calibration([1.0], [1.0], [0.0], [5])
    with pytest.raises(ValueError, match=r"level must be a probability.*got 95"):
        _of_scores(np.ones(3)).interval([0], [1], 20, level=95)
    arrays = _of_scores(np.ones(3)).to_arrays()
    with pytest.raises(ValueError, match=r"lacks the array\(s\) size, score"):
        Calibration.from_arrays({"lowest_n_bins": [5]})
    with pytest.raises(ValueError, match="has 2 scores; wanted 3"):
        Calibration.from_arrays(arrays | {"score": np.ones(2)})


@pytest.mark.parametrize("level", LEVELS)
def test_against_crepes(level):
    """Crepes gives the same normalised Mondrian intervals (199 scores: both are exact)."""
    crepes = pytest.importorskip("crepes")
    label, mean, std, _ = _sources(398, 6)
    n_bins = np.repeat([9, 20], 199)
    regressor = crepes.ConformalRegressor()
    regressor.fit(label - mean, sigmas=std, bins=n_bins)
    level = np.ceil(200 * level) / 200 - 1e-9  # crepes takes the next score on a rounding error
    expected = regressor.predict_int(mean, sigmas=std, bins=n_bins, confidence=level)
    ours = fit_calibration(label, mean, std, n_bins, min_members=150)
    ours = ours.interval(mean, std, n_bins, level)
    assert_allclose(np.transpose(ours), expected, atol=1e-3)


def test_against_mapie():
    """MAPIE's split conformal regressor gives the same intervals for one group and unit std."""
    mapie = pytest.importorskip("mapie.regression")
    dummy = pytest.importorskip("sklearn.dummy")
    rng = np.random.default_rng(7)
    label, row = rng.normal(14, 1, 99), np.zeros((99, 1))
    model = dummy.DummyRegressor(strategy="constant", constant=14.0).fit(row, label)
    regressor = mapie.SplitConformalRegressor(model, confidence_level=0.9, prefit=True)
    _, expected = regressor.conformalize(row, label).predict_interval(row[:1])
    ours = fit_calibration(label, np.full(99, 14.0), np.ones(99), 20).interval([14], [1], 20, 0.9)
    assert_allclose(np.ravel(ours), expected[0, :, 0], atol=1e-4)
