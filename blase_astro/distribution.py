"""The predictive distribution: probabilities on a grid, from which all else is read off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import erf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._types import Any, ArrayLike

__all__ = ["ONE_SIGMA", "Distribution"]

# Probability within one standard deviation of a normal distribution: what `std` stands for.
ONE_SIGMA = erf(2**-0.5)


@dataclass(frozen=True, eq=False)
class Distribution:
    """Predictive distributions of log10 of a quantity, of n sources on one grid.

    The probability of a cell is spread evenly over it, so that the cumulative distribution is a
    line between the edges of the cells.

    Parameters
    ----------
    grid : ndarray of float64, shape (n_grid,)
        Centres of the cells, rising in equal steps (dex).
    probability : ndarray of float, shape (n, n_grid)
        Probability of each cell; every row has the sum 1, or is NaN where there is no estimate.
    base : ndarray of float64, shape (n,), optional
        What the grid is relative to, for each source (dex); 0 by default.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro import Distribution
    >>> peak = Distribution(np.array([13.0, 14.0, 15.0]), np.array([[0.25, 0.5, 0.25]]))
    >>> print(peak.median(), peak.quantile([0.25, 0.75]), peak.cdf(14.5))
    [14.] [[13.5 14.5]] [0.75]
    """

    grid: np.ndarray
    probability: np.ndarray
    base: np.ndarray | None = None

    @classmethod
    def normal(
        cls, mean: ArrayLike, std: ArrayLike, *, step: float = 0.05, reach: float = 6.0
    ) -> Distribution:
        """Normal distributions on a grid about their means.

        Parameters
        ----------
        mean, std : array_like, shape (n,)
            Mean and standard deviation (dex); NaN for no estimate.
        step : float
            Width of the cells (dex).
        reach : float
            How far the grid goes on both sides (dex); what lies beyond is in the outermost cells.

        Returns
        -------
        distribution : Distribution
            Of n sources; its base is the mean.

        Examples
        --------
        >>> from blase_astro import Distribution
        >>> print(Distribution.normal([14.0], [0.3]).std().round(3))
        [0.301]
        """
        mean, std = (np.atleast_1d(np.asarray(a, float)) for a in np.broadcast_arrays(mean, std))
        half = round(reach / step)
        edges = step * (np.arange(2 * half + 2) - half - 0.5)
        cdf = _normal_cdf(edges / std[:, None])
        cdf[:, 0], cdf[:, -1] = 0, 1
        cdf[~np.isfinite(mean)] = np.nan
        return cls(step * np.arange(-half, half + 1), np.diff(cdf, axis=1), mean)

    def __len__(self):
        return len(self.probability)

    def __getitem__(self, rows):
        """Those of some sources."""
        base = None if self.base is None else self.base[rows]
        return Distribution(self.grid, self.probability[rows], base)

    @property
    def step(self) -> float:
        """Width of a cell (dex)."""
        return float(self.grid[1] - self.grid[0])

    @property
    def edges(self) -> np.ndarray:
        """Edges of the cells, relative to the base (dex), shape (n_grid + 1,)."""
        return np.append(self.grid, self.grid[-1] + self.step) - self.step / 2

    @property
    def known(self) -> np.ndarray:
        """Which sources have an estimate, shape (n,)."""
        return np.isfinite(self.probability[:, 0])

    def _relative(self, value):
        """Values (n,), (n, k) or scalar relative to the base, shape (n, k)."""
        value = np.asarray(value, float)
        value = value[:, None] if value.ndim == 1 else np.atleast_2d(value)
        return value if self.base is None else value - self.base[:, None]

    def _absolute(self, value):
        """Places on the grid (n, k) as values."""
        return value if self.base is None else value + self.base[:, None]

    def cumulative(self) -> np.ndarray:
        """Cumulative probability at the edges of the cells.

        Returns
        -------
        cdf : ndarray of float64, shape (n, n_grid + 1)
            From 0 to 1 in each row, NaN where there is no estimate.
        """
        return self._cumulative

    @cached_property
    def _cumulative(self):
        cdf = np.zeros((len(self), len(self.grid) + 1))
        np.cumsum(self.probability, axis=1, out=cdf[:, 1:])
        cdf /= cdf[:, -1:]  # sums of float32 are not quite 1
        cdf.flags.writeable = False
        return cdf

    def cdf(self, value: ArrayLike) -> np.ndarray:
        """Cumulative distribution at given values.

        Parameters
        ----------
        value : array_like of float, scalar, shape (n,) or (n, k)
            log10 of the quantity.

        Returns
        -------
        probability : ndarray of float64, shape (n,) or (n, k)
            Probability below each value, NaN where there is no estimate or no value.
        """
        x = self._relative(value)
        place = (x - self.edges[0]) / self.step
        cell = np.clip(np.nan_to_num(np.floor(place)), 0, len(self.grid) - 1).astype(np.intp)
        inside = np.clip(place - cell, 0, 1)
        cdf = self.cumulative()
        rows = np.arange(len(self))[:, None]
        result = cdf[rows, cell] * (1 - inside) + cdf[rows, cell + 1] * inside
        return result if np.ndim(value) == 2 else result[:, 0]

    def quantile(self, p: ArrayLike) -> np.ndarray:
        """Quantiles.

        Parameters
        ----------
        p : float or array_like of float, shape (k,)
            Probabilities from 0 to 1.

        Returns
        -------
        value : ndarray of float64, shape (n,) or (n, k)
            log10 of the quantity, NaN where there is no estimate.

        Raises
        ------
        ValueError
            If a probability is not between 0 and 1.
        """
        wanted = np.atleast_1d(np.asarray(p, float))
        if not ((wanted >= 0) & (wanted <= 1)).all():
            raise ValueError(f"quantiles: wanted probabilities between 0 and 1, got {p}")
        value = self._absolute(_inverse(self.cumulative(), self.edges, wanted))
        return value if np.ndim(p) else value[:, 0]

    def median(self) -> np.ndarray:
        """Median of each source, log10, shape (n,)."""
        return self.quantile(0.5)

    def mean(self) -> np.ndarray:
        """Mean of each source, log10, shape (n,)."""
        return self._absolute((self.probability @ self.grid)[:, None])[:, 0]

    def std(self) -> np.ndarray:
        """Half the central 68.27 percent interval of each source (dex), shape (n,).

        For a normal distribution that is its standard deviation; of a distribution with two humps
        or long tails it tells more than the second moment, and it can be calibrated.
        """
        lo, hi = self.interval(ONE_SIGMA)
        return (hi - lo) / 2

    def interval(
        self, level: float = 0.95, *, shortest: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prediction interval.

        Parameters
        ----------
        level : float
            Probability of the interval.
        shortest : bool
            The shortest interval of that probability; by default the central one, with equal
            probability below and above.

        Returns
        -------
        lo, hi : ndarray of float64, shape (n,)
            Its ends, log10; NaN where there is no estimate.
        """
        if not shortest:
            lo, hi = self.quantile([(1 - level) / 2, (1 + level) / 2]).T
            return lo, hi
        # The lower end runs over quantiles a hundredth of the freedom apart.
        below = (1 - level) * np.linspace(0, 1, 101)
        lo, hi = self.quantile(below), self.quantile(below + level)
        best = np.argmin(np.where(np.isfinite(hi - lo), hi - lo, np.inf), axis=1)
        rows = np.arange(len(self))
        return lo[rows, best], hi[rows, best]

    def between(self, edges: ArrayLike) -> np.ndarray:
        """Probabilities of the classes that edges divide.

        Parameters
        ----------
        edges : sequence of float, shape (k,)
            Rising edges, log10 of the quantity.

        Returns
        -------
        probability : ndarray of float64, shape (n, k + 1)
            Below the first edge, between neighbours, from the last edge on.
        """
        below = self.cdf(np.broadcast_to(edges, (len(self), len(edges))))
        first, last = (np.where(self.known, end, np.nan)[:, None] for end in (0.0, 1.0))
        return np.diff(np.concatenate([first, below, last], axis=1), axis=1)

    def sample(self, n_samples: int, seed: int = 0) -> np.ndarray:
        """Random values from the distributions.

        Parameters
        ----------
        n_samples : int
            How many of each source.
        seed : int or `numpy.random.Generator`
            Random numbers, or their seed.

        Returns
        -------
        value : ndarray of float64, shape (n, n_samples)
            log10 of the quantity.
        """
        u = np.random.default_rng(seed).random((len(self), n_samples))
        return self._absolute(_inverse(self.cumulative(), self.edges, u))

    def crps(self, label: ArrayLike) -> np.ndarray:
        r"""Continuous ranked probability score.

        Parameters
        ----------
        label : array_like of float, shape (n,)
            True values, log10.

        Returns
        -------
        score : ndarray of float64, shape (n,)
            :math:`\int (F(x) - [x \ge y])^2 dx` (Gneiting & Raftery 2007, JASA 102, 359, eq. 20),
            exact for a distribution function of straight pieces (dex).
        """
        y = self._relative(label)
        cdf, edges = self.cumulative(), self.edges
        # The label cuts one cell in two; on each piece F - [x >= y] is a straight line from a to b,
        # whose square has the mean (a^2 + a b + b^2) / 3.
        inside = np.clip((y - edges[:-1]) / self.step, 0, 1)
        at_label = cdf[:, :-1] + inside * np.diff(cdf, axis=1)
        left = _mean_square(cdf[:, :-1], at_label) * inside
        right = _mean_square(at_label - 1, cdf[:, 1:] - 1) * (1 - inside)
        outside = np.maximum(edges[0] - y, 0) + np.maximum(y - edges[-1], 0)
        score = self.step * (left + right).sum(axis=1) + outside[:, 0]
        return np.where(np.isnan(y[:, 0]), np.nan, score)

    def density(self) -> np.ndarray:
        """Probability density at the centres of the cells, 1 / dex, shape (n, n_grid)."""
        return self.probability / self.step

    def centres(self) -> np.ndarray:
        """Centres of the cells of each source, log10 of the quantity, shape (n, n_grid)."""
        return self._absolute(np.broadcast_to(self.grid, self.probability.shape))

    def through(self, cumulative: np.ndarray) -> Distribution:
        """The distributions with another cumulative distribution at the same edges.

        Parameters
        ----------
        cumulative : ndarray of float, shape (n, n_grid + 1)
            Rising from 0 to 1 in each row.

        Returns
        -------
        distribution : Distribution
            On the same grid.
        """
        found = Distribution(self.grid, np.diff(cumulative, axis=1), self.base)
        found.__dict__["_cumulative"] = kept = cumulative.view()  # it need not be summed again
        kept.flags.writeable = False
        return found

    def times(self, factor: ArrayLike) -> Distribution:
        """The distributions multiplied cell by cell, as Bayes' rule does, and normalised.

        Parameters
        ----------
        factor : ndarray of float, shape (n_grid,) or (n, n_grid)
            Not negative.

        Returns
        -------
        distribution : Distribution
            On the same grid; where all of a source's probability would vanish, it stays as it was.
        """
        product = self.probability * factor
        total = product.sum(axis=1, keepdims=True)
        kept = total > 0
        return Distribution(
            self.grid,
            np.where(kept, product / np.where(kept, total, 1), self.probability),
            self.base,
        )

    def to_qp(self) -> Any:
        """The distributions as a ``qp.Ensemble`` (package qp-prob, extra ``qp``).

        Returns
        -------
        ensemble : ``qp.Ensemble``
            Histograms of density on the edges of the cells.

        Raises
        ------
        ValueError
            If the distributions have different bases: qp knows one grid for all.
        """
        import qp

        if self.base is not None and np.ptp(self.base) > 0:
            raise ValueError(
                "qp wants one grid for all sources; these distributions have a base each"
            )
        base = 0.0 if self.base is None else self.base[0]
        return qp.Ensemble(qp.hist, data={"bins": self.edges + base, "pdfs": self.density()})


def _mean_square(a, b):
    return (a * a + a * b + b * b) / 3


def _normal_cdf(z):
    """Cumulative normal distribution; scipy is imported where it is used alone: it takes long."""
    from scipy.special import ndtr

    return ndtr(z)


def _inverse(cdf, edges, p):
    """Where cumulative distributions (n, n_edges) reach probabilities (k,) or (n, k): (n, k)."""
    n, n_edges = cdf.shape
    p = np.broadcast_to(p, (n, np.shape(p)[-1]))
    known = np.isfinite(cdf[:, 0])
    # One sorted array for all rows: row number plus probability.
    shift = 2.0 * np.arange(n)[:, None]
    flat = (np.where(known[:, None], cdf, np.linspace(0, 1, n_edges)) + shift).ravel()
    right = np.searchsorted(flat, (p + shift).ravel(), side="left").reshape(p.shape)
    right = np.clip(right - n_edges * np.arange(n)[:, None], 1, n_edges - 1)
    rows = np.arange(n)[:, None]
    low, high = cdf[rows, right - 1], cdf[rows, right]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (p - low) / (high - low), 0.5)
    return np.where(known[:, None], edges[right - 1] + share * (edges[1] - edges[0]), np.nan)
