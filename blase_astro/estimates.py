"""SEDs of any kind to estimates, in blocks."""

import os
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from numbers import Integral, Real
from pathlib import Path

import numpy as np

from ._version import __version__
from .angles import arcsec
from .bulk import read_chunks
from .columns import column_table, quantile_name, sed_columns
from .distribution import ONE_SIGMA
from .ensemble import Ensemble
from .flags import MIN_BINS, doubts, peak_quality, reasons
from .population import (
    Population,
    distance,
    find_population,
    flat,
    read_population,
    with_population,
)
from .rest import named_cosmology, rest_frame
from .sky import icrs
from .targets import CLASS_EDGES, SED_CLASSES, TARGETS
from .times import seds_of_time, time_meta

__all__ = ["Settings", "estimate", "estimate_arrays", "estimate_binned", "load_ensembles"]

# From this distance of a catalog's population from that of the training on it is worth saying,
# if there are so many sources.
_OTHER_POPULATION = 0.25
_ENOUGH_SOURCES = 30


# --- options ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Settings:
    """What an estimate depends on besides the SED: the options of all that estimates.

    Parameters
    ----------
    ensemble : path-like, `~blase_astro.Ensemble` or list of them, optional
        The networks; by default those that come with the package.
    level : float
        Probability of the intervals.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation from a training source, arcsec without unit.
    bag : int, optional
        Force the members of a bag, -1 for all; by default those that never saw the source.
    population : {'training', 'flat', 'self'}, path-like, Table or Population
        How common each peak frequency is held to be: as among the training sources, all equally,
        as in the catalog itself (found by expectation maximisation), or as a file of
        ``blase population`` says.
    quantiles : sequence of float
        Probabilities whose quantiles are given as well.
    pdf : bool
        Whether the whole distribution of the peak frequency is given.
    shortest : bool
        Shortest intervals instead of central ones.
    rest : bool
        Whether there are columns of the rest frame as well, for SEDs that state a redshift.
    cosmology : str
        Name of the cosmology of `astropy.cosmology` for their luminosities.

    Raises
    ------
    ValueError
        If a value makes no sense.
    OSError
        If an ensemble or a population cannot be read.

    Examples
    --------
    >>> from blase_astro.estimates import Settings
    >>> Settings(level=0.68, radius='0.1 arcmin').radius
    6.0
    """

    ensemble: object = None
    level: float = 0.95
    radius: object = 5.0
    bag: int | None = None
    population: object = "training"
    quantiles: tuple = ()
    pdf: bool = False
    shortest: bool = False
    rest: bool = False
    cosmology: str = "Planck18"
    ensembles: dict = field(init=False, repr=False)

    def __post_init__(self):
        ensembles = {e.target: e for e in load_ensembles(self.ensemble)}
        checked = {"ensembles": ensembles, "radius": arcsec(self.radius)}
        checked["level"] = _probability(self.level, "level")
        quantiles = (self.quantiles,) if np.ndim(self.quantiles) == 0 else self.quantiles
        checked["quantiles"] = tuple(_probability(p, "quantiles") for p in quantiles)
        first, *others = ensembles.values()
        for other in others:
            if not np.array_equal(other.bin_edges, first.bin_edges):
                raise ValueError("the ensembles of the two targets have different frequency bins")
        n_bags = min(e.n_bags for e in ensembles.values())
        if self.bag is not None and (
            not isinstance(self.bag, Integral)
            or isinstance(self.bag, bool)
            or not -1 <= self.bag < n_bags
        ):
            raise ValueError(f"bag must be -1 (all members) or 0 to {n_bags - 1}; got {self.bag!r}")
        if self.rest:
            named_cosmology(self.cosmology)
        checked["population"] = _population(self.population, ensembles.get("nu_peak"))
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, options):
        """Settings from a dictionary, with an error that helps where a name is not known."""
        known = [f.name for f in fields(cls) if f.init]
        for name in options:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
                raise TypeError(f"no option {name!r}{hint}")
        return cls(**options)

    @property
    def first(self):
        """The ensemble that the bags and flags speak of."""
        return next(iter(self.ensembles.values()))

    def columns(self, make=sed_columns):
        """Specification of the columns that these settings give."""
        return make(self.quantiles, pdf=self.pdf, rest=self.rest)

    def fingerprint(self):
        """What two outputs must agree in to be parts of one, as plain values for JSON."""
        population = self.population
        if not isinstance(population, str):
            population = sha256(np.round(population.share, 12).tobytes()).hexdigest()[:16]
        return {
            "version": __version__,
            "ensembles": {target: e.digest for target, e in self.ensembles.items()},
            "level": self.level,
            "radius": self.radius,
            "bag": None if self.bag is None else int(self.bag),
            "population": population,
            "quantiles": list(self.quantiles),
            "pdf": bool(self.pdf),
            "shortest": bool(self.shortest),
            "rest": self.cosmology if self.rest else None,
        }

    def meta(self, command=""):
        """What the table as a whole is told, with keys that fit a FITS header."""
        meta = {"PILEVEL": self.level, "PIFRAME": "observer"} | self.match_meta(command)
        name = self.population if isinstance(self.population, str) else "given"
        if self.pdf and "nu_peak" in self.ensembles:
            meta |= dict(zip(("PDFFIRST", "PDFSTEP"), _pdf_grid(self), strict=True))
        if self.rest:
            meta["COSMOLOG"] = self.cosmology
        return meta | {"POPULAT": name}

    def match_meta(self, command=""):
        """As `meta`, of a table that holds no estimate."""
        meta = {"BLASEVER": __version__, "MATCHRAD": self.radius}
        keys = {"nu_peak": "NUENSEM", "nufnu_peak": "NFENSEM"}
        meta |= {keys[t]: e.digest[:16] for t, e in self.ensembles.items()}
        return meta | ({"BLASECMD": command} if command else {})


def _probability(value, name):
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < 1:
        raise ValueError(f"{name} must be a probability between 0 and 1; got {value!r}")
    return float(value)


def _population(population, ensemble):
    """A population by name, as it is, or from a file."""
    if isinstance(population, Population) or population in ("training", "self"):
        return population
    if ensemble is None:
        raise ValueError("a population needs the ensemble for nu_peak")
    training = ensemble.population
    if isinstance(population, str) and population == "flat":
        return flat(training)
    if not hasattr(population, "colnames") and not isinstance(population, (str, os.PathLike)):
        raise ValueError(
            f"population: wanted 'training', 'flat', 'self' or a file; got {population!r}"
        )
    if isinstance(population, str) and not os.path.exists(population):
        raise FileNotFoundError(
            f"population: wanted training, flat, self or a file; there is no file {population}"
        )
    return read_population(population, training)


def load_ensembles(ensemble=None):
    """Ensembles of both targets, or of those that are there.

    Parameters
    ----------
    ensemble : path-like, `~blase_astro.Ensemble` or list of them, optional
        A folder or file of ensembles, or the ensembles themselves; by default those that come
        with the package.

    Returns
    -------
    ensembles : list of `~blase_astro.Ensemble`
        That for the peak frequency first.

    Raises
    ------
    ValueError
        If a list holds none, two of one target, or something else.
    OSError
        If a file is missing.

    Examples
    --------
    >>> from blase_astro.estimates import load_ensembles
    >>> [ensemble.target for ensemble in load_ensembles()]
    ['nu_peak', 'nufnu_peak']
    """
    if isinstance(ensemble, Ensemble):
        return [ensemble]
    if ensemble is not None and not isinstance(ensemble, (str, os.PathLike)):
        given = list(ensemble) if hasattr(ensemble, "__iter__") else [ensemble]
        if not given or not all(isinstance(e, Ensemble) for e in given):
            raise ValueError(f"ensemble: wanted a path or at least one Ensemble, got {given!r:.80}")
        if len({e.target for e in given}) < len(given):
            raise ValueError("ensemble: wanted one Ensemble a target, got several of one")
        return sorted(given, key=lambda e: TARGETS[e.target].index)
    if ensemble is None:
        return [_kept(None, target) for target in TARGETS]
    path = Path(ensemble)
    if not path.is_dir():
        return [Ensemble.load(path)]
    there = [target for target in TARGETS if (path / f"{target}.npz").is_file()]
    if not there:
        raise FileNotFoundError(f"{path} holds no ensemble; wanted nu_peak.npz or nufnu_peak.npz")
    return [Ensemble.load(path, target) for target in there]


@lru_cache
def _kept(path, target):
    """The shipped ensembles, read once a process."""
    return Ensemble.load(path, target)


# --- estimates of binned SEDs -----------------------------------------------------------------


def estimate_binned(binned, n_points, ra, dec, settings, *, unread=False, foreign=False):
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
    >>> from blase_astro.estimates import Settings, estimate_binned
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
    columns, posterior = {}, None
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


def _pdf_grid(settings):
    """First place and step of the grid of densities."""
    grid = settings.ensembles["nu_peak"].grid
    return (10.0, 0.1) if grid is None else (float(grid[0]), float(grid[1] - grid[0]))


def _density(distribution, settings):
    """Densities on one grid for all SEDs, float32 of shape (n, n_grid)."""
    if distribution.base is None:
        return distribution.density().astype(np.float32)
    first, step = _pdf_grid(settings)
    edges = first + step * (np.arange(101) - 0.5)
    cdf = distribution.cdf(np.broadcast_to(edges, (len(distribution), len(edges))))
    return (np.diff(cdf, axis=1) / step).astype(np.float32)


# --- estimates of SEDs ------------------------------------------------------------------------


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
    from dataclasses import replace

    from .distribution import Distribution

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
    seds,
    settings,
    *,
    position=None,
    mjd=None,
    undated="drop",
    jobs=1,
    progress=None,
    say=None,
    leave_out=None,
):
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
    >>> from blase_astro.estimates import Settings, estimate_arrays
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
    seds,
    *,
    position=None,
    mjd=None,
    undated="drop",
    jobs=1,
    progress=None,
    say=None,
    leave_out=None,
    command="",
    **options,
):
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
        What becomes of measurements without a date then, see `~blase_astro.times.within`.
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
