"""The trained ensemble: load, save, find a source's bag, predict with numpy."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np

from .calibration import Calibration
from .io.output import placed
from .sky import unit_vectors

__all__ = ["TARGETS", "Ensemble", "mean_level"]

TARGETS = ("nu_peak", "nufnu_peak")
FORMAT_VERSION = 1
# Reference of the bins where the SED's own level is not subtracted: it keeps float32 sums small.
ZERO_LEVEL = -12.0
# Smallest predicted variance in units of the label's scatter: no member claims certainty.
MIN_VARIANCE = 1e-4
# Rows that go through the network at once: the widest layer of all members stays in the cache.
_CHUNK = 512


def mean_level(binned):
    """Mean level of each binned SED.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.

    Returns
    -------
    level : ndarray of float64, shape (n,)
        Mean of the filled bins, NaN where no bin is filled.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.ensemble import mean_level
    >>> mean_level(np.array([[-12, np.nan, -14]]))
    array([-13.])
    """
    filled = np.isfinite(binned)
    count = filled.sum(axis=1)
    total = np.where(filled, binned, 0).sum(axis=1, dtype=float)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A bagged deep ensemble of Gaussian networks for one target [1]_.

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
        empty), their mask, and the level where it is subtracted.
    label_mean, label_std : ndarray of float64, shape (bag, member)
        Scaling of the label.
    source_columns : dict of ndarray, shape (n_sources,) each
        The real training sources: ``name``, ``ra``, ``dec`` (deg), ``bag``, ``label``, ``n_bins``
        and the out-of-bag estimates ``oob_mean``, ``oob_std``.
    calibration : `~blase_astro.calibration.Calibration` or None
        What turns mean and standard deviation into honest intervals.
    meta : dict
        Provenance: version, configuration, seed, digest of the archive.

    References
    ----------
    .. [1] Lakshminarayanan, B., Pritzel, A., Blundell, C. 2017, NeurIPS 30, arXiv:1612.01474
    """

    target: str
    bin_edges: np.ndarray
    subtract_level: bool
    weights: tuple
    biases: tuple
    label_mean: np.ndarray
    label_std: np.ndarray
    source_columns: dict
    calibration: Calibration | None = None
    meta: dict = field(default_factory=dict)

    @property
    def n_bags(self):
        """Number of bags."""
        return self.weights[0].shape[0]

    @property
    def n_members(self):
        """Number of members of each bag."""
        return self.weights[0].shape[1]

    @cached_property
    def sources(self):
        """The training sources as a `~astropy.table.Table`."""
        from astropy.table import Table

        table = Table(self.source_columns)
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
    def load(cls, path=None, target="nu_peak"):
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
            The ensemble, its checksum verified.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no ensemble, of another format version, or damaged.

        Examples
        --------
        >>> from blase_astro.ensemble import Ensemble
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
        try:
            # Opened here: np.load(path) leaves the file open where the archive is damaged.
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(str(arrays.pop("header")))
            checksum = str(arrays.pop("sha256"))
        except (ValueError, KeyError, EOFError, OSError) as error:
            raise ValueError(f"{path}: wanted an ensemble saved by blase_astro ({error})") from None
        except Exception as error:  # zipfile and zlib raise their own kinds on damaged bytes
            raise ValueError(f"{path}: damaged ensemble ({error})") from None
        if header.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f"{path}: wanted format version {FORMAT_VERSION}, got "
                f"{header.get('format_version')!r}"
            )
        if checksum != _checksum(header, arrays):
            raise ValueError(f"{path}: damaged ensemble (its checksum does not fit)")
        return cls._from_arrays(header, arrays)

    @classmethod
    def _from_arrays(cls, header, arrays):
        def part(prefix):
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        calibration = part("calibration_")
        n_layers = header["n_layers"]
        return cls(
            target=header["target"],
            bin_edges=arrays["bin_edges"],
            subtract_level=header["subtract_level"],
            weights=tuple(arrays[f"weight_{i}"] for i in range(n_layers)),
            biases=tuple(arrays[f"bias_{i}"] for i in range(n_layers)),
            label_mean=arrays["label_mean"],
            label_std=arrays["label_std"],
            source_columns=part("source_"),
            calibration=Calibration.from_arrays(calibration) if calibration else None,
            meta=header["meta"],
        )

    def _to_arrays(self):
        arrays = {
            "bin_edges": self.bin_edges,
            "label_mean": self.label_mean,
            "label_std": self.label_std,
        }
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{i}": weight, f"bias_{i}": bias}
        arrays |= {f"source_{name}": column for name, column in self.source_columns.items()}
        if self.calibration is not None:
            calibration = self.calibration.to_arrays()
            arrays |= {f"calibration_{name}": column for name, column in calibration.items()}
        header = {
            "format_version": FORMAT_VERSION,
            "target": self.target,
            "subtract_level": bool(self.subtract_level),
            "n_layers": len(self.weights),
            "meta": self.meta,
        }
        return header, arrays

    @cached_property
    def digest(self):
        """SHA-256 of the ensemble's content, as hexadecimal digits."""
        return _checksum(*self._to_arrays())

    def save(self, path):
        """Write the ensemble to a file ``.npz`` of plain arrays, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced.
        """
        header, arrays = self._to_arrays()
        with placed(path, overwrite=True) as beside, open(beside, "wb") as file:
            np.savez_compressed(
                file,
                header=np.array(json.dumps(header, sort_keys=True)),
                sha256=np.array(_checksum(header, arrays)),
                **arrays,
            )

    # -- cross-match ---------------------------------------------------------------------------

    def find_bag(self, ra, dec, radius=5.0):
        """The bag of the training source at a position, on the sphere.

        Parameters
        ----------
        ra, dec : array_like of float, shape (n,)
            Position in degrees (ICRS); NaN where unknown.
        radius : float
            Largest separation in arcsec.

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
        >>> from blase_astro.ensemble import Ensemble
        >>> bag, separation, n_near = Ensemble.load().find_bag([10.0], [-80.0])
        >>> bag
        array([-1], dtype=int16)
        """
        ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
        known = np.isfinite(ra) & np.isfinite(dec)
        bag = np.full(len(ra), -1, np.int16)
        separation = np.full(len(ra), np.nan)
        n_near = np.zeros(len(ra), np.int32)
        chord = 2 * np.sin(np.radians(radius / 3600) / 2)
        nearest, distance, count = _neighbours(
            unit_vectors(ra[known], dec[known]), self._vectors, chord
        )
        hit = distance <= chord
        rows = np.flatnonzero(known)[hit]
        bag[rows] = self.source_columns["bag"][nearest[hit]]
        separation[rows] = np.degrees(2 * np.arcsin(distance[hit] / 2)) * 3600
        n_near[known] = count
        return bag, separation, n_near

    @cached_property
    def _vectors(self):
        return unit_vectors(self.source_columns["ra"], self.source_columns["dec"])

    # -- estimate ------------------------------------------------------------------------------

    def predict(self, binned, bag=-1):
        """Estimate of the target for binned SEDs, out of bag where a bag is given.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.
        bag : int or array_like of int, shape (n,)
            -1: all members estimate; b: only those of bag b, which never saw the source.

        Returns
        -------
        mean, std : ndarray of float64, shape (n,)
            Mean of the members' means, and standard deviation of their mixture: the mean of
            their variances plus the variance of their means. log10; NaN for an SED without a
            filled bin.

        Raises
        ------
        ValueError
            If the number of bins or a bag is not that of the ensemble.

        Examples
        --------
        >>> import numpy as np
        >>> from blase_astro.ensemble import Ensemble
        >>> ensemble = Ensemble.load()
        >>> mean, std = ensemble.predict(np.full((1, len(ensemble.bin_edges)), np.nan))
        >>> mean
        array([nan])
        """
        return self.predict_with_spread(binned, bag)[:2]

    def predict_with_spread(self, binned, bag=-1):
        """As `predict`, and how far the members disagree.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.
        bag : int or array_like of int, shape (n,)
            -1: all members estimate; b: only those of bag b, which never saw the source.

        Returns
        -------
        mean, std, spread : ndarray of float64, shape (n,)
            Mean and standard deviation as of `predict`; standard deviation of the members' means.
        """
        binned = self._check(binned)
        bag = np.broadcast_to(np.asarray(bag), len(binned))
        wrong = (bag < -1) | (bag >= self.n_bags)
        if wrong.any():
            raise ValueError(
                f"bag: wanted -1 (all members) or 0 to {self.n_bags - 1}, got {bag[wrong][0]}"
            )
        mean, std, spread = np.full((3, len(binned)), np.nan)
        for b in np.unique(bag):
            members = slice(None) if b == -1 else slice(b, b + 1)
            rows = np.flatnonzero((bag == b) & np.isfinite(binned).any(axis=1))
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                means, variances = self._forward(binned[part], members)
                mean[part] = means.mean(axis=(0, 1))
                spread[part] = means.std(axis=(0, 1))
                std[part] = np.sqrt(variances.mean(axis=(0, 1)) + spread[part] ** 2)
        return mean, std, spread

    def predict_members(self, binned):
        """Estimate of every member.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.

        Returns
        -------
        mean, variance : ndarray of float64, shape (bag, member, n)
            Mean and variance of each member's Gaussian, log10; NaN for an empty SED.
        """
        binned = self._check(binned)
        shape = (self.n_bags, self.n_members, len(binned))
        mean, variance = np.full(shape, np.nan), np.full(shape, np.nan)
        rows = np.flatnonzero(np.isfinite(binned).any(axis=1))
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            mean[..., part], variance[..., part] = self._forward(binned[part], slice(None))
        return mean, variance

    def interval(self, mean, std, n_bins, level=0.95):
        """Calibrated prediction interval; see `~blase_astro.calibration.Calibration.interval`."""
        return self._calibrated().interval(mean, std, n_bins, level)

    def cdf(self, x, mean, std, n_bins):
        """Calibrated distribution; see `~blase_astro.calibration.Calibration.cdf`."""
        return self._calibrated().cdf(x, mean, std, n_bins)

    def _calibrated(self):
        if self.calibration is None:
            raise ValueError(f"the ensemble for {self.target} has no calibration")
        return self.calibration

    def _check(self, binned):
        binned = np.asarray(binned)
        if binned.ndim != 2 or binned.shape[1] != len(self.bin_edges):
            raise ValueError(f"binned: wanted shape (n, {len(self.bin_edges)}), got {binned.shape}")
        return binned

    def _inputs(self, binned):
        """Inputs of the network (n, n_in) and the level that the label is relative to (n,)."""
        filled = np.isfinite(binned)
        base = mean_level(binned) if self.subtract_level else np.full(len(binned), ZERO_LEVEL)
        columns = [np.where(filled, binned - base[:, None], 0), filled]
        if self.subtract_level:
            columns.append(base[:, None] - ZERO_LEVEL)
        return np.concatenate(columns, axis=1, dtype=np.float32), base

    def _forward(self, binned, bags):
        """Mean and variance (bag, member, n) of the members of some bags."""
        x, base = self._inputs(binned)
        n = len(x)
        first = self.weights[0][bags]
        shape = first.shape[:2]
        # One matrix product for all members: their first layers stand side by side.
        wide = np.moveaxis(first, 2, 0).reshape(x.shape[1], -1)
        x = (x @ wide).reshape(n, *shape, -1).transpose(1, 2, 0, 3)
        x = x + self.biases[0][bags][:, :, None]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            np.maximum(x, 0, out=x)
            x = np.matmul(x, weight[bags])
            x += bias[bags][:, :, None]
        x = x.astype(float)
        scale = self.label_std[bags][..., None]
        mean = x[..., 0] * scale + self.label_mean[bags][..., None]
        if self.subtract_level and self.target == "nufnu_peak":
            mean += base
        variance = (np.logaddexp(0, x[..., 1]) + MIN_VARIANCE) * scale**2
        return mean, variance


def _checksum(header, arrays):
    """SHA-256 of everything but the checksum itself."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _neighbours(points, sources, chord):
    """Nearest source of each point, its chord distance, and the number of sources within chord."""
    n = len(points)
    if n == 0 or len(sources) == 0:
        return np.zeros(n, int), np.full(n, np.inf), np.zeros(n, int)
    if n <= 64:  # scipy's tree takes longer to import than this to compute
        distance = np.linalg.norm(points[:, None] - sources, axis=2)
        nearest = distance.argmin(axis=1)
        return nearest, distance[np.arange(n), nearest], (distance <= chord).sum(axis=1)
    from scipy.spatial import KDTree

    tree = KDTree(sources)
    distance, nearest = tree.query(points, distance_upper_bound=chord * (1 + 1e-9))
    count = np.zeros(n, int)
    hit = np.flatnonzero(np.isfinite(distance))
    count[hit] = tree.query_ball_point(points[hit], chord, return_length=True)
    return np.where(np.isfinite(distance), nearest, 0), distance, count
