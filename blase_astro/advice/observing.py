"""Where one more measurement would narrow the peak the most."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..bulk import read_chunks
from ..columns import Specification, column_table
from ..joins import join_sky
from ..population import own_population, with_population
from ..position_columns import find_position, positions
from ..sed import MIN_BINS
from ..settings import Settings
from ..sky import icrs
from ..targets import CLASS_EDGES, SED_CLASSES
from ..times import seds_of_time, time_meta
from .bands import band_columns
from .fillings import Fillings

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Position, Radius, Seds, Sequence, Table

__all__ = ["advise", "target_list"]

# From this probability on a class is called certain.
CERTAIN = 0.95
# Ways in which each empty band is filled: with more, the expected width changes by less than a
# tenth of its scatter from source to source.
N_FILLINGS = 24
# SEDs that are filled and estimated at once.
_AT_ONCE = 32
# Columns of catalogs that name a source, without regard to case, the first that is there.
_NAMES = ("name", "source_name", "source", "designation", "object", "target", "id")

COLUMNS = {
    "name": Specification("U", None, "meta.id;meta.main", "name of the SED"),
    "ra": Specification(
        "f8", "deg", "pos.eq.ra;meta.main", "right ascension of the SED (ICRS)", ".5f"
    ),
    "dec": Specification(
        "f8", "deg", "pos.eq.dec;meta.main", "declination of the SED (ICRS)", ".5f"
    ),
    "band": Specification("U", None, "em", "band that the SED has no point in"),
    "log_nu_peak": Specification("f8", None, "em.freq", "log10 of Hz: estimate as it is", ".2f"),
    "peak_class": Specification("U3", None, "src.class", "most probable class as it is"),
    "p_class": Specification("f8", None, "stat.probability", "its probability", ".2f"),
    "width": Specification(
        "f8", None, "stat.error", "width of the {percent}-percent interval as it is (dex)", ".2f"
    ),
    "width_expected": Specification(
        "f8", None, "stat.error", "its expected width with one measurement in the band (dex)", ".2f"
    ),
    "narrowing": Specification(
        "f8", None, "stat.error", "how much narrower the interval is expected to be (dex)", ".2f"
    ),
    "crps_gain": Specification(
        "f8", None, "stat.error", "expected fall of the score CRPS, that is of the error (dex)",
        ".3f",
    ),
    "p_certain": Specification(
        "f8", None, "stat.probability",
        f"probability that the most probable class has {CERTAIN} or more afterwards", ".2f",
    ),
    "bag": Specification(
        "i2", None, "meta.code", "bag of the training set that holds the source; -1 none"
    ),
    "message": Specification(
        "U", None, "meta.note", "why there is no advice; empty where there is"
    ),
}  # fmt: skip
_TARGET_COLUMNS = {
    "rank": Specification("i4", None, "meta.number", "1 for the source that gains most"),
    "name": COLUMNS["name"]._replace(description="name of the source"),
    "ra": COLUMNS["ra"]._replace(description="right ascension (ICRS)"),
    "dec": COLUMNS["dec"]._replace(description="declination (ICRS)"),
    "ra_hms": Specification("U", None, "pos.eq.ra", "right ascension, hours minutes seconds"),
    "dec_dms": Specification("U", None, "pos.eq.dec", "declination, degrees minutes seconds"),
}


def advise(
    seds: Seds,
    *,
    bands: str | Sequence[str] | None = None,
    fillings: Fillings | AnyPath | None = None,
    position: Position | None = None,
    mjd: Any = None,
    undated: str = "drop",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
    leave_out: AnyPath | None = None,
    command: str = "",
    **options: Any,
) -> Table:
    """What one measurement in each empty band of SEDs would tell of the peak.

    Each band without a point is filled with what sources of the same kind show there, weighted by
    what the networks say of the peak now, with the usual errors, and the networks are asked again.
    A source of the training set is judged by what never saw it.

    Parameters
    ----------
    seds
        SEDs of any kind, as for `~blase_astro.estimate`.
    bands : str or sequence of str, optional
        Names of ``blase_astro.advice.BANDS``; all by default.
    fillings : `~blase_astro.advice.Fillings` or path-like, optional
        What the bands are filled with; by default that of the package, which belongs to its
        networks.
    position, mjd, undated, jobs, progress, say, leave_out, command
        As for `~blase_astro.estimate`.
    **options
        ``ensemble``, ``level``, ``radius``, ``bag``, ``population``, ``shortest``: see
        `~blase_astro.Settings`.

    Returns
    -------
    advice : `~astropy.table.Table`
        One row an SED and empty band: the width of the interval as it is and as it is expected to
        be, the expected gain of the score CRPS, and the probability that the class becomes
        certain. An SED without advice has one row that says why.

    Raises
    ------
    ValueError
        If there is no SED, an option makes no sense, or the fillings do not fit the networks.
    OSError
        If a path cannot be read.

    Examples
    --------
    >>> from blase_astro import advise
    >>> from blase_astro.io import sed_table
    >>> sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12])
    >>> advice = advise(sed)
    >>> print(advice['band'].tolist())
    ['millimetre', 'infrared', 'ultraviolet', 'hard_xray', 'gamma']
    """
    settings = Settings.of(options)
    known = fillings_for(settings, fillings)
    columns = band_columns(known.bin_edges, bands)
    if mjd is not None:
        seds = seds_of_time(seds, mjd, undated)
    read = read_chunks(seds, known.bin_edges, jobs=jobs, progress=progress, leave_out=leave_out)
    chunks = list(read)
    if not chunks:
        raise ValueError("no SED to advise on")
    if position is not None:
        chunks = [_placed(_joined(chunks), position)]
    if isinstance(settings.population, str) and settings.population == "self":
        settings = own_population(chunks, settings, say)
    rows: dict[str, list] = {name: [] for name in COLUMNS}
    for chunk in chunks:
        for start in range(0, len(chunk.name), _AT_ONCE):
            _advise_some(chunk, slice(start, start + _AT_ONCE), columns, settings, known, rows)
    arrays = {name: np.array(values) for name, values in rows.items()}
    return column_table(arrays, COLUMNS, settings.meta(command) | time_meta(mjd))


def fillings_for(settings, fillings=None):
    """The fillings that are given, or those of the package if they fit the networks."""
    if "nu_peak" not in settings.ensembles:
        raise ValueError("advice needs the ensemble for nu_peak")
    if fillings is None:
        return Fillings.of(settings.ensembles["nu_peak"])
    if isinstance(fillings, (str, os.PathLike)):
        fillings = Fillings.load(fillings)
    if not np.array_equal(fillings.bin_edges, settings.first.bin_edges):
        raise ValueError("the fillings have other frequency bins than the networks")
    return fillings


def predict(binned, bag, settings):
    """Distributions of the peak, of the population that is asked for."""
    ensemble = settings.ensembles["nu_peak"]
    distribution = ensemble.predict(binned, bag)
    if isinstance(settings.population, str):
        return distribution
    return with_population(distribution, ensemble.population, settings.population)


def bags(position, settings):
    """The bag of each source, or the one that is asked for."""
    if settings.bag is not None:
        return np.full(len(position[0]), settings.bag)
    ensemble = settings.ensembles["nu_peak"]
    return ensemble.bag_of(ensemble.find_source(position, settings.radius)[0]).astype(int)


def width(distribution, settings):
    """Width of the intervals (dex), shape (n,)."""
    lo, hi = distribution.interval(settings.level, shortest=settings.shortest)
    return hi - lo


def expected_crps(distribution):
    """What the score CRPS of distributions is if they are right: the integral of F (1 - F)."""
    cdf = distribution.cumulative()
    a, b = cdf[:, :-1], cdf[:, 1:]
    return distribution.step * ((a + b) / 2 - (a * a + a * b + b * b) / 3).sum(axis=1)


def fill(binned, bag, distribution, columns, fillings):
    """SEDs with one band filled in each of the ways that are likely.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        Binned SEDs.
    bag : ndarray of int, shape (n,)
        Their bags.
    distribution : `~blase_astro.Distribution`
        What the networks say of them.
    columns : dict of str to ndarray
        Bins of each band.
    fillings : Fillings
        What sources show.

    Yields
    ------
    band : str
        Name of the band.
    rows : ndarray of int
        The SEDs that have no point there.
    filled : ndarray of float64, shape (n_rows, N_FILLINGS, n_bins)
        The SEDs with points there.
    """
    drawn, peak = fillings.draw(binned, bag, distribution, N_FILLINGS)
    there = np.isfinite(binned)
    n_bins = there.sum(axis=1)
    for band, own in columns.items():
        rows = np.flatnonzero(~there[:, own].any(axis=1))
        if len(rows):
            which = fillings.choose_patterns(own, n_bins[rows], bag[rows], peak[rows])
            filled = np.repeat(binned[rows, None].astype(float), N_FILLINGS, axis=1)
            filled[:, :, own] = np.where(which, drawn[rows][:, :, own], np.nan)
            yield band, rows, filled


def gains(binned, bag, columns, settings, fillings):
    """What measurements in the empty bands of SEDs would tell.

    Parameters
    ----------
    binned, bag, columns, fillings
        As for `fill`.
    settings : `~blase_astro.Settings`
        The options.

    Returns
    -------
    now : `~blase_astro.Distribution`
        What the networks say of the SEDs as they are.
    found : dict of str to tuple
        For each band that some SED lacks: which SEDs, and of each of their fillings the width of
        the interval, the expected CRPS and the probability of the most probable class, shape
        (n_rows, N_FILLINGS) each.
    """
    now = predict(binned, bag, settings)
    parts = list(fill(binned, bag, now, columns, fillings))
    if not parts:
        return now, {}
    together = np.concatenate([filled.reshape(-1, binned.shape[1]) for _, _, filled in parts])
    own_bag = np.concatenate([np.repeat(bag[rows], N_FILLINGS) for _, rows, _ in parts])
    then = predict(together, own_bag, settings)
    read = np.stack([width(then, settings), expected_crps(then), _classes(then).max(axis=1)])
    found, start = {}, 0
    for band, rows, _ in parts:
        stop = start + len(rows) * N_FILLINGS
        found[band] = (rows, *read[:, start:stop].reshape(3, len(rows), N_FILLINGS))
        start = stop
    return now, found


def _classes(distribution):
    return distribution.between(CLASS_EDGES)


def _advise_some(chunk, some, columns, settings, fillings, rows):
    """Append the rows of some SEDs."""
    names, binned = chunk.name[some], chunk.binned[some]
    ra, dec = chunk.ra[some], chunk.dec[some]
    errors = [""] * len(names) if chunk.error is None else list(chunk.error[some])
    n_bins = np.isfinite(binned).sum(axis=1)
    good = np.flatnonzero((n_bins >= MIN_BINS) & ~np.array([bool(e) for e in errors]))
    bag = bags((ra, dec), settings)
    now, found = gains(binned[good], bag[good], columns, settings, fillings)
    at = {i: j for j, i in enumerate(good)}
    as_it_is = _as_it_is(now, settings)
    for i, name in enumerate(names):
        row = {"name": str(name), "ra": ra[i], "dec": dec[i], "bag": bag[i]}
        if i not in at:
            text = errors[i] or f"points in {n_bins[i]} frequency bins, {MIN_BINS} needed"
            _append(rows, row | {"message": text})
            continue
        j = at[i]
        row |= {key: values[j] for key, values in as_it_is.items()}
        empty = {band: np.flatnonzero(f[0] == j) for band, f in found.items()}
        empty = {band: k[0] for band, k in empty.items() if len(k)}
        for band, k in empty.items():
            _, widths, crps, p_class = (values[k] for values in found[band])
            _append(rows, row | {
                "band": band,
                "width_expected": widths.mean(),
                "narrowing": row["width"] - widths.mean(),
                "crps_gain": row["crps"] - crps.mean(),
                "p_certain": np.mean(p_class >= CERTAIN),
            })  # fmt: skip
        if not empty:
            _append(rows, row | {"message": "points in every band asked for"})


def _as_it_is(distribution, settings):
    """What is said of SEDs without more measurements, by column."""
    probability = _classes(distribution)
    return {
        "log_nu_peak": distribution.median(),
        "peak_class": np.array(SED_CLASSES)[np.argmax(probability, axis=1)],
        "p_class": probability.max(axis=1),
        "width": width(distribution, settings),
        "crps": expected_crps(distribution),
    }


def _append(rows, row):
    empty = {"band": "", "message": "", "peak_class": "UNK", "bag": -1}
    for name, values in rows.items():
        values.append(row.get(name, empty.get(name, np.nan)))


def _joined(chunks):
    """Chunks as one."""
    error = None if chunks[0].error is None else [e for chunk in chunks for e in chunk.error]
    join = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks])
        for name in ("ra", "dec", "binned")
    }
    names = [name for chunk in chunks for name in chunk.name]
    return chunks[0]._replace(name=names, error=error, **join)


def _placed(chunk, position):
    """SEDs with the positions that the user gives."""
    ra, dec = icrs(position)
    if len(ra) != len(chunk.name):
        raise ValueError(f"position: wanted one for each of {len(chunk.name)} SEDs, got {len(ra)}")
    return chunk._replace(ra=ra, dec=dec)


def target_list(
    advice: Table,
    catalog: Table | None = None,
    *,
    radius: Radius = 5.0,
    ra: str | None = None,
    dec: str | None = None,
    frame: str | None = None,
) -> Table:
    """The sources of advice in the order of what is gained, ready for a proposal.

    Parameters
    ----------
    advice : `~astropy.table.Table`
        From `advise`, as a rule of one band.
    catalog : `~astropy.table.Table`, optional
        A catalog of sources: those that have an SED are listed, with its names and positions.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation of a source from its SED, arcsec without unit.
    ra, dec, frame : str, optional
        Position columns of the catalog, see `~blase_astro.position_columns.find_position`.

    Returns
    -------
    targets : `~astropy.table.Table`
        The advice that has a position, the largest narrowing first, with a rank and with
        positions in hours and degrees as well.

    Raises
    ------
    ValueError
        If the catalog has no position columns.

    Examples
    --------
    >>> from blase_astro import advise
    >>> from blase_astro.advice import target_list
    >>> targets = target_list(advise('catalogs/demo_seds.zip', bands='xray'))
    >>> targets.colnames[:4]
    ['rank', 'name', 'ra', 'dec']
    """
    rows = np.flatnonzero((np.asarray(advice["band"]) != "") & np.isfinite(advice["ra"]))
    arrays = {name: np.asarray(advice[name])[rows] for name in COLUMNS if name != "message"}
    if catalog is not None:
        where = positions(catalog, find_position(catalog, ra, dec, frame))
        # Bands of one SED are rows of their own: the catalog is joined to each SED once.
        key = np.char.add(arrays["name"].astype(str), arrays["ra"].astype(str))
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        there = (arrays["ra"][first], arrays["dec"][first])
        row = join_sky(there, where, radius)[0][inverse]
        arrays = {name: values[row >= 0] for name, values in arrays.items()}
        row = row[row >= 0]
        arrays |= {"ra": where[0][row], "dec": where[1][row]}
        names = [name for key in _NAMES for name in catalog.colnames if name.lower() == key]
        if names:
            arrays["name"] = np.array([_text(catalog[names[0]][i]) for i in row], dtype=str)
    order = np.argsort(-arrays["narrowing"], kind="stable")
    arrays = {name: values[order] for name, values in arrays.items()}
    arrays |= _sexagesimal(arrays["ra"], arrays["dec"]) | {"rank": np.arange(1, len(order) + 1)}
    others = {name: COLUMNS[name] for name in list(COLUMNS)[3:-1]}
    return column_table(arrays, _TARGET_COLUMNS | others, dict(advice.meta))


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value).strip()


def _sexagesimal(ra, dec):
    """Positions as text, to 0.15 and 0.1 arcsec."""
    from astropy.coordinates import Angle

    how = {"sep": ":", "pad": True}
    ra, dec = Angle(ra, "deg"), Angle(dec, "deg")
    return {
        "ra_hms": np.array(ra.to_string("hourangle", precision=2, **how), dtype=str).reshape(-1),
        "dec_dms": np.array(
            dec.to_string("deg", precision=1, alwayssign=True, **how), dtype=str
        ).reshape(-1),
    }
