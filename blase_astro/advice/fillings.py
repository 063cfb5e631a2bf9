"""What sources of the same kind show where an SED has no point: drawn from their distribution."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..io.bounded import read_npz
from ..io.output import placed

if TYPE_CHECKING:
    from .._types import AnyPath
    from ..distribution import Distribution
    from ..ensemble import Ensemble

__all__ = ["Fillings"]

# SEDs that are filled at once: what they need stays in the cache.
_AT_ONCE = 64
# How alike sources are whose filled bins a filling has: scatter of the peak (dex) and of the
# logarithm of the number of bins elsewhere.
_PEAK_SCATTER, _BINS_SCATTER = 0.5, 0.15


@dataclass(frozen=True, eq=False)
class Fillings:
    """The distribution of binned SEDs about each peak frequency: plain arrays, made by ``fit``.

    About a peak the logarithms of the fluxes of all bins are a normal distribution; given some
    bins, the others are one as well. It holds what sources differ in, variability and the usual
    errors of measurement.

    Attributes
    ----------
    bin_edges : ndarray of float64, shape (n_bins, 2)
        Lower and upper edges of the frequency bins, log10 of Hz.
    peak : ndarray of float64, shape (n_peaks,)
        Peaks (log10 of Hz) that there is a distribution for, in equal steps.
    mean : ndarray of float32, shape (n_bags + 1, n_peaks, n_bins)
        Mean log10 of nu F_nu. That of bag b is made without the sources of bag b, the last of all.
    covariance : ndarray of float32, shape (n_bags + 1, n_peaks, n_bins, n_bins)
        Covariance of the bins (dex squared).
    pattern : ndarray of int64, shape (n_sources,)
        Which bins the training sources have filled, one bit a bin.
    label, bag : ndarray, shape (n_sources,)
        Their peaks and bags.
    """

    bin_edges: np.ndarray
    peak: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    pattern: np.ndarray
    label: np.ndarray
    bag: np.ndarray

    @classmethod
    def load(cls, path: AnyPath | None = None) -> Fillings:
        """Read fillings.

        Parameters
        ----------
        path : path-like, optional
            A file that `save` wrote; by default that of the package.

        Returns
        -------
        fillings : Fillings
            Its content validated.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it holds no fillings.

        Examples
        --------
        >>> from blase_astro.advice import Fillings
        >>> Fillings.load().mean.shape
        (6, 12, 33)
        """
        path = Path(str(files("blase_astro") / "data" / "advice.npz")) if path is None else path
        arrays = read_npz(path)
        missing = [f.name for f in fields(cls) if f.name not in arrays]
        if missing:
            raise ValueError(f"{path}: no fillings; it lacks {', '.join(missing)}")
        fillings = cls(**{f.name: arrays[f.name] for f in fields(cls)})
        fillings._validate(path)
        return fillings

    @classmethod
    def of(cls, ensemble: Ensemble) -> Fillings:
        """The fillings of the package, if they fit an ensemble.

        Parameters
        ----------
        ensemble : `~blase_astro.Ensemble`
            The networks.

        Returns
        -------
        fillings : Fillings
            Made of the sources that the ensemble was trained on, in the same bags.

        Raises
        ------
        ValueError
            If the ensemble has other bins or other training sources.

        Examples
        --------
        >>> from blase_astro import Ensemble
        >>> from blase_astro.advice import Fillings
        >>> len(Fillings.of(Ensemble.load()).peak)
        12
        """
        fillings = _kept()
        same = np.array_equal(fillings.bin_edges, ensemble.bin_edges) and np.array_equal(
            fillings.bag, ensemble.source_columns["bag"]
        )
        if not same:
            raise ValueError(
                "advice needs fillings of the SEDs that the networks were trained on, and those of "
                "the package belong to its own networks; make yours with "
                "blase_astro.advice.Fillings.fit and give them as fillings=..."
            )
        return fillings

    def save(self, path: AnyPath, *, overwrite: bool = False) -> None:
        """Write the fillings to a file ``.npz`` of plain arrays.

        Parameters
        ----------
        path : path-like
            The file.
        overwrite : bool
            Replace an existing file.
        """
        with placed(path, overwrite=overwrite) as beside, open(beside, "wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def fit(
        cls,
        binned: np.ndarray,
        label: np.ndarray,
        bag: np.ndarray,
        bin_edges: np.ndarray,
        *,
        simulated: np.ndarray,
        simulated_label: np.ndarray,
    ) -> Fillings:
        """Fillings from the SEDs of a training.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            Real binned SEDs, the training sources in their order.
        label, bag : ndarray, shape (n,)
            log10 of their peak frequencies (Hz), and their bags.
        bin_edges : ndarray of float, shape (n_bins, 2)
            The bins.
        simulated : ndarray of float, shape (m, n_bins)
            Simulated binned SEDs, for bins that few real ones have.
        simulated_label : ndarray of float, shape (m,)
            Their peaks.

        Returns
        -------
        fillings : Fillings
            The distributions.

        Examples
        --------
        >>> import numpy as np
        >>> from blase_astro.advice import Fillings
        >>> rng = np.random.default_rng(1)
        >>> sed = rng.normal(-12, 0.5, (200, 1)) + rng.normal(0, 0.1, (200, 3))
        >>> peak, bag = rng.uniform(12, 18, 200), np.arange(200) % 2
        >>> fillings = Fillings.fit(sed, peak, bag, np.array([[8, 9], [9, 10], [10, 11]]),
        ...                         simulated=sed, simulated_label=peak)
        >>> fillings.mean.shape
        (3, 12, 3)
        """
        from .gaussians import fit_all

        mean, covariance = fit_all(binned, label, bag, simulated, simulated_label, PEAKS)
        return cls(
            np.asarray(bin_edges, float),
            PEAKS,
            mean.astype(np.float32),
            covariance.astype(np.float32),
            patterns(binned),
            np.asarray(label, float),
            np.asarray(bag, np.int16),
        )

    @cached_property
    def _root(self):
        """Lower triangular roots of the covariances."""
        return np.linalg.cholesky(self.covariance.astype(float))

    def draw(
        self, binned: np.ndarray, bag: np.ndarray, distribution: Distribution, n_draws: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whole SEDs that agree with the given ones where these have points.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            Binned SEDs, NaN where empty.
        bag : ndarray of int, shape (n,)
            -1, or the bag of the training source.
        distribution : `~blase_astro.Distribution`
            What the networks say of their peaks.
        n_draws : int
            Draws of each SED.

        Returns
        -------
        drawn : ndarray of float64, shape (n, n_draws, n_bins)
            log10 of nu F_nu in every bin.
        peak : ndarray of int64, shape (n, n_draws)
            Index of the peak that each was drawn for: quantiles of the distribution.
        """
        # The same random numbers for every SED: an answer does not depend on its neighbours, and
        # chance is the same for all that are compared.
        normal = np.random.default_rng(0).standard_normal((n_draws, binned.shape[1]))
        quantile = distribution.quantile((np.arange(n_draws) + 0.5) / n_draws)
        step = self.peak[1] - self.peak[0]
        place = np.round((np.nan_to_num(quantile) - self.peak[0]) / step)
        peak = np.clip(place, 0, len(self.peak) - 1).astype(int)
        drawn = np.empty((*peak.shape, binned.shape[1]))
        for start in range(0, len(binned), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            drawn[rows] = self._conditional(binned[rows], bag[rows], peak[rows], normal)
        return drawn, peak

    def _conditional(self, binned, bag, peak, normal):
        """Draws of a few SEDs: free ones, moved to the points that are there (Matheron's rule)."""
        filled = np.isfinite(binned)
        # Each SED and peak that is wanted once, though several draws want it.
        code = np.arange(len(binned))[:, None] * len(self.peak) + peak
        code, where = np.unique(code, return_inverse=True)
        row, k = np.divmod(code, len(self.peak))
        covariance = self.covariance[bag[row], k].astype(float)
        gain = conditional_gain(covariance, filled[row])
        where = where.reshape(peak.shape)
        b = bag[:, None]
        free = self.mean[b, peak] + np.einsum("nmij,mj->nmi", self._root[b, peak], normal)
        offset = np.where(filled[:, None], binned[:, None] - free, 0)
        return free + np.einsum("nmi,nmij->nmj", offset, gain[where])

    def choose_patterns(
        self, columns: np.ndarray, n_bins: np.ndarray, bag: np.ndarray, peak: np.ndarray
    ) -> np.ndarray:
        """Which bins of a band a measurement fills, as in training sources of the same kind.

        Parameters
        ----------
        columns : ndarray of int
            The bins of the band.
        n_bins : ndarray of int, shape (n,)
            Filled bins of the SEDs outside the band.
        bag : ndarray of int, shape (n,)
            Their bags.
        peak : ndarray of int, shape (n, n_draws)
            Peaks of the draws.

        Returns
        -------
        filled : ndarray of bool, shape (n, n_draws, n_columns)
            At least one in every draw.
        """
        known = unpacked(self.pattern, len(self.bin_edges))
        inside, total = known[:, columns], known.sum(axis=1)
        has = np.flatnonzero(inside.any(axis=1))
        if not len(has):  # no training source has the band: its first bin
            return np.broadcast_to(np.arange(len(columns)) == 0, (*peak.shape, len(columns)))
        inside, own_bag = inside[has], self.bag[has]
        apart = (self.peak[:, None] - self.label[has]) / _PEAK_SCATTER
        alike_peak = np.exp(-0.5 * apart**2) + 1e-9
        others = np.log(np.maximum(total[has] - inside.sum(axis=1), 1))
        chance = np.random.default_rng(1).random((peak.shape[1],))
        choice = np.empty(peak.shape, int)
        for i in range(len(peak)):
            apart = (others - np.log(max(n_bins[i], 1))) / _BINS_SCATTER
            alike = (np.exp(-0.5 * apart**2) + 1e-9) * (own_bag != bag[i])
            used, where = np.unique(peak[i], return_inverse=True)
            reach = np.cumsum(alike_peak[used] * alike, axis=1)
            for j in range(len(used)):
                draws = where == j
                choice[i, draws] = np.searchsorted(reach[j], chance[draws] * reach[j, -1])
        return inside[np.minimum(choice, len(has) - 1)]

    def _validate(self, path):
        """Refuse what `fit` does not make."""
        n_bins, n_peaks, n = len(self.bin_edges), len(self.peak), len(self.pattern)
        shapes = {
            "mean": (len(self.mean), n_peaks, n_bins),
            "covariance": (len(self.mean), n_peaks, n_bins, n_bins),
            "label": (n,),
            "bag": (n,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{path}: {name}: wanted finite numbers of shape {shape}")
        if n_peaks < 2 or not 0 < n_bins < 64 or self.bag.max(initial=0) >= len(self.mean) - 1:
            raise ValueError(f"{path}: no fillings that `Fillings.fit` makes")
        try:
            self._root  # noqa: B018  (a covariance that is none has no root)
        except np.linalg.LinAlgError:
            raise ValueError(f"{path}: covariance: not positive definite") from None


# log10 of Hz; the last beyond nearly all labels.
PEAKS = np.arange(12.25, 17.8, 0.5)


@lru_cache
def _kept():
    """The fillings of the package, read once a process."""
    return Fillings.load()


def conditional_gain(covariance, filled):
    """What each filled bin says of all bins.

    Parameters
    ----------
    covariance : ndarray of float64, shape (n, n_bins, n_bins)
        Covariances of the bins.
    filled : ndarray of bool, shape (n, n_bins)
        Which bins are given.

    Returns
    -------
    gain : ndarray of float64, shape (n, n_bins, n_bins)
        The conditional mean is the mean plus the offsets of the given bins times this.
    """
    both = filled[:, :, None] & filled[:, None, :]
    given = np.where(both, covariance, np.eye(filled.shape[1]))
    return np.linalg.solve(given, covariance * filled[:, :, None])


def patterns(binned):
    """Which bins of SEDs are filled, one bit a bin, int64 of shape (n,)."""
    bits = np.left_shift(np.int64(1), np.arange(binned.shape[1], dtype=np.int64))
    return (np.isfinite(binned) * bits).sum(axis=1)


def unpacked(pattern, n_bins):
    """The bits of patterns (n,) as bool of shape (n, n_bins)."""
    return (pattern[:, None] >> np.arange(n_bins)) & 1 == 1
