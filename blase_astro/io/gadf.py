"""SEDs of the gamma-ray codes: GADF flux points and JetSeT data tables.

Formats ``'gadf-sed'`` (gammapy, agnpy) and ``'jetset-sed'`` (JetSeT), both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .answers import read_bytes, words
from .output import placed
from .plain import plain_table
from .table import sed_table, standard_sed
from .values import flags, number, numbers

if TYPE_CHECKING:
    from .._types import AnyPath, SedFile, Table

__all__ = ["read_gadf", "read_jetset", "write_gadf", "write_jetset"]

_NUFNU = "erg / (s cm2)"
_HZ = 2.417989242084918e14  # of one eV


def read_gadf(file: SedFile) -> Table:
    """Read flux points in the GADF convention (FITS or ECSV), as gammapy and agnpy write them.

    Parameters
    ----------
    file : str, `~pathlib.Path`, file-like or bytes
        A table with ``e_ref`` (or ``e_min`` and ``e_max``, whose mean log is taken) and one of
        ``e2dnde``, ``dnde``, or ``norm`` with ``ref_e2dnde`` or ``ref_dnde``; errors as
        ``_err`` or ``_errn`` and ``_errp``, limits as ``_ul`` with ``is_ul``. Of a FITS file the
        first table is taken.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table; ``catalog`` is the column ``instrument`` or ``dataset`` where there is
        one, ``meta['origin']`` is ``'gadf'``.

    Raises
    ------
    OSError
        If the bytes are neither FITS nor ECSV.
    ValueError
        If the columns above are missing. Band-integrated ``flux`` and ``eflux`` need a spectral
        model to become nu F_nu: write them with ``sed_type='e2dnde'``.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> sed = Table.read('flux_points.fits', format='gadf-sed')  # doctest: +SKIP
    """
    return gadf_sed(plain_table(read_bytes(file), "GADF flux points", ("fits", "ecsv")))


def gadf_sed(table):
    """Make an SED of a table of flux points; see `read_gadf`."""
    energy = _energy(table)
    name, unit, scale = _flux_column(table, energy)
    own = table[name].unit
    if unit is not None:  # errors and limits without unit have that of the flux
        _with_unit(table, name, unit)
        scale = scale * own.to(unit)
    with np.errstate(over="ignore", invalid="ignore"):
        nufnu, error, plus, minus, limit_at = (
            numbers(table, name + end, own) * scale for end in ("", "_err", "_errp", "_errn", "_ul")
        )
    plus, minus = (np.where(np.isnan(e), error, e) for e in (plus, minus))
    plus, minus = (np.where(e > 0, e, np.nan) for e in (plus, minus))
    limit = np.isnan(nufnu) & ~np.isnan(limit_at)
    if "is_ul" in table.colnames:
        limit = flags(table, "is_ul")
    nufnu = np.where(limit & ~np.isnan(limit_at), limit_at, nufnu)
    meta = {str(key).lower(): value for key, value in table.meta.items()}
    catalog = next((words(table, n) for n in _INSTRUMENT if n in table.colnames), None)
    return sed_table(
        energy * _HZ,
        nufnu,
        np.where(limit, nufnu, nufnu + plus),
        np.where(limit, np.nan, nufnu - minus),
        upper_limit=limit,
        catalog=catalog,
        reference=_references(table, meta),
        meta=_meta("gadf", meta, redshift=("redshift", "z"), name=("source", "object")),
    )


_INSTRUMENT = ("instrument", "dataset", "datasets", "telescope")


def write_gadf(sed: Table, output: AnyPath, *, overwrite: bool = False) -> None:
    """Write an SED as GADF flux points of type ``e2dnde``, for gammapy and agnpy.

    Rows without frequency or flux, and those marked ``duplicate``, are left out; the others are
    sorted by energy.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        An SED table.
    output : str or `~pathlib.Path`
        File to write: FITS if its name ends in ``.fits`` or ``.fits.gz``, else ECSV.
    overwrite : bool
        Replace a file that exists?

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is false.

    Examples
    --------
    >>> sed.write('flux_points.fits', format='gadf-sed')  # doctest: +SKIP
    """
    from astropy import units as u
    from astropy.table import Table

    sed, nufnu, upper, lower, limit = _rows(sed)
    energy = u.Quantity(numbers(sed, "frequency"), "Hz").to("eV", u.spectral())
    nan = np.full(len(sed), np.nan)
    table = Table(
        {
            "e_ref": energy,
            "e2dnde": u.Quantity(np.where(limit, nan, nufnu), _NUFNU),
            "e2dnde_errn": u.Quantity(np.where(limit, nan, nufnu - lower), _NUFNU),
            "e2dnde_errp": u.Quantity(np.where(limit, nan, upper - nufnu), _NUFNU),
            "e2dnde_ul": u.Quantity(np.where(limit, nufnu, nan), _NUFNU),
            "is_ul": limit,
            "instrument": words(sed, "catalog").astype(str),
            "reference": words(sed, "reference").astype(str),
        },
        meta={"SED_TYPE": "e2dnde"} | _known(sed, redshift="redshift", name="source"),
    )
    fits = str(output).lower().endswith((".fits", ".fits.gz", ".fit"))
    with placed(output, overwrite=overwrite) as beside:
        table.write(beside, format="fits" if fits else "ascii.ecsv")


def read_jetset(file: SedFile) -> Table:
    """Read a data table of JetSeT (ECSV).

    Parameters
    ----------
    file : str, `~pathlib.Path`, file-like or bytes
        Columns ``x`` (Hz), ``y`` (erg / (s cm2)) and, if known, ``dy``, ``T_start``, ``T_stop``
        (MJD, 0 meaning unknown), ``UL``, ``data_set`` (or ``dataset``); header entries ``z``,
        ``restframe``, ``data_scale`` (``lin-lin`` or ``log-log``), ``obj_name``.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table; ``meta['origin']`` is ``'jetset'``.

    Raises
    ------
    OSError
        If the bytes are no ECSV.
    ValueError
        If columns are missing, the scale is another one, or the table is in the source's frame
        (luminosities): save it with ``restframe: obs``.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> sed = Table.read('mrk421.ecsv', format='jetset-sed')  # doctest: +SKIP
    """
    return jetset_sed(plain_table(read_bytes(file), "JetSeT data", ("fits", "ecsv")))


def jetset_sed(table):
    """Make an SED of a data table of JetSeT; see `read_jetset`."""
    missing = [name for name in ("x", "y") if name not in table.colnames]
    if missing:
        raise ValueError(
            f"no JetSeT data: column {missing[0]!r} is missing, got {_some(table.colnames)}"
        )
    if table.meta.get("restframe", "obs") != "obs":
        raise ValueError(
            f"JetSeT data in the frame {table.meta['restframe']!r}: wanted 'obs', fluxes and "
            "frequencies as observed"
        )
    scale = table.meta.get("data_scale", "lin-lin")
    if scale not in ("lin-lin", "log-log"):
        raise ValueError(f"JetSeT data_scale {scale!r}: wanted 'lin-lin' or 'log-log'")
    frequency, nufnu, error = (numbers(table, name) for name in ("x", "y", "dy"))
    if scale == "log-log":
        with np.errstate(over="ignore"):
            frequency, nufnu = 10.0**frequency, 10.0**nufnu
        error = error * np.log(10) * nufnu
    else:
        frequency = numbers(table, "x", "Hz")
        nufnu, error = numbers(table, "y", _NUFNU), numbers(table, "dy", _NUFNU)
    error = np.where(error > 0, error, np.nan)
    limit = flags(table, "UL")
    start, end = (np.where(t > 0, t, np.nan) for t in (numbers(table, n) for n in _TIMES))
    name = "data_set" if "data_set" in table.colnames else "dataset"
    return sed_table(
        frequency,
        nufnu,
        np.where(limit, nufnu, nufnu + error),
        np.where(limit, np.nan, nufnu - error),
        mjd_start=start,
        mjd_end=end,
        upper_limit=limit,
        catalog=words(table, name),
        meta=_meta("jetset", table.meta, redshift=("z",), name=("obj_name",)),
    )


_TIMES = ("T_start", "T_stop")


def write_jetset(sed: Table, output: AnyPath, *, overwrite: bool = False) -> None:
    """Write an SED as a data table of JetSeT (ECSV, observer frame, linear).

    Rows without frequency or flux, and those marked ``duplicate``, are left out; the others are
    sorted by frequency. The error is half the interval; JetSeT's 0 stands for an unknown time.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        An SED table. JetSeT wants a redshift: without ``meta['redshift']`` the header has no
        ``z``.
    output : str or `~pathlib.Path`
        File to write.
    overwrite : bool
        Replace a file that exists?

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is false.

    Examples
    --------
    >>> sed.write('mrk421.ecsv', format='jetset-sed')  # doctest: +SKIP
    """
    from astropy import units as u
    from astropy.table import Table
    from astropy.units import cds

    sed, nufnu, upper, lower, limit = _rows(sed)
    start, end = (np.nan_to_num(numbers(sed, n)) for n in ("mjd_start", "mjd_end"))
    error = np.where(limit, 0.0, np.nan_to_num((upper - lower) / 2))
    table = Table(
        {
            "x": u.Quantity(numbers(sed, "frequency"), "Hz"),
            "dx": u.Quantity(np.zeros(len(sed)), "Hz"),
            "y": u.Quantity(nufnu, _NUFNU),
            "dy": u.Quantity(error, _NUFNU),
            "T_start": u.Quantity(start, cds.MJD),
            "T_stop": u.Quantity(end, cds.MJD),
            "UL": limit,
            "data_set": np.array([c or "unknown" for c in words(sed, "catalog")], dtype=str),
        },
        meta=_known(sed, redshift="z", name="obj_name")
        | {"restframe": "obs", "data_scale": "lin-lin"},
    )
    with placed(output, overwrite=overwrite) as beside:
        table.write(beside, format="ascii.ecsv")


def _energy(table):
    """Reference energy of each row in eV."""
    if "e_ref" in table.colnames:
        return _with_unit(table, "e_ref", "eV")
    if "e_min" in table.colnames and "e_max" in table.colnames:
        with np.errstate(invalid="ignore"):
            return np.sqrt(_with_unit(table, "e_min", "eV") * _with_unit(table, "e_max", "eV"))
    raise ValueError(f"no GADF flux points: wanted a column 'e_ref', got {_some(table.colnames)}")


def _with_unit(table, name, unit):
    """A column that must say its unit, in another one."""
    if table[name].unit is None:
        raise ValueError(f"GADF flux points: column {name!r} has no unit")
    return numbers(table, name, unit)


def _flux_column(table, energy):
    """Name of the column with the flux, and what turns it into nu F_nu in erg / (s cm2)."""
    has = set(table.colnames)
    per_ev, erg = "1 / (eV s cm2)", 1.602176634e-12
    with np.errstate(over="ignore"):
        if "e2dnde" in has:
            return "e2dnde", _NUFNU, 1.0
        if "dnde" in has:
            return "dnde", per_ev, energy**2 * erg
        if {"norm", "ref_e2dnde"} <= has:
            return "norm", None, _with_unit(table, "ref_e2dnde", _NUFNU)
        if {"norm", "ref_dnde"} <= has:
            return "norm", None, energy**2 * _with_unit(table, "ref_dnde", per_ev) * erg
    raise ValueError(
        "GADF flux points without 'e2dnde', 'dnde' or 'norm' with its reference: "
        f"got {_some(table.colnames)}; write them with sed_type='e2dnde'"
    )


def _some(names):
    return ", ".join(names[:8]) + ", ..." * (len(names) > 8)


def _references(table, meta):
    if "reference" in table.colnames:
        return words(table, "reference")
    return np.full(len(table), str(meta.get("reference", "")), dtype=object)


def _meta(origin, meta, redshift, name):
    """Origin, redshift and name of an SED from the header of its file."""
    found = {"origin": origin}
    z = next((number(meta[key]) for key in redshift if meta.get(key) is not None), np.nan)
    if 0 < z < np.inf:
        found["redshift"] = z
    label = next((meta[key] for key in name if meta.get(key)), None)
    return found | ({"name": str(label)} if label else {})


def _known(sed, **names):
    """Header entries of a file, under the format's own names, of what the SED knows."""
    entries = {}
    for key, name in names.items():
        value = sed.meta.get(key)
        if value is not None and value == value:
            entries[name] = value
    return entries


def _rows(sed):
    """Rows that other codes can use, sorted, with nu F_nu, its bounds and the limits."""
    sed = standard_sed(sed)
    frequency, nufnu = numbers(sed, "frequency"), numbers(sed, "nufnu")
    keep = (frequency > 0) & (nufnu > 0) & ~flags(sed, "duplicate")
    order = np.argsort(frequency[keep], kind="stable")
    sed = sed[np.flatnonzero(keep)[order]]
    bounds = (numbers(sed, name) for name in ("nufnu", "nufnu_upper", "nufnu_lower"))
    return sed, *bounds, flags(sed, "upper_limit", unknown=True)
