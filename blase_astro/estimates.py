"""SEDs of any kind to estimates, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bulk import read_chunks
from .columns import column_table, quantile_name
from .distribution import ONE_SIGMA
from .flags import doubts, peak_quality, reasons
from .population import own_population, say_population, with_population
from .rest import rest_frame
from .sed import MIN_BINS
from .settings import Settings
from .sky import icrs
from .targets import CLASS_EDGES, SED_CLASSES
from .times import seds_of_time, time_meta

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Callable, Position, Seds, Table

__all__ = ["estimate", "estimate_arrays", "estimate_binned"]


def estimate_binned(
    binned: np.ndarray,
    n_points: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    settings: Settings,
    *,
    unread: bool = False,
    foreign: bool = False,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Estimates of binned SEDs as arrays by column name: what everything else goes through.

    Parameters
    ----------
    binned : ndarray of float32, shape (n, n_bins)
        Binned SEDs (`~blase_astro.sed.bin_points`).
    n_points : ndarray of int, shape (n,)
        Usable points of each.
    ra, dec : ndarray of float64, shape (n,)
        Positions in degrees (ICRS), NaN where unknown.
    settings : Settings
        The options.
    unread, foreign : bool or ndarray of bool, shape (n,)
        Whether the SED could not be read; whether it is not from VOU_Blazars.

    Returns
    -------
    columns : dict of ndarray, shape (n,) each
        The columns of an annotated catalog.
    posterior : ndarray of float64, shape (n_grid,) or None
        Sum of the distributions of the peak frequency, to tell the population from.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.estimates import estimate_binned
    >>> from blase_astro.settings import Settings
    >>> settings = Settings()
    >>> nothing = np.full((1, len(settings.first.bin_edges)), np.nan)
    >>> columns, _ = estimate_binned(nothing, [0], [10.0], [-80.0], settings)
    >>> int(columns['peak_flags'][0])
    4
    """
    n_bins = np.isfinite(binned).sum(axis=1).astype(np.int32)
    binned = np.where((n_bins >= MIN_BINS)[:, None], binned, np.nan)
    source, sep, n_near = settings.first.find_source((ra, dec), settings.radius)
    bag = settings.first.bag_of(source)
    posterior = None
    columns: dict[str, np.ndarray] = {}
    flags = reasons(ra, dec, n_bins, n_near, unread=unread, foreign=foreign)
    for target, ensemble in settings.ensembles.items():
        own = _bag(ensemble, settings, (ra, dec), bag)
        distribution, spread = ensemble.predict_with_spread(binned, own)
        if target == "nu_peak":
            distribution = _populated(distribution, settings)
            posterior = np.nansum(distribution.probability, axis=0)
        lo, hi = _readings(columns, target, distribution, settings)
        if ensemble is settings.first:
            median = columns[f"log_{target}"]
            flags |= doubts(ensemble, binned, median, hi - lo, spread, settings.level)
    first = f"log_{settings.first.target}_std"
    columns["peak_quality"] = peak_quality(columns[first], flags)
    columns |= {"peak_flags": flags, "bag": bag, "bag_sep": sep}
    return columns | {"n_points": np.asarray(n_points, np.int32), "n_bins": n_bins}, posterior


def _bag(ensemble, settings, position, bag):
    """Bags of an ensemble; the second nearly always has those of the first."""
    if settings.bag is not None:
        return np.full(len(bag), settings.bag)
    if ensemble is settings.first:
        return bag
    mine, first = ensemble.source_columns, settings.first.source_columns
    if all(np.array_equal(mine[key], first[key]) for key in ("ra", "dec", "bag")):
        return bag
    return ensemble.bag_of(ensemble.find_source(position, settings.radius)[0])


def _populated(distribution, settings):
    """The distributions under the population that is asked for."""
    if isinstance(settings.population, str):  # training, or self that was not found yet
        return distribution
    training = settings.ensembles["nu_peak"].population
    return with_population(distribution, training, settings.population)


def _readings(columns, target, distribution, settings):
    """Add what is read off the distributions of one target; the ends of the interval."""
    level = settings.level
    sigma = (1 - ONE_SIGMA) / 2
    ends = (1 - level) / 2, (1 + level) / 2
    wanted = [0.5, sigma, 1 - sigma, *ends, *settings.quantiles]
    median, low, high, lo, hi, *quantiles = distribution.quantile(wanted).T
    if settings.shortest:
        lo, hi = distribution.interval(level, shortest=True)
    for end, value in (("", median), ("_lo", lo), ("_hi", hi)):
        columns[target + end] = 10**value
        columns[f"log_{target}{end}"] = value
    columns[f"log_{target}_std"] = (high - low) / 2
    for p, value in zip(settings.quantiles, quantiles, strict=True):
        columns[f"log_{target}_{quantile_name(p)}"] = value
    if target == "nu_peak":
        columns |= _classes(distribution)
        if settings.pdf:
            columns["log_nu_peak_pdf"] = _density(distribution, settings)
    return lo, hi


def _classes(distribution):
    """Class probabilities, and the most probable class."""
    probability = distribution.between(CLASS_EDGES).T
    known = distribution.known
    best = np.argmax(np.where(known, probability, 0), axis=0)
    columns = {f"p_{name.lower()}": p for name, p in zip(SED_CLASSES, probability, strict=True)}
    return columns | {"peak_class": np.where(known, np.array(SED_CLASSES)[best], "UNK")}


def _density(distribution, settings):
    """Densities on one grid for all SEDs, float32 of shape (n, n_grid)."""
    if distribution.base is None:
        return distribution.density().astype(np.float32)
    first, step = settings.pdf_grid()
    edges = first + step * (np.arange(101) - 0.5)
    cdf = distribution.cdf(np.broadcast_to(edges, (len(distribution), len(edges))))
    return (np.diff(cdf, axis=1) / step).astype(np.float32)


def estimate_chunks(chunks, settings, say=None):
    """Estimates of chunks of SEDs, chunk by chunk.

    Parameters
    ----------
    chunks : iterable of `~blase_astro.bulk.Chunk`
        Binned SEDs.
    settings : Settings
        The options. With the catalog's own population all binned SEDs are kept until it is found.
    say : callable, optional
        Called with a line of text about the population.

    Yields
    ------
    columns : dict of ndarray
        The columns of a table of estimates.
    """
    if isinstance(settings.population, str) and settings.population == "self":
        chunks = list(chunks)
        settings = own_population(chunks, settings, say)
    total, n = 0.0, 0
    for chunk in chunks:
        columns, posterior, n_estimated = estimate_chunk(chunk, settings)
        total, n = total + posterior, n + n_estimated
        yield columns
    if say is not None:
        say_population(total, n, settings, say)


def estimate_chunk(chunk, settings):
    """Estimates of one chunk of SEDs.

    Parameters
    ----------
    chunk : `~blase_astro.bulk.Chunk`
        Binned SEDs.
    settings : Settings
        The options.

    Returns
    -------
    columns : dict of ndarray
        The columns of a table of estimates.
    posterior : ndarray of float64, shape (n_grid,), or float
        Sum of the distributions of the peak frequency; 0 where there is none.
    n_estimated : int
        Number of SEDs with an estimate.
    """
    n_bins = np.isfinite(chunk.binned).sum(axis=1)
    columns, posterior = estimate_binned(
        chunk.binned,
        chunk.n_points,
        chunk.ra,
        chunk.dec,
        settings,
        unread=False if chunk.error is None else np.array([bool(e) for e in chunk.error], bool),
        foreign=chunk.foreign,
    )
    if settings.rest:
        unknown = np.full(len(chunk.ra), np.nan)
        redshift = unknown if chunk.redshift is None else chunk.redshift
        columns |= rest_frame(columns, redshift, settings.cosmology)
    identity = {"name": _names(chunk.name), "ra": chunk.ra, "dec": chunk.dec}
    messages = {} if chunk.error is None else {"message": _messages(chunk.error, n_bins)}
    n_estimated = int((n_bins >= MIN_BINS).sum())
    return identity | columns | messages, 0.0 if posterior is None else posterior, n_estimated


def _names(names):
    """Names as an array; that of points without files may be of any type."""
    return names if isinstance(names, np.ndarray) else np.array(names, dtype=str)


def _messages(errors, n_bins):
    """Why there is no estimate, in words."""
    messages = []
    for error, n in zip(errors, n_bins, strict=True):
        if not error and n == 0:
            error = "no usable point in the frequency bins"
        elif not error and n < MIN_BINS:
            bins = "bin" if n == 1 else "bins"
            error = f"not enough to estimate from: points in {n} frequency {bins}, "
            error += f"{MIN_BINS} needed"
        messages.append(error)
    return np.array(messages, dtype=str)


def _placed(chunks, position):
    """Chunks with the positions that the user gives instead of those of the files."""
    ra, dec = icrs(position)
    start = 0
    for chunk in chunks:
        stop = start + len(chunk.name)
        if stop > len(ra):
            raise ValueError(f"position: wanted one for each SED, got {len(ra)} for more SEDs")
        yield chunk._replace(ra=ra[start:stop], dec=dec[start:stop])
        start = stop
    if start < len(ra):
        raise ValueError(f"position: wanted one for each SED, got {len(ra)} for {start} SEDs")


def estimate_arrays(
    seds: Any,
    settings: Settings,
    *,
    position: Any = None,
    mjd: Any = None,
    undated: Any = "drop",
    jobs: Any = 1,
    progress: Any = None,
    say: Any = None,
    leave_out: Any = None,
) -> dict[str, np.ndarray]:
    """As `estimate`, but plain arrays: quicker to start, as no table has to be imported.

    Parameters
    ----------
    seds, position, mjd, undated, jobs, progress, say, leave_out
        As for `estimate`.
    settings : Settings
        The options.

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
    >>> from blase_astro.settings import Settings
    >>> columns = estimate_arrays('catalogs/demo_seds.zip', Settings())
    >>> columns['log_nu_peak'].shape == columns['peak_flags'].shape
    True
    """
    edges = settings.first.bin_edges
    if mjd is not None:
        seds = seds_of_time(seds, mjd, undated)
    chunks = read_chunks(seds, edges, jobs=jobs, progress=progress, leave_out=leave_out)
    if position is not None:
        chunks = _placed(chunks, position)
    parts = list(estimate_chunks(chunks, settings, say))
    if not parts:
        raise ValueError("no SED to estimate from")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def estimate(
    seds: Seds,
    *,
    position: Position | None = None,
    mjd: Any = None,
    undated: str = "drop",
    jobs: int = 1,
    progress: Callable[..., Any] | None = None,
    say: Callable[..., Any] | None = None,
    leave_out: AnyPath | None = None,
    command: str = "",
    **options: Any,
) -> Table:
    """Estimate the synchrotron peak of SEDs.

    A source of the training set is estimated by the members that never saw it; it is recognised
    by its position.

    Parameters
    ----------
    seds : path-like, `~astropy.table.Table`, or iterable
        An SED file of any kind, a folder or an archive of them; an SED table; `~blase_astro.io.\
Points`; or any number of these or of pairs of name and SED table, read one after the other.
    position : `~astropy.coordinates.SkyCoord` or pair, optional
        Position of each SED (right ascension and declination in degrees, ICRS), instead of that
        in the file.
    mjd : pair of float, optional
        Use the measurements of this time alone: first and last day (MJD).
    undated : {'drop', 'keep'}
        What becomes of measurements without a date then, see ``blase_astro.times.within``.
    jobs : int
        Number of processes that read SEDs.
    progress : callable, optional
        Called with the number of SEDs done and their total (0 where it is not known).
    say : callable, optional
        Called with lines of text about what was found.
    leave_out : path-like, optional
        A file in the folder that is not to be read: the one that is about to be written.
    command : str
        What makes the table, for its metadata.
    **options
        ``ensemble``, ``level``, ``radius``, ``bag``, ``population``, ``quantiles``, ``pdf``,
        ``shortest``, ``rest``, ``cosmology``: see `~blase_astro.Settings`.

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
    >>> print(estimates['peak_class', 'n_points', 'n_bins'])
    peak_class n_points n_bins
    ---------- -------- ------
           ...        3      3
    """
    settings = Settings.of(options)
    columns = estimate_arrays(
        seds,
        settings,
        position=position,
        mjd=mjd,
        undated=undated,
        jobs=jobs,
        progress=progress,
        say=say,
        leave_out=leave_out,
    )
    meta = settings.meta(command) | time_meta(mjd)
    return column_table(columns, settings.columns(), meta)
