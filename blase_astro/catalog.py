"""Annotate catalogs with the estimates, match catalogs with the training set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from .bulk import read_chunks
from .columns import EMPTY, MATCH_COLUMNS, column_table, estimate_columns
from .estimates import estimate_chunks
from .flags import Flag
from .io.archive import read_points
from .io.table import Points, join_points, numbers, points_from_seds
from .joins import file_keys, join_names, join_sky
from .rest import rest_frame
from .settings import Settings
from .sky import find_position, known_positions, positions
from .times import seds_of_time, time_meta

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Seds, Table

__all__ = ["annotate", "annotate_file", "match", "match_file"]

# Rows of a catalog whose own photometry is held as measurements at once.
_ROWS = 20_000


def _quiet(_text):
    """Say nothing."""


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


def _with_positions(chunks, fallback):
    """SEDs that state no position get that of their catalog row."""
    for chunk in chunks:
        ra, dec = chunk.ra.copy(), chunk.dec.copy()
        for i in np.flatnonzero(~known_positions(ra, dec)):
            for key in file_keys(chunk.name[i]):
                if key in fallback:
                    ra[i], dec[i] = fallback[key]
                    break
        yield chunk._replace(ra=ra, dec=dec)


def _annotation(
    catalog, seds, settings, *, ra, dec, frame, sed_column, say, bands=None, ebv=None, **reading
):
    """The columns of the estimates, one value a row of the catalog."""
    if seds is None and bands is None:
        raise ValueError("nothing to estimate from: wanted SEDs, or bands of the catalog itself")
    if sed_column is not None and sed_column not in catalog.colnames:
        raise ValueError(
            f"the catalog has no column {sed_column!r}; it has {', '.join(catalog.colnames)}"
        )
    needed = sed_column is None and seds is not None
    position = _where(catalog, ra, dec, frame, say, needed=needed)
    if bands is not None:
        where = {"sed_column": sed_column, "say": say, "progress": reading.get("progress")}
        return _photometry(catalog, seds, settings, position, bands, ebv, **where)
    chunks = read_chunks(seds, settings.first.bin_edges, **reading)
    if sed_column is not None:
        wanted = _text(catalog[sed_column])
        at = dict(zip(wanted, zip(*position, strict=True), strict=True))
        chunks = _with_positions(chunks, {name: p for name, p in at.items() if name})
    parts = list(estimate_chunks(chunks, settings, say))
    if not parts:
        raise ValueError("no SED to estimate from")
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if sed_column is not None:
        sed, ambiguous = join_names(wanted, found["name"].tolist())
    else:
        sed, ambiguous = join_sky(position, (found["ra"], found["dec"]), settings.radius)
    _say_join(sed, ambiguous, found, say)
    return _spread_to_rows(found, sed, ambiguous, position, settings)


def _photometry(catalog, seds, settings, position, bands, ebv, *, sed_column, say, progress):
    """As `_annotation`, from the catalog's own measurements and those of SEDs, if there are any."""
    from .bands import bands_in, merge_points, points_from_bands

    used = bands_in(catalog, bands, say=say)
    sed, ambiguous = np.full(len(catalog), -1), np.zeros(len(catalog), bool)
    if seds is not None:
        files = _all_points(seds)
        if sed_column is not None:
            sed, ambiguous = join_names(_text(catalog[sed_column]), files.name)
        else:
            sed, ambiguous = join_sky(position, (files.ra, files.dec), settings.radius)
        unread = np.array(files.error, dtype=str)
        _say_join(sed, ambiguous, {"name": np.array(files.name), "message": unread}, say)

    def blocks():
        for start in range(0, len(catalog), _ROWS):
            rows = slice(start, start + _ROWS)
            at = (coordinate[rows] for coordinate in position)
            points = points_from_bands(catalog[rows], used, *at, ebv=ebv)
            yield points if seds is None else merge_points(points, files, sed[rows])

    chunks = read_chunks(blocks(), settings.first.bin_edges, progress=progress)
    parts = list(estimate_chunks(chunks, settings, say))
    if not parts:
        raise ValueError("the catalog has no rows")
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _spread_to_rows(found, np.arange(len(catalog)), ambiguous, position, settings)


def _all_points(seds):
    """The measurements of SEDs of any kind at once: they are wanted row by row of the catalog."""
    alone = isinstance(seds, (str, os.PathLike, Points)) or hasattr(seds, "colnames")
    parts = []
    for item in [seds] if alone else seds:
        if isinstance(item, Points):
            parts.append(item)
        elif isinstance(item, (str, os.PathLike)):
            parts.extend(read_points(item))
        else:
            name, sed = item if isinstance(item, tuple) else (item.meta.get("name"), item)
            parts.append(points_from_seds([sed])._replace(name=[str(name or "")]))
    return join_points(parts)


def _say_join(sed, ambiguous, found, say):
    """How the rows and the SEDs went together, in words."""
    used = np.unique(sed[sed >= 0])
    say(
        f"SEDs: {len(found['name'])}, of which {len(used)} belong to a row; "
        f"rows: {len(sed)}, of which {int((sed >= 0).sum())} have an SED"
    )
    alone = np.delete(found["name"], used)
    if len(alone):
        more = ", ..." if len(alone) > 5 else ""
        say(f"SEDs of no row: {', '.join(str(name) for name in alone[:5])}{more}")
    if ambiguous.any():
        say(f"ambiguous: {int(ambiguous.sum())} rows (flag AMBIGUOUS_SED), the nearest was taken")
    for name, message in zip(found["name"][used], found["message"][used], strict=True):
        if message:
            say(f"no estimate: {name}: {message}")


def _spread_to_rows(found, sed, ambiguous, position, settings):
    """Values of the SEDs at the rows they belong to; rows without one get what can be said."""
    has = sed >= 0
    source, sep, n_near = settings.first.find_source(position, settings.radius)
    columns = {}
    for name in settings.columns(estimate_columns):
        if name in found:
            values = found[name]
            empty = np.full((len(sed), *values.shape[1:]), EMPTY.get(name, np.nan), values.dtype)
            empty[has] = values[sed[has]]
            columns[name] = empty
    columns["bag"][~has] = settings.first.bag_of(source)[~has]
    columns["bag_sep"][~has] = sep[~has]
    flags = columns["peak_flags"]
    flags[~has] |= Flag.NO_SED
    flags[~has & (n_near > 1)] |= Flag.AMBIGUOUS_MATCH
    flags[~has & ~known_positions(*position)] |= Flag.NO_POSITION
    flags[ambiguous] |= Flag.AMBIGUOUS_SED
    return columns


def _annotated(
    catalog,
    seds,
    *,
    ra=None,
    dec=None,
    frame=None,
    sed_column=None,
    bands=None,
    ebv=None,
    redshift=None,
    mjd=None,
    undated="drop",
    prefix="",
    say=None,
    command="",
    reading=(),
    **options,
):
    """The columns to append to a catalog, as a table."""
    if redshift is not None:
        options["rest"] = True
        if redshift not in catalog.colnames:
            raise ValueError(f"the catalog has no column {redshift!r} of redshifts")
    settings = Settings.of(options)
    if mjd is not None and seds is not None:
        seds = seds_of_time(seds, mjd, undated)
    where = {"ra": ra, "dec": dec, "frame": frame, "sed_column": sed_column}
    where |= {"bands": bands, "ebv": ebv}
    arrays = _annotation(catalog, seds, settings, say=say or _quiet, **where, **dict(reading))
    if redshift is not None:
        arrays |= rest_frame(arrays, numbers(catalog, redshift), settings.cosmology)
        del arrays["redshift"]  # the catalog has it
    columns = settings.columns(estimate_columns)
    return column_table(arrays, columns, settings.meta(command) | time_meta(mjd), prefix)


def annotate(
    catalog: Table,
    seds: Seds | None = None,
    *,
    overwrite_columns: bool = False,
    jobs: Any = 1,
    progress: Any = None,
    **options: Any,
) -> Table:
    """Append the estimates of SEDs to the rows of a catalog.

    Parameters
    ----------
    catalog : `~astropy.table.Table`
        The catalog; it is not changed.
    seds : path-like, `~astropy.table.Table`, or iterable, optional
        The SEDs, as for `~blase_astro.estimate`; with ``bands`` there need be none.
    overwrite_columns : bool
        Replace columns of the same names.
    jobs, progress
        As for `~blase_astro.estimate`.
    **options
        How rows and SEDs go together: ``ra``, ``dec``, ``frame`` (position columns and their
        frame, see `~blase_astro.sky.find_position`), ``sed_column`` (column with the file names of
        the SEDs; by default they are joined by position, one to one, within ``radius``);
        ``bands`` and ``ebv``, which make measurements from columns of the catalog itself, as
        `~blase_astro.bands.points_from_bands` explains;
        ``redshift``, a column of redshifts, for columns of the rest frame (with ``rest`` alone
        the redshifts are those that the SEDs state); ``mjd`` and ``undated`` as for
        `~blase_astro.estimate`;
        ``prefix``, put before the names of the new columns; ``say``, called with lines of text
        about what was found; and what `~blase_astro.Settings` lists.

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

    reading = {"jobs": jobs, "progress": progress}
    columns = _annotated(catalog, seds, reading=reading, **options)
    return join_columns(catalog, columns, columns.colnames if overwrite_columns else ())


def _matched(catalog, *, ra=None, dec=None, frame=None, prefix="", say=None, command="", **options):
    """Bag, separation and name of the training source at each row of a catalog, as a table."""
    settings, say = Settings.of(options), say or _quiet
    position = _where(catalog, ra, dec, frame, say)
    arrays = matched_columns(position, settings)
    n_known = int((arrays["bag"] >= 0).sum())
    say(f"rows: {len(catalog)}, of which {n_known} are in the training set")
    return column_table(arrays, MATCH_COLUMNS, settings.match_meta(command), prefix)


def matched_columns(position, settings):
    """What is known of the training sources at positions, as arrays.

    Parameters
    ----------
    position : pair of ndarray of float64, shape (n,)
        Right ascension and declination in degrees (ICRS), NaN where unknown.
    settings : `~blase_astro.Settings`
        The options.

    Returns
    -------
    columns : dict of ndarray, shape (n,) each
        By the names of `~blase_astro.columns.MATCH_COLUMNS`.
    """
    source, sep, n_near = settings.first.find_source(position, settings.radius)
    names = np.append(settings.first.source_columns["name"], "")
    flags = np.zeros(len(source), np.int32)
    flags[n_near > 1] |= Flag.AMBIGUOUS_MATCH
    flags[~known_positions(*position)] |= Flag.NO_POSITION
    arrays = {"bag": settings.first.bag_of(source), "bag_sep": sep, "bag_source": names[source]}
    return arrays | {"peak_flags": flags}


def match(catalog: Table, *, overwrite_columns: bool = False, **options: Any) -> Table:
    """Which sources of a catalog are in the training set, in which bag, and how far off.

    Parameters
    ----------
    catalog : `~astropy.table.Table` or `~astropy.coordinates.SkyCoord`
        The catalog, which is not changed, or positions.
    overwrite_columns : bool
        Replace columns of the same names.
    **options
        ``ra``, ``dec``, ``frame``, ``prefix``, ``say`` as for `annotate`; ``ensemble`` and
        ``radius`` as `~blase_astro.Settings` lists them.

    Returns
    -------
    matched : `~astropy.table.Table`
        The catalog with the columns ``bag`` (-1 where the source is not in the training set),
        ``bag_sep`` (arcsec), ``bag_source`` and ``peak_flags`` appended; of positions, these
        columns alone.

    Raises
    ------
    ValueError
        If a name is taken or no position columns are found.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.table import Table
    >>> from blase_astro import match
    >>> print(match(Table({'RA': [10.0], 'DEC': [-80.0]}))['RA', 'DEC', 'bag'])
     RA   DEC  bag
    ---- ----- ---
    10.0 -80.0  -1
    >>> match(SkyCoord([10.0], [-80.0], unit='deg')).colnames
    ['bag', 'bag_sep', 'bag_source', 'peak_flags']
    """
    from .io.append import join_columns

    if hasattr(catalog, "icrs"):
        from astropy.table import Table

        return _matched(Table({"position": catalog.reshape(-1)}), **options)
    columns = _matched(catalog, **options)
    return join_columns(catalog, columns, columns.colnames if overwrite_columns else ())


# --- files ------------------------------------------------------------------------------------


def annotate_file(
    catalog: AnyPath,
    seds: Seds | None,
    output: AnyPath,
    *,
    overwrite: bool = False,
    overwrite_columns: Any = False,
    jobs: Any = 1,
    progress: Any = None,
    **options: Any,
) -> Table:
    """Append the estimates of SEDs to a catalog file and leave everything else in it untouched.

    Parameters
    ----------
    catalog : path-like
        The catalog; of a file with several tables the first.
    seds : path-like, `~astropy.table.Table`, or iterable, optional
        The SEDs, as for `~blase_astro.estimate`; with ``bands`` there need be none.
    output : path-like
        File to write, the format given by its suffix. Where it is that of the catalog, FITS or
        VOTable, all else in the file stays: other HDUs or elements, header cards, UCDs.
    overwrite : bool
        Replace an existing file.
    overwrite_columns, jobs, progress
        As for `annotate`.
    **options
        As for `annotate`; and ``command``, what made the file, for its header.

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

    def make(table):
        reading = {"jobs": jobs, "progress": progress, "leave_out": output}
        return _annotated(table, seds, reading=reading, **options)

    return _append(catalog, output, make, overwrite, overwrite_columns)


def match_file(
    catalog: Any,
    output: Any,
    *,
    overwrite: Any = False,
    overwrite_columns: Any = False,
    **options: Any,
) -> Table:
    """Append what `match` finds to a catalog file and leave everything else in it untouched.

    Parameters
    ----------
    catalog, output, overwrite, overwrite_columns
        As for `annotate_file`.
    **options
        As for `match`; and ``command``, what made the file, for its header.

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
    ['bag', 'bag_sep', 'bag_source', 'peak_flags']
    """
    return _append(
        catalog, output, lambda table: _matched(table, **options), overwrite, overwrite_columns
    )


def _append(catalog, output, make, overwrite, overwrite_columns):
    """Read a catalog, make columns of it, append them to a copy of the file."""
    from .io.append import append_columns
    from .io.files import check_output, read_catalog

    check_output(output, overwrite=overwrite)
    columns = make(read_catalog(catalog))
    replace = columns.colnames if overwrite_columns else ()
    append_columns(catalog, columns, output, overwrite=overwrite, replace=replace)
    return columns
