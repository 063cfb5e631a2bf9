"""Distributions on a grid, against scipy's normal and against integrals done another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from blase_astro.distribution import ONE_SIGMA, Distribution

GRID = np.round(np.arange(11.0, 19.0, 0.1), 10)


def random_distribution(seed=0, n=5, base=False):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(len(GRID), 0.3), n)
    return Distribution(GRID, p, rng.normal(0, 1, n) if base else None)


@pytest.fixture
def normal():
    return Distribution.normal([13.0, 14.5, np.nan], [0.2, 0.5, 0.3])


def test_normal_against_scipy(normal):
    """Quantiles, interval, standard deviation, cdf and CRPS of a normal distribution."""
    import scoringrules

    mean, std = np.array([13.0, 14.5]), np.array([0.2, 0.5])
    for p in (0.025, 0.16, 0.5, 0.9):
        assert_allclose(normal.quantile(p)[:2], norm.ppf(p, mean, std), atol=4e-3)
    assert_allclose(normal.std()[:2], std, atol=4e-3)
    assert_allclose(normal.mean()[:2], mean, atol=1e-9)
    assert_allclose(
        normal.cdf([13.1, 15.0, 14.0])[:2], norm.cdf([13.1, 15.0], mean, std), atol=3e-3
    )
    expected = scoringrules.crps_normal(np.array([13.3, 13.0]), mean, std)
    assert_allclose(normal.crps([13.3, 13.0, 1.0])[:2], expected, atol=1e-3)
    lo, hi = normal.interval(0.95, shortest=True)
    assert_allclose((hi - lo)[:2], 2 * 1.96 * std, rtol=1e-2)


def test_no_estimate_stays_none(normal):
    """NaN in, NaN out, in every reading."""
    assert not normal.known[2]
    readings = [normal.median(), normal.std(), normal.cdf(14.0), normal.crps([14.0] * 3)]
    readings += [
        normal.interval()[0],
        normal.interval(shortest=True)[1],
        normal.between([14])[:, 0],
    ]
    assert all(np.isnan(values[2]) and np.isfinite(values[:2]).all() for values in readings)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.booleans(), st.floats(0.001, 0.999))
def test_quantile_inverts_cdf(seed, base, p):
    """cdf(quantile(p)) = p wherever the distribution has mass."""
    some = random_distribution(seed, base=base)
    assert_allclose(some.cdf(some.quantile(p)), p, atol=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans(), st.floats(10, 20))
def test_crps_is_the_integral(seed, base, label):
    """The closed form against a fine sum."""
    some = random_distribution(seed, n=2, base=base)
    x = np.linspace(5, 25, 40001)
    cdf = np.stack([some.cdf(np.full(2, v)) for v in x[::20]], axis=1)
    integral = ((cdf - (x[::20] >= label)) ** 2).sum(axis=1) * (x[20] - x[0])
    assert_allclose(some.crps([label, label]), integral, atol=0.011)


def test_classes_add_up():
    """Probabilities of classes are those of the cdf, and have the sum 1."""
    some = random_distribution()
    p = some.between([14.0, 15.0])
    assert_allclose(p.sum(axis=1), 1)
    assert_allclose(p[:, 0], some.cdf(14.0))
    assert_allclose(p[:, 2], 1 - some.cdf(15.0))


def test_shortest_is_not_longer():
    """The shortest interval holds its level and is no longer than the central one."""
    some = random_distribution(3, n=20)
    lo, hi = some.interval(0.8, shortest=True)
    assert_allclose(some.cdf(hi) - some.cdf(lo), 0.8, atol=1e-9)
    central = some.interval(0.8)
    assert (hi - lo <= central[1] - central[0] + 1e-9).all()


def test_samples_follow_the_distribution():
    """Shares of samples below a value are the cdf there; the seed decides them."""
    some = random_distribution(1, n=2)
    samples = some.sample(20000, seed=4)
    assert_allclose((samples < 15).mean(axis=1), some.cdf(15.0), atol=0.015)
    assert (samples == some.sample(20000, seed=4)).all()


def test_times_is_bayes_rule():
    """A factor of a constant changes nothing, one that kills all leaves the row as it was."""
    some = random_distribution()
    assert_allclose(some.times(np.full(len(GRID), 3.0)).probability, some.probability)
    assert_allclose(some.times(np.zeros(len(GRID))).probability, some.probability)
    only = some.times((GRID > 15).astype(float))
    assert_allclose(only.cdf(15.05), 0, atol=1e-12)


def test_one_sigma():
    """The standard deviation stands for the central 68.27 percent."""
    assert pytest.approx(norm.cdf(1) - norm.cdf(-1)) == ONE_SIGMA


def test_wrong_probability():
    """A quantile beyond 0 to 1 is an error that says so."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        random_distribution().quantile(95)


def test_rows_and_base():
    """Rows keep their base; centres and quantiles move with it."""
    some = random_distribution(base=True)
    assert_allclose(some[[2]].median(), some.median()[2])
    plain = Distribution(GRID, some.probability)
    assert_allclose(some.median(), plain.median() + some.base)
    assert_allclose(some.centres()[:, 0], GRID[0] + some.base)


def test_to_qp():
    """qp's histograms have the same quantiles."""
    pytest.importorskip("qp")
    some = random_distribution()
    assert_allclose(some.to_qp().cdf(14.0).ravel(), some.cdf(14.0), atol=1e-6)
