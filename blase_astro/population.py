"""How common each peak frequency is among the sources of a catalog: found, and used as a prior."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .distribution import Distribution
from .io.values import numbers
from .sed import MIN_BINS

if TYPE_CHECKING:
    from ._types import Any, AnyPath, ArrayLike, Ensemble

__all__ = [
    "Population",
    "distance",
    "find_population",
    "flat",
    "read_population",
    "training_population",
    "with_population",
]

# Steps of the expectation maximisation: few, for more steps only sharpen what is noise.
_STEPS = 20
# Width that a population is smoothed by (dex), and how many sources' worth of the training
# population is mixed in: what keeps the answer for a handful of sources near the training's.
_SMOOTHING = 0.15
_MIXED_IN = 20.0
# Share of the training labels on either side beyond which their density is not known: there the
# ratio of two populations stays what it is at that place.
_TAIL = 0.005
# From this distance of a catalog's population from that of the training on it is worth saying,
# if there are so many sources.
_OTHER_POPULATION = 0.25
_ENOUGH_SOURCES = 30


class Population(NamedTuple):
    """Distribution of log10 of the peak frequency among the sources of a catalog.

    Attributes
    ----------
    grid : ndarray of float64, shape (n_grid,)
        Centres of cells, log10 of Hz, in equal steps.
    share : ndarray of float64, shape (n_grid,)
        Share of the sources in each cell, with the sum 1.
    support : tuple of float
        Where the training labels are many enough to tell how common a peak is, log10 of Hz.
    """

    grid: np.ndarray
    share: np.ndarray
    support: tuple

    def median(self) -> float:
        """Median of log10 of the peak frequency."""
        return float(Distribution(self.grid, self.share[None]).median()[0])


def _smooth(share, step, width=_SMOOTHING):
    """Shares (n_grid,) smoothed by a normal distribution, nothing lost at the ends."""
    cell = np.arange(len(share))
    kernel = np.exp(-0.5 * ((cell[:, None] - cell) * step / width) ** 2)
    return (kernel / kernel.sum(axis=0)) @ share


def training_population(ensemble: Ensemble) -> Population:
    """The population that the networks lean on.

    Parameters
    ----------
    ensemble : `~blase_astro.Ensemble`
        That for the peak frequency.

    Returns
    -------
    population : Population
        Mean of the calibrated out-of-bag distributions of the training sources, smoothed by 0.15
        dex: with it, the training set itself gives back its own population. The share of the
        labels would be nearly the same, but for what the networks smear.

    Examples
    --------
    >>> from blase_astro import Ensemble
    >>> from blase_astro.population import training_population
    >>> round(float(training_population(Ensemble.load()).share.sum()), 6)
    1.0
    """
    label = ensemble.source_columns["label"]
    support = tuple(np.nanquantile(label, [_TAIL, 1 - _TAIL]).tolist())
    oob = ensemble.oob
    if ensemble.calibration is not None:
        oob = ensemble.calibration.apply(oob, ensemble.source_columns["n_bins"])
    grid, oob = _on_one_grid(ensemble, oob)
    share = _smooth(np.nanmean(oob, axis=0), grid[1] - grid[0])
    return Population(grid, share / share.sum(), support)


def _on_one_grid(ensemble, distribution):
    """Probabilities (n, n_grid) on one grid for all sources, and the grid."""
    if distribution.base is None:
        return distribution.grid, distribution.probability
    label = ensemble.source_columns["label"]
    grid = np.arange(np.floor(np.nanmin(label)) - 1, np.ceil(np.nanmax(label)) + 1, 0.1)
    edges = np.append(grid, grid[-1] + 0.1) - 0.05
    cdf = distribution.cdf(np.broadcast_to(edges, (len(distribution), len(edges))))
    return grid, np.diff(cdf, axis=1)


def flat(training: Population) -> Population:
    """A population that has every peak equally often.

    Parameters
    ----------
    training : Population
        As from `training_population`.

    Returns
    -------
    population : Population
        On the same grid.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.population import Population, flat
    >>> flat(Population(np.arange(4.0), np.array([0.7, 0.3, 0.0, 0.0]), (0.0, 1.0))).share
    array([0.25, 0.25, 0.25, 0.25])
    """
    return training._replace(share=np.full(len(training.grid), 1 / len(training.grid)))


def _ratio(population, training):
    """How much more common each peak is than in the training, constant beyond its support."""
    # The cells within it; where labels are all but one, the cell that is nearest.
    beyond = np.abs(training.grid - np.clip(training.grid, *training.support))
    inside = np.flatnonzero(beyond == beyond.min())
    ratio = population.share / np.maximum(training.share, 1e-12)
    return ratio[np.clip(np.arange(len(ratio)), inside[0], inside[-1])]


def with_population(distribution: Any, training: Population, population: Population) -> Any:
    """Predictive distributions under another population than that of the training.

    Parameters
    ----------
    distribution : `~blase_astro.Distribution`
        Calibrated distributions of n sources, which lean on the training population.
    training, population : Population
        What they lean on, and what they are to lean on; on one grid.

    Returns
    -------
    distribution : `~blase_astro.Distribution`
        Multiplied by population / training and normalised (Saerens, M., Latinne, P. &
        Decaestecker, C. 2002, Neural Computation 14, 21, eq. 2.4).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro import Distribution
    >>> from blase_astro.population import Population, with_population
    >>> training = Population(np.arange(13.0, 17.0), np.array([0.4, 0.3, 0.2, 0.1]), (13.0, 16.0))
    >>> other = training._replace(share=training.share[::-1])
    >>> doubt = Distribution(training.grid, np.full((1, 4), 0.25))
    >>> with_population(doubt, training, other).probability.round(2)
    array([[0.04, 0.1 , 0.23, 0.62]])
    """
    ratio = _ratio(population, training)
    if not _same_grid(distribution, training.grid):
        ratio = np.interp(distribution.centres(), training.grid, ratio)
    return distribution.times(ratio)


def find_population(
    distribution: Any,
    training: Population,
    weight: ArrayLike | None = None,
    *,
    n_steps: int = _STEPS,
    smoothing: float = _SMOOTHING,
    mixed_in: float = _MIXED_IN,
) -> Population:
    """The population of a catalog, from the distributions of its sources.

    Parameters
    ----------
    distribution : `~blase_astro.Distribution`
        Calibrated distributions of n sources under the training population.
    training : Population
        The training population.
    weight : array_like, shape (n,), optional
        How often each source counts, as for a bootstrap; once by default.
    n_steps : int
        Steps of expectation maximisation from the training population on.
    smoothing : float
        Each step is smoothed by so much (dex).
    mixed_in : float
        How many sources' worth of the training population is mixed in at each step. The defaults
        are those of a prior: few sources change little.

    Returns
    -------
    population : Population
        The distribution of the peaks themselves, without the errors of the estimates.

    Raises
    ------
    ValueError
        If no source has an estimate.

    Notes
    -----
    Saerens, M., Latinne, P. & Decaestecker, C. 2002, Neural Computation 14, 21. Unsmoothed and
    carried on, the maximum is a handful of spikes (Laird, N. 1978, JASA 73, 805).

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro import Distribution
    >>> from blase_astro.population import Population, find_population
    >>> grid = np.arange(12.0, 18.0, 0.1)
    >>> training = Population(grid, np.full(60, 1 / 60), (12.0, 18.0))
    >>> sources = np.exp(-0.5 * ((grid - np.full((300, 1), 16.0)) / 0.4) ** 2)
    >>> sources = Distribution(grid, sources / sources.sum(axis=1, keepdims=True))
    >>> print(round(find_population(sources, training).median(), 1))
    16.0
    """
    known = distribution.known
    if not known.any():
        raise ValueError("a population needs sources with an estimate; got none")
    weight = np.ones(len(distribution)) if weight is None else np.asarray(weight, float)
    some, weight = distribution[known], weight[known]
    step = training.grid[1] - training.grid[0]
    population = training
    for _ in range(n_steps):
        count = weight @ _shares(with_population(some, training, population), training.grid)
        count = _smooth(count, step, smoothing) + mixed_in * training.share
        population = training._replace(share=count / count.sum())
    return population


def _same_grid(distribution, grid):
    """Is the grid that of all sources?"""
    return distribution.base is None and np.array_equal(distribution.grid, grid)


def _shares(distribution, grid):
    """Probabilities (n, n_grid) of the cells of a grid."""
    if _same_grid(distribution, grid):
        return distribution.probability
    edges = np.append(grid, 2 * grid[-1] - grid[-2]) - (grid[1] - grid[0]) / 2
    cdf = distribution.cdf(np.broadcast_to(edges, (len(distribution), len(edges))))
    return np.diff(cdf, axis=1)


def distance(one: Population, other: Population) -> float:
    """Kolmogorov-Smirnov distance of two populations on one grid.

    Parameters
    ----------
    one, other : Population
        On the same grid.

    Returns
    -------
    distance : float
        Largest difference of their cumulative distributions.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.population import Population, distance, flat
    >>> low = Population(np.arange(2.0), np.array([0.9, 0.1]), (0.0, 1.0))
    >>> print(round(distance(low, flat(low)), 6))
    0.4
    """
    return float(np.abs(np.cumsum(one.share - other.share)).max())


def read_population(path: AnyPath, training: Population) -> Population:
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
        On the grid of the training population.

    Raises
    ------
    ValueError
        If the columns are missing or no distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from blase_astro.population import Population, flat, read_population
    >>> training = Population(np.arange(13.0, 17.0), np.array([0.4, 0.3, 0.2, 0.1]), (13.0, 16.0))
    >>> read_population(Table({'log_nu_peak': [13, 16], 'density': [1, 1]}), training).share
    array([0.25, 0.25, 0.25, 0.25])
    """
    from .io.files import read_catalog

    table: Any = path if hasattr(path, "colnames") else read_catalog(path)
    name = next((c for c in ("density", "share") if c in table.colnames), None)
    if name is None or "log_nu_peak" not in table.colnames:
        raise ValueError(
            f"population: wanted columns log_nu_peak and density, got {', '.join(table.colnames)}"
        )
    where, height = (numbers(table, column) for column in ("log_nu_peak", name))
    good = len(where) > 1 and np.isfinite(height).all() and (np.diff(where) > 0).all()
    if not good or height.min() < 0 or height.sum() <= 0:
        raise ValueError(f"population: wanted rising log_nu_peak and a {name} that is not negative")
    share = np.interp(training.grid, where, height, left=0.0, right=0.0)
    low, high = training.support
    if share[(training.grid >= low) & (training.grid <= high)].sum() <= 0:
        raise ValueError(
            f"population: wanted sources between log nu_peak {low:.1f} and {high:.1f}, where the "
            "training sources tell how common a peak is; got none there on the networks' grid"
        )
    return training._replace(share=share / share.sum())


def own_population(chunks, settings, say=None):
    """Settings with the population of the SEDs themselves.

    Parameters
    ----------
    chunks : iterable of `~blase_astro.bulk.Chunk`
        Binned SEDs.
    settings : Settings
        The options.
    say : callable, optional
        Called with a line of text about what was found.

    Returns
    -------
    settings : Settings
        With a `~blase_astro.population.Population`; that of the training where no SED has an
        estimate.
    """
    ensemble = settings.ensembles.get("nu_peak")
    if ensemble is None:
        raise ValueError("a population needs the ensemble for nu_peak")
    parts = []
    for chunk in chunks:
        enough = np.isfinite(chunk.binned).sum(axis=1) >= MIN_BINS
        ra, dec = chunk.ra[enough], chunk.dec[enough]
        bag = ensemble.bag_of(ensemble.find_source((ra, dec), settings.radius)[0])
        bag = bag if settings.bag is None else np.full(len(bag), settings.bag)
        parts.append(ensemble.predict(chunk.binned[enough], bag))
    n = sum(len(part) for part in parts)
    training = ensemble.population
    population = training
    if n:
        base = None if parts[0].base is None else np.concatenate([part.base for part in parts])
        together = np.concatenate([part.probability.astype(np.float32) for part in parts])
        population = find_population(Distribution(parts[0].grid, together, base), training)
    if say is not None:
        few = "; so few sources change little" if n < _ENOUGH_SOURCES else ""
        median = f"median log nu_peak {population.median():.1f}"
        say(f"population: that of {n} SEDs themselves, {median}{few}")
    return replace(settings, ensemble=list(settings.ensembles.values()), population=population)


def say_population(total, n, settings, say):
    """One line where the catalog clearly is another population than the training sources.

    Parameters
    ----------
    total : ndarray of float64, shape (n_grid,), or float
        Sum of the distributions of all sources, as from `estimate_chunk`.
    n : int
        How many they are.
    settings : Settings
        The options.
    say : callable
        Called with the line.
    """
    asked = isinstance(settings.population, str) and settings.population == "training"
    if not asked or n < _ENOUGH_SOURCES or "nu_peak" not in settings.ensembles:
        return
    training = settings.ensembles["nu_peak"].population
    if np.size(total) == len(training.share):
        found = training._replace(share=total / total.sum())
        if distance(found, training) > _OTHER_POPULATION:
            say(
                "the peaks are distributed unlike those of the training sources, which the "
                "estimates lean on; --population self (Python: population='self') takes the "
                "catalog's own distribution"
            )
