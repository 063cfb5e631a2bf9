"""The 'vou-sed' writer: an SED table as a file of VOU_Blazars."""

import numpy as np

from ..output import placed
from .lines import _decode, split_text
from .reader import _UNKNOWN_MJD

__all__ = ["write_vou"]

HEADER = (
    " Frequency     nufnu     nufnu unc.  nufnu unc. start time   end time   "
    "Flag  Catalog          Reference",
    "    Hz       erg/cm2/s     upper       lower        MJD         MJD   ",
    "-" * 123,
)


def _es(value):
    """A number as Fortran's ES10.3 prints it."""
    if np.isnan(value):
        text = "NaN"
    elif np.isinf(value):
        text = "Infinity" if value > 0 else "-Infinity"
    else:
        text = f"{value:.3E}"
        if text[-4] in "+-":  # three digits push out the E
            text = text.replace("E", "")
    return text.rjust(10)


def _values(table, name, unit):
    """Numbers of a column in a unit, NaN where masked or where there is no such column."""
    from astropy.units import Quantity

    if name not in table.colnames:
        return np.full(len(table), np.nan)
    column = table[name]
    mask = np.asarray(getattr(column, "mask", False))
    values = np.array(getattr(column, "unmasked", column), dtype=float)
    if column.unit is not None:
        values = Quantity(values, column.unit).to_value(unit)
    return np.where(mask, np.nan, values)


def _strings(table, name):
    if name not in table.colnames:
        return [""] * len(table)
    return np.ma.filled(np.ma.asarray(table[name]).astype(str), "").tolist()


def _title_line(meta):
    def number(key, default):
        value = meta.get(key)
        return default if value is None else value

    position = [number("ra", np.nan), number("dec", np.nan)]
    ra, dec = ("*" * 9 if np.isnan(x) else f"{x:9.5f}" for x in position)
    redshift = number("redshift", np.nan)
    z = f"{redshift:5.3f}" if redshift > 0 else "0.000"
    if redshift > 0 and float(z) != redshift:
        z = f"{redshift:.6g}"
    kind, source = number("source_type", 99), number("source_number", 1)
    return f"{source:4d}  matched source  {ra}  {dec}  {kind:2d}  {z}"


def _check_text(row, catalog, reference):
    """Refuse what would not be read back: the format separates the two by blanks alone."""
    text = f"{catalog:<15}  {reference:<200}".encode()
    gap = len(text) - len(text.lstrip())
    back = [_decode(part) for part in split_text(text.lstrip(), gap + 2)]
    if back != [catalog, reference] or set(catalog + reference) & {"\n", "\r", "\0"}:
        raise ValueError(
            f"row {row}: catalog {catalog!r} and reference {reference!r} cannot be written; wanted "
            "one line without blanks at the ends, two blanks inside the catalog, or a final '!'"
        )


def _row_lines(table):
    """The data rows in the columns of the tool since August 2020."""
    flux_unit = "erg/(s cm2)"
    frequency = np.nan_to_num(_values(table, "frequency", "Hz"), posinf=np.inf, neginf=-np.inf)
    nufnu, upper, lower = (
        _values(table, name, flux_unit) for name in ("nufnu", "nufnu_upper", "nufnu_lower")
    )
    no_bounds = np.isnan(upper) & np.isnan(lower)
    upper, lower = np.where(no_bounds, 0.0, [upper, lower])
    nufnu = np.where(no_bounds & np.isnan(nufnu), 0.0, nufnu)
    dates = [_values(table, name, "d") for name in ("mjd_start", "mjd_end")]
    start, end = (np.where(np.isnan(date), _UNKNOWN_MJD, date) for date in dates)
    limit = np.zeros(len(table), bool)
    if "upper_limit" in table.colnames:
        limit = np.ma.filled(np.ma.asarray(table["upper_limit"]), True).astype(bool)
    catalogs, references = _strings(table, "catalog"), _strings(table, "reference")
    for text in dict.fromkeys(zip(catalogs, references, strict=True)):
        _check_text(list(zip(catalogs, references, strict=True)).index(text), *text)
    flags = np.where(limit, " UL ", " Det")
    numbers = [[_es(x) for x in column.tolist()] for column in (frequency, nufnu, upper, lower)] + [
        [f"{x:10.4f}" for x in column.tolist()] for column in (start, end)
    ]
    for *row, flag, catalog, reference in zip(*numbers, flags, catalogs, references, strict=True):
        yield f"{'  '.join(row)}  {flag}  {catalog:<15}  {reference:<200}"


def write_vou(table, output, *, overwrite=False):
    """Write an SED table as VOU_Blazars writes its SED files since August 2020.

    The format holds four digits of a flux, a frequency and a bound, five decimals of the position
    and four of a date. What is masked is written as the tool writes it: bounds of 0, MJD 55000.

    Parameters
    ----------
    table : `~astropy.table.Table`
        An SED table; ``frequency`` and ``nufnu`` have to be there, the other columns may lack.
    output : path-like or file object
        Where to: a path, or a file open for writing text.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is not set, or cannot be written.
    ValueError
        If ``frequency`` or ``nufnu`` lacks, or a catalog or reference cannot be written.

    Examples
    --------
    >>> import io
    >>> from blase_astro.io import sed_table
    >>> text = io.StringIO()
    >>> sed_table([1.4e9], [2.5e-14], catalog=['NVSS']).write(text, format='vou-sed')
    >>> print(text.getvalue().splitlines()[4].strip())
    1.400E+09   2.500E-14   0.000E+00   0.000E+00  55000.0000  55000.0000   Det  NVSS
    """
    for name in ("frequency", "nufnu"):
        if name not in table.colnames:
            raise ValueError(f"column {name!r} is wanted, got {', '.join(table.colnames)}")
    text = "\n".join([_title_line(table.meta), *HEADER, *_row_lines(table), ""])
    if hasattr(output, "write"):
        output.write(text)
        return
    with placed(output, overwrite=overwrite) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
