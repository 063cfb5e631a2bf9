"""Tables of scores: of all sources, and of groups of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..targets import SED_CLASSES, sed_class
from .scores import cdf_of_interval, ks_distance, normal_cdf, normal_interval, winkler_score

if TYPE_CHECKING:
    from .._types import ArrayLike, Mapping, Sequence, Table

__all__ = ["LEVELS", "class_groups", "evaluate", "evaluate_groups", "n_bins_groups"]

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
    "bias_median": "median of estimate minus label (dex)",
    "outliers": "share of sources with an absolute error beyond 1 dex",
    "width_median": "median width of the interval (dex)",
    "width_25": "25-percent quantile of the width of the interval (dex)",
    "width_75": "75-percent quantile of the width of the interval (dex)",
    "winkler": "mean Winkler (interval) score (dex)",
    "crps": "mean continuous ranked probability score (dex)",
    "pit_ks": "Kolmogorov-Smirnov distance of the PIT from uniform",
}


def evaluate(
    label: ArrayLike,
    estimate: ArrayLike,
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
    estimate : array_like, shape (n,)
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
        One row: number of sources, absolute error, RMS, bias (mean and median), outliers, width,
        coverage at 50, 68, 90, 95 and 99 percent, Winkler score at ``level``, CRPS and PIT; every
        column has a description. Sources without label or estimate (NaN) are counted and left out.

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

    label, estimate, lo, hi = (np.asarray(a, float) for a in (label, estimate, lo, hi))
    if cdf is None:
        cdf = cdf_of_interval(label, estimate, lo, hi, level)
    if crps is None:
        crps = _crps_of_interval(label, estimate, lo, hi, level)
    pit = cdf if pit is None else pit
    good = np.isfinite(label) & np.isfinite(estimate)
    label, estimate, lo, hi = label[good], estimate[good], lo[good], hi[good]
    cdf, pit, crps = (np.asarray(a, float)[good] for a in (cdf, pit, crps))
    row: dict[str, float] = {"n": len(label), "n_missing": int((~good).sum())}
    row |= _error_scores(estimate - label) | _interval_scores(label, lo, hi, level, cdf)
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
        "bias_median": _quartiles(error)[1],
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


def _crps_of_interval(label, estimate, lo, hi, level):
    """CRPS of the normal distribution: Gneiting & Raftery 2007, eq. 21."""
    std = (hi - lo) / 2 / normal_interval(0.0, 1.0, level)[1]
    z = (label - estimate) / std
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
    estimate: ArrayLike,
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
    label, estimate, lo, hi, level, cdf, pit, crps
        See `evaluate`.

    Returns
    -------
    scores : `~astropy.table.Table`
        One row for all sources and one for each group, named in the column ``sources``.

    Examples
    --------
    >>> from blase_astro.evaluate import class_groups, evaluate_groups
    >>> label, estimate = [13.2, 16.5], [13.0, 16.6]
    >>> scores = evaluate_groups(class_groups(label), label, estimate, [12.5, 16.0], [13.5, 17.2])
    >>> print(scores['sources', 'n', 'bias'])
    sources  n   bias
    ------- --- ------
        all   2 -0.050
        LSP   1 -0.200
        ISP   0    nan
        HSP   1  0.100
    """
    from astropy.table import vstack

    columns = {"label": label, "estimate": estimate, "lo": lo, "hi": hi}
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
