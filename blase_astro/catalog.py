"""Estimate SEDs, annotate catalogs with the estimates, match catalogs with the training set."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._version import __version__
from .bulk import file_keys, read_chunks
from .columns import (
    EMPTY,
    ESTIMATE_COLUMNS,
    MATCH_COLUMNS,
    SED_COLUMNS,
    column_table,
)
from .ensemble import TARGETS, Ensemble
from .evaluate import CLASS_EDGES, SED_CLASSES
from .flags import FEW_BINS, MIN_BINS, Flag, doubts
from .sky import find_position, pairs, positions

__all__ = ["annotate", "annotate_file", "estimate", "estimate_arrays", "match", "match_file"]


# --- settings ---------------------------------------------------------------------------------


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


# --- reading SEDs in chunks -------------------------------------------------------------------


# --- estimating -------------------------------------------------------------------------------


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
    >>> from blase_astro.catalog import estimate_arrays
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


# --- catalogs ---------------------------------------------------------------------------------


def _with_positions(chunk, fallback):
    """SEDs that state no position get that of their catalog row."""
    ra, dec = chunk.ra.copy(), chunk.dec.copy()
    for i in np.flatnonzero(~(np.isfinite(ra) & np.isfinite(dec))):
        for key in file_keys(chunk.name[i]):
            if key in fallback:
                ra[i], dec[i] = fallback[key]
                break
    return chunk._replace(ra=ra, dec=dec)


def _join_by_name(wanted, names):
    """SED of each row (-1: none) by file name, and which rows had several to choose from."""
    whole = {name: [i] for i, name in enumerate(names)}
    found = {}
    for i, name in enumerate(names):
        for key in file_keys(name):
            found.setdefault(key, []).append(i)
    sed = np.full(len(wanted), -1)
    ambiguous = np.zeros(len(wanted), bool)
    for row, name in enumerate(wanted):
        candidates = whole.get(name) or found.get(name) or found.get(name.removesuffix(".txt"))
        if candidates:
            sed[row] = candidates[0]
            ambiguous[row] = len(candidates) > 1
    return sed, ambiguous


def _join_by_position(ra, dec, sed_ra, sed_dec, radius):
    """SED of each row (-1: none), one to one, nearest first; and which rows were ambiguous."""
    rows, seds, _ = pairs(ra, dec, sed_ra, sed_dec, radius)
    sed = np.full(len(ra), -1)
    taken = np.zeros(len(sed_ra), bool)
    for row, i in zip(rows, seds, strict=True):  # sorted by separation
        if sed[row] == -1 and not taken[i]:
            sed[row] = i
            taken[i] = True
    several = np.bincount(rows, minlength=len(ra)) > 1
    shared = np.bincount(seds, minlength=len(sed_ra)) > 1
    several[rows[shared[seds]]] = True
    return sed, several


def _text(column):
    """Column of names as a list of str, empty where masked."""
    values = np.ma.asarray(column)
    mask = np.ma.getmaskarray(values)
    decoded = [v.decode() if isinstance(v, bytes) else str(v) for v in np.ma.getdata(values)]
    return ["" if m else v.strip() for v, m in zip(decoded, mask, strict=True)]


def _where(catalog, ra, dec, frame, say, *, needed=True):
    """ICRS positions of the rows of a catalog; says which columns they are from."""
    try:
        columns = find_position(catalog, ra, dec, frame)
    except ValueError:
        if needed or ra is not None:
            raise
        return np.full((2, len(catalog)), np.nan)
    where = positions(catalog, columns)
    unknown = int(np.isnan(where[0]).sum())
    names = f"{columns.lon} and {columns.lat}" if columns.lat else columns.lon
    say(f"positions: {names} ({columns.frame}), missing in {unknown} of {len(catalog)} rows")
    return where


def _quiet(_text):
    """Say nothing."""


def _annotation(catalog, seds, settings, *, ra, dec, frame, sed_column, say, **reading):
    """The columns of the estimates, one value a row of the catalog."""
    if sed_column is not None and sed_column not in catalog.colnames:
        raise ValueError(
            f"the catalog has no column {sed_column!r}; it has {', '.join(catalog.colnames)}"
        )
    row_ra, row_dec = _where(catalog, ra, dec, frame, say, needed=sed_column is None)
    fallback = None
    if sed_column is not None:
        wanted = _text(catalog[sed_column])
        at = zip(row_ra, row_dec, strict=True)
        fallback = {name: p for name, p in zip(wanted, at, strict=True) if name}
    found = _estimates(seds, settings, fallback=fallback, **reading)
    if found is None:
        raise ValueError("no SED to estimate from")
    if sed_column is not None:
        sed, ambiguous = _join_by_name(wanted, found["name"].tolist())
    else:
        sed, ambiguous = _join_by_position(
            row_ra, row_dec, found["ra"], found["dec"], settings.radius
        )
    _say_join(sed, ambiguous, found, say)
    return _spread_to_rows(found, sed, ambiguous, row_ra, row_dec, settings)


def _say_join(sed, ambiguous, found, say):
    """How the rows and the SEDs went together, in words."""
    used = np.unique(sed[sed >= 0])
    say(
        f"SEDs: {len(found['name'])}, of which {len(used)} belong to a row; "
        f"rows: {len(sed)}, of which {int((sed >= 0).sum())} have an SED"
    )
    if ambiguous.any():
        say(f"ambiguous: {int(ambiguous.sum())} rows (flag AMBIGUOUS_SED), the nearest was taken")
    for name, message in zip(found["name"][used], found["message"][used], strict=True):
        if message:
            say(f"no estimate: {name}: {message}")


def _spread_to_rows(found, sed, ambiguous, row_ra, row_dec, settings):
    """Values of the SEDs at the rows they belong to; rows without one get what can be said."""
    has = sed >= 0
    bag, sep, n_near = settings.first.find_bag(row_ra, row_dec, settings.radius)
    columns = {}
    for name, values in found.items():
        if name in ESTIMATE_COLUMNS:
            empty = np.full(len(sed), EMPTY.get(name, np.nan), values.dtype)
            empty[has] = values[sed[has]]
            columns[name] = empty
    columns["bag"][~has] = bag[~has]
    columns["bag_sep"][~has] = sep[~has]
    flags = columns["flags"]
    flags[~has] |= Flag.NO_SED
    flags[~has & (n_near > 1)] |= Flag.AMBIGUOUS_MATCH
    flags[~has & ~(np.isfinite(row_ra) & np.isfinite(row_dec))] |= Flag.NO_POSITION
    flags[ambiguous] |= Flag.AMBIGUOUS_SED
    return columns


def annotate(
    catalog,
    seds,
    *,
    ensemble=None,
    level=0.95,
    radius=5.0,
    bag=None,
    ra=None,
    dec=None,
    frame=None,
    sed_column=None,
    prefix="",
    overwrite_columns=False,
    jobs=1,
    progress=None,
    say=None,
):
    """Append the estimates of SEDs to the rows of a catalog.

    Parameters
    ----------
    catalog : `~astropy.table.Table`
        The catalog; it is not changed.
    seds : path-like, `~astropy.table.Table`, or iterable
        The SEDs, as for `estimate`.
    ensemble, level, bag, jobs, progress
        As for `estimate`.
    radius : float or `~astropy.units.Quantity`
        Largest separation of an SED from its row, and of a source from a training source; arcsec
        without unit.
    ra, dec, frame : str, optional
        Position columns and their frame, see `~blase_astro.sky.find_position`.
    sed_column : str, optional
        Column with the file names of the SEDs; by default they are joined by position, one to one.
    prefix : str
        Put before the names of the new columns.
    overwrite_columns : bool
        Replace columns of the same names.
    say : callable, optional
        Called with lines of text about what was found: position columns, matches, ambiguities.

    Returns
    -------
    annotated : `~astropy.table.Table`
        The catalog with columns appended at its end; a row without a usable SED has NaN and a
        flag.

    Raises
    ------
    ValueError
        If a name is taken, no position columns are found, or there is no SED.
    OSError
        If the SEDs cannot be read.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro import annotate
    >>> from blase_astro.io import sed_table
    >>> catalog = Table({'name': ['A', 'B'], 'RA': [10.0, 20.0], 'DEC': [0.0, 0.0]})
    >>> sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12],
    ...                 meta={'ra': 20.0, 'dec': 0.0})
    >>> print(annotate(catalog, sed)['name', 'n_points'])
    name n_points
    ---- --------
       A        0
       B        3
    """
    from .io.append import join_columns

    settings = _settings(ensemble, level, radius, bag)
    where = {"ra": ra, "dec": dec, "frame": frame, "sed_column": sed_column}
    say = say or _quiet
    arrays = _annotation(catalog, seds, settings, say=say, jobs=jobs, progress=progress, **where)
    columns = column_table(arrays, ESTIMATE_COLUMNS, settings.meta(), prefix)
    return join_columns(catalog, columns, columns.colnames if overwrite_columns else ())


def _match_columns(catalog, settings, *, ra, dec, frame, say):
    """Bag, separation and name of the training source at each row of a catalog."""
    row_ra, row_dec = _where(catalog, ra, dec, frame, say)
    first = settings.first
    bag, sep, n_near = first.find_bag(row_ra, row_dec, settings.radius)
    hit = np.flatnonzero(bag >= 0)
    sources = first.source_columns
    names = np.full(len(bag), "", dtype=sources["name"].dtype)
    row, source, _ = pairs(
        row_ra[hit], row_dec[hit], sources["ra"], sources["dec"], settings.radius
    )
    names[hit[row[::-1]]] = sources["name"][source[::-1]]  # the nearest is written last
    flags = np.zeros(len(bag), np.int32)
    flags[n_near > 1] |= Flag.AMBIGUOUS_MATCH
    flags[np.isnan(row_ra)] |= Flag.NO_POSITION
    say(f"rows: {len(bag)}, of which {len(hit)} are in the training set")
    return {"bag": bag, "bag_sep": sep, "bag_source": names, "flags": flags}


def match(
    catalog,
    *,
    ensemble=None,
    radius=5.0,
    ra=None,
    dec=None,
    frame=None,
    prefix="",
    overwrite_columns=False,
    say=None,
):
    """Which sources of a catalog are in the training set, in which bag, and how far off.

    Parameters
    ----------
    catalog : `~astropy.table.Table`
        The catalog; it is not changed.
    ensemble, radius
        As for `estimate`.
    ra, dec, frame, prefix, overwrite_columns, say
        As for `annotate`.

    Returns
    -------
    matched : `~astropy.table.Table`
        The catalog with the columns ``bag`` (-1 where the source is not in the training set),
        ``bag_sep`` (arcsec), ``bag_source`` and ``flags`` appended.

    Raises
    ------
    ValueError
        If a name is taken or no position columns are found.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro import match
    >>> print(match(Table({'RA': [10.0], 'DEC': [-80.0]}))['RA', 'DEC', 'bag'])
     RA   DEC  bag
    ---- ----- ---
    10.0 -80.0  -1
    """
    from .io.append import join_columns

    settings = _settings(ensemble, radius=radius)
    arrays = _match_columns(catalog, settings, ra=ra, dec=dec, frame=frame, say=say or _quiet)
    columns = column_table(arrays, MATCH_COLUMNS, settings.meta(with_level=False), prefix)
    return join_columns(catalog, columns, columns.colnames if overwrite_columns else ())


# --- files ------------------------------------------------------------------------------------


def annotate_file(
    catalog,
    seds,
    output,
    *,
    ensemble=None,
    level=0.95,
    radius=5.0,
    bag=None,
    ra=None,
    dec=None,
    frame=None,
    sed_column=None,
    prefix="",
    overwrite_columns=False,
    overwrite=False,
    command="",
    jobs=1,
    progress=None,
    say=None,
):
    """Append the estimates of SEDs to a catalog file and leave everything else in it untouched.

    Parameters
    ----------
    catalog : path-like
        The catalog; of a file with several tables the first.
    seds : path-like, `~astropy.table.Table`, or iterable
        The SEDs, as for `estimate`.
    output : path-like
        File to write, the format given by its suffix. Where it is that of the catalog, FITS or
        VOTable, all else in the file stays: other HDUs or elements, header cards, UCDs.
    ensemble, level, radius, bag, ra, dec, frame, sed_column, prefix, overwrite_columns, jobs, \
progress, say
        As for `annotate`.
    overwrite : bool
        Replace an existing file.
    command : str
        What made the file, for its header.

    Returns
    -------
    columns : `~astropy.table.Table`
        The columns appended.

    Raises
    ------
    ValueError
        As `annotate`, or if the suffix is not known.
    OSError
        If a file cannot be read or written, or exists already.

    Examples
    --------
    >>> from blase_astro.catalog import annotate_file
    >>> columns = annotate_file('catalogs/demo_catalog.fits', 'catalogs/demo_seds.zip', 'out.fits')
    >>> columns.colnames[0]
    'nu_peak'
    """
    from .io.append import append_columns, check_output, read_catalog

    check_output(output, overwrite=overwrite)
    settings = _settings(ensemble, level, radius, bag)
    where = {"ra": ra, "dec": dec, "frame": frame, "sed_column": sed_column}
    reading = {"jobs": jobs, "progress": progress, "leave_out": output}
    table = read_catalog(catalog)
    arrays = _annotation(table, seds, settings, say=say or _quiet, **where, **reading)
    columns = column_table(arrays, ESTIMATE_COLUMNS, settings.meta() | _command(command), prefix)
    _say_case(table, columns, say or _quiet)
    replace = columns.colnames if overwrite_columns else ()
    append_columns(catalog, columns, output, overwrite=overwrite, replace=replace)
    return columns


def match_file(
    catalog,
    output,
    *,
    ensemble=None,
    radius=5.0,
    ra=None,
    dec=None,
    frame=None,
    prefix="",
    overwrite_columns=False,
    overwrite=False,
    command="",
    say=None,
):
    """Append what `match` finds to a catalog file and leave everything else in it untouched.

    Parameters
    ----------
    catalog, output : path-like
        As for `annotate_file`.
    ensemble, radius, ra, dec, frame, prefix, overwrite_columns, say
        As for `match`.
    overwrite, command
        As for `annotate_file`.

    Returns
    -------
    columns : `~astropy.table.Table`
        The columns appended.

    Raises
    ------
    ValueError
        As `match`, or if the suffix is not known.
    OSError
        If a file cannot be read or written, or exists already.

    Examples
    --------
    >>> from blase_astro.catalog import match_file
    >>> match_file('catalogs/demo_catalog.fits', 'matched.fits').colnames
    ['bag', 'bag_sep', 'bag_source', 'flags']
    """
    from .io.append import append_columns, check_output, read_catalog

    check_output(output, overwrite=overwrite)
    settings = _settings(ensemble, radius=radius)
    table = read_catalog(catalog)
    arrays = _match_columns(table, settings, ra=ra, dec=dec, frame=frame, say=say or _quiet)
    meta = settings.meta(with_level=False) | _command(command)
    columns = column_table(arrays, MATCH_COLUMNS, meta, prefix)
    _say_case(table, columns, say or _quiet)
    replace = columns.colnames if overwrite_columns else ()
    append_columns(catalog, columns, output, overwrite=overwrite, replace=replace)
    return columns


def _command(command):
    """Metadata that says what made a file."""
    return {"BLASECMD": command} if command else {}


def _say_case(catalog, columns, say):
    """Tell of new names that differ from old ones in case alone: legal, but easy to mix up."""
    old = {name.lower(): name for name in catalog.colnames}
    alike = [
        f"{name} and {old[name.lower()]}"
        for name in columns.colnames
        if name not in catalog.colnames and name.lower() in old
    ]
    if alike:
        say(f"names that differ in case alone: {', '.join(alike)} (a prefix would tell them apart)")
