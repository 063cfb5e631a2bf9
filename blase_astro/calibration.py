"""Honest intervals: split-conformal calibration on out-of-bag residuals."""

import math
from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np

from .sed import RICH_BINS

__all__ = ["Calibration", "calibrate_out_of_bag", "fit_calibration"]

# With fewer rich SEDs than this their own 95-percent quantile would be mostly noise.
_FEWEST_RICH = 100
# Least distance of two sorted scores (in units of the standard deviation): keeps the distribution
# invertible where labels are rounded and scores tie, far below anything that matters.
_LEAST_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated predictive distribution of an ensemble: plain arrays, made by `fit_calibration`.

    Attributes
    ----------
    lowest_n_bins : ndarray of int64, shape (n_groups,)
        Smallest number of filled bins of each group, rising; a group ends where the next begins,
        the last has no end and the first also takes whatever lies below it.
    size : ndarray of int64, shape (n_groups,)
        Number of calibration sources of each group.
    score : ndarray of float64, shape (sum(size),)
        Normalised absolute residuals ``|label - mean| / std`` of the groups one after the other,
        sorted and strictly rising within each.

    Notes
    -----
    Split (inductive) conformal prediction with a normalised score [1]_, within groups by the
    number of filled bins (Mondrian, [2]_). With the n sorted scores of a group,
    :math:`s_1 < ... < s_n`, the interval at a level p is ``mean -/+ Q(p) std``, where the quantile

    .. math:: Q\\left(\\frac{k}{n+1}\\right) = s_k

    is the :math:`\\lceil (n+1) p \\rceil`-th score of split conformal prediction wherever
    :math:`(n+1) p` is a whole number, and linear in between (from 0 at p = 0). For a new source
    exchangeable with the calibration sources the coverage is therefore exactly p at those levels,
    at least p in between if large scores are rarer than small ones, and never off by more than
    1 / (n + 1). Beyond the last score, p > n / (n + 1), no finite interval has the guarantee;
    there the quantile goes on as that of the normal distribution scaled to the last score,

    .. math:: Q(p) = s_n \\, \\frac{\\Phi^{-1}\\left((1 + p)/2\\right)}
              {\\Phi^{-1}\\left((1 + n/(n+1))/2\\right)} ,

    which is finite, continuous and rising. `cdf` is the symmetric distribution with these
    intervals, so its value at the ends of an interval is (1 - p) / 2 and (1 + p) / 2.

    References
    ----------
    .. [1] Lei, J., et al. 2018, Journal of the American Statistical Association 113, 1094
    .. [2] Vovk, V., Gammerman, A., Shafer, G. 2005, Algorithmic Learning in a Random World
       (Springer), section 4.5
    """

    lowest_n_bins: np.ndarray
    size: np.ndarray
    score: np.ndarray

    def interval(self, mean, std, n_bins, level=0.95):
        """Interval that holds the true value with a probability.

        Parameters
        ----------
        mean, std : array_like, shape (n,)
            Predicted mean and standard deviation (dex).
        n_bins : array_like of int, shape (n,) or scalar
            Number of filled bins of each SED.
        level : float
            Probability of the interval, between 0 and 1 (both excluded).

        Returns
        -------
        lo, hi : ndarray of float64, shape (n,)
            Ends of the interval (dex), NaN where the mean is.

        Raises
        ------
        ValueError
            If the level is no probability.

        Examples
        --------
        >>> import numpy as np
        >>> from blase_astro.calibration import fit_calibration
        >>> label = np.random.default_rng(1).normal(14.0, 0.2, 399)
        >>> calibration = fit_calibration(label, np.full(399, 14.0), np.full(399, 0.1), 20)
        >>> lo, hi = calibration.interval([13.5], [0.1], [20], level=0.68)
        >>> bool(0.3 < (hi - lo)[0] < 0.5)
        True
        """
        level = float(level)
        if not 0 < level < 1:
            raise ValueError(f"level must be a probability between 0 and 1; got {level}")
        mean, std, n_bins = _broadcast(mean, std, n_bins)
        factors = np.array([_quantile(level, score) for score in self._groups()])
        half = factors[self.group(n_bins)] * std
        return mean - half, mean + half

    def cdf(self, value, mean, std, n_bins):
        """Probability that the true value lies below a value.

        Parameters
        ----------
        value : array_like, shape (n,) or scalar
            Where to take the cumulative distribution (dex).
        mean, std : array_like, shape (n,)
            Predicted mean and standard deviation (dex).
        n_bins : array_like of int, shape (n,) or scalar
            Number of filled bins of each SED.

        Returns
        -------
        probability : ndarray of float64, shape (n,)
            Cumulative distribution at ``value``, NaN where the mean is.

        Examples
        --------
        >>> from blase_astro.calibration import fit_calibration
        >>> calibration = fit_calibration([13.1, 14.3], [13.0, 14.0], [0.2, 0.2], 20)
        >>> calibration.cdf(13.5, [13.5], [0.1], [20])
        array([0.5])
        """
        mean, std, n_bins, value = _broadcast(mean, std, n_bins, value)
        group = self.group(n_bins)
        z = (value - mean) / std
        central = np.full(z.shape, np.nan)
        for i, score in enumerate(self._groups()):
            rows = group == i
            central[rows] = _central_probability(np.abs(z[rows]), score)
        return 0.5 * (1 + np.sign(z) * central)

    def p_value(self, label, mean, std, n_bins, bulk=0.9):
        """Probability that a right label lies at least as far from its estimate.

        Parameters
        ----------
        label : array_like, shape (n,)
            Labels in doubt (dex).
        mean, std : array_like, shape (n,)
            Out-of-bag predicted mean and standard deviation (dex).
        n_bins : array_like of int, shape (n,) or scalar
            Number of filled bins of each SED.
        bulk : float
            Level up to which the scores are taken as they are.

        Returns
        -------
        p_value : ndarray of float64, shape (n,)
            Two-sided probability, NaN where label or mean is.

        Notes
        -----
        The wrong labels are themselves among the calibration sources and make up the tail of the
        scores, so that no label looks unlikely against all of it. The scores are therefore
        trusted up to the level ``bulk``; beyond, the tail is that of the normal distribution
        scaled to the score there (an empirical null distribution: Efron, B. 2004, Journal of the
        American Statistical Association 99, 96).
        """
        label, mean, std, n_bins = _broadcast(label, mean, std, n_bins)
        group = self.group(n_bins)
        z = np.abs(label - mean) / std
        outside = np.full(z.shape, np.nan)
        for i, score in enumerate(self._groups()):
            rows = group == i
            edge = _quantile(bulk, score)
            inside = 1 - _central_probability(z[rows], score)
            in_sigma = z[rows] / edge * _normal_quantile(bulk)
            tail = np.array([math.erfc(t / math.sqrt(2)) for t in in_sigma])
            outside[rows] = np.where(z[rows] <= edge, inside, tail)
        return outside

    def group(self, n_bins):
        """Which group each number of filled bins belongs to.

        Parameters
        ----------
        n_bins : array_like of int, shape (n,)
            Number of filled bins of each SED.

        Returns
        -------
        group : ndarray of int64, shape (n,)
            Index of the group.
        """
        index = np.searchsorted(self.lowest_n_bins, n_bins, side="right") - 1
        return np.maximum(index, 0)

    def _groups(self):
        """Scores of each group, one array a group."""
        return np.split(self.score, np.cumsum(self.size)[:-1])

    def to_arrays(self):
        """Everything there is as plain arrays, for a file.

        Returns
        -------
        arrays : dict of ndarray
            One array an attribute; `from_arrays` takes them back.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays):
        """Take back what `to_arrays` gave.

        Parameters
        ----------
        arrays : mapping of str to array_like
            One array an attribute; other keys are ignored.

        Returns
        -------
        calibration : Calibration
            The same calibration.

        Raises
        ------
        ValueError
            If an array is missing or the sizes disagree.
        """
        missing = [field.name for field in fields(cls) if field.name not in arrays]
        if missing:
            raise ValueError(f"calibration lacks the array(s) {', '.join(missing)}")
        calibration = cls(
            np.asarray(arrays["lowest_n_bins"], np.int64),
            np.asarray(arrays["size"], np.int64),
            np.asarray(arrays["score"], np.float64),
        )
        if len(calibration.score) != calibration.size.sum():
            raise ValueError(
                f"calibration has {len(calibration.score)} scores; "
                f"wanted {calibration.size.sum()}, the sum of its group sizes"
            )
        return calibration


def fit_calibration(label, mean, std, n_bins, *, min_members=300):
    """Calibrate intervals on the out-of-bag estimates of sources with a known label.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values (dex).
    mean, std : array_like, shape (n,)
        Out-of-bag predicted mean and standard deviation (dex). Sources without an estimate (NaN)
        are left out.
    n_bins : array_like of int, shape (n,) or scalar
        Number of filled bins of each SED.
    min_members : int
        Least number of sources of a group: neighbouring numbers of filled bins are joined until
        they have as many.

    Returns
    -------
    calibration : Calibration
        The calibrated distribution.

    Raises
    ------
    ValueError
        If no source has label and estimate, or a standard deviation is not positive.

    Notes
    -----
    Rich SEDs are never joined with sparse ones, for which the networks err differently. 300
    members (fifteen above the 95-percent quantile) are the compromise between groups that follow
    the number of filled bins and the noise of the quantiles. A floor under the standard
    deviation, or a power of it, gained nothing.

    Examples
    --------
    >>> from blase_astro.calibration import fit_calibration
    >>> calibration = fit_calibration([13.1, 14.3, 15.0], [13.0, 14.0, 15.1], [0.2, 0.2, 0.2], 20)
    >>> lo, hi = calibration.interval([14.0], [0.2], [20], level=0.75)
    >>> print(lo, hi)
    [13.7] [14.3]
    """
    label, mean, std, n_bins = _broadcast(label, mean, std, n_bins)
    good = np.isfinite(label) & np.isfinite(mean) & np.isfinite(std)
    if not good.any():
        raise ValueError(
            f"calibration needs sources with a label and an estimate; got none of {len(label)}"
        )
    if not (std[good] > 0).all():
        raise ValueError(f"std must be positive; got {std[good].min()} as the smallest")
    score = np.abs(label - mean)[good] / std[good]
    n_bins = n_bins[good].astype(np.int64)
    lowest = _all_group_starts(n_bins, min_members)
    group = np.searchsorted(lowest, n_bins, side="right") - 1
    scores = [_strictly_rising(np.sort(score[group == i])) for i in range(len(lowest))]
    return Calibration(lowest, np.array([len(s) for s in scores]), np.concatenate(scores))


def calibrate_out_of_bag(bag, label, mean, std, n_bins):
    """Calibrations to test with: that of each bag is made from the sources of all other bags.

    Parameters
    ----------
    bag : array_like of int, shape (n,)
        Bag of each source.
    label, mean, std, n_bins : array_like, shape (n,)
        As for `fit_calibration`.

    Yields
    ------
    rows : ndarray of int64
        The sources of one bag.
    calibration : Calibration
        The calibration made without them.

    Notes
    -----
    On the sources it was made from a calibration covers what it should by construction; only
    sources that it never saw tell whether it does.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.calibration import calibrate_out_of_bag
    >>> bag, label = np.array([0, 0, 1, 1]), np.array([13.0, 14.0, 15.0, 16.0])
    >>> for rows, calibration in calibrate_out_of_bag(bag, label, label + 0.1, 0.1, 20):
    ...     print(rows, calibration.size)
    [0 1] [2]
    [2 3] [2]
    """
    bag = np.asarray(bag)
    label, mean, std, n_bins = _broadcast(label, mean, std, n_bins)
    for b in np.unique(bag):
        others = bag != b
        calibration = fit_calibration(label[others], mean[others], std[others], n_bins[others])
        yield np.flatnonzero(~others), calibration


def _all_group_starts(n_bins, min_members):
    """Group starts, rich SEDs apart from sparse ones where they are enough for a quantile."""
    rich = n_bins >= RICH_BINS
    if not (_FEWEST_RICH <= rich.sum() < len(rich)):
        return _group_starts(n_bins, min_members)
    parts = [_group_starts(n_bins[part], min_members) for part in (~rich, rich)]
    # The rich group begins at its definition, so that what lies between goes with the rich.
    parts[1][0] = RICH_BINS
    return np.concatenate(parts)


def _group_starts(n_bins, min_members):
    """First number of filled bins of each group: joined from below until the group is large."""
    starts, members = [], 0
    for value, count in zip(*np.unique(n_bins, return_counts=True), strict=True):
        if members == 0:
            starts.append(value)
        members += count
        if members >= min_members:
            members = 0
    if members and len(starts) > 1:  # the rest at the top is too few: it joins the group below
        starts.pop()
    return np.array(starts, np.int64)


def _strictly_rising(score):
    """Sorted scores moved apart where they tie, so that the distribution can be inverted."""
    step = _LEAST_STEP * np.arange(1, len(score) + 1)
    return np.maximum.accumulate(np.maximum(score - step, 0)) + step


def _knots(score):
    """Scores with a leading zero, and the central probability of each."""
    n = len(score)
    return np.concatenate([[0.0], score]), np.arange(n + 1) / (n + 1)


# The normal distribution comes from the standard library: importing scipy.special would take
# longer than estimating an SED.
def _normal_quantile(level):
    """Half width of the central interval of the normal distribution at a level."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _quantile(level, score):
    """Quantile Q(level) of a group's scores (see the notes of `Calibration`)."""
    knots, probability = _knots(score)
    if level <= probability[-1]:
        return np.interp(level, probability, knots)
    return score[-1] * _normal_quantile(level) / _normal_quantile(probability[-1])


def _central_probability(z, score):
    """Probability of an absolute residual below z (the inverse of `_quantile`)."""
    knots, probability = _knots(score)
    central = np.interp(z, knots, probability)
    beyond = z > score[-1]
    in_sigma = z[beyond] / score[-1] * _normal_quantile(probability[-1])
    central[beyond] = [math.erf(t / math.sqrt(2)) for t in in_sigma]
    central[np.isnan(z)] = np.nan
    return central


def _broadcast(*arrays):
    """The arrays as float64 of one common shape, at least one-dimensional."""
    return [
        np.atleast_1d(a) for a in np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arrays))
    ]
