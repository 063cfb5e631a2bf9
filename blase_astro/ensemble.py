"""The trained ensemble: load, save, find a source's bag, predict with numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .calibration import Calibration
from .distribution import Distribution
from .ensemble_file import checksum, read_ensemble, write_ensemble
from .networks import Networks
from .population import training_population
from .sed import mean_level
from .sky import SkyIndex, icrs
from .targets import TARGETS

if TYPE_CHECKING:
    from ._types import Any, AnyPath, ArrayLike, Position, Radius, Table
    from .population import Population

__all__ = ["Ensemble"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A bagged ensemble of networks for one target [1]_.

    The members of bag b never saw a source of bag b. Everything that must agree with the weights
    travels with them.

    Parameters
    ----------
    target : {'nu_peak', 'nufnu_peak'}
        What the networks estimate: log10 of the synchrotron peak frequency in Hz, or of nu F_nu
        there in erg / (s cm2).
    bin_edges : ndarray of float64, shape (n_bins, 2)
        Lower (included) and upper (excluded) edges of the frequency bins, log10 of Hz.
    subtract_level : bool
        Whether each SED's mean level is subtracted from its bins and given as one more input; the
        label of ``nufnu_peak`` is then relative to it.
    weights, biases : tuple of ndarray of float32
        Of each layer, shapes (bag, member, n_in, n_out) and (bag, member, n_out), with the scaling
        of the inputs and the batch normalisation folded in. The inputs are the bins (0 where
        empty), their mask, and the level where it is subtracted. The last layer gives the log of
        the probability of each cell of the grid, but for a constant; without a grid the mean and
        the variance of a normal distribution.
    grid : ndarray of float64, shape (n_grid,), optional
        Centres of the cells, log10, relative to the level where the label is.
    label_mean, label_std : ndarray of float64, shape (bag, member), optional
        Scaling of the label of normal networks.
    source_columns : dict of ndarray, shape (n_sources, ...) each
        The real training sources: ``name``, ``ra``, ``dec`` (deg), ``bag``, ``label``, ``n_bins``
        and their out-of-bag distributions before calibration: ``oob_probability`` and
        ``oob_base``, or ``oob_mean`` and ``oob_std``.
    calibration : `~blase_astro.calibration.Calibration` or None
        What makes the distributions honest.
    meta : dict
        Provenance: version, configuration, seed, digest of the training set.

    References
    ----------
    .. [1] Lakshminarayanan, B., Pritzel, A., Blundell, C. 2017, NeurIPS 30, arXiv:1612.01474
    """

    target: str
    bin_edges: np.ndarray
    subtract_level: bool
    weights: tuple
    biases: tuple
    grid: np.ndarray | None = None
    label_mean: np.ndarray | None = None
    label_std: np.ndarray | None = None
    source_columns: dict = field(default_factory=dict)
    calibration: Calibration | None = None
    meta: dict = field(default_factory=dict)

    @property
    def n_bags(self) -> int:
        """Number of bags."""
        return self.weights[0].shape[0]

    @property
    def n_members(self) -> int:
        """Number of members of each bag."""
        return self.weights[0].shape[1]

    @cached_property
    def sources(self) -> Table:
        """The training sources as a `~astropy.table.Table`, one row each."""
        from astropy.table import Table

        flat = {name: values for name, values in self.source_columns.items() if values.ndim == 1}
        table = Table(flat)
        for name in ("ra", "dec"):
            table[name].unit = "deg"
        return table

    def __repr__(self):
        return (
            f"<Ensemble {self.target}: {self.n_bags} bags x {self.n_members} members, "
            f"{len(self.source_columns['bag'])} training sources, {self.digest[:12]}>"
        )

    # -- files ---------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: AnyPath | None = None, target: str = "nu_peak") -> Ensemble:
        """Read an ensemble.

        Parameters
        ----------
        path : path-like, optional
            A file ``.npz``, or a folder that holds ``<target>.npz``; by default the ensemble that
            comes with the package.
        target : {'nu_peak', 'nufnu_peak'}
            Which target to read from a folder.

        Returns
        -------
        ensemble : Ensemble
            The ensemble, its checksum verified and its content validated.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no ensemble, of an unknown format version, or damaged.

        Examples
        --------
        >>> from blase_astro import Ensemble
        >>> Ensemble.load().target
        'nu_peak'
        """
        if target not in TARGETS:
            raise ValueError(f"target: wanted one of {', '.join(TARGETS)}, got {target!r}")
        path = files("blase_astro") / "data" if path is None else Path(path)
        if path.is_dir():
            path = path / f"{target}.npz"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such ensemble")
        header, arrays = read_ensemble(path)
        calibration = _part(arrays, "calibration_")
        layers = range(header["n_layers"])
        return cls(
            target=header["target"],
            bin_edges=arrays["bin_edges"],
            subtract_level=header["subtract_level"],
            # Kept as float16 in the file; products of float32 are several times faster.
            weights=tuple(arrays[f"weight_{i}"].astype(np.float32) for i in layers),
            biases=tuple(arrays[f"bias_{i}"].astype(np.float32) for i in layers),
            grid=arrays.get("grid"),
            label_mean=arrays.get("label_mean"),
            label_std=arrays.get("label_std"),
            source_columns=_part(arrays, "source_"),
            calibration=Calibration.from_arrays(calibration) if calibration else None,
            meta=header["meta"],
        )

    def _to_arrays(self):
        arrays = {"bin_edges": self.bin_edges}
        for name in ("grid", "label_mean", "label_std"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{i}": weight, f"bias_{i}": bias}
        arrays |= {f"source_{name}": column for name, column in self.source_columns.items()}
        if self.calibration is not None:
            calibration = self.calibration.to_arrays()
            arrays |= {f"calibration_{name}": column for name, column in calibration.items()}
        header = {
            "target": self.target,
            "subtract_level": bool(self.subtract_level),
            "n_layers": len(self.weights),
            "meta": self.meta,
        }
        return header, arrays

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ensemble's content, as hexadecimal digits."""
        return checksum(*self._to_arrays())

    def save(self, path: AnyPath) -> None:
        """Write the ensemble to a file ``.npz`` of plain arrays, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced.
        """
        write_ensemble(path, *self._to_arrays())

    # -- cross-match ---------------------------------------------------------------------------

    @cached_property
    def _index(self):
        return SkyIndex(self.source_columns["ra"], self.source_columns["dec"])

    def find_source(
        self, position: Position, radius: Radius = 5.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The training source at a position, on the sphere.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord` or pair
            n positions: sky coordinates in any frame, or right ascension and declination (degrees
            without unit, ICRS); NaN where unknown.
        radius : float, `~astropy.units.Quantity` or str
            Largest separation, arcsec without unit.

        Returns
        -------
        source : ndarray of int64, shape (n,)
            Row of `sources` of the nearest training source within the radius, -1 where none is.
        separation : ndarray of float64, shape (n,)
            Separation from it in arcsec, NaN where there is none.
        n_near : ndarray of int32, shape (n,)
            Number of training sources within the radius.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from blase_astro import Ensemble
        >>> source, separation, n_near = Ensemble.load().find_source(SkyCoord(10, -80, unit='deg'))
        >>> source
        array([-1])
        """
        return self._index.nearest(*icrs(position), radius)

    def find_bag(
        self, ra: Any, dec: Any = None, radius: Radius = 5.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bag of the training source at a position, on the sphere.

        Parameters
        ----------
        ra, dec : array_like of float, shape (n,)
            Position in degrees (ICRS); NaN where unknown. Sky coordinates instead of both.
        radius : float, `~astropy.units.Quantity` or str
            Largest separation, arcsec without unit.

        Returns
        -------
        bag : ndarray of int16, shape (n,)
            Bag of the nearest training source within the radius, -1 where there is none.
        separation : ndarray of float64, shape (n,)
            Separation from it in arcsec, NaN where there is none.
        n_near : ndarray of int32, shape (n,)
            Number of training sources within the radius.

        Examples
        --------
        >>> from blase_astro import Ensemble
        >>> bag, separation, n_near = Ensemble.load().find_bag([10.0], [-80.0])
        >>> bag
        array([-1], dtype=int16)
        """
        position = ra if dec is None else (ra, dec)
        source, separation, n_near = self.find_source(position, radius)
        return self.bag_of(source), separation, n_near

    def bag_of(self, source: np.ndarray) -> np.ndarray:
        """Bag of training sources by their rows, -1 where the row is -1, int16 of shape (n,)."""
        bag = np.append(self.source_columns["bag"], np.int16(-1))
        return bag[source]

    # -- estimate ------------------------------------------------------------------------------

    def predict(
        self, binned: ArrayLike, bag: ArrayLike = -1, *, calibrated: bool = True
    ) -> Distribution:
        """Predictive distribution of the target for binned SEDs, out of bag where a bag is given.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.
        bag : int or array_like of int, shape (n,)
            -1: all members estimate; b: only those of bag b, which never saw the source.
        calibrated : bool
            Whether the distribution is calibrated, where the ensemble has a calibration.

        Returns
        -------
        distribution : `~blase_astro.Distribution`
            The mean of the members' distributions; NaN for an SED without a filled bin.

        Raises
        ------
        ValueError
            If the number of bins or a bag is not that of the ensemble.

        Examples
        --------
        >>> import numpy as np
        >>> from blase_astro import Ensemble
        >>> ensemble = Ensemble.load()
        >>> ensemble.predict(np.full((1, len(ensemble.bin_edges)), np.nan)).median()
        array([nan])
        """
        return self.predict_with_spread(binned, bag, calibrated=calibrated)[0]

    def predict_with_spread(
        self, binned: ArrayLike, bag: ArrayLike = -1, *, calibrated: bool = True
    ) -> tuple[Distribution, np.ndarray]:
        """As `predict`, and how far the members disagree.

        Parameters
        ----------
        binned, bag, calibrated
            As for `predict`.

        Returns
        -------
        distribution : `~blase_astro.Distribution`
            As of `predict`.
        spread : ndarray of float64, shape (n,)
            Standard deviation of the members' means (dex).
        """
        binned, bag = self._check(binned), np.broadcast_to(np.asarray(bag), len(binned))
        wrong = (bag < -1) | (bag >= self.n_bags)
        if wrong.any():
            raise ValueError(
                f"bag: wanted -1 (all members) or 0 to {self.n_bags - 1}, got {bag[wrong][0]}"
            )
        filled = np.isfinite(binned)
        width = 2 if self.grid is None else len(self.grid)
        mixed = np.full((len(binned), width), np.nan)
        spread = np.full(len(binned), np.nan)
        for b in np.unique(bag):
            bags = range(self.n_bags) if b == -1 else (b,)
            rows = np.flatnonzero((bag == b) & filled.any(axis=1))
            mixed[rows], means = self._networks.mix(binned[rows], bags)
            spread[rows] = means.std(axis=0)
        distribution = self._distribution(mixed, mean_level(binned))
        if calibrated and self.calibration is not None:
            distribution = self.calibration.apply(distribution, filled.sum(axis=1))
        return distribution, spread

    def predict_members(self, binned: ArrayLike) -> np.ndarray:
        """Mean of every member's distribution.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.

        Returns
        -------
        mean : ndarray of float64, shape (bag, member, n)
            log10; NaN for an empty SED.
        """
        binned = self._check(binned)
        mean = np.full((self.n_bags * self.n_members, len(binned)), np.nan)
        rows = np.flatnonzero(np.isfinite(binned).any(axis=1))
        base = mean_level(binned)[rows] if self.relative else 0
        mean[:, rows] = self._networks.mix(binned[rows], range(self.n_bags))[1] + base
        return mean.reshape(self.n_bags, self.n_members, -1)

    @cached_property
    def _networks(self):
        scaling = self.grid, self.label_mean, self.label_std
        return Networks(self.weights, self.biases, self.subtract_level, *scaling)

    @property
    def relative(self) -> bool:
        """Is the label relative to the mean level of the SED?"""
        return self.subtract_level and self.target == "nufnu_peak"

    @cached_property
    def oob(self) -> Distribution:
        """Out-of-bag `~blase_astro.Distribution` of the training sources, before calibration."""
        columns = self.source_columns
        if "oob_probability" in columns:
            base = columns["oob_base"] if self.relative else None
            probability = columns["oob_probability"].astype(float)
            probability /= probability.sum(axis=1, keepdims=True)  # the file has rounded them
            return Distribution(self.grid, probability, base)
        return Distribution.normal(columns["oob_mean"], columns["oob_std"])

    @cached_property
    def population(self) -> Population:
        """The `~blase_astro.population.Population` that the networks lean on."""
        return training_population(self)

    def _check(self, binned):
        binned = np.asarray(binned)
        if binned.ndim != 2 or binned.shape[1] != len(self.bin_edges):
            raise ValueError(f"binned: wanted shape (n, {len(self.bin_edges)}), got {binned.shape}")
        return binned

    def _distribution(self, mixed, level):
        """Mixed probabilities, or mean and variance, as a distribution."""
        base = level if self.relative else None
        if self.grid is not None:
            return Distribution(self.grid, mixed, base)
        return Distribution.normal(mixed[:, 0] + (0 if base is None else base), mixed[:, 1] ** 0.5)


def _part(arrays, prefix):
    """Arrays whose names begin with a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
