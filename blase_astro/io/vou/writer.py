"""The 'vou-sed' writer: an SED table as a file of VOU_Blazars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..output import placed
from ..table import standard_meta
from ..values import flags, number, numbers, texts
from .lines import _decode, split_text
from .reader import _UNKNOWN_MJD

if TYPE_CHECKING:
    from ..._types import AnyPath, Stream, Table

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


def _title_line(meta):
    meta = standard_meta(meta)
    ra, dec = ("*" * 9 if np.isnan(meta[key]) else f"{meta[key]:9.5f}" for key in ("ra", "dec"))
    redshift = meta["redshift"]
    z = f"{redshift:5.3f}" if redshift > 0 else "0.000"
    if redshift > 0 and float(z) != redshift:
        z = f"{redshift:.6g}"
    kind, source = (_whole(meta.get(k), n) for k, n in (("source_type", 99), ("source_number", 1)))
    return f"{source:4d}  matched source  {ra}  {dec}  {kind:2d}  {z}"


def _whole(value, default):
    value = number(value)
    return int(value) if abs(value) < 1e9 else default


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
    frequency = np.nan_to_num(numbers(table, "frequency", "Hz"), posinf=np.inf, neginf=-np.inf)
    nufnu, upper, lower = (
        numbers(table, name, flux_unit) for name in ("nufnu", "nufnu_upper", "nufnu_lower")
    )
    no_bounds = np.isnan(upper) & np.isnan(lower)
    upper, lower = np.where(no_bounds, 0.0, [upper, lower])
    nufnu = np.where(no_bounds & np.isnan(nufnu), 0.0, nufnu)
    dates = [numbers(table, name, "d") for name in ("mjd_start", "mjd_end")]
    start, end = (np.where(np.isnan(date), _UNKNOWN_MJD, date) for date in dates)
    limit = flags(table, "upper_limit", unknown=True)
    catalogs, references = texts(table, "catalog"), texts(table, "reference")
    for text in dict.fromkeys(zip(catalogs, references, strict=True)):
        _check_text(list(zip(catalogs, references, strict=True)).index(text), *text)
    words = np.where(limit, " UL ", " Det")
    columns = [[_es(x) for x in column.tolist()] for column in (frequency, nufnu, upper, lower)] + [
        [f"{x:10.4f}" for x in column.tolist()] for column in (start, end)
    ]
    for *row, flag, catalog, reference in zip(*columns, words, catalogs, references, strict=True):
        yield f"{'  '.join(row)}  {flag}  {catalog:<15}  {reference:<200}"


def write_vou(table: Table, output: AnyPath | Stream, *, overwrite: bool = False) -> None:
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
