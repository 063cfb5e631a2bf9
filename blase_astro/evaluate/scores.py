"""Scores of estimates with intervals against known labels: errors, coverage, Winkler, CRPS, PIT."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..targets import CLASS_EDGES, SED_CLASSES, sed_class

if TYPE_CHECKING:
    from .._types import Any, ArrayLike, Callable, Mapping, Sequence, Table

__all__ = [
    "LEVELS",
    "cdf_of_interval",
    "class_groups",
    "confusion",
    "crps",
    "evaluate",
    "evaluate_groups",
    "ks_distance",
    "n_bins_groups",
    "normal_cdf",
    "normal_interval",
    "q_value",
    "randomised_pit",
    "winkler_score",
]

LEVELS = (0.5, 0.68, 0.9, 0.95, 0.99)
# What the columns of `evaluate` mean; the coverages are described by `_coverage_description`.
_COLUMNS = {
    "n": "number of sources with label and estimate",
    "n_missing": "number of sources without label or estimate, left out",
    "abs_error_median": "median absolute error (dex)",
    "abs_error_25": "25-percent quantile of the absolute error (dex)",
    "abs_error_75": "75-percent quantile of the absolute error (dex)",
    "abs_error_mean": "mean absolute error (dex)",
    "rms": "root mean square error (dex)",
    "bias": "mean of estimate minus label (dex)",
    "outliers": "share of sources with an absolute error beyond 1 dex",
    "width_median": "median width of the interval (dex)",
    "width_25": "25-percent quantile of the width of the interval (dex)",
    "width_75": "75-percent quantile of the width of the interval (dex)",
    "winkler": "mean Winkler (interval) score (dex)",
    "crps": "mean continuous ranked probability score (dex)",
    "pit_ks": "Kolmogorov-Smirnov distance of the PIT from uniform",
}


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
    value: ArrayLike, mean: ArrayLike, lo: ArrayLike, hi: ArrayLike, level: float = 0.95
) -> np.ndarray:
    """Cumulative normal distribution with given intervals, for estimates that give no other.

    Parameters
    ----------
    value, mean : array_like, shape (n,)
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
    value, mean, lo, hi = (np.asarray(a, float) for a in (value, mean, lo, hi))
    half = np.where(value < mean, mean - lo, hi - mean)
    return normal_cdf(value, mean, half / normal_interval(0.0, 1.0, level)[1])


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


def confusion(label: ArrayLike, mean: ArrayLike) -> np.ndarray:
    """How often sources of each class are given each class.

    Parameters
    ----------
    label, mean : array_like, shape (n,)
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
    label, mean = np.asarray(label, float), np.asarray(mean, float)
    good = np.isfinite(label) & np.isfinite(mean)
    count = np.zeros((3, 3), np.int64)
    known, estimated = np.digitize(label[good], CLASS_EDGES), np.digitize(mean[good], CLASS_EDGES)
    np.add.at(count, (known, estimated), 1)
    return count


def evaluate(
    label: ArrayLike,
    mean: ArrayLike,
    lo: ArrayLike,
    hi: ArrayLike,
    *,
    level: float = 0.95,
    cdf: ArrayLike | None = None,
    pit: ArrayLike | None = None,
    crps: ArrayLike | None = None,
) -> Table:
    """Score estimates with intervals against known labels.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values (dex).
    mean : array_like, shape (n,)
        Estimates (dex).
    lo, hi : array_like, shape (n,)
        Ends of their intervals (dex).
    level : float
        Probability of the intervals.
    cdf : array_like, shape (n,), optional
        Predictive distribution of each source at its label, for the coverage at other levels. By
        default that of the normal distribution with the same interval.
    pit : array_like, shape (n,), optional
        Probability integral transform, from `randomised_pit`; ``cdf`` by default.
    crps : array_like, shape (n,), optional
        Continuous ranked probability score of each source, from `crps`; that of the normal
        distribution with the same interval by default.

    Returns
    -------
    scores : `~astropy.table.Table`
        One row: number of sources, absolute error, RMS, bias, outliers, width, coverage at 50, 68,
        90, 95 and 99 percent, Winkler score at ``level``, CRPS and PIT; every column has a
        description. Sources without label or estimate (NaN) are counted and left out.

    Notes
    -----
    The coverage at a level p is the share of sources whose label lies in the central interval of
    that level, where ``|2 cdf - 1| <= p``; its error is that of the binomial distribution,
    ``sqrt(p (1 - p) / n)``, what chance does to the share if the level is right.

    Examples
    --------
    >>> from blase_astro.evaluate import evaluate
    >>> scores = evaluate([13.2, 14.5], [13.0, 14.6], [12.5, 14.0], [13.5, 15.2])
    >>> print(scores['n', 'abs_error_median', 'bias', 'width_median', 'coverage_95'])
     n  abs_error_median  bias  width_median coverage_95
    --- ---------------- ------ ------------ -----------
      2            0.150 -0.050        1.100       1.000
    """
    from astropy.table import Table

    label, mean, lo, hi = (np.asarray(a, float) for a in (label, mean, lo, hi))
    if cdf is None:
        cdf = cdf_of_interval(label, mean, lo, hi, level)
    if crps is None:
        crps = _crps_of_interval(label, mean, lo, hi, level)
    pit = cdf if pit is None else pit
    good = np.isfinite(label) & np.isfinite(mean)
    label, mean, lo, hi = label[good], mean[good], lo[good], hi[good]
    cdf, pit, crps = (np.asarray(a, float)[good] for a in (cdf, pit, crps))
    row: dict[str, float] = {"n": len(label), "n_missing": int((~good).sum())}
    row |= _error_scores(mean - label) | _interval_scores(label, lo, hi, level, cdf)
    row |= {"crps": _mean(crps), "pit_ks": ks_distance(pit)}
    scores = Table([row])
    for name in scores.colnames:
        scores[name].info.description = _COLUMNS.get(name) or _coverage_description(name)
        if scores[name].dtype.kind == "f":
            scores[name].info.format = ".3f"
    scores.meta["level"] = level
    return scores


def _error_scores(error):
    """What depends on the estimates alone."""
    size = np.abs(error)
    quarter, median, three_quarters = _quartiles(size)
    return {
        "abs_error_median": median,
        "abs_error_25": quarter,
        "abs_error_75": three_quarters,
        "abs_error_mean": _mean(size),
        "rms": math.sqrt(_mean(error**2)),
        "bias": _mean(error),
        "outliers": _mean(size > 1),
    }


def _interval_scores(label, lo, hi, level, cdf):
    """What depends on the intervals."""
    quarter, median, three_quarters = _quartiles(hi - lo)
    row = {"width_median": median, "width_25": quarter, "width_75": three_quarters}
    central = np.abs(2 * cdf - 1)
    for p in LEVELS:
        # At the level of the intervals these decide, to the last digit.
        inside = (lo <= label) & (label <= hi) if p == level else central <= p
        name = f"coverage_{100 * p:.0f}"
        row[name] = _mean(inside)
        row[f"{name}_err"] = math.sqrt(p * (1 - p) / len(label)) if len(label) else math.nan
    return row | {"winkler": _mean(winkler_score(label, lo, hi, level))}


def _mean(values):
    return float(np.mean(values)) if len(values) else math.nan


def _quartiles(values):
    return np.percentile(values, [25, 50, 75]).tolist() if len(values) else [math.nan] * 3


def _coverage_description(name):
    percent = name.split("_")[1]
    if name.endswith("_err"):
        return f"binomial error of coverage_{percent}"
    return f"share of labels in the central {percent}-percent interval"


def _crps_of_interval(label, mean, lo, hi, level):
    """CRPS of the normal distribution: Gneiting & Raftery 2007, eq. 21."""
    std = (hi - lo) / 2 / normal_interval(0.0, 1.0, level)[1]
    z = (label - mean) / std
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return std * (z * (2 * normal_cdf(z, 0, 1) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def class_groups(log_nu_peak: ArrayLike) -> dict[str, np.ndarray]:
    """Sources of each class, for `evaluate_groups`.

    Parameters
    ----------
    log_nu_peak : array_like, shape (n,)
        Known log10 of the peak frequency (Hz).

    Returns
    -------
    groups : dict of str to ndarray of bool, shape (n,)
        The sources of each class.

    Examples
    --------
    >>> from blase_astro.evaluate import class_groups
    >>> class_groups([13.0, 16.0])['HSP']
    array([False,  True])
    """
    names = sed_class(log_nu_peak)
    return {name: names == name for name in SED_CLASSES}


def n_bins_groups(
    n_bins: ArrayLike, edges: Sequence[int] = (0, 6, 9, 12, 16, 20)
) -> dict[str, np.ndarray]:
    """Sources by number of filled bins, for `evaluate_groups`.

    Parameters
    ----------
    n_bins : array_like of int, shape (n,)
        Number of filled bins of each SED.
    edges : sequence of int
        Smallest number of each group; the last has no end.

    Returns
    -------
    groups : dict of str to ndarray of bool, shape (n,)
        The sources of each group that has any.

    Examples
    --------
    >>> from blase_astro.evaluate import n_bins_groups
    >>> list(n_bins_groups([7, 8, 25]))
    ['6-8 bins', '20+ bins']
    """
    n_bins = np.asarray(n_bins)
    groups = {}
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        rows = (n_bins >= low) & (True if high is None else n_bins < high)
        if rows.any():
            groups[f"{low}+ bins" if high is None else f"{low}-{high - 1} bins"] = rows
    return groups


def evaluate_groups(
    groups: Mapping[str, ArrayLike],
    label: ArrayLike,
    mean: ArrayLike,
    lo: ArrayLike,
    hi: ArrayLike,
    *,
    level: float = 0.95,
    cdf: ArrayLike | None = None,
    pit: ArrayLike | None = None,
    crps: ArrayLike | None = None,
) -> Table:
    """Score all sources and each group of them.

    Parameters
    ----------
    groups : dict of str to array_like of bool, shape (n,)
        Name and sources of each group, as from `class_groups` and `n_bins_groups`.
    label, mean, lo, hi, level, cdf, pit, crps
        See `evaluate`.

    Returns
    -------
    scores : `~astropy.table.Table`
        One row for all sources and one for each group, named in the column ``sources``.

    Examples
    --------
    >>> from blase_astro.evaluate import class_groups, evaluate_groups
    >>> label, mean = [13.2, 16.5], [13.0, 16.6]
    >>> scores = evaluate_groups(class_groups(label), label, mean, [12.5, 16.0], [13.5, 17.2])
    >>> print(scores['sources', 'n', 'bias'])
    sources  n   bias
    ------- --- ------
        all   2 -0.050
        LSP   1 -0.200
        ISP   0    nan
        HSP   1  0.100
    """
    from astropy.table import vstack

    columns = {"label": label, "mean": mean, "lo": lo, "hi": hi}
    columns |= {"cdf": cdf, "pit": pit, "crps": crps}
    columns = {name: np.asarray(a) for name, a in columns.items() if a is not None}
    everything = {"all": np.ones(len(columns["label"]), bool)}
    tables = []
    for name, rows in {**everything, **groups}.items():
        scores = evaluate(**{key: a[rows] for key, a in columns.items()}, level=level)
        scores.add_column([name], name="sources", index=0)
        scores["sources"].info.description = "which sources the row is about"
        tables.append(scores)
    return vstack(tables)


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
