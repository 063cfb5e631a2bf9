"""SEDs of the gamma-ray codes: GADF flux points and JetSeT data tables.

Formats ``'gadf-sed'`` (gammapy, agnpy) and ``'jetset-sed'`` (JetSeT), both ways.
"""

from io import BytesIO

import numpy as np

from .answers import numbers, read_bytes, texts
from .output import placed
from .table import sed_table

__all__ = ["read_gadf", "read_jetset", "write_gadf", "write_jetset"]

_NUFNU = "erg / (s cm2)"


def read_gadf(file):
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
    table = _table(read_bytes(file), "GADF flux points")
    energy = _energy(table)
    name, scale = _flux_column(table, energy)
    nufnu, error, plus, minus, limit_at = (
        numbers(table, name + end) * scale for end in ("", "_err", "_errp", "_errn", "_ul")
    )
    plus, minus = (np.where(np.isnan(e), error, e) for e in (plus, minus))
    plus, minus = (np.where(e > 0, e, np.nan) for e in (plus, minus))
    limit = _truths(table, "is_ul", np.isnan(nufnu) & ~np.isnan(limit_at))
    nufnu = np.where(limit & ~np.isnan(limit_at), limit_at, nufnu)
    meta = {key.lower(): value for key, value in table.meta.items()}
    catalog = next((texts(table, n) for n in _INSTRUMENT if n in table.colnames), None)
    return sed_table(
        energy.to_value("Hz", _spectral()),
        nufnu,
        np.where(limit, nufnu, nufnu + plus),
        np.where(limit, np.nan, nufnu - minus),
        upper_limit=limit,
        catalog=catalog,
        reference=_references(table, meta),
        meta=_meta("gadf", meta, redshift=("redshift", "z"), name=("source", "object")),
    )


_INSTRUMENT = ("instrument", "dataset", "datasets", "telescope")


def write_gadf(sed, output, *, overwrite=False):
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
    energy = u.Quantity(numbers(sed, "frequency"), "Hz").to("eV", _spectral())
    nan = np.full(len(sed), np.nan)
    table = Table(
        {
            "e_ref": energy,
            "e2dnde": u.Quantity(np.where(limit, nan, nufnu), _NUFNU),
            "e2dnde_errn": u.Quantity(np.where(limit, nan, nufnu - lower), _NUFNU),
            "e2dnde_errp": u.Quantity(np.where(limit, nan, upper - nufnu), _NUFNU),
            "e2dnde_ul": u.Quantity(np.where(limit, nufnu, nan), _NUFNU),
            "is_ul": limit,
            "instrument": texts(sed, "catalog").astype(str),
            "reference": texts(sed, "reference").astype(str),
        },
        meta={"SED_TYPE": "e2dnde"} | _known(sed, redshift="redshift", name="source"),
    )
    fits = str(output).lower().endswith((".fits", ".fits.gz", ".fit"))
    with placed(output, overwrite=overwrite) as beside:
        table.write(beside, format="fits" if fits else "ascii.ecsv")


def read_jetset(file):
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
    table = _table(read_bytes(file), "JetSeT data")
    missing = [name for name in ("x", "y") if name not in table.colnames]
    if missing:
        raise ValueError(f"no JetSeT data: column {missing[0]!r} is missing, got {table.colnames}")
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
        frequency, nufnu = 10.0**frequency, 10.0**nufnu
        error = error * np.log(10) * nufnu
    else:
        frequency = frequency * (table["x"].unit.to("Hz") if table["x"].unit else 1.0)
        flux = table["y"].unit.to(_NUFNU) if table["y"].unit else 1.0
        nufnu, error = nufnu * flux, error * flux
    error = np.where(error > 0, error, np.nan)
    limit = _truths(table, "UL", np.zeros(len(table), bool))
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
        catalog=texts(table, name),
        meta=_meta("jetset", table.meta, redshift=("z",), name=("obj_name",)),
    )


_TIMES = ("T_start", "T_stop")


def write_jetset(sed, output, *, overwrite=False):
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
            "data_set": np.array([c or "unknown" for c in texts(sed, "catalog")], dtype=str),
        },
        meta=_known(sed, redshift="z", name="obj_name")
        | {"restframe": "obs", "data_scale": "lin-lin"},
    )
    with placed(output, overwrite=overwrite) as beside:
        table.write(beside, format="ascii.ecsv")


def _spectral():
    from astropy.units import spectral

    return spectral()


def _table(data, wanted):
    """The table in FITS or ECSV bytes, without warnings about units that only others know."""
    import warnings

    from astropy.io.ascii import InconsistentTableError
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyWarning

    form = "fits" if data.startswith(b"SIMPLE  =") else "ascii.ecsv"
    source = BytesIO(data) if form == "fits" else data.decode("utf-8", "replace").splitlines()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            return Table.read(source, format=form)
    except (InconsistentTableError, ValueError, IndexError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OSError(f"{wanted}: neither a FITS table nor ECSV ({reason})") from error


def _energy(table):
    """Reference energy of each row, a Quantity."""
    from astropy.units import Quantity

    def energy(name):
        if table[name].unit is None:
            raise ValueError(f"GADF flux points: column {name!r} has no unit")
        return Quantity(numbers(table, name), table[name].unit)

    if "e_ref" in table.colnames:
        return energy("e_ref")
    if "e_min" in table.colnames and "e_max" in table.colnames:
        return np.sqrt(energy("e_min") * energy("e_max"))
    raise ValueError(f"no GADF flux points: wanted a column 'e_ref', got {table.colnames}")


def _flux_column(table, energy):
    """Name of the column with the flux, and what turns it into nu F_nu in erg / (s cm2)."""
    from astropy.units import Quantity

    def quantity(name):
        if table[name].unit is None:
            raise ValueError(f"GADF flux points: column {name!r} has no unit")
        return Quantity(numbers(table, name), table[name].unit)

    ones = np.ones(len(table))
    has = set(table.colnames)
    if "e2dnde" in has:
        return "e2dnde", ones * quantity("e2dnde").unit.to(_NUFNU)
    if "dnde" in has:
        return "dnde", (energy**2 * quantity("dnde").unit).to_value(_NUFNU)
    if {"norm", "ref_e2dnde"} <= has:
        return "norm", quantity("ref_e2dnde").to_value(_NUFNU)
    if {"norm", "ref_dnde"} <= has:
        return "norm", (energy**2 * quantity("ref_dnde")).to_value(_NUFNU)
    raise ValueError(
        "GADF flux points without 'e2dnde', 'dnde' or 'norm' with its reference: "
        f"got {table.colnames}; write them with sed_type='e2dnde'"
    )


def _truths(table, name, otherwise):
    """A column of yes and no in whatever spelling, False where masked."""
    if name not in table.colnames:
        return otherwise
    yes = {"true", "1", "1.0", "t", "yes"}
    return np.array([text.lower() in yes for text in texts(table, name)], dtype=bool)


def _references(table, meta):
    if "reference" in table.colnames:
        return texts(table, "reference")
    return np.full(len(table), str(meta.get("reference", "")), dtype=object)


def _meta(origin, meta, redshift, name):
    """Origin, redshift and name of an SED from the header of its file."""
    found = {"origin": origin}
    z = next((meta[key] for key in redshift if meta.get(key) is not None), None)
    if z is not None and float(z) > 0:
        found["redshift"] = float(z)
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
    frequency, nufnu = numbers(sed, "frequency"), numbers(sed, "nufnu")
    keep = (frequency > 0) & (nufnu > 0)
    if "duplicate" in sed.colnames:
        keep &= ~np.asarray(sed["duplicate"], bool)
    order = np.argsort(frequency[keep], kind="stable")
    sed = sed[np.flatnonzero(keep)[order]]
    limit = np.ma.filled(np.ma.asarray(sed["upper_limit"]), False).astype(bool)
    bounds = (numbers(sed, name) for name in ("nufnu", "nufnu_upper", "nufnu_lower"))
    return sed, *bounds, limit
