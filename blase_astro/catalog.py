"""Annotate catalogs with the estimates, match catalogs with the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .catalog_rows import row_estimates, row_positions
from .columns import MATCH_COLUMNS, column_table, estimate_columns
from .flags import Flag
from .io.table import numbers
from .rest import rest_frame
from .settings import Settings
from .sky import known_positions
from .times import seds_of_time, time_meta

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Seds, Table

__all__ = ["annotate", "annotate_file", "match", "match_file"]


def _quiet(_text):
    """Say nothing."""


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
    arrays = row_estimates(catalog, seds, settings, say=say or _quiet, **where, **dict(reading))
    if redshift is not None:
        arrays |= rest_frame(arrays, numbers(catalog, redshift, ""), settings.cosmology)
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
        How rows and SEDs go together: ``ra``, ``dec``, ``frame`` (position columns and their frame,
        see `~blase_astro.position_columns.find_position`), ``sed_column`` (column with the file
        names of the SEDs; by default they are joined by position, one to one, within ``radius``);
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
    position = row_positions(catalog, ra, dec, frame, say)
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

    return _append(catalog, output, make, overwrite, overwrite_columns, options.get("say"))


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

    def make(table):
        return _matched(table, **options)

    return _append(catalog, output, make, overwrite, overwrite_columns, options.get("say"))


def _append(catalog, output, make, overwrite, overwrite_columns, say):
    """Read a catalog, make columns of it, append them to a copy of the file."""
    from .io.append import append_columns
    from .io.files import check_output, read_catalog

    check_output(output, overwrite=overwrite)
    columns = make(read_catalog(catalog))
    replace = columns.colnames if overwrite_columns else ()
    append_columns(catalog, columns, output, overwrite=overwrite, replace=replace, say=say)
    return columns
