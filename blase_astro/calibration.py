"""Calibration of predictive distributions: what the out-of-bag labels say of their width."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from .sed import RICH_BINS

if TYPE_CHECKING:
    from ._types import ArrayLike, Iterator, Mapping
    from .distribution import Distribution

__all__ = ["Calibration", "calibrate_out_of_bag", "fit_calibration"]

# Where groups by the number of filled bins begin, and the fewest members of one: with fewer its
# 95-percent quantile would be noise.
_EDGES = (9, RICH_BINS, 19)
_FEWEST = 60
# Least step between two scores, so that the distribution can be inverted.
_LEAST_STEP = 1e-14


@dataclass(frozen=True, eq=False)
class Calibration:
    """What makes predictive distributions honest: plain arrays, made by `fit_calibration`.

    Attributes
    ----------
    lowest_n_bins : ndarray of int64, shape (n_groups,)
        Smallest number of filled bins of each group, rising; a group ends where the next begins,
        the last has no end and the first also takes whatever lies below it.
    size : ndarray of int64, shape (n_groups,)
        Number of calibration sources of each group.
    score : ndarray of float64, shape (sum(size),)
        Central probability ``|2 F(label) - 1|`` at which the predictive distribution F of each
        calibration source reaches its label: of the groups one after the other, sorted and
        strictly rising within each.

    Notes
    -----
    Split (inductive) conformal prediction with the central probability as score [1]_, within
    groups by the number of filled bins (Mondrian, [2]_). With the n sorted scores of a group,
    :math:`s_1 < ... < s_n`, the central interval at a level p of the calibrated distribution is
    that of the predictive distribution at the level Q(p), where

    .. math:: Q\\left(\\frac{k}{n+1}\\right) = s_k

    is the :math:`\\lceil (n+1) p \\rceil`-th score of split conformal prediction wherever
    :math:`(n+1) p` is a whole number, and linear in between (Q(0) = 0, Q(1) = 1). For a new source
    exchangeable with the calibration sources the coverage is exactly p at those levels and never
    off by more than 1 / (n + 1). The whole distribution is mapped (:math:`F' = (1 \\pm
    Q^{-1}(|2F - 1|)) / 2`), so that intervals, quantiles, the standard deviation and the
    probabilities of classes say the same; the median stays where it is.

    References
    ----------
    .. [1] Lei, J., et al. 2018, Journal of the American Statistical Association 113, 1094
    .. [2] Vovk, V., Gammerman, A., Shafer, G. 2005, Algorithmic Learning in a Random World
       (Springer), section 4.5
    """

    lowest_n_bins: np.ndarray
    size: np.ndarray
    score: np.ndarray

    def apply(self, distribution: Distribution, n_bins: ArrayLike) -> Distribution:
        """The calibrated distributions.

        Parameters
        ----------
        distribution : `~blase_astro.Distribution`
            Predictive distributions of n sources.
        n_bins : array_like of int, shape (n,) or scalar
            Number of filled bins of each SED.

        Returns
        -------
        calibrated : `~blase_astro.Distribution`
            On the same grid, with the same medians.

        Examples
        --------
        >>> import numpy as np
        >>> from blase_astro import Distribution
        >>> from blase_astro.calibration import fit_calibration
        >>> label = np.random.default_rng(1).normal(14.0, 0.4, 999)
        >>> too_narrow = Distribution.normal(np.full(999, 14.0), 0.2)
        >>> calibration = fit_calibration(too_narrow.cdf(label), 20)
        >>> print(calibration.apply(too_narrow[:1], 20).std().round(1))
        [0.4]
        """
        cdf = distribution.cumulative()
        calibrated = np.empty_like(cdf)
        group = self.group(np.broadcast_to(n_bins, len(cdf)))
        for i, score in enumerate(self._groups()):
            rows = np.flatnonzero(group == i)
            calibrated[rows] = np.interp(cdf[rows], *map(_both_sides, _knots(score)))
        return distribution.through(calibrated)

    def group(self, n_bins: ArrayLike) -> np.ndarray:
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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything there is as plain arrays, for a file.

        Returns
        -------
        arrays : dict of ndarray
            One array an attribute; `from_arrays` takes them back.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Calibration:
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


def fit_calibration(pit: ArrayLike, n_bins: ArrayLike) -> Calibration:
    """Calibration from sources that the ensemble never saw.

    Parameters
    ----------
    pit : array_like, shape (n,)
        Predictive distribution of each source at its label (the probability integral transform):
        out of bag, else the calibration is that of training and too narrow. NaN is left out.
    n_bins : array_like of int, shape (n,) or scalar
        Number of filled bins of each SED.

    Returns
    -------
    calibration : Calibration
        What makes the distributions honest.

    Raises
    ------
    ValueError
        If no source has label and estimate.

    Notes
    -----
    The networks err differently for sparse and for rich SEDs: groups begin at 9, 12 and 19 filled
    bins, as far as each has 60 members, of which three lie above the 95-percent quantile.

    Examples
    --------
    >>> from blase_astro.calibration import fit_calibration
    >>> fit_calibration([0.1, 0.4, 0.8], 20).score.round(6)
    array([0.2, 0.6, 0.8])
    """
    pit = np.atleast_1d(np.asarray(pit, float))
    good = np.isfinite(pit)
    if not good.any():
        raise ValueError(
            f"calibration needs sources with a label and an estimate; got none of {len(pit)}"
        )
    n_bins = np.broadcast_to(n_bins, pit.shape)[good].astype(np.int64)
    score = _score(pit[good])
    lowest = _group_starts(n_bins)
    group = np.searchsorted(lowest, n_bins, side="right") - 1
    scores = [_strictly_rising(np.sort(score[group == i])) for i in range(len(lowest))]
    return Calibration(lowest, np.array([len(s) for s in scores]), np.concatenate(scores))


def calibrate_out_of_bag(
    bag: ArrayLike, pit: ArrayLike, n_bins: ArrayLike
) -> Iterator[tuple[np.ndarray, Calibration]]:
    """Calibrations to test with: that of each bag is made from the sources of all other bags.

    Parameters
    ----------
    bag : array_like of int, shape (n,)
        Bag of each source.
    pit, n_bins : array_like, shape (n,)
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
    >>> bag, pit = np.array([0, 0, 1, 1]), np.array([0.2, 0.3, 0.6, 0.9])
    >>> for rows, calibration in calibrate_out_of_bag(bag, pit, 20):
    ...     print(rows, calibration.score.round(1))
    [0 1] [0.2 0.8]
    [2 3] [0.4 0.6]
    """
    bag, pit = np.asarray(bag), np.asarray(pit, float)
    n_bins = np.broadcast_to(n_bins, pit.shape)
    for b in np.unique(bag):
        others = bag != b
        yield np.flatnonzero(~others), fit_calibration(pit[others], n_bins[others])


def _group_starts(n_bins):
    """First number of filled bins of each group: of those given, the ones with enough members."""
    starts = [int(n_bins.min())]
    for edge in _EDGES:
        below = (n_bins >= starts[-1]) & (n_bins < edge)
        if min(below.sum(), (n_bins >= edge).sum()) >= _FEWEST:
            starts.append(edge)
    return np.array(starts, np.int64)


def _strictly_rising(score):
    """Sorted scores below 1, moved apart where they tie, so that the map can be inverted."""
    step = _LEAST_STEP * np.arange(1, len(score) + 1)
    score = np.minimum(score, 1 - 2 * step[-1])
    return np.maximum.accumulate(np.maximum(score - step, 0)) + step


def _score(pit):
    """Central probability at which a distribution reaches its label."""
    return np.abs(2 * pit - 1)


def _central_probability(score, known):
    """Calibrated central probability of scores, given the sorted scores of the group."""
    return np.interp(score, *_knots(known))


def _both_sides(central):
    """Central probabilities (k,) from 0 to 1 as cumulative ones (2 k - 1,), below and above."""
    return np.concatenate([(1 - central[:0:-1]) / 2, (1 + central) / 2])


def _knots(score):
    """Scores with both ends, and the central probability of each."""
    n = len(score)
    return np.concatenate([[0.0], score, [1.0]]), np.arange(n + 2) / (n + 1)
