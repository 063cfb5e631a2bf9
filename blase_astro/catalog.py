"""Annotate catalogs with the estimates, match catalogs with the training set."""

import numpy as np

from .columns import EMPTY, ESTIMATE_COLUMNS, MATCH_COLUMNS, column_table
from .estimates import _command, _estimates, _quiet, _settings
from .flags import Flag
from .joins import join_names, join_sky
from .sky import find_position, pairs, positions

__all__ = ["annotate", "annotate_file", "match", "match_file"]


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
        sed, ambiguous = join_names(wanted, found["name"].tolist())
    else:
        seds = found["ra"], found["dec"]
        sed, ambiguous = join_sky((row_ra, row_dec), seds, settings.radius)
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
    from .io.append import append_columns
    from .io.files import check_output, read_catalog

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
    from .io.append import append_columns
    from .io.files import check_output, read_catalog

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
