"""Peaks and matches of catalogs in HATS, by LSDB: lazy, on as many machines as Dask has.

LSDB holds the measurements of a source in a nested column; its partitions are estimated one by one
by what `blase_astro.estimate_points` stands on. Nothing is computed before the result is asked for.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .catalog import matched_columns
from .columns import MATCH_COLUMNS, column_table, estimate_columns
from .io.append import check_names
from .io.files import _quiet_units
from .io.parquet import arrow_table
from .points import estimate_sources, grouped
from .settings import Settings
from .sky import icrs
from .survey.layouts import layout_of
from .survey.orders import order_of, settings_of
from .survey.reading import nested_sources

if TYPE_CHECKING:
    from ._types import Any, AnyPath

__all__ = ["estimate", "match", "write"]

# Property of a HATS catalog, and end of the name of the file beside it, with its settings.
_PROPERTY, _BESIDE = "blase_settings", ".blase_settings.json"


def estimate(catalog: Any, column: str = "sed", *, prefix: str = "", **options: Any) -> Any:
    """Estimate the synchrotron peaks of the sources of an LSDB catalog.

    Parameters
    ----------
    catalog : ``lsdb.catalog.Catalog``
        One row a source.
    column : str
        Its nested column with the measurements: ``frequency`` (Hz), ``nufnu``, and of
        ``nufnu_upper``, ``nufnu_lower`` (erg / (s cm2)), ``upper_limit``, ``duplicate`` and
        ``catalog`` those there are.
    prefix : str
        Put before the names of the new columns.
    **options
        What `~blase_astro.Settings` lists; for ``rest`` the catalog has a column ``redshift``. An
        ensemble is given by its path, which every worker has to see; its digest is compared.

    Returns
    -------
    catalog : ``lsdb.catalog.Catalog``
        Lazy: the catalog without the nested column, and with those of an annotated catalog, of
        fixed Arrow types, null where there is no estimate.

    Raises
    ------
    ValueError
        If a name is taken, a column is missing, or a setting makes no sense; the catalog's own
        population can only be found beforehand.

    Notes
    -----
    Each process loads the ensembles once. Workers of Dask should have one thread of BLAS
    (``OMP_NUM_THREADS=1``), which is the default of Dask's own workers, and partitions 20,000
    sources and more, as each costs about a second.

    Examples
    --------
    >>> import lsdb  # doctest: +SKIP
    >>> import blase_astro.lsdb  # doctest: +SKIP
    >>> peaks = blase_astro.lsdb.estimate(lsdb.open_catalog('hats'))  # doctest: +SKIP
    >>> blase_astro.lsdb.write(peaks, 'peaks')  # doctest: +SKIP
    """
    settings = Settings.of(options)
    if column not in catalog.columns:
        raise ValueError(
            f"the catalog has no column {column!r}; it has {', '.join(catalog.columns)}"
        )
    order = _order(settings, options.get("ensemble"))
    where = _where(catalog)
    new = [prefix + name for name in _empty_columns(settings)]
    check_names([name for name in catalog.columns if name != column], new)
    found = catalog.map_partitions(_estimated, column, where, order, prefix, include_pixel=True)
    return _with_settings(found, settings, prefix)


def match(catalog: Any, *, prefix: str = "", **options: Any) -> Any:
    """Find which sources of an LSDB catalog are in the training set.

    Parameters
    ----------
    catalog : ``lsdb.catalog.Catalog``
        One row a source.
    prefix : str
        Put before the names of the new columns.
    **options
        ``ensemble`` and ``radius``: see `~blase_astro.Settings`.

    Returns
    -------
    catalog : ``lsdb.catalog.Catalog``
        Lazy: the catalog with the columns that `blase_astro.match` appends.

    Raises
    ------
    ValueError
        If a name is taken or a setting makes no sense.

    Examples
    --------
    >>> import lsdb  # doctest: +SKIP
    >>> import blase_astro.lsdb  # doctest: +SKIP
    >>> blase_astro.lsdb.match(lsdb.open_catalog('hats')).head()  # doctest: +SKIP
    """
    settings = Settings.of(options)
    order = _order(settings, options.get("ensemble"))
    check_names(list(catalog.columns), [prefix + name for name in MATCH_COLUMNS])
    found = catalog.map_partitions(_matched, _where(catalog), order, prefix, include_pixel=True)
    return _with_settings(found, settings, prefix)


def write(catalog: Any, path: AnyPath, *, resume: bool = False, **arguments: Any) -> None:
    """Write what `estimate` or `match` gave, and never mix two kinds of results.

    Parameters
    ----------
    catalog : ``lsdb.catalog.Catalog``
        What to write; it is computed now.
    path : path-like
        Folder of the HATS catalog. The settings are kept beside it, in a file of its name and
        ``.blase_settings.json``, and in the properties of the catalog.
    resume : bool
        Go on with an interrupted write: LSDB skips the pixels that are there. Refused if these
        were made with other settings, which LSDB does not look at.
    **arguments
        Others of ``Catalog.write_catalog``, such as ``overwrite`` or ``as_collection``.

    Raises
    ------
    ValueError
        If the catalog has no settings, or is to be resumed with other ones.

    Notes
    -----
    Where a partition fails, the error names its pixel. Partitions that are under way then are
    still finished by their workers: let them end (or restart the cluster) before you resume.

    Examples
    --------
    >>> import blase_astro.lsdb  # doctest: +SKIP
    >>> blase_astro.lsdb.write(peaks, 'peaks', resume=True)  # doctest: +SKIP
    """
    known = getattr(catalog.hc_structure.catalog_info, _PROPERTY, None)
    if known is None:
        raise ValueError("the catalog is none that blase_astro.lsdb.estimate or match gave")
    path = Path(path)
    record = path.with_name(path.name + _BESIDE)
    if resume and path.exists():
        there = record.read_text() if record.is_file() else "{}"
        mine, theirs = json.loads(known), json.loads(there)
        different = [name for name, value in mine.items() if theirs.get(name) != value]
        if different:
            raise ValueError(
                f"{path} was made with other settings ({', '.join(different)}); take the same ones "
                "to go on, or another folder"
            )
    elif not path.exists() or arguments.get("overwrite"):
        record.write_text(known)
    properties = {_PROPERTY: known} | (arguments.pop("addl_hats_properties", None) or {})
    catalog.write_catalog(path, resume=resume, addl_hats_properties=properties, **arguments)
    _describe(catalog, json.loads(known), path)


def _describe(catalog, known, path):
    """Units, UCDs and descriptions of the new columns, as the VOParquet convention wants them."""
    from hats.io.parquet_metadata import write_voparquet_in_common_metadata

    prefix, percent = known["prefix"], f"{100 * known['level']:g}"
    columns = estimate_columns(known["quantiles"], pdf=known["pdf"], rest=True) | MATCH_COLUMNS
    columns = {prefix + n: c for n, c in columns.items() if prefix + n in catalog.columns}
    words = {n: column.description.format(percent=percent) for n, column in columns.items()}
    with _quiet_units():
        for dataset in Path(path).glob("**/dataset"):
            write_voparquet_in_common_metadata(
                dataset.parent,
                field_units={n: column.unit for n, column in columns.items() if column.unit},
                field_ucds={n: column.ucd for n, column in columns.items()},
                field_descriptions=words,
            )


def _with_settings(catalog, settings, prefix):
    """The catalog with its settings among its properties, where they stay through what follows."""
    info = catalog.hc_structure.catalog_info
    known = json.dumps(settings.fingerprint() | {"prefix": prefix})
    catalog.hc_structure.catalog_info = info.copy_and_update(**{_PROPERTY: known})
    return catalog


def _where(catalog):
    info = catalog.hc_structure.catalog_info
    return info.ra_column, info.dec_column


# --- what goes to the workers ------------------------------------------------------------------


def _order(settings, ensemble):
    """Settings as text: an ensemble by its path and digest."""
    if isinstance(settings.population, str) and settings.population == "self":
        raise ValueError(
            "population='self' needs all sources at once; find it first with blase population, "
            "from a sample, and give its file"
        )
    if ensemble is not None:
        try:
            ensemble = str(Path(ensemble).absolute())
        except TypeError:
            raise ValueError("ensemble: wanted a path that all workers see") from None
    digests = {target: e.digest for target, e in settings.ensembles.items()}
    order = {"settings": order_of(settings), "ensemble": ensemble, "digests": digests}
    return json.dumps(order)


@lru_cache(maxsize=4)
def _settings(order):
    """The settings again, once a process."""
    order = json.loads(order)
    settings = settings_of(order["settings"], order["ensemble"])
    for target, digest in order["digests"].items():
        mine = settings.ensembles[target].digest if target in settings.ensembles else "none"
        if mine != digest:
            raise ValueError(
                f"the ensemble for {target} is another one on this worker: {mine[:16]}; wanted "
                f"{digest[:16]} ({order['ensemble'] or 'that of the package'})"
            )
    return settings


# --- on the workers ----------------------------------------------------------------------------


def _estimated(frame, _pixel, column, where, order, prefix):
    """A partition with its estimates; an empty one has the right columns, for LSDB to see."""
    settings = _settings(order)
    rest = frame.drop(columns=[column])
    sources = _sources(frame, column, where)
    arrays = _empty_columns(settings)
    parts = [columns for columns, *_ in estimate_sources(sources.blocks(), settings)]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in arrays}
    table = column_table(arrays, settings.columns(estimate_columns), settings.meta(), prefix)
    return _appended(rest, table)


def _sources(frame, column, where):
    """The measurements of a partition."""
    import pyarrow as pa

    nested = pa.array(frame[column].array)  # nested-pandas, or a struct of lists
    if isinstance(nested, pa.ChunkedArray):
        nested = nested.combine_chunks()
    names = [*where, *(name for name in ("redshift",) if name in frame)]
    head = [pa.array(frame[name].to_numpy(float, na_value=np.nan)) for name in names]
    batch = pa.RecordBatch.from_arrays([*head, nested], [*names, column])
    layout = layout_of(batch.schema, f"column {column!r}", *where)
    return nested_sources(batch, layout._replace(source=None), f"column {column!r}")


def _matched(frame, _pixel, where, order, prefix):
    """A partition with what is known of its sources."""
    settings = _settings(order)
    position = icrs(tuple(np.asarray(frame[name], float) for name in where), strict=False)
    arrays = matched_columns(position, settings)
    return _appended(frame, column_table(arrays, MATCH_COLUMNS, settings.match_meta(), prefix))


def _empty_columns(settings):
    """Columns of no source: their names and types."""
    none = dict.fromkeys(("nufnu_upper", "nufnu_lower", "upper_limit", "duplicate"))
    nothing = np.zeros(0)
    sources = grouped(nothing, nothing, nothing, {"frequency": nothing, "nufnu": nothing} | none)
    columns = next(iter(estimate_sources(sources.blocks(), settings)))[0]
    return {n: v for n, v in columns.items() if n not in ("source", "ra", "dec")}


def _appended(frame, table):
    """A frame with the columns of a table at its end, of Arrow types."""
    import pandas as pd

    arrow = arrow_table(table)
    new = {
        name: pd.Series(pd.arrays.ArrowExtensionArray(arrow[name]), index=frame.index)
        for name in arrow.column_names
    }
    return frame.assign(**new)
