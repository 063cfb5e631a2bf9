"""How common each peak frequency is among the sources of a catalog: found, and used as a prior."""

from typing import NamedTuple

import numpy as np

__all__ = ["Population", "find_population", "flat", "training_population"]

# Steps of the expectation maximisation: few, for more steps only sharpen what is noise.
_STEPS = 10
# Width that a population is smoothed by (dex), and how many sources' worth of the training
# population is mixed in: what keeps the answer for a handful of sources near the training's.
_SMOOTHING = 0.2
_MIXED_IN = 30.0
# Least share of a cell, relative to an even population, where training has any sources at all.
_LEAST = 1e-3


class Population(NamedTuple):
    """Distribution of log10 of the peak frequency among the sources of a catalog.

    Attributes
    ----------
    grid : ndarray of float64, shape (n_grid,)
        Centres of cells, log10 of Hz, in equal steps.
    share : ndarray of float64, shape (n_grid,)
        Share of the sources in each cell, with the sum 1.
    """

    grid: np.ndarray
    share: np.ndarray

    def on(self, grid):
        """Shares in cells about other places, shape of ``grid``: not normalised."""
        return np.interp(grid, self.grid, self.share, left=0.0, right=0.0)


def _smooth(share, step):
    """Shares smoothed by a normal distribution, nothing lost at the ends."""
    reach = int(np.ceil(4 * _SMOOTHING / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _SMOOTHING) ** 2)
    # Without zeros beyond the ends: each cell is spread over the cells that there are.
    spread = np.convolve(np.ones(len(share)), kernel, "same")
    return np.convolve(share / spread, kernel, "same")


def training_population(ensemble):
    """The population of the training sources, which the networks lean on.

    Parameters
    ----------
    ensemble : `~blase_astro.Ensemble`
        That for the peak frequency.

    Returns
    -------
    population : Population
        The labels, smoothed by 0.2 dex; zero beyond them.

    Examples
    --------
    >>> from blase_astro import Ensemble
    >>> from blase_astro.population import training_population
    >>> round(float(training_population(Ensemble.load()).share.sum()), 6)
    1.0
    """
    label = ensemble.source_columns["label"]
    label = label[np.isfinite(label)]
    grid = ensemble.grid
    if grid is None:
        grid = np.arange(np.floor(label.min()) - 1, np.ceil(label.max()) + 1, 0.1)
    step = grid[1] - grid[0]
    count, _ = np.histogram(label, np.append(grid, grid[-1] + step) - step / 2)
    share = _smooth(count.astype(float), step)
    # Beyond the labels the networks were told nothing: a factor new / old would blow up there.
    inside = (grid > label.min() - 2 * _SMOOTHING) & (grid < label.max() + 2 * _SMOOTHING)
    share = np.where(inside, np.maximum(share / share.sum(), _LEAST / len(grid)), 0.0)
    return Population(grid, share / share.sum())


def flat(training):
    """A population that has every peak of the training population equally often.

    Parameters
    ----------
    training : Population
        As from `training_population`.

    Returns
    -------
    population : Population
        Even where the training population is not zero.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.population import Population, flat
    >>> flat(Population(np.arange(3.0), np.array([0.7, 0.3, 0.0]))).share
    array([0.5, 0.5, 0. ])
    """
    share = (training.share > 0).astype(float)
    return Population(training.grid, share / share.sum())


def with_population(distribution, training, population):
    """Predictive distributions under another population than that of the training.

    Parameters
    ----------
    distribution : `~blase_astro.Distribution`
        Calibrated distributions of n sources, which lean on the training population.
    training, population : Population
        What they lean on, and what they are to lean on.

    Returns
    -------
    distribution : `~blase_astro.Distribution`
        Multiplied by population / training and normalised (Saerens, Latinne & Decaestecker
        2002, Neural Computation 14, 21, eq. 2.4); where the training has nothing, nothing changes.
    """
    return distribution.times(_factor(distribution, training, population))


def _factor(distribution, training, population):
    places = distribution.grid if distribution.base is None else distribution.centres()
    old, new = training.on(places), population.on(places)
    return np.divide(new, old, out=np.ones_like(old), where=old > 0)


def find_population(distribution, training, weight=None):
    """The population of a catalog, from the distributions of its sources.

    Parameters
    ----------
    distribution : `~blase_astro.Distribution`
        Calibrated distributions of n sources under the training population.
    training : Population
        The training population.
    weight : array_like, shape (n,), optional
        How often each source counts, as for a bootstrap; once by default.

    Returns
    -------
    population : Population
        The most likely population after ten steps of expectation maximisation from the training
        population, each smoothed by 0.2 dex, with thirty sources' worth of the training population
        mixed in: few sources change little.

    Raises
    ------
    ValueError
        If no source has an estimate.

    Notes
    -----
    Saerens, M., Latinne, P., Decaestecker, C. 2002, Neural Computation 14, 21. Unsmoothed and
    carried on, the maximum is a handful of spikes (Laird 1978, JASA 73, 805).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro import Distribution
    >>> from blase_astro.population import Population, find_population
    >>> training = Population(np.arange(12.0, 18.0, 0.1), np.full(60, 1 / 60))
    >>> sources = Distribution(training.grid, Distribution.normal(np.full(300, 16.0), 0.4).cdf(
    ...     np.broadcast_to(training.grid + 0.05, (300, 60))) - Distribution.normal(
    ...     np.full(300, 16.0), 0.4).cdf(np.broadcast_to(training.grid - 0.05, (300, 60))))
    >>> found = find_population(sources, training)
    >>> round(float(found.grid @ found.share), 1)
    15.9
    """
    known = distribution.known
    if not known.any():
        raise ValueError("a population needs sources with an estimate; got none")
    weight = np.ones(len(distribution)) if weight is None else np.asarray(weight, float)
    some, weight = distribution[known], weight[known]
    places, step = some.centres(), training.grid[1] - training.grid[0]
    population = training
    for _ in range(_STEPS):
        probability = some.times(_factor(some, training, population)).probability
        if some.base is None and np.array_equal(some.grid, training.grid):
            count = weight @ probability
        else:
            cell = np.rint((places - training.grid[0]) / step).astype(int)
            cell = np.clip(cell, 0, len(training.grid) - 1)
            mass = (weight[:, None] * probability).ravel()
            count = np.bincount(cell.ravel(), mass, len(training.grid))
        count = _smooth(count, step) * (training.share > 0)
        share = count + _MIXED_IN * training.share
        population = Population(training.grid, share / share.sum())
    return population


def distance(one, other):
    """Kolmogorov-Smirnov distance of two populations on one grid.

    Parameters
    ----------
    one, other : Population
        On the same grid.

    Returns
    -------
    distance : float
        Largest difference of their cumulative distributions.
    """
    return float(np.abs(np.cumsum(one.share - other.share)).max())


def read_population(path, training):
    """A population from a file.

    Parameters
    ----------
    path : path-like or `~astropy.table.Table`
        A table with the columns ``log_nu_peak`` (log10 of Hz, rising) and ``density`` or
        ``share``, as ``blase population`` writes it.
    training : Population
        Gives the grid.

    Returns
    -------
    population : Population
        On the grid of the training population, and zero where that is.

    Raises
    ------
    ValueError
        If the columns are missing or no distribution.
    """
    from .io.files import read_catalog
    from .io.table import numbers

    table = path if hasattr(path, "colnames") else read_catalog(path)
    name = next((c for c in ("density", "share") if c in table.colnames), None)
    if name is None or "log_nu_peak" not in table.colnames:
        raise ValueError(
            f"population: wanted columns log_nu_peak and density, got {', '.join(table.colnames)}"
        )
    where, height = numbers(table, "log_nu_peak"), numbers(table, name)
    good = len(where) > 1 and np.isfinite(height).all() and (np.diff(where) > 0).all()
    if not good or height.min() < 0 or height.sum() <= 0:
        raise ValueError(f"population: wanted rising log_nu_peak and a {name} that is not negative")
    share = np.interp(training.grid, where, height, left=0.0, right=0.0) * (training.share > 0)
    if share.sum() <= 0:
        raise ValueError("population: it has no source where the training population has any")
    return Population(training.grid, share / share.sum())
