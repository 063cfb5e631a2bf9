"""Estimates of many sources from plain arrays: one row a measurement, nothing a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .angles import degrees
from .bulk import Chunk, binned_chunk
from .estimates import estimate_chunk
from .io.table import Points
from .io.values import column_flags, column_numbers
from .population import own_population, say_population
from .settings import Settings
from .sky import icrs, known_positions

if TYPE_CHECKING:
    from ._types import Any, ArrayLike, Callable, Iterator

__all__ = ["Sources", "estimate_points", "estimate_sources", "grouped", "own_settings"]

# Sources and measurements that are estimated at once: what they need stays in the cache.
_SOURCES, _ROWS = 2048, 2**18
# The most sources that a catalog's own population is found from.
_ENOUGH = 20000
_UNITS = {"frequency": "Hz"} | dict.fromkeys(
    ("nufnu", "nufnu_upper", "nufnu_lower"), "erg / (s cm2)"
)
_LIMITS = ("upper_limit", "duplicate")


class Sources(NamedTuple):
    """Measurements as they came, and which of them belong to which source.

    Attributes
    ----------
    source : ndarray, shape (n,)
        What identifies each source.
    ra, dec : array_like, shape (n,) or (m,)
        Position of each source, or of each measurement.
    columns : dict of ndarray or None, shape (m,) each
        Measurements, by the names of `estimate_points`.
    offsets : ndarray of int64, shape (n + 1,)
        Where the measurements of each source begin and end.
    order : ndarray of int64, shape (m,), or None
        Row of each measurement, where they do not lie one source after the other.
    redshift : array_like, shape (n,) or (m,), or None
        Redshift of each source, or of each measurement.
    """

    source: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    columns: dict
    offsets: np.ndarray
    order: np.ndarray | None = None
    redshift: np.ndarray | None = None

    def blocks(self) -> Iterator[Points]:
        """The measurements as `~blase_astro.io.Points`, some sources at a time; at least once."""
        start, n = 0, len(self.source)
        while start < n or start == 0:
            most = np.searchsorted(self.offsets, self.offsets[start] + _ROWS, side="right") - 1
            stop = min(max(int(most), start + 1), start + _SOURCES, n)
            yield self._points(start, stop)
            start = max(stop, 1)

    def _points(self, start, stop):
        """Measurements of the sources from one to another."""
        offsets = self.offsets[start : stop + 1]
        rows = slice(offsets[0], offsets[-1])
        if self.order is not None:
            rows = self.order[rows]
        offsets = offsets - offsets[0]
        counts = np.diff(offsets)
        names, m = self.source[start:stop], int(offsets[-1])
        sources = slice(start, stop)
        ra, dec = (degrees(self._part(n, sources, rows), n, hours=n == "ra") for n in ("ra", "dec"))
        if len(ra) != len(names):
            first = _first_rows(known_positions(ra, dec), offsets[:-1])
            ra, dec = ra[first], dec[first]
        ra, dec = icrs((ra, dec), strict=False)
        redshift = self._redshift(sources, rows, offsets)
        values = [self._numbers(name, rows, m) for name in _UNITS]
        values += [self._flags(name, rows, m) for name in _LIMITS]
        return Points(
            names, ra, dec, redshift, None, np.repeat(np.arange(len(names)), counts), *values
        )

    def _part(self, name, sources, rows):
        """A column of one value a source, or a row."""
        column = getattr(self, name)
        return column[sources if len(column) == len(self.source) else rows]

    def _redshift(self, sources, rows, offsets):
        """Redshift of each source, None where no column has any."""
        if self.redshift is None:
            return None
        redshift = column_numbers(self._part("redshift", sources, rows), "redshift", "")
        if len(redshift) == len(offsets) - 1:
            return redshift
        return redshift[_first_rows(redshift > 0, offsets[:-1])]

    def _numbers(self, name, rows, m):
        column = self.columns[name]
        if column is None:
            return np.full(m, np.nan)
        return column_numbers(column[rows], name, _UNITS[name])

    def _flags(self, name, rows, m):
        column = self.columns[name]
        return np.zeros(m, bool) if column is None else column_flags(column[rows], name, True)


def _first_rows(known, starts):
    """The first row of each source that is known, its first of all where none is."""
    if not len(starts):
        return np.zeros(0, np.intp)
    m = len(known)
    rows = np.minimum.reduceat(np.where(known, np.arange(m), m), starts)
    return np.where(rows < np.append(starts[1:], m), rows, starts)


def grouped(
    source: Any,
    ra: Any,
    dec: Any,
    columns: dict[str, Any],
    offsets: Any = None,
    redshift: Any = None,
) -> Sources:
    """What a user brings as `Sources`, after a look at lengths and types.

    Parameters
    ----------
    source, ra, dec, offsets, redshift
        As for `estimate_points`.
    columns : dict of array_like
        Measurements by name; None where there are none.

    Returns
    -------
    sources : Sources
        Grouped, nothing copied.
    """
    columns = {name: _column(values, name) for name, values in columns.items()}
    for name in ("frequency", "nufnu"):
        if columns[name] is None:
            raise ValueError(f"{name}: wanted one value a measurement, got None")
    m = np.size(columns["frequency"])
    for name, values in columns.items():
        _check_length(name, values, m, "measurement")
    if offsets is not None:
        offsets = _checked_offsets(offsets, m)
        n = len(offsets) - 1
        source = np.arange(n) if source is None else source
    else:
        n = m
    heads = {"source": source, "ra": ra, "dec": dec, "redshift": redshift}
    heads = {name: _column(values, name, n) for name, values in heads.items()}
    for name, values in heads.items():
        _check_length(name, values, n, "measurement" if offsets is None else "source")
    source, ra, dec, redshift = heads.values()
    source = _identities(source)
    if offsets is not None:
        return Sources(source, ra, dec, columns, offsets, None, redshift)
    source, offsets, order = _groups(source)
    return Sources(source, ra, dec, columns, offsets, order, redshift)


def _column(values, name, n=None):
    """An array of numbers, with its unit or mask; a number alone counts for all."""
    if values is None:
        return None
    if not isinstance(values, np.ndarray):  # subclasses of it have units and masks
        values = np.asarray(values)
    if values.ndim == 0 and n is not None:
        values = np.broadcast_to(values, n, subok=True)
    if values.ndim != 1:
        raise ValueError(f"{name}: wanted one value a row, got an array of shape {values.shape}")
    if name in (*_UNITS, *_LIMITS, "redshift") and values.dtype.kind not in "fiubO":
        raise ValueError(f"{name}: wanted numbers, got values of type {values.dtype}")
    return values


def _check_length(name, values, n, what):
    if values is not None and len(values) != n:
        raise ValueError(f"{name}: wanted {n} values, one a {what}, got {len(values)}")


def _checked_offsets(offsets, m):
    offsets = np.asarray(offsets)
    rising = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 0
    if not rising or offsets[0] < 0 or offsets[-1] > m or (np.diff(offsets.astype("i8")) < 0).any():
        raise ValueError(
            f"offsets: wanted whole numbers that never fall, from 0 to the {m} measurements, one "
            "more than there are sources"
        )
    return offsets.astype(np.int64)


def _identities(source):
    """What identifies sources, without mask; every row has to have it."""
    mask = np.ma.getmaskarray(np.ma.asarray(source))
    source = np.asarray(source)
    if source.dtype.kind == "O":
        mask = mask | np.array([_is_missing(value) for value in source], bool)
    elif source.dtype.kind in "fcmM":
        mask = mask | (source != source)
    if mask.any():
        raise ValueError(f"source: row {np.flatnonzero(mask)[0]} has none; wanted one in each row")
    return source


def _is_missing(value):
    """Is it None, NaN, or the like of pandas, which is not even equal to itself?"""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def _groups(source):
    """Sources in the order of their first rows, offsets, and order of the rows where needed."""
    m = len(source)
    starts = np.flatnonzero(np.append(True, source[1:] != source[:-1])[:m])
    heads = source[starts]
    try:
        unique, first, group = np.unique(heads, return_index=True, return_inverse=True)
    except TypeError:
        raise ValueError("source: wanted values of one type, got several types") from None
    if len(unique) == len(heads):
        return heads, np.append(starts, m), None
    rank = np.argsort(np.argsort(first))[group]
    row_group = np.repeat(rank, np.diff(np.append(starts, m)))
    order = np.argsort(row_group, kind="stable")
    return heads[np.sort(first)], np.append(0, np.cumsum(np.bincount(row_group))), order


def estimate_sources(blocks: Any, settings: Any) -> Iterator[tuple[Any, ...]]:
    """Estimates of measurements, block by block.

    Parameters
    ----------
    blocks : iterable of `~blase_astro.io.Points`
        Measurements of some sources each, named by what identifies them.
    settings : `~blase_astro.Settings`
        The options; not with the catalog's own population, which `own_settings` finds.

    Yields
    ------
    columns : dict of ndarray
        ``source``, ``ra``, ``dec`` and the columns of an annotated catalog.
    posterior, n_estimated
        As of `~blase_astro.estimates.estimate_chunk`.
    """
    edges = settings.first.bin_edges
    for points in blocks:
        columns, *population = estimate_chunk(binned_chunk(points, edges), settings)
        yield {"source": columns.pop("name")} | columns, *population


def own_settings(
    blocks: Callable[..., Any], settings: Any, say: Callable[..., Any] | None = None
) -> Any:
    """Settings with the population of the catalog itself, where that is asked for.

    Parameters
    ----------
    blocks : callable
        Gives an iterable of `~blase_astro.io.Points`: every k-th source of them is used, at most
        20,000, the same ones however they are divided into blocks.
    settings : `~blase_astro.Settings`
        The options.
    say : callable, optional
        Called with a line of text about what was found.

    Returns
    -------
    settings : `~blase_astro.Settings`
        As they were, or with a population that is known.
    """
    if not isinstance(settings.population, str) or settings.population != "self":
        return settings
    chunks = (binned_chunk(points, settings.first.bin_edges) for points in blocks())
    return own_population([_evenly(chunks)], settings, say)


def _evenly(chunks):
    """Every k-th source of all chunks, where k is the power of two that leaves few enough."""
    kept, step, seen = [], 1, 0
    for chunk in chunks:
        rows = np.arange(-seen % step, len(chunk.ra), step)
        kept.append([chunk.ra[rows], chunk.dec[rows], chunk.binned[rows]])
        seen += len(chunk.ra)
        while -(-seen // step) > _ENOUGH:
            step *= 2
            kept = [[np.concatenate(column)[::2] for column in zip(*kept, strict=True)]]
    ra, dec, binned = (np.concatenate(column) for column in zip(*kept, strict=True))
    return Chunk(None, ra, dec, None, binned, None, None)


def estimate_points(
    source: ArrayLike,
    ra: ArrayLike,
    dec: ArrayLike,
    frequency: ArrayLike,
    nufnu: ArrayLike,
    nufnu_upper: ArrayLike | None = None,
    nufnu_lower: ArrayLike | None = None,
    upper_limit: ArrayLike | None = None,
    *,
    duplicate: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    redshift: ArrayLike | None = None,
    progress: Callable[..., Any] | None = None,
    say: Callable[..., Any] | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Estimate the synchrotron peaks of many sources from arrays, one row a measurement.

    Nothing is made for a source alone and nothing held but inputs, outputs and a block of some
    thousand sources. Any number of threads may call it.

    Parameters
    ----------
    source : array_like, shape (m,)
        What tells which source a measurement belongs to: numbers or text. The rows of a source
        need not stand together.
    ra, dec : array_like, shape (m,)
        Position of the source (degrees without unit, ICRS); of each source the first row counts
        that has one.
    frequency : array_like, shape (m,)
        Frequency (Hz without unit).
    nufnu, nufnu_upper, nufnu_lower : array_like, shape (m,)
        nu F_nu and the ends of its 1-sigma interval (erg / (s cm2) without unit), NaN or masked
        where missing. Bounds are optional.
    upper_limit : array_like of bool, shape (m,), optional
        Whether ``nufnu`` is no detection; what is masked counts as none.
    duplicate : array_like of bool, shape (m,), optional
        Whether a row repeats another one, such as a copy corrected for EBL.
    offsets : array_like of int, shape (n + 1,), optional
        Where the rows of each source begin and end, as in a list column of Arrow. ``source``
        (None for 0, 1, ...), ``ra``, ``dec`` and ``redshift`` then have one value a source, shape
        (n,).
    redshift : array_like, shape (m,), optional
        Redshift of the source, for ``rest``; of each source the first row counts that has one.
    progress : callable, optional
        Called with the number of sources done and their total.
    say : callable, optional
        Called with a line of text about the population.
    **options
        What `~blase_astro.Settings` lists.

    Returns
    -------
    columns : dict of ndarray, shape (n, ...) each
        ``source``, ``ra``, ``dec`` and the columns of an annotated catalog, one row a source in
        the order of their first rows; NaN where there is no estimate.

    Raises
    ------
    ValueError
        If lengths differ, a column holds no numbers or has a unit that cannot be converted, a row
        has no source, or a setting makes no sense.

    Notes
    -----
    The matrix products run on as many threads as numpy's BLAS takes, which gains nothing for
    networks this small. Where several processes share a machine, set ``OPENBLAS_NUM_THREADS=1``
    (and ``OMP_NUM_THREADS=1``) in their environment before they start; nothing is set here.

    Examples
    --------
    >>> from blase_astro import estimate_points
    >>> columns = estimate_points(
    ...     source=['A', 'A', 'A', 'A', 'B'],
    ...     ra=[77.36, 77.36, 77.36, 77.36, 10.0],
    ...     dec=[5.69, 5.69, 5.69, 5.69, -80.0],
    ...     frequency=[1.4e9, 4.9e14, 6.8e14, 2.4e17, 1.4e9],
    ...     nufnu=[2e-14, 1.2e-11, 1.3e-11, 2e-12, 1e-14])
    >>> print(columns['source'], columns['n_points'], columns['peak_quality'] > 0)
    ['A' 'B'] [4 1] [ True False]
    """
    settings = Settings.of(options)
    measured = {"frequency": frequency, "nufnu": nufnu, "nufnu_upper": nufnu_upper}
    measured |= {"nufnu_lower": nufnu_lower, "upper_limit": upper_limit, "duplicate": duplicate}
    sources = grouped(source, ra, dec, measured, offsets, redshift)
    settings = own_settings(sources.blocks, settings, say)
    n, done, columns, total, n_estimated = len(sources.source), 0, {}, 0.0, 0
    for block, posterior, estimated in estimate_sources(sources.blocks(), settings):
        total, n_estimated = total + posterior, n_estimated + estimated
        rows = slice(done, done + len(block["ra"]))
        for name, values in block.items():
            if name not in columns:
                columns[name] = np.empty((n, *values.shape[1:]), values.dtype)
            columns[name][rows] = values
        done = rows.stop
        if progress is not None:
            progress(done, n)
    if say is not None:
        say_population(total, n_estimated, settings, say)
    return columns
