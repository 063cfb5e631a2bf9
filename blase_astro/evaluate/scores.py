"""Scores of estimates with intervals against known labels: Winkler, CRPS, PIT, classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..targets import CLASS_EDGES

if TYPE_CHECKING:
    from .._types import Any, ArrayLike, Callable

__all__ = [
    "cdf_of_interval",
    "confusion",
    "crps",
    "ks_distance",
    "normal_cdf",
    "normal_interval",
    "q_value",
    "randomised_pit",
    "winkler_score",
]


def winkler_score(
    label: ArrayLike, lo: ArrayLike, hi: ArrayLike, level: float = 0.95
) -> np.ndarray:
    r"""Winkler score of intervals: the width, and a penalty for each miss by its size.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values.
    lo, hi : array_like, shape (n,)
        Ends of the intervals.
    level : float
        Probability of the intervals.

    Returns
    -------
    score : ndarray of float64, shape (n,)
        Score in the unit of the label; smaller is better.

    Notes
    -----
    With :math:`\alpha` = 1 - level,

    .. math:: S = (hi - lo) + \frac{2}{\alpha} \max(lo - y, 0) + \frac{2}{\alpha} \max(y - hi, 0) ,

    Gneiting, T. & Raftery, A. E. 2007, Journal of the American Statistical Association 102, 359,
    eq. 43. It is proper: on average nothing beats the intervals of the true distribution.

    Examples
    --------
    >>> from blase_astro.evaluate import winkler_score
    >>> winkler_score([14.0, 14.0], [13.5, 14.1], [14.5, 14.5])
    array([1. , 4.4])
    """
    label, lo, hi = (np.asarray(a, float) for a in (label, lo, hi))
    miss = np.maximum(lo - label, 0) + np.maximum(label - hi, 0)
    return hi - lo + 2 / (1 - level) * miss


def crps(label: ArrayLike, interval: Callable[..., Any], n_levels: int = 200) -> np.ndarray:
    r"""Continuous ranked probability score of distributions given by their central intervals.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values.
    interval : callable
        ``interval(level)`` gives ``lo, hi``, each of shape (n,), of the central interval.
    n_levels : int
        Number of levels that the integral is made of.

    Returns
    -------
    score : ndarray of float64, shape (n,)
        Score in the unit of the label; smaller is better.

    Notes
    -----
    The integral of the quantile score over all quantiles, taken two at a time as central
    intervals with Winkler score :math:`S_\alpha`:

    .. math:: \mathrm{CRPS} = \int (F(x) - 1(x \ge y))^2 \, dx
              = \int_0^1 \frac{\alpha}{2} S_\alpha \, d\alpha ,

    Gneiting & Raftery 2007, eq. 20, and Bracher, J., et al. 2021, PLoS Computational Biology 17,
    e1008618, eq. 3.

    Examples
    --------
    >>> from blase_astro.evaluate import crps, normal_interval
    >>> crps([14.0], lambda level: normal_interval([14.0], [0.3], level)).round(4)
    array([0.0701])
    """
    levels = (np.arange(n_levels) + 0.5) / n_levels
    total = np.zeros(np.shape(label))
    for level in levels:
        lo, hi = interval(level)
        total += (1 - level) / 2 * winkler_score(label, lo, hi, level)
    return total / n_levels


def normal_interval(
    mean: ArrayLike, std: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the normal distribution, for estimates that give no other.

    Parameters
    ----------
    mean, std : array_like, shape (n,)
        Mean and standard deviation.
    level : float
        Probability of the interval.

    Returns
    -------
    lo, hi : ndarray of float64, shape (n,)
        Ends of the interval.

    Examples
    --------
    >>> from blase_astro.evaluate import normal_interval
    >>> lo, hi = normal_interval([14.0], [0.3], level=0.95)
    >>> print(lo.round(2), hi.round(2))
    [13.41] [14.59]
    """
    from scipy.special import ndtri

    half = ndtri((1 + level) / 2) * np.asarray(std, float)
    return mean - half, mean + half


def normal_cdf(value: ArrayLike, mean: ArrayLike, std: ArrayLike) -> np.ndarray:
    """Cumulative normal distribution, for estimates that give no other.

    Parameters
    ----------
    value : array_like, shape (n,)
        Where to take it.
    mean, std : array_like, shape (n,)
        Mean and standard deviation.

    Returns
    -------
    probability : ndarray of float64, shape (n,)
        Probability below ``value``.

    Examples
    --------
    >>> from blase_astro.evaluate import normal_cdf
    >>> normal_cdf([14.0, 14.3], 14.0, 0.3).round(2)
    array([0.5 , 0.84])
    """
    from scipy.special import ndtr

    return ndtr((np.asarray(value, float) - mean) / std)


def cdf_of_interval(
    value: ArrayLike, estimate: ArrayLike, lo: ArrayLike, hi: ArrayLike, level: float = 0.95
) -> np.ndarray:
    """Cumulative normal distribution with given intervals, for estimates that give no other.

    Parameters
    ----------
    value, estimate : array_like, shape (n,)
        Where to take it, and the estimates.
    lo, hi : array_like, shape (n,)
        Ends of the intervals; the standard deviation may differ on both sides of the estimate.
    level : float
        Probability of the intervals.

    Returns
    -------
    probability : ndarray of float64, shape (n,)
        Probability below ``value``.

    Examples
    --------
    >>> from blase_astro.evaluate import cdf_of_interval
    >>> cdf_of_interval([14.0, 14.5], [14.0, 14.0], [13.6, 13.6], [14.5, 14.5]).round(3)
    array([0.5  , 0.975])
    """
    value, estimate, lo, hi = (np.asarray(a, float) for a in (value, estimate, lo, hi))
    half = np.where(value < estimate, estimate - lo, hi - estimate)
    return normal_cdf(value, estimate, half / normal_interval(0.0, 1.0, level)[1])


def randomised_pit(
    cdf: Callable[..., Any], label: ArrayLike, rounding: ArrayLike = 0.0, seed: int = 0
) -> np.ndarray:
    """Probability integral transform of labels that were rounded.

    Parameters
    ----------
    cdf : callable
        ``cdf(value)`` gives the cumulative distributions at values of shape (n,).
    label : array_like, shape (n,)
        Known values.
    rounding : float or array_like, shape (n,)
        Step that the labels were rounded to (dex), 0 for none.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pit : ndarray of float64, shape (n,)
        A random place between the distribution at the lower and at the upper end of what the
        label was rounded from: uniform if the distributions are right.

    Notes
    -----
    Czado, C., Gneiting, T., Held, L. 2009, Biometrics 65, 1254, section 2.1, there for counts.

    Examples
    --------
    >>> from blase_astro.evaluate import normal_cdf, randomised_pit
    >>> pit = randomised_pit(lambda value: normal_cdf(value, 14.0, 0.2), [14.0, 13.5], 0.1)
    >>> bool(0.4 < pit[0] < 0.6 and pit[1] < 0.02)
    True
    """
    label = np.asarray(label, float)
    half = np.asarray(rounding, float) / 2
    below, above = cdf(label - half), cdf(label + half)
    return below + np.random.default_rng(seed).random(label.shape) * (above - below)


def ks_distance(pit: ArrayLike) -> float:
    """Kolmogorov-Smirnov distance of values from the uniform distribution on 0 to 1.

    Parameters
    ----------
    pit : array_like, shape (n,)
        Probability integral transforms.

    Returns
    -------
    distance : float
        Largest distance of the two cumulative distributions, NaN for no value.

    Examples
    --------
    >>> from blase_astro.evaluate import ks_distance
    >>> ks_distance([0.25, 0.75])
    0.25
    """
    from scipy.stats import kstest

    return float(kstest(pit, "uniform", method="asymp").statistic) if len(pit) else math.nan


def confusion(label: ArrayLike, estimate: ArrayLike) -> np.ndarray:
    """How often sources of each class are given each class.

    Parameters
    ----------
    label, estimate : array_like, shape (n,)
        Known and estimated log10 of the peak frequency (Hz).

    Returns
    -------
    count : ndarray of int64, shape (3, 3)
        Number of sources with the class of the row (known) and of the column (estimated), in the
        order LSP, ISP, HSP; sources without label or estimate are left out.

    Examples
    --------
    >>> from blase_astro.evaluate import confusion
    >>> confusion([13.0, 14.5, 16.0], [13.1, 13.9, 16.2])
    array([[1, 0, 0],
           [1, 0, 0],
           [0, 0, 1]])
    """
    label, estimate = np.asarray(label, float), np.asarray(estimate, float)
    good = np.isfinite(label) & np.isfinite(estimate)
    count = np.zeros((3, 3), np.int64)
    known, estimated = (
        np.digitize(label[good], CLASS_EDGES),
        np.digitize(estimate[good], CLASS_EDGES),
    )
    np.add.at(count, (known, estimated), 1)
    return count


def q_value(p_value: ArrayLike) -> np.ndarray:
    r"""Share of false discoveries if everything at least as unlikely is called a discovery.

    Parameters
    ----------
    p_value : array_like, shape (n,)
        Probability of something as unlikely by chance, NaN where there is none.

    Returns
    -------
    q_value : ndarray of float64, shape (n,)
        Taking all with ``q_value <= q`` holds the expected share of false discoveries at or below
        q; NaN where the p-value is.

    Notes
    -----
    The step-up procedure of Benjamini, Y. & Hochberg, Y. 1995, Journal of the Royal Statistical
    Society B 57, 289: for sorted p-values, :math:`q_{(i)} = \min_{j \ge i} p_{(j)} n / j`.

    Examples
    --------
    >>> from blase_astro.evaluate import q_value
    >>> q_value([0.01, 0.5, 0.04, 0.9])
    array([0.04      , 0.66666667, 0.08      , 0.9       ])
    """
    from scipy.stats import false_discovery_control

    p_value = np.asarray(p_value, float)
    known = np.isfinite(p_value)
    q = np.full(p_value.shape, np.nan)
    if known.any():
        q[known] = false_discovery_control(p_value[known])
    return q
