"""SEDs of any kind to estimates, in blocks."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._version import __version__
from .bulk import read_chunks
from .columns import SED_COLUMNS, column_table
from .ensemble import TARGETS, Ensemble
from .flags import FEW_BINS, MIN_BINS, Flag, doubts
from .joins import file_keys
from .targets import CLASS_EDGES, SED_CLASSES

__all__ = ["estimate", "estimate_arrays", "load_ensembles"]


def load_ensembles(ensemble=None):
    """Ensembles of both targets, or of those that are there.

    Parameters
    ----------
    ensemble : path-like or list of `~blase_astro.ensemble.Ensemble`, optional
        A folder or file of ensembles, or the ensembles themselves; by default those that come
        with the package.

    Returns
    -------
    ensembles : list of `~blase_astro.ensemble.Ensemble`
        That for the peak frequency first.

    Examples
    --------
    >>> from blase_astro.estimates import load_ensembles
    >>> [ensemble.target for ensemble in load_ensembles()]
    ['nu_peak', 'nufnu_peak']
    """
    from pathlib import Path

    if isinstance(ensemble, Ensemble):
        return [ensemble]
    if isinstance(ensemble, (list, tuple)):
        return list(ensemble)
    if ensemble is None:
        return [Ensemble.load(None, target) for target in TARGETS]
    if not Path(ensemble).is_dir():
        return [Ensemble.load(ensemble)]
    there = [target for target in TARGETS if (Path(ensemble) / f"{target}.npz").is_file()]
    return [Ensemble.load(ensemble, target) for target in there or TARGETS[:1]]


class _Settings(NamedTuple):
    """What an estimate depends on besides the SED."""

    ensembles: dict  # target: Ensemble
    level: float
    radius: float  # arcsec
    bag: int | None  # None: the bag of the training source at the position

    @property
    def first(self):
        """The ensemble that the bags and flags speak of."""
        return next(iter(self.ensembles.values()))

    def meta(self, *, with_level=True):
        """What the table as a whole is told, with keys that fit a FITS header."""
        meta = {"PILEVEL": self.level, "PIFRAME": "observer"} if with_level else {}
        meta |= {"BLASEVER": __version__, "MATCHRAD": self.radius}
        keys = {"nu_peak": "NUENSEM", "nufnu_peak": "NFENSEM"}
        return meta | {keys[t]: e.digest[:16] for t, e in self.ensembles.items()}


def _settings(ensemble, level=0.95, radius=5.0, bag=None):
    """Checked settings; the ensembles are read where a path or nothing is given."""
    if not 0 < level < 1:
        raise ValueError(f"level must be a probability between 0 and 1; got {level}")
    radius = float(radius.to_value("arcsec")) if hasattr(radius, "to_value") else float(radius)
    if not 0 < radius < 3600 * 90:
        raise ValueError(f"radius must be a positive angle in arcsec; got {radius}")
    ensembles = _load_ensembles(ensemble)
    first, *others = ensembles.values()
    for other in others:
        if not np.array_equal(other.bin_edges, first.bin_edges):
            raise ValueError("the ensembles of the two targets have different frequency bins")
    if bag is not None and not -1 <= bag < min(e.n_bags for e in ensembles.values()):
        raise ValueError(f"bag must be -1 (all members) or 0 to {first.n_bags - 1}; got {bag}")
    return _Settings(ensembles, float(level), radius, bag)


def _load_ensembles(ensemble):
    """Ensembles by target: from a path (None: the shipped ones), an Ensemble or several."""
    if isinstance(ensemble, Ensemble):
        ensemble = [ensemble]
    if ensemble is not None and not isinstance(ensemble, (str, os.PathLike)):
        found = {e.target: e for e in ensemble}
        if not found:
            raise ValueError("ensemble: wanted at least one Ensemble, got none")
        return {target: found[target] for target in TARGETS if target in found}
    path = None if ensemble is None else Path(ensemble)
    if path is None or not path.is_dir():
        if path is not None:
            one = Ensemble.load(path)
            return {one.target: one}
        return {target: Ensemble.load(None, target) for target in TARGETS}
    there = [target for target in TARGETS if (path / f"{target}.npz").is_file()]
    if not there:
        raise FileNotFoundError(f"{path} holds no ensemble; wanted nu_peak.npz or nufnu_peak.npz")
    return {target: Ensemble.load(path, target) for target in there}


def _estimate_chunk(chunk, settings):
    """Estimates of some SEDs as arrays by column name."""
    n_bins = np.isfinite(chunk.binned).sum(axis=1).astype(np.int32)
    binned = np.where((n_bins >= MIN_BINS)[:, None], chunk.binned, np.nan)
    columns = {"name": np.array(chunk.name, dtype=str), "ra": chunk.ra, "dec": chunk.dec}
    bag, sep, n_near = settings.first.find_bag(chunk.ra, chunk.dec, settings.radius)
    flags = np.zeros(len(n_bins), np.int32)
    for target, ensemble in settings.ensembles.items():
        own = bag
        if ensemble is not settings.first:
            own = _own_bag(ensemble, settings, chunk, bag)
        if settings.bag is not None:
            own = np.full(len(bag), settings.bag)
        mean, std, spread = ensemble.predict_with_spread(binned, own)
        lo, hi = ensemble.interval(mean, std, n_bins, settings.level)
        for end, value in (("", mean), ("_lo", lo), ("_hi", hi)):
            columns[target + end] = 10**value
            columns[f"log_{target}{end}"] = value
        columns[f"log_{target}_std"] = std
        if target == "nu_peak":
            columns |= _classes(ensemble, mean, std, n_bins)
        if ensemble is settings.first:
            flags |= doubts(ensemble, binned, mean, hi - lo, spread, settings.level)
    columns |= {"bag": bag, "bag_sep": sep, "n_points": chunk.n_points, "n_bins": n_bins}
    columns["flags"] = flags | _reasons(chunk, n_bins, n_near)
    columns["message"] = _messages(chunk, n_bins)
    return columns


def _own_bag(ensemble, settings, chunk, bag):
    """Bags of the second ensemble; nearly always those of the first, whose match is reused."""
    mine, first = ensemble.source_columns, settings.first.source_columns
    if all(np.array_equal(mine[key], first[key]) for key in ("ra", "dec", "bag")):
        return bag
    return ensemble.find_bag(chunk.ra, chunk.dec, settings.radius)[0]


def _classes(ensemble, mean, std, n_bins):
    """Class probabilities from the calibrated distribution, and the most probable class."""
    below = [ensemble.cdf(edge, mean, std, n_bins) for edge in CLASS_EDGES]
    probability = np.stack([below[0], below[1] - below[0], 1 - below[1]])
    known = np.isfinite(mean)
    best = np.argmax(np.where(known, probability, 0), axis=0)
    columns = {f"p_{name.lower()}": p for name, p in zip(SED_CLASSES, probability, strict=True)}
    return columns | {"sed_class": np.where(known, np.array(SED_CLASSES)[best], "UNK")}


def _reasons(chunk, n_bins, n_near):
    """Flags that need no estimate."""
    unread = np.array([bool(error) for error in chunk.error], dtype=bool)
    flags = np.zeros(len(n_bins), np.int32)
    for flag, rows in (
        (Flag.READ_ERROR, unread),
        (Flag.NO_POINTS, ~unread & (n_bins == 0)),
        (Flag.TOO_FEW_BINS, (n_bins > 0) & (n_bins < MIN_BINS)),
        (Flag.FEW_BINS, (n_bins >= MIN_BINS) & (n_bins < FEW_BINS)),
        (Flag.FOREIGN_FORMAT, chunk.foreign),
        (Flag.NO_POSITION, ~(np.isfinite(chunk.ra) & np.isfinite(chunk.dec))),
        (Flag.AMBIGUOUS_MATCH, n_near > 1),
    ):
        flags[rows] |= flag
    return flags


def _messages(chunk, n_bins):
    """Why there is no estimate, in words."""
    messages = []
    for error, n in zip(chunk.error, n_bins, strict=True):
        if not error and n == 0:
            error = "no usable point in the frequency bins"
        elif not error and n < MIN_BINS:
            bins = "bin" if n == 1 else "bins"
            error = f"not enough to estimate from: points in {n} frequency {bins}, "
            error += f"{MIN_BINS} needed"
        messages.append(error)
    return np.array(messages, dtype=str)


def _estimates(seds, settings, *, jobs=1, progress=None, leave_out=None, fallback=None):
    """Estimates of all SEDs as arrays by column name; only these grow with their number."""
    parts = []
    reading = {"jobs": jobs, "progress": progress, "leave_out": leave_out}
    for chunk in read_chunks(seds, settings.first.bin_edges, **reading):
        if fallback:
            chunk = _with_positions(chunk, fallback)
        parts.append(_estimate_chunk(chunk, settings))
    if not parts:
        return None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def estimate_arrays(
    seds, *, ensemble=None, level=0.95, radius=5.0, bag=None, jobs=1, progress=None, leave_out=None
):
    """As `estimate`, but plain arrays: quicker to start, as no table has to be imported.

    Parameters
    ----------
    seds, ensemble, level, radius, bag, jobs, progress, leave_out
        As for `estimate`.

    Returns
    -------
    columns : dict of ndarray, shape (n,) each
        The columns of `estimate` by name.

    Raises
    ------
    ValueError, OSError
        As `estimate`.

    Examples
    --------
    >>> from blase_astro.estimates import estimate_arrays
    >>> columns = estimate_arrays('catalogs/demo_seds.zip')
    >>> columns['log_nu_peak'].shape == columns['flags'].shape
    True
    """
    settings = _settings(ensemble, level, radius, bag)
    columns = _estimates(seds, settings, jobs=jobs, progress=progress, leave_out=leave_out)
    if columns is None:
        raise ValueError("no SED to estimate from")
    return columns


def estimate(
    seds,
    *,
    ensemble=None,
    level=0.95,
    radius=5.0,
    bag=None,
    jobs=1,
    progress=None,
    leave_out=None,
    command="",
):
    """Estimate the synchrotron peak of SEDs.

    A source of the training set is estimated by the members that never saw it; it is recognised
    by its position.

    Parameters
    ----------
    seds : path-like, `~astropy.table.Table`, or iterable
        An SED file, a folder or a zip archive of them; an SED table; `~blase_astro.io.Points`;
        or any number of these or of pairs of name and SED table, read one after the other.
    ensemble : path-like, `~blase_astro.ensemble.Ensemble` or list of them, optional
        The networks; by default those that come with the package.
    level : float
        Probability of the intervals.
    radius : float or `~astropy.units.Quantity`
        Largest separation from a training source, arcsec without unit.
    bag : int, optional
        Force the members of a bag, -1 for all.
    jobs : int
        Number of processes that read SEDs. Scripts that give more than 1 need the guard
        ``if __name__ == "__main__":`` of `multiprocessing`.
    progress : callable, optional
        Called with the number of SEDs done and their total (0 where it is not known).
    leave_out : path-like, optional
        A file in the folder that is not to be read: the one that is about to be written.
    command : str
        What makes the table, for its metadata.

    Returns
    -------
    estimates : `~astropy.table.Table`
        One row an SED, in their order: name, position, the columns of an annotated catalog, and
        ``message``, which says why a row has no estimate. A bad SED is a row with NaN and a flag.

    Raises
    ------
    ValueError
        If there is no SED, or a setting makes no sense.
    OSError
        If a path cannot be read.

    Examples
    --------
    >>> from blase_astro import estimate
    >>> from blase_astro.io import sed_table
    >>> sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12])
    >>> estimates = estimate(sed)
    >>> print(estimates['sed_class', 'n_points', 'n_bins'])
    sed_class n_points n_bins
    --------- -------- ------
          ...        3      3
    """
    settings = _settings(ensemble, level, radius, bag)
    columns = estimate_arrays(
        seds,
        ensemble=settings.ensembles.values(),
        level=level,
        radius=radius,
        bag=bag,
        jobs=jobs,
        progress=progress,
        leave_out=leave_out,
    )
    meta = settings.meta() | _command(command)
    return column_table(columns, SED_COLUMNS, meta)


def _with_positions(chunk, fallback):
    """SEDs that state no position get that of their catalog row."""
    ra, dec = chunk.ra.copy(), chunk.dec.copy()
    for i in np.flatnonzero(~(np.isfinite(ra) & np.isfinite(dec))):
        for key in file_keys(chunk.name[i]):
            if key in fallback:
                ra[i], dec[i] = fallback[key]
                break
    return chunk._replace(ra=ra, dec=dec)


def _quiet(_text):
    """Say nothing."""


def _command(command):
    """Metadata that says what made a file."""
    return {"BLASECMD": command} if command else {}
