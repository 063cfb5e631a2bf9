"""From an archive of SEDs and labels to the training set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ..io import read_points
from ..io.table import join_points, select
from ..position_columns import find_position, positions
from ..sed import bin_points, load_bins
from ..sky import known_positions, match_sky, pairs
from ..targets import TARGETS, log10_column

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Points, Radius, Table

__all__ = ["parse_label", "read_training_set", "training_points"]

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_NAMES = (
    # SED_<log nu>_<ra>_<dec>_<name>_<z>, whose name may itself hold underscores
    re.compile(
        rf"SED_(?P<log_nu_peak>{_NUMBER})_(?P<ra>{_NUMBER})_(?P<dec>{_NUMBER})_(?P<name>.+)"
        rf"_(?P<redshift>{_NUMBER})"
    ),
    # <log nu>_<log nuFnu>_<ra>_<dec>.txt
    re.compile(
        rf"(?P<log_nu_peak>{_NUMBER})_(?P<log_nufnu_peak>{_NUMBER})_(?P<ra>{_NUMBER})"
        rf"_(?P<dec>{_NUMBER})(?:\.txt)?"
    ),
)


def parse_label(name: str) -> dict[str, Any]:
    """Label, position, name and redshift written in the name of an SED file.

    Parameters
    ----------
    name : str
        ``SED_<log nu>_<ra>_<dec>_<name>_<z>`` or ``<log nu>_<log nuFnu>_<ra>_<dec>.txt``, with or
        without a path.

    Returns
    -------
    label : dict
        ``log_nu_peak`` (Hz), ``log_nufnu_peak`` (erg / (s cm2)), ``ra``, ``dec`` (deg), ``name``,
        ``redshift``; NaN or the file's name where absent. Empty if the name follows neither
        scheme.

    Examples
    --------
    >>> from blase_astro.training import parse_label
    >>> parse_label('SEDs/SED_11.78_227.1623_-49.8840_PMNJ1508-49_1.551')['log_nu_peak']
    11.78
    """
    name = name.rsplit("/", 1)[-1]
    for scheme in _NAMES:
        match = scheme.fullmatch(name)
        if match:
            found = match.groupdict()
            label = {"name": found.pop("name", name)}
            label |= {key: float(value) for key, value in found.items()}
            if label.get("redshift") == 0:  # the format's word for unknown
                label["redshift"] = np.nan
            return {"log_nufnu_peak": np.nan, "redshift": np.nan} | label
    return {}


def read_training_set(
    archive: AnyPath,
    labels: Table | None = None,
    *,
    bins: str = "v2",
    nu_column: str | None = None,
    nufnu_column: str | None = None,
    radius: Radius = 5.0,
    min_bins: int = 4,
    report: Callable[..., Any] | None = None,
) -> Table:
    """Archive of SEDs with their labels as one Table.

    Parameters
    ----------
    archive : path-like
        Folder or zip of SED files.
    labels : `~astropy.table.Table`, optional
        Catalog with labels, matched on the sphere; by default they are taken from the file names.
    bins : str
        Name of the bin set, see `~blase_astro.sed.load_bins`.
    nu_column, nufnu_column : str, optional
        Columns of the catalog with the peak frequency and its flux, as
        `~blase_astro.targets.log10_column` takes them: in a unit of frequency or flux, or, without
        a unit, as log10 of Hz and of erg / (s cm2). By default the usual names are tried.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation of an SED from its catalog row, see `~blase_astro.angles.arcsec`.
    min_bins : int
        Least number of filled bins.
    report : callable, optional
        Called with one line of text for every reason why SEDs were left out.

    Returns
    -------
    table : `~astropy.table.Table`
        One row a source: ``name``, ``file``, ``ra``, ``dec`` (deg), ``redshift``, ``log_nu_peak``,
        ``log_nufnu_peak`` and ``binned`` (n_bins). `training_points` gives their measurements.

    Raises
    ------
    ValueError
        If nothing is left to train on, or the catalog has no such column.

    Examples
    --------
    >>> from blase_astro.training import read_training_set
    >>> table = read_training_set('SEDs.zip')                             # doctest: +SKIP
    """
    from astropy.table import Table

    points = join_points(list(read_points(archive)))
    rows = [parse_label(name) for name in points.name]
    n = len(rows)

    def column(key, default):
        return np.array([row.get(key, default) for row in rows], dtype=type(default))

    ra, dec = (_first(column(key, np.nan), getattr(points, key)) for key in ("ra", "dec"))
    if labels is None:
        label = np.stack([column("log_nu_peak", np.nan), column("log_nufnu_peak", np.nan)], axis=1)
    else:
        label = _match_labels(labels, nu_column, nufnu_column, ra, dec, radius)
    binned, _ = bin_points(points, load_bins(bins))
    reasons = np.select(
        [
            np.array(points.error, dtype=str) != "",
            ~known_positions(ra, dec),
            ~np.isfinite(label[:, 0]),
            np.isfinite(binned).sum(axis=1) < min_bins,
        ],
        ["could not be read", "no position", "no label", f"fewer than {min_bins} filled bins"],
        "",
    ).astype("U40")
    good = np.flatnonzero(reasons == "")
    repeated = good[_duplicates(ra[good], dec[good], radius)]
    reasons[repeated] = "the same source as another SED"
    for reason, count in zip(*np.unique(reasons[reasons != ""], return_counts=True), strict=True):
        if report is not None:
            report(f"{count} of {n} SEDs left out: {reason}")
    keep = np.flatnonzero(reasons == "")
    if not len(keep):
        raise ValueError(f"{archive}: nothing to train on among {n} SEDs ({_most(reasons)})")
    table = Table(
        {
            "name": [rows[i].get("name", points.name[i]) for i in keep],
            "file": [points.name[i] for i in keep],
            "ra": ra[keep],
            "dec": dec[keep],
            "redshift": _first(column("redshift", np.nan), points.redshift)[keep],
            "log_nu_peak": label[keep, 0],
            "log_nufnu_peak": label[keep, 1],
            "binned": binned[keep],
        }
    )
    for name in ("ra", "dec"):
        table[name].unit = "deg"
    return table


def training_points(archive: AnyPath, table: Table) -> Points:
    """The measurements of the sources of a training set, for simulated SEDs to be sampled like.

    Parameters
    ----------
    archive : path-like
        Folder or zip of SED files, which the table was made from.
    table : `~astropy.table.Table`
        From `read_training_set`.

    Returns
    -------
    points : `~blase_astro.io.Points`
        One SED a row of the table, in their order.

    Raises
    ------
    ValueError
        If the archive does not hold the file of a row.

    Examples
    --------
    >>> from blase_astro.training import read_training_set, training_points
    >>> table = read_training_set('SEDs.zip')                             # doctest: +SKIP
    >>> points = training_points('SEDs.zip', table)                       # doctest: +SKIP
    """
    points = join_points(list(read_points(archive)))
    place = {name: i for i, name in reversed(list(enumerate(points.name)))}
    missing = [name for name in table["file"] if name not in place]
    if missing:
        raise ValueError(
            f"{archive} holds no {missing[0]} ({len(missing)} of {len(table)} files of the "
            "training set are missing); wanted the archive that it was made from"
        )
    return select(points, np.array([place[name] for name in table["file"]]))


def _first(values, fallback):
    """Values, and the fallback where they are NaN."""
    return np.where(np.isfinite(values), values, fallback)


def _most(reasons):
    """The most frequent reason."""
    if not len(reasons):
        return "no SED was found"
    names, counts = np.unique(reasons, return_counts=True)
    return f"most often: {names[counts.argmax()]}"


def _duplicates(ra, dec, radius):
    """Indices of rows that repeat an earlier row's position."""
    row, other, _ = pairs(ra, dec, ra, dec, radius)
    return np.unique(other[other > row])


def _match_labels(catalog, nu_column, nufnu_column, ra, dec, radius):
    """Labels (n, 2) of positions: those of the nearest row of a catalog within the radius."""
    at = positions(catalog, find_position(catalog))
    row, _, _ = match_sky((ra, dec), at, radius)
    found = row >= 0
    label = np.full((len(ra), 2), np.nan)
    for target, name in zip(TARGETS.values(), (nu_column, nufnu_column), strict=True):
        name = name or target.label_column(catalog)
        if name is None and target.index == 0:
            raise ValueError(
                "the catalog has no column of peak frequencies; wanted one of "
                f"{', '.join(target.labels)}, or its name; it has {', '.join(catalog.colnames)}"
            )
        if name is not None:
            values = log10_column(catalog, name, target.name)
            label[found, target.index] = values[row[found]]
    return label
